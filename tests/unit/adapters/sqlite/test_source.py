"""The journal source: positions over crashes, bounded memory, and what others may do to the database meanwhile."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from adapters.parts import Limits
from adapters.sqlite.site import SqliteSite
from adapters.sqlite.source import SqliteSource
from sync.errors import CatalogChanged, DatabaseBusy, DatabaseRefused
from sync.model.batch import ChunkRequest, Purpose
from sync.model.position import START
from tests.unit.adapters.sqlite.twin import Twin, keys_of

MakeTwin = Callable[..., Twin]
SIMPLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, v)"


def journal_rows(pair: Twin) -> int:
    """Rows in the journal that stand for changes."""
    count: int = pair.app.execute("SELECT count(*) FROM admin_sync_journal WHERE tbl <> 0").fetchone()[0]
    return count


def test_positions_never_come_again_after_lost_commits(twin: MakeTwin, tmp_path: Path) -> None:
    """Invariants 1 and 3: a power failure took commits whose positions were given out already."""
    pair = twin(SIMPLE).start()
    pair.run("INSERT INTO t VALUES (1, 'kept')", "PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(pair.paths[0], tmp_path / "before.db")
    pair.run("INSERT INTO t VALUES (2, 'lost')")
    given = [transaction.position for transaction in pair.source.read()]
    pair.source.close()
    pair.app.close()
    for name in ("primary.db-wal", "primary.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "before.db", pair.paths[0])
    pair.app = sqlite3.connect(pair.paths[0], isolation_level=None)
    pair.run("INSERT INTO t VALUES (3, 'new under an old number')")
    pair.source = SqliteSource(pair.paths[0])
    pair.source.open(pair.captured, START)
    again = list(pair.source.read())
    assert min(transaction.position for transaction in again) > max(given)
    assert {key for _, _, key in keys_of(again)} == {(1,), (3,)}


def test_positions_beyond_the_reserved_ones_are_reserved_first(twin: MakeTwin) -> None:
    pair = twin(SIMPLE).start()
    pair.run("INSERT INTO admin_sync_journal (seq, tbl, k1) VALUES (900000000000, 1, 5)")
    (found,) = list(pair.source.read())
    reserved = pair.app.execute("SELECT value FROM admin_sync_meta WHERE name = 'reserved'").fetchone()[0]
    assert found.position <= reserved


def test_a_large_transaction_streams_in_bounded_memory(twin: MakeTwin) -> None:
    """Invariant 7: long values make shorter parts."""
    pair = twin(SIMPLE).start()
    pair.run("BEGIN", *(f"INSERT INTO t VALUES ({n}, zeroblob(100000))" for n in range(300)), "COMMIT")
    parts = list(pair.source.read())
    assert sum(part.change_count for part in parts) == 300
    assert max(part.change_count for part in parts) <= 80
    pair.apply(parts)
    assert pair.other.execute("SELECT count(*), sum(length(v)) FROM t").fetchone() == (300, 30_000_000)


def test_journal_is_cleared_in_slices_by_confirm_only(twin: MakeTwin) -> None:
    pair = twin(SIMPLE).start()
    pair.run("WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 12000) INSERT INTO t SELECT i, i FROM n")
    (last,) = [t.position for t in pair.sync() if t.last]
    assert journal_rows(pair) == 12_000
    pair.run("INSERT INTO t VALUES (0, 0)")
    pair.source.confirm(last)
    assert journal_rows(pair) == 1
    assert keys_of(pair.sync()) == [("UPSERT", "t", (0,))]


def test_confirm_gives_way_to_a_writer_and_makes_up_for_it(twin: MakeTwin) -> None:
    pair = twin(SIMPLE).start()
    pair.run("INSERT INTO t VALUES (1, 1)")
    (found,) = pair.sync()
    pair.run("BEGIN IMMEDIATE")
    pair.source.confirm(found.position)
    pair.run("ROLLBACK")
    assert journal_rows(pair) == 1
    pair.source.wait(0)
    assert journal_rows(pair) == 0


def test_a_chunk_under_a_lasting_lock_is_busy(twin: MakeTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.sqlite.source.connect", _impatient)
    pair = twin(SIMPLE).start()
    pair.run("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy):
        list(pair.source.read(ChunkRequest(1, 0, "t", Purpose.DIGEST)))
    pair.run("ROLLBACK")


def _impatient(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)


def test_a_cut_is_one_moment_though_others_write_on(twin: MakeTwin) -> None:
    """Invariant 2."""
    pair = twin("CREATE TABLE a (id INTEGER PRIMARY KEY, v); CREATE TABLE b (id INTEGER PRIMARY KEY, v)")
    pair.source = SqliteSource(pair.paths[0], limits=Limits(rows_max=1))
    pair.start()
    pair.run("BEGIN", "INSERT INTO a VALUES (1, 1), (2, 1)", "INSERT INTO b VALUES (1, 1), (2, 1)", "COMMIT")
    reading = pair.source.read()
    parts = [next(reading)]
    pair.run("BEGIN", "UPDATE a SET v = 2", "UPDATE b SET v = 2", "COMMIT")
    parts += reading
    values = [row.row[1] for part in parts for block in part.blocks for row in block.changes()]
    assert values == [1, 1, 1, 1]
    pair.apply(parts)
    pair.sync()


def test_nonsense_in_the_journal_is_no_change(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, v, PRIMARY KEY (a, b))").start()
    pair.run(
        "INSERT INTO admin_sync_journal (tbl, k1, k2)"
        " VALUES (99, 1, 2), (-5, 1, 2), ('x', 1, 2), (1, NULL, 2), (1, 1, NULL)"
    )
    assert pair.source.wait(0) is True
    assert keys_of(list(pair.source.read())) == []
    pair.run("INSERT INTO t VALUES (1, 2, 3)")
    assert keys_of(pair.sync()) == [("UPSERT", "t", (1, 2))]


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER admin_sync_1_insert",
        "CREATE UNIQUE INDEX later ON t (v)",
    ],
)
def test_a_schema_change_that_breaks_capture_is_noticed(twin: MakeTwin, change: str) -> None:
    """Invariant 10: capture that no longer sees everything does not look as if it did."""
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w2); CREATE TABLE other (id INTEGER PRIMARY KEY)").start()
    pair.run(change, "INSERT INTO other VALUES (1)")
    with pytest.raises(DatabaseRefused, match="admin-sync install"):
        list(pair.source.read())


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE t",
        "CREATE TABLE elsewhere (a)",
        "ALTER TABLE t RENAME TO u",
        "ALTER TABLE t RENAME COLUMN v TO w",
        "ALTER TABLE t DROP COLUMN v",
        "ALTER TABLE t ADD COLUMN more",
    ],
)
def test_other_tables_or_columns_have_capture_opened_anew(twin: MakeTwin, change: str) -> None:
    """Nothing is given in a schema that is not the table's any more."""
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w2); CREATE TABLE other (id INTEGER PRIMARY KEY)").start()
    pair.run(change, "INSERT INTO other VALUES (1)")
    with pytest.raises(CatalogChanged):
        pair.source.wait(0)
    with pytest.raises(CatalogChanged):
        list(pair.source.read())


