"""What `sync.ports.Source` promises, sentence by sentence, for every adapter."""

from __future__ import annotations

from itertools import pairwise
from time import monotonic

import pytest

from sync.errors import DatabaseError, DatabaseRefused, PositionLost
from sync.model.batch import Chunk, ChunkRequest, Purpose, Transaction
from sync.model.change import ABSENT, Op, Row
from sync.model.position import START, Position
from tests.contract.pair import ANYTHING, COMPOSITE, KEYED, KEYLESS, LOOSE, VALUES, Pair, sorted_rows
from tests.contract.servers import Delete, Insert, Step, Update


def test_nothing_new_gives_nothing(pair: Pair) -> None:
    assert pair.read() == []
    assert pair.source.wait(0) is False


def test_wait_tells_of_a_commit_and_then_of_none(pair: Pair) -> None:
    pair.run(Insert(KEYED, (1, "a", None)))
    assert pair.source.wait(5) is True
    pair.read()
    # PostgreSQL 14 tells of transactions with nothing in them too.
    assert not pair.source.wait(0) or pair.read() == []


def test_wake_ends_a_wait(pair: Pair) -> None:
    # What installing did may still be to come, with nothing in it for us.
    while pair.source.wait(0.01):
        assert pair.read() == []
    began = monotonic()
    pair.source.wake()
    assert pair.source.wait(60) is False
    assert monotonic() - began < 30


def test_origin_is_stable_and_known_before_open(pair: Pair) -> None:
    origin = pair.source.origin
    assert pair.primary.source().origin == origin
    pair.reopen()
    assert origin
    assert pair.source.origin == origin
    assert pair.source.mode in {"log", "journal"}


def test_positions_grow_over_reads_and_incarnations(pair: Pair) -> None:
    """Invariant 3."""
    for number in range(6):
        pair.run(Insert(KEYED, (number, "a", None)))
        pair.read()
        if number % 2:
            pair.source.confirm(pair.position)
            pair.reopen()
    positions = [transaction.position for transaction in pair.log]
    assert all(one < other for one, other in pairwise(positions))


def test_empty_transaction_is_no_news(pair: Pair) -> None:
    pair.run(Delete(KEYED, (99,)))
    assert [t for t in pair.read() if t.change_count] == []


def test_a_key_change_is_a_delete_and_a_put(pair: Pair) -> None:
    pair.run(Insert(KEYED, (1, "a", None)))
    pair.read()
    pair.run(Update(KEYED, (1,), (2, "a", None)))
    changes = [c for t in pair.read() for block in t.blocks for c in block.changes()]
    assert {(c.op is Op.DELETE, c.key) for c in changes} == {(True, (1,)), (False, (2,))}
    deleted = next(c for c in changes if c.op is Op.DELETE)
    assert deleted.row[1:] in {(ABSENT, ABSENT), ("a", None)}


def test_unconfirmed_changes_come_again_after_a_reopen(pair: Pair) -> None:
    """Invariant 1: what was read is not lost by a crash before the spool had it."""
    pair.run(Insert(KEYED, (1, "a", None)))
    pair.read()
    pair.source.close()
    pair.reopen(after=START)
    again = pair.read()
    assert [c.key for t in again for block in t.blocks for c in block.changes()] == [(1,)]


def test_confirmed_changes_are_forgotten(pair: Pair) -> None:
    """Invariant 9, from the source's side."""
    pair.run(Insert(KEYED, (1, "a", None)))
    pair.read()
    pair.source.confirm(pair.position)
    pair.reopen()
    assert pair.read() == []


def test_a_spool_that_lost_what_was_confirmed_is_told(pair: Pair) -> None:
    """Invariant 1: a gap is an error, not a silence, and says where to go on."""
    for number in range(2):
        pair.run(Insert(KEYED, (number, "a", None)))
        pair.read()
    pair.source.confirm(pair.position)
    for after in (START, pair.log[0].position):
        with pytest.raises(PositionLost) as lost:
            pair.reopen(after=after)
        pair.reopen(after=Position(lost.value.resume))
        assert pair.read() == []


