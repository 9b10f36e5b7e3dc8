"""Well-formed batches with hostile content, given to a real intake and applier: refused with a reason, nothing applied.

Each case runs against both reference targets. Afterwards the same applier serves an honest session, so that nothing of
the refused one is left behind. What breaks frames, messages or TLS is in `test_tls.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters import open_site, open_target
from adapters.memory import MemoryDatabase, MemoryTarget
from sync.core.digest import digest
from sync.core.filter import Filter, Selection
from sync.errors import AdminSyncError, PeerRefused, ProtocolError, RowRefused
from sync.model.batch import Batch, Chunk, Commit, Encoded, Purpose
from sync.model.change import Block, Columns, Op, Row
from sync.model.notice import ApplyFailed, CallDataRefused, TablePaused
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.wire.arrivals import AckArrived, Refused
from sync.wire.codec import Codec
from tests.integration.meeting import EPOCH, ORIGIN, Secondary

SYNONYMS = TableSchema(
    "synonyms", (Column("acd_no", Type(Kind.INT64), nullable=False), Column("value", Type(Kind.TEXT))), (0,)
)
TEXT_KEYED = TableSchema(
    "users", (Column("user_id", Type(Kind.TEXT), nullable=False), Column("room", Type(Kind.TEXT))), (0,)
)
DDL = """
CREATE TABLE users (user_id TEXT NOT NULL PRIMARY KEY, room TEXT);
CREATE TABLE synonyms (acd_no INTEGER NOT NULL PRIMARY KEY, value TEXT);
"""


@pytest.fixture
def memory() -> Secondary:
    database = MemoryDatabase([TEXT_KEYED, SYNONYMS], name="west")
    database.installed = True
    return Secondary(MemoryTarget(database), database.rows)


@pytest.fixture(params=["memory", "sqlite"])
def secondary(request: pytest.FixtureRequest) -> Secondary:
    found: Secondary = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Secondary]:
    path = tmp_path / "west.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(DDL)
    with closing(open_site(f"sqlite:///{path}")) as site:
        site.install_guard(Filter(Selection()).captured(site.catalog()), "cms-east")

    def rows(table: str) -> list[Row]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()

    target = open_target(f"sqlite:///{path}")
    yield Secondary(target, rows)
    target.close()


def block(schema: TableSchema, *rows: Row, op: Op = Op.UPSERT) -> Block:
    return Block.of(schema, [(op, row) for row in rows])


def batch(position: int, *blocks: Block, chunks: tuple[Chunk, ...] = (), **other: Any) -> Encoded:  # noqa: ANN401  what replace takes
    end = sum(len(each) for each in blocks)
    made = Batch(ORIGIN, EPOCH, (Commit(Position(position), 0, end),), blocks, chunks)
    return Codec().encode(replace(made, **other))


def chunk(schema: TableSchema, *rows: Row, after: Row | None = None, upto: Row | None = None, **other: Any) -> Chunk:  # noqa: ANN401  as above
    columns: Columns = tuple([row[at] for row in rows] for at in range(len(schema.columns)))
    made = Chunk(1, 0, schema, Purpose.REPLACE, after, upto, columns, len(rows), b"")
    return replace(replace(made, digest=digest(schema, columns)), **other)


def with_column(schema: TableSchema, name: str) -> TableSchema:
    return TableSchema(schema.name, (*schema.columns, Column(name, Type(Kind.TEXT))), schema.key)


CALLS = TableSchema("hsplit", (Column("split", Type(Kind.INT64)), Column("acdcalls", Type(Kind.INT64))))
NOWHERE = replace(TEXT_KEYED, name="nowhere")
MISSING = replace(SYNONYMS, name="dbitems")
GOOD = block(TEXT_KEYED, ("before", "1"))
Case = tuple[list[Encoded], type[AdminSyncError], str]
REFUSED: dict[str, Callable[[], Case]] = {
    "a call-data table": lambda: ([batch(1, GOOD, block(CALLS, (1, 2)))], PeerRefused, "holds hsplit"),
    "a table that nothing names": lambda: ([batch(1, block(NOWHERE, ("a", "b")))], PeerRefused, "holds nowhere"),
    "a chunk of a call-data table": lambda: ([batch(1, chunks=(chunk(CALLS, (1, 2)),))], PeerRefused, "holds hsplit"),
    "another origin": lambda: ([batch(1, GOOD, origin="elsewhere-1")], ProtocolError, "another origin"),
    "a higher epoch inside than announced": lambda: ([batch(1, GOOD, epoch=EPOCH + 9)], ProtocolError, "higher epoch"),
    "more rows than announced": lambda: ([replace(batch(1, GOOD), changes=0)], ProtocolError, "changes 0 instead of 1"),
    "another position than announced": lambda: (
        [replace(batch(9, GOOD), position=Position(1), first=Position(1))],
        ProtocolError,
        "first 1 instead of 9, position 1 instead of 9",
    ),
    "another commit time": lambda: (
        [replace(batch(1, GOOD), committed_at_us=77)],
        ProtocolError,
        "committed_at_us 77 instead of 0",
    ),
    "positions that go back": lambda: ([batch(7, GOOD), batch(6, GOOD)], ProtocolError, "position 6 came after 7"),
    "a digest of the wrong length": lambda: (
        [batch(1, chunks=(chunk(SYNONYMS, (1, "a"), digest=b"short"),))],
        ProtocolError,
        "5 bytes instead of 16",
    ),
    "a range that is reversed": lambda: (
        [batch(1, chunks=(chunk(SYNONYMS, (1, "a"), after=(9,), upto=(3,)),))],
        ProtocolError,
        "ends before it starts",
    ),
    "a range of nothing": lambda: (
        [batch(1, chunks=(chunk(TEXT_KEYED, ("a", "a"), after=("a",), upto=("a",)),))],
        ProtocolError,
        "ends before it starts",
    ),
    "a range beyond 64 bits": lambda: (
        [batch(1, chunks=(chunk(SYNONYMS, (1, "a"), after=(2**63,)),))],
        ProtocolError,
        "no database can compare",
    ),
    "a range with half a character": lambda: (
        [batch(1, chunks=(chunk(TEXT_KEYED, ("a", "a"), upto=("\udc80",)),))],
        ProtocolError,
        "no database can compare",
    ),
}


def serves_an_honest_peer(secondary: Secondary) -> None:
    """The next session, after a promotion, applies and is acknowledged."""
    meeting = secondary.meet([(batch(10_000, block(TEXT_KEYED, ("honest", "1"))), EPOCH + 1)], epoch=EPOCH + 1)
    assert meeting.error is None
    assert any(isinstance(arrival, AckArrived) and arrival.applied == 10_000 for arrival in meeting.heard)
    assert ("honest", "1") in secondary.rows("users")


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_batch_is_refused_and_nothing_is_applied(secondary: Secondary, name: str) -> None:
    """Invariants 5 and 6: the session ends with a reason that both sides see, and the next one is served."""
    said, kind, words = REFUSED[name]()
    applied_before = [("before", "1")] if len(said) > 1 else []
    meeting = secondary.meet([(encoded, EPOCH) for encoded in said])
    error = meeting.error
    assert isinstance(error, kind), error
    assert words in str(error)
    assert any(isinstance(arrival, Refused) for arrival in meeting.heard), meeting.heard
    assert secondary.rows("users") == applied_before
    assert secondary.rows("synonyms") == []
    assert secondary.target.checkpoint("elsewhere-1") is None
    refused_tables = [notice for notice in secondary.notices.all if isinstance(notice, CallDataRefused)]
    assert bool(refused_tables) == (kind is PeerRefused)
    serves_an_honest_peer(secondary)


@pytest.mark.parametrize("epoch", [EPOCH - 1, EPOCH + 1])
def test_a_batch_of_another_epoch_than_the_sessions_is_refused(secondary: Secondary, epoch: int) -> None:
    """Invariant 6: neither lower nor higher than what the hello said."""
    error = secondary.meet([(batch(1, GOOD), epoch)]).error
    assert isinstance(error, ProtocolError)
    assert f"its epoch is {epoch}, the session's is {EPOCH}" in str(error)
    assert secondary.rows("users") == []
    serves_an_honest_peer(secondary)


def test_a_fenced_peer_is_told_so_after_a_promotion(secondary: Secondary) -> None:
    """Invariant 6: the epoch that counts stands in the database, not in the hello of this session."""
    serves_an_honest_peer(secondary)
    meeting = secondary.meet([(batch(20_000, GOOD), EPOCH)])
    error = meeting.error
    assert isinstance(error, PeerRefused)
    assert (error.code, [a.refusal.code.value for a in meeting.heard if isinstance(a, Refused)]) == (
        "lower_epoch",
        ["lower_epoch"],
    )
    assert ("before", "1") not in secondary.rows("users")


LACKED: dict[str, Block] = {
    "a table that this database lacks": block(MISSING, (1, "a")),
    "a column that it lacks": block(with_column(TEXT_KEYED, "shoe_size"), ("a", "b", "44")),
}
REFUSED_BY_SQLITE: dict[str, Block] = {
    "an integer beyond 64 bits": block(SYNONYMS, (2**63, "a")),
    "half a character": block(TEXT_KEYED, ("\udc80", "a")),
    "text where a number is the key": block(SYNONYMS, ("not a number", "a")),
    "NULL in the key": block(TEXT_KEYED, ("a", "1"), (None, "b")),
    "another key than the table's": block(
        TableSchema("users", (Column("room", Type(Kind.TEXT)), Column("user_id", Type(Kind.TEXT))), (0,)), ("r", None)
    ),
}


@pytest.mark.parametrize("name", LACKED)
def test_what_the_target_lacks_is_made_with_the_rows_that_need_it(secondary: Secondary, name: str) -> None:
    lacked = LACKED[name]
    assert secondary.meet([(batch(1, lacked), EPOCH)]).error is None
    assert secondary.target.tables()[lacked.schema.name].column_names == lacked.schema.column_names
    assert secondary.rows(lacked.schema.name) == [change.row for change in lacked.changes()]


def test_a_name_that_the_database_can_not_have_pauses_that_table_alone(sqlite: Secondary) -> None:
    """Invariant 1: its rows are not lost, for it goes on with a copy of them all."""
    strange = block(with_column(TEXT_KEYED, "a\0b"), ("a", "b", "44"))
    good = block(SYNONYMS, (1, "a"))
    others = Block(good.schema, good.ops, good.columns, range(1, 2))
    assert sqlite.meet([(batch(1, strange, others), EPOCH)]).error is None
    (paused,) = (notice for notice in sqlite.notices.all if isinstance(notice, TablePaused))
    assert paused.table == "users"
    assert (sqlite.rows("users"), sqlite.rows("synonyms")) == ([], [(1, "a")])


@pytest.mark.parametrize("name", REFUSED_BY_SQLITE)
def test_rows_that_do_not_fit_are_named_and_the_stream_waits(sqlite: Secondary, name: str) -> None:
    """The memory database holds any value."""
    refused_by_the_target(sqlite, REFUSED_BY_SQLITE[name])


def refused_by_the_target(secondary: Secondary, refused: Block) -> None:
    """Invariants 1 and 2: nothing of the transaction is applied, the error says which row, and nothing is skipped."""
    others = [GOOD] if refused.schema.name != "users" else []
    shifted = [Block(each.schema, each.ops, each.columns, range(len(refused), len(refused) + 1)) for each in others]
    error = secondary.meet([(batch(1, refused, *shifted), EPOCH)]).error
    assert error is None, "the session waits for a person"
    failures = [notice.error for notice in secondary.notices.all if isinstance(notice, ApplyFailed)]
    assert len(failures) > 1
    assert all(isinstance(failure, RowRefused) for failure in failures), failures
    assert refused.schema.name in str(failures[0])
    assert secondary.rows("users") == []
    assert secondary.rows("synonyms") == []
    assert secondary.target.checkpoint(ORIGIN) is None
    serves_an_honest_peer(secondary)


def test_marks_as_long_as_allowed_change_nothing(secondary: Secondary) -> None:
    error = secondary.meet([(batch(1, GOOD, marks=("m" * 1024,) * 1000), EPOCH)]).error
    assert error is None
    assert secondary.rows("users") == [("before", "1")]


def test_a_replayed_session_changes_nothing(secondary: Secondary) -> None:
    """Invariant 4: the same batches again, in a new session, with other rows inside."""
    secondary.meet([(batch(3, GOOD), EPOCH)])
    error = secondary.meet([(batch(2, block(TEXT_KEYED, ("older", "0"))), EPOCH), (batch(3, GOOD), EPOCH)]).error
    assert error is None
    assert secondary.rows("users") == [("before", "1")]