def test_an_index_or_a_trigger_of_somebody_elses_is_none_of_ours(twin: MakeTwin) -> None:
    pair = twin(SIMPLE).start()
    pair.run("CREATE INDEX elsewhere ON t (id)", "INSERT INTO t VALUES (1, 2)")
    assert keys_of(list(pair.source.read())) == [("UPSERT", "t", (1,))]


def test_invalid_utf8_is_refused_with_the_table_named(twin: MakeTwin) -> None:
    pair = twin(SIMPLE).start()
    pair.run("INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT))")
    with pytest.raises(DatabaseRefused, match=r"table t\b.*UTF-8"):
        list(pair.source.read())


def test_wake_from_another_thread_ends_a_long_wait(twin: MakeTwin) -> None:
    pair = twin(SIMPLE).start()
    timer = threading.Timer(0.02, pair.source.wake)
    timer.start()
    assert pair.source.wait(60) is False
    timer.join()


def test_commits_of_uncaptured_tables_are_no_news(twin: MakeTwin) -> None:
    pair = twin(f"{SIMPLE}; CREATE TABLE calls (n)")
    del pair.captured["calls"]
    pair.start()
    pair.run("INSERT INTO calls VALUES (1)")
    assert pair.source.wait(0) is False


def test_a_new_table_with_a_wider_key_widens_the_journal(twin: MakeTwin) -> None:
    pair = twin(SIMPLE).start()
    pair.run("INSERT INTO t VALUES (1, 1)")
    pair.source.close()
    wide = "CREATE TABLE wide (a INT NOT NULL, b INT NOT NULL, c INT NOT NULL, v, PRIMARY KEY (c, b, a))"
    pair.run(wide)
    site = SqliteSite(pair.paths[0])
    captured = {facts.name: facts.schema for facts in site.catalog()}
    site.install_capture(captured)
    site.close()
    pair.source.open(captured, START)
    pair.run("INSERT INTO wide VALUES (1, 2, 3, 4)")
    assert sorted(keys_of(list(pair.source.read()))) == [("UPSERT", "t", (1,)), ("UPSERT", "wide", (3, 2, 1))]


def test_an_iterator_that_outlives_its_source_ends_quietly(twin: MakeTwin) -> None:
    pair = twin(SIMPLE)
    pair.source = SqliteSource(pair.paths[0], limits=Limits(rows_max=1))
    pair.start()
    pair.run("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    reading = pair.source.read()
    next(reading)
    pair.source.close()
    assert isinstance(reading, Generator)
    reading.close()
    pair.source.open(pair.captured, START)
    assert len(keys_of(pair.sync())) == 3