def test_a_spool_that_is_ahead_of_a_restored_database_is_told(pair: Pair) -> None:
    """Invariant 1: what was written since the backup is not there any more, and no position comes twice."""
    ahead = Position(10**12)
    with pytest.raises(PositionLost) as lost:
        pair.reopen(after=ahead)
    assert lost.value.resume >= ahead
    with pytest.raises(PositionLost):  # a crash before the loss was noted must not hide it
        pair.reopen(after=ahead)
    pair.source.open(pair.tables, Position(lost.value.resume))
    pair.run(Insert(KEYED, (1, "a", None)))
    assert [t.position > ahead for t in pair.read()] == [True]


def test_opening_without_an_installation_is_refused(pair: Pair) -> None:
    pair.source.close()
    site = pair.primary.site()
    site.uninstall()
    site.close()
    with pytest.raises(DatabaseRefused, match="install"):
        pair.reopen()


def test_opening_with_other_tables_than_installed_is_refused(pair: Pair) -> None:
    pair.source.close()
    del pair.tables[KEYED.name]
    with pytest.raises(DatabaseRefused, match="install"):
        pair.reopen()


def test_close_twice_and_use_after_close(pair: Pair) -> None:
    pair.source.close()
    pair.source.close()
    with pytest.raises(DatabaseError):
        list(pair.source.read())


def test_an_abandoned_read_gives_everything_again(pair: Pair) -> None:
    """Invariant 2: a reader that gave up in the middle has not moved on."""
    pair.reopen(part_rows_max=10)
    pair.run(*(Insert(KEYED, (n, "a", None)) for n in range(35)))
    reading = pair.source.read()
    assert isinstance(next(iter(reading)), Transaction)
    getattr(reading, "close", lambda: None)()
    pair.pump()
    pair.assert_equal()


def test_large_transaction_comes_in_bounded_parts(pair: Pair) -> None:
    """Invariants 2 and 7."""
    pair.reopen(part_rows_max=100)
    steps: list[Step] = [Insert(KEYED, (n, "a", None)) for n in range(1000)]
    steps += [Insert(COMPOSITE, (n, "b", None)) for n in range(500)]
    pair.run(*steps)
    parts = pair.read()
    assert len(parts) >= 15
    assert [part.part for part in parts] == list(range(len(parts)))
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert len({part.position for part in parts}) == 1
    assert max(part.change_count for part in parts) <= 100
    ordinals = [n for part in parts for n in sorted(n for block in part.blocks for n in block.ordinals)]
    assert all(one < other for one, other in pairwise(ordinals))
    pair.apply(parts)
    pair.assert_equal()


def test_every_kind_of_value_arrives_as_it_is(pair: Pair) -> None:
    rows: list[Row] = [
        (1, -(2**15), -1.5, "", b""),
        (2, 2**15 - 1, float("inf"), "äöü€😀\1'\"", bytes(range(256))),
        (3, None, 5e-324, None, None),
        (4, 0, -0.0, " leading and trailing ", b"\0"),
        (2**63 - 1, 0, 0.1, "\\N", b"\\N"),
        (-(2**63), 1, 1e308, "line\r\nbreak\tand \\ {},", None),
    ]
    pair.run(*(Insert(VALUES, row) for row in rows))
    pair.pump()
    assert sorted_rows(pair.secondary.rows(VALUES.name)) == sorted_rows(rows)


def test_values_of_any_type_arrive_as_they_are(pair: Pair) -> None:
    pair.needs(ANYTHING)
    rows: list[Row] = list(enumerate([None, 2**63 - 1, "1", b"1", 1.5, "a\0b", ""]))
    pair.run(*(Insert(ANYTHING, row) for row in rows))
    pair.pump()
    assert sorted_rows(pair.secondary.rows(ANYTHING.name)) == sorted_rows(rows)


