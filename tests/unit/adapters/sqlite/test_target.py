"""The target: foreign keys, constraints, repairs, and a database that answers no."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.sqlite.target import SqliteTarget
from sync.core.net import net
from sync.errors import DatabaseBusy, DatabaseRefused, RowRefused
from sync.model.batch import Checkpoint
from sync.model.change import ABSENT, Block, Op, Row
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from tests.unit.adapters.sqlite.twin import Twin

MakeTwin = Callable[..., Twin]


def write(pair: Twin, table: str, *changes: tuple[Op, Row]) -> int:
    """Apply one block to the secondary."""
    pair.target.begin()
    try:
        repairs = pair.target.write(net([Block.of(pair.captured[table], changes)]))
        pair.target.commit(Checkpoint("o", 1, Position(1)))
    except BaseException:
        pair.target.rollback()
        raise
    return repairs


FAMILY = """
CREATE TABLE parent (id INTEGER PRIMARY KEY, v);
CREATE TABLE child (id INTEGER PRIMARY KEY, p NOT NULL REFERENCES parent (id) ON DELETE {0} ON UPDATE {0});
"""


@pytest.mark.parametrize("action", ["RESTRICT", "CASCADE", "SET NULL", "NO ACTION"])
def test_foreign_keys_do_not_act_on_what_is_applied(twin: MakeTwin, action: str) -> None:
    """Invariant 1: the source has enforced them; here they would refuse an order, or remove rows that it kept."""
    pair = twin(FAMILY.format(action)).start()
    pair.run("PRAGMA foreign_keys = OFF", "INSERT INTO child VALUES (1, 1), (9, 99)")
    pair.sync()
    pair.run("INSERT INTO parent VALUES (1, 'late')")
    pair.sync()
    pair.run("UPDATE parent SET id = 5", "DELETE FROM parent")
    pair.sync()
    assert pair.other.execute("SELECT * FROM child").fetchall() == [(1, 1), (9, 99)]
    assert pair.other.execute("PRAGMA foreign_key_check").fetchall()


def test_a_swap_keeps_local_and_absent_columns(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, name UNIQUE, big, mine DEFAULT 'd')").start(
        without={"t": ("mine",)}
    )
    write(pair, "t", (Op.INSERT, (1, "a", "big 1")), (Op.INSERT, (2, "b", "big 2")))
    pair.other.execute("UPDATE t SET mine = 'local ' || id")
    assert (
        write(pair, "t", (Op.UPDATE, (1, "b", ABSENT)), (Op.UPDATE, (2, "a", ABSENT)), (Op.INSERT, (3, "c", "x"))) == 1
    )
    assert pair.other.execute("SELECT * FROM t").fetchall() == [
        (1, "b", "big 1", "local 1"), (2, "a", "big 2", "local 2"), (3, "c", "x", "d")
    ]  # fmt: skip


def test_local_columns_may_be_written_on_the_secondary_and_captured_ones_not(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, a, mine)").start(without={"t": ("mine",)})
    write(pair, "t", (Op.INSERT, (1, "x")))
    pair.other.execute("UPDATE t SET mine = 'p'")
    for refused in (
        "UPDATE t SET a = 'y'",
        "UPDATE t SET mine = 'q', a = 'z'",
        "UPDATE t SET rowid = 7",
        "DELETE FROM t",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="make the change on cms-east"):
            pair.other.execute(refused)
    for verb in ("INSERT OR IGNORE", "REPLACE"):
        with pytest.raises(sqlite3.IntegrityError, match="make the change on cms-east"):
            pair.other.execute(f"{verb} INTO t VALUES (1, 'y', 'z')")
    assert pair.other.execute("SELECT * FROM t").fetchall() == [(1, "x", "p")]


def test_a_target_without_the_unique_index_is_written_all_the_same(twin: MakeTwin) -> None:
    """The index may go after the guard was installed; then rows are put by deleting and inserting them."""
    ddl = "CREATE TABLE t (id INT NOT NULL, v, mine); CREATE UNIQUE INDEX i ON t (id)"
    pair = twin(ddl).start(without={"t": ("mine",)})
    pair.other.execute("DROP INDEX i")
    pair.run("INSERT INTO t VALUES (1, 'a', 'x'), (2, 'b', 'y')")
    pair.sync()
    pair.other.execute("UPDATE t SET mine = 'kept'")
    pair.run("UPDATE t SET v = 'c' WHERE id = 1", "DELETE FROM t WHERE id = 2")
    pair.sync()
    assert pair.repairs == 2
    assert pair.other.execute("SELECT * FROM t").fetchall() == [(1, "c", "kept")]


STRICT = """
CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, s TEXT UNIQUE, c TEXT CHECK (length(c) < 5)) STRICT;
"""


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ((2, None, "b", "ok"), "n"),
        ((2, "text", "b", "ok"), "n"),
        ((2, 2, "taken", "ok"), "s"),
        ((2, 2, "b", "too long"), "c"),
        ((2, 2**63, "b", "ok"), "n"),
        ((2, 2, "\ud800", "ok"), ""),
    ],
)
@pytest.mark.parametrize("ordered", [False, True])
def test_a_row_that_does_not_fit_is_named_and_nothing_is_applied(
    twin: MakeTwin, row: Row, column: str, ordered: bool
) -> None:
    """Invariant 2, and what the quarantine needs."""
    pair = twin(STRICT).start()
    write(pair, "t", (Op.INSERT, (1, 1, "taken", "ok")))
    block = Block.of(
        pair.captured["t"], [(Op.INSERT, (7, 7, "fine", "ok")), (Op.INSERT, row), (Op.INSERT, (8, 8, "h", "ok"))]
    )
    pair.target.begin()
    with pytest.raises(RowRefused) as refused:
        _write(pair, block, ordered=ordered)
    pair.target.rollback()
    assert (refused.value.table, refused.value.key) == ("t", "(id=2)")
    assert refused.value.column == column
    assert refused.value.why
    assert refused.value.remedy
    assert pair.other.execute("SELECT id FROM t").fetchall() == [(1,)]


def _write(pair: Twin, block: Block, *, ordered: bool) -> int:
    return pair.target.write_ordered(block.changes()) if ordered else pair.target.write(net([block]))


def test_a_row_without_key_that_does_not_fit_is_named(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (a, b CHECK (b > 0))").start()
    with pytest.raises(RowRefused, match="a=2, b=-1"):
        write(pair, "t", (Op.INSERT, (1, 1)), (Op.INSERT, (2, -1)))


def test_the_row_at_fault_is_named_and_not_one_that_went_in_before_it(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (a, b UNIQUE)").start()
    with pytest.raises(RowRefused, match="a=3, b='one'"):
        write(pair, "t", (Op.INSERT, (1, "one")), (Op.INSERT, (2, "two")), (Op.INSERT, (3, "one")))


def test_nan_is_refused_because_sqlite_would_store_null(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, r REAL)").start()
    with pytest.raises(RowRefused, match=r"id=2.*column r.*NaN"):
        write(pair, "t", (Op.INSERT, (1, 1.0)), (Op.INSERT, (2, float("nan"))))


def test_a_target_that_is_locked_is_busy(twin: MakeTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY)").start()
    monkeypatch.setattr(
        "adapters.sqlite.target.connect", lambda path: sqlite3.connect(path, isolation_level=None, timeout=0)
    )
    pair.target.open()
    pair.other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy):
        pair.target.begin()
    pair.other.execute("ROLLBACK")


def test_a_full_disk_is_refused_with_its_remedy_and_nothing_is_left(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, v)").start()
    connection = pair.target._connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(DatabaseRefused, match=r"SQLITE_FULL.*Free space"):
        write(pair, "t", *((Op.INSERT, (n, "x" * 3000)) for n in range(50)))
    assert pair.other.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_files_that_are_missing_or_no_database_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused, match="SQLITE_CANTOPEN"):
        SqliteTarget(str(tmp_path / "missing.db")).open()
    (tmp_path / "text.db").write_text("this is a text, and long enough to have a header in it " * 20)
    with pytest.raises(DatabaseRefused, match="SQLITE_NOTADB"):
        SqliteTarget(str(tmp_path / "text.db")).open()
    (tmp_path / "empty.db").touch()
    with pytest.raises(DatabaseRefused, match="nothing is installed"):
        SqliteTarget(str(tmp_path / "empty.db")).open()


def test_a_damaged_database_is_refused(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, v)").start()
    write(pair, "t", *((Op.INSERT, (n, "x" * 500)) for n in range(200)))
    pair.target.close()
    root = pair.other.execute("SELECT rootpage FROM sqlite_master WHERE name = 't'").fetchone()[0]
    pair.other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pair.other.close()
    with Path(pair.paths[1]).open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    pair.other = sqlite3.connect(pair.paths[1])
    pair.target.open()
    with pytest.raises(DatabaseRefused, match=r"SQLITE_CORRUPT.*backup"):
        write(pair, "t", (Op.INSERT, (1, "y")))


def test_flush_syncs_the_log_file(twin: MakeTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 9."""
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY)").start()
    write(pair, "t", (Op.INSERT, (1,)))
    synced: list[str] = []
    monkeypatch.setattr(
        "adapters.sqlite.target._sync_file", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink().name)
    )
    pair.target.flush()
    assert synced == ["secondary.db-wal"]


def test_a_schema_change_on_the_target_is_seen_at_the_next_transaction(twin: MakeTwin) -> None:
    pair = twin(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v)", ddl_secondary="CREATE TABLE t (id INTEGER PRIMARY KEY, v, w)"
    )
    pair.start()
    wider = TableSchema("t", (*pair.captured["t"].columns, Column("later", Type(Kind.ANY))), (0,))
    pair.captured = {"t": wider}
    with pytest.raises(RowRefused, match="later"):
        write(pair, "t", (Op.INSERT, (1, "a", "b")))
    pair.other.execute("ALTER TABLE t ADD COLUMN later")
    write(pair, "t", (Op.INSERT, (1, "a", "b")))
    assert pair.other.execute("SELECT later FROM t").fetchall() == [("b",)]


def test_large_sets_delete_and_update_in_one_transaction(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (a INT NOT NULL, b TEXT NOT NULL, v, PRIMARY KEY (b, a)) WITHOUT ROWID").start()
    numbers = "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
    pair.run(f"{numbers} INSERT INTO t SELECT i, 'k' || i, i FROM n")
    pair.sync()
    pair.run("DELETE FROM t WHERE a % 2", "UPDATE t SET v = -v WHERE a % 3 = 0")
    pair.sync()