def test_errors_are_ours_where_a_chunk_names_no_captured_table(pair: Pair) -> None:
    with pytest.raises(DatabaseRefused, match="elsewhere"):
        pair.read(ChunkRequest(1, 0, "elsewhere", Purpose.DIGEST))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_chunks_tile_the_table_exactly(pair: Pair, limit: int) -> None:
    """Every row stands in exactly one chunk, equal keys together, NULL keys too."""
    keyed = [(n, "a", None) for n in range(-3, 8)]
    composite = [(n, letter, "x") for letter in ("a", "B", "é", "") for n in (2, -1)]
    keyless: list[Row] = [(1, "x"), (1, "x"), (None, "x"), (1, None), (None, None), (2, "x"), (None, None)]
    loose: list[Row] = [
        (1, "x", "1"), (1, None, "2"), (1, None, "3"), (None, "x", "4"), (None, None, "5"), (2, "x", "6")
    ]  # fmt: skip
    steps = [Insert(t, row) for t, rows in ((KEYED, keyed), (COMPOSITE, composite), (KEYLESS, keyless)) for row in rows]
    pair.run(*steps, *(Insert(LOOSE, row) for row in loose))
    pair.pump()
    for schema in (schema for schema in (KEYED, COMPOSITE, KEYLESS, LOOSE) if schema.name in pair.tables):
        chunks = chunks_of(pair, schema.name, limit)
        rows = [row for chunk in chunks for row in zip(*chunk.columns, strict=True)]
        assert sorted_rows(rows) == sorted_rows(pair.primary.rows(schema.name))
        assert all(chunk.count == len(chunk.columns[0]) for chunk in chunks)
        for chunk in chunks:
            assert pair.target.read_range(schema, chunk.after, chunk.upto) == chunk.columns


def chunks_of(pair: Pair, name: str, limit: int) -> list[Chunk]:
    """Walk a table; each chunk has a position of its own."""
    chunks: list[Chunk] = []
    after: Row | None = None
    while not chunks or not chunks[-1].final:
        found = pair.read(ChunkRequest(7, len(chunks), name, Purpose.REPLACE, after, limit=limit))
        *others, last = found
        assert not any(other.chunks for other in others)
        assert last.last
        (chunk,) = last.chunks
        assert (chunk.run, chunk.number, chunk.after, chunk.digest) == (7, len(chunks), after, b"")
        assert chunk.schema == pair.tables[name]
        chunks.append(chunk)
        after = chunk.upto
    return chunks


def test_chunk_with_an_end_holds_the_whole_range(pair: Pair) -> None:
    pair.run(*(Insert(KEYED, (n, "a", None)) for n in range(20)))
    request = ChunkRequest(1, 0, KEYED.name, Purpose.COMPARE, after=(3,), upto=(15,), limit=2)
    (chunk,) = pair.read(request)[-1].chunks
    assert chunk.columns[0] == list(range(4, 16))
    assert (chunk.upto, chunk.purpose) == ((15,), Purpose.COMPARE)


def test_chunk_and_stream_agree_under_writes(pair: Pair) -> None:
    """Invariant 1: a chunk holds the rows exactly as of its position, between the changes before and after it."""
    for number in range(10):
        pair.run(Insert(KEYED, (number, "old", None)))
    seen: dict[Row, Row] = {}
    positions: list[Position] = []
    for number in range(5):
        pair.run(Update(KEYED, (number,), (number, f"new {number}", None)), Delete(KEYED, (9 - number,)))
        for transaction in pair.read(ChunkRequest(1, number, KEYED.name, Purpose.REPLACE)):
            positions.append(transaction.position)
            for block in transaction.blocks:
                for change in block.changes():
                    seen.pop(change.key, None)
                    if change.op is not Op.DELETE:
                        seen[change.key] = change.row
            for chunk in transaction.chunks:
                assert (
                    dict(zip(zip(chunk.columns[0], strict=True), zip(*chunk.columns, strict=True), strict=True)) == seen
                )
    assert positions == sorted(positions)
