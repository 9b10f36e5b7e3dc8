"""The sample site has every table it promises, the rows it promises, and the same ones each time."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sync.demo import admin_rows, call_rows
from sync.demo.site import create
from sync.demo.sqlite import SqliteDatabase
from sync.demo.tables import ADMIN_TABLES, CALL_TABLES, SIZES, TRAP_TABLES, Size, rows_of


def dump(path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(path)) as connection:
        yield from connection.iterdump()


def counted(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def test_the_groups_are_all_tables_and_share_none(tmp_path: Path) -> None:
    create(SqliteDatabase(tmp_path / "site.db"), "small", seed=1, with_rows=False)
    groups = (*ADMIN_TABLES, *CALL_TABLES, *TRAP_TABLES)
    assert len(ADMIN_TABLES) == 27
    assert len(CALL_TABLES) == 16
    assert sorted(groups) == sorted(counted(tmp_path / "site.db"))
    assert sorted(groups) == sorted([*admin_rows.MAKERS, *call_rows.MAKERS])


@pytest.mark.parametrize("size", ["small", "medium"])
def test_holds_the_rows_it_reports(tmp_path: Path, size: Size) -> None:
    reported = create(SqliteDatabase(tmp_path / "site.db"), size, seed=1)
    assert reported == counted(tmp_path / "site.db")
    assert reported == rows_of(size)


@pytest.mark.parametrize(("size", "rows"), [("small", 5_000), ("medium", 80_000), ("large", 1_500_000)])
def test_is_as_large_as_a_real_site(size: Size, rows: int) -> None:
    counts = rows_of(size)
    assert sum(counts[table] for table in ADMIN_TABLES) == pytest.approx(rows, rel=0.15)


def test_sizes_grow_in_every_table() -> None:
    small, medium, large = (rows_of(size) for size in SIZES)
    assert all(0 < small[table] <= medium[table] <= large[table] for table in small)


def test_the_seed_decides_all_rows(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("again", 7), ("other", 8)):
        create(SqliteDatabase(tmp_path / name), "small", seed=seed)
    one = list(dump(tmp_path / "one"))
    assert one == list(dump(tmp_path / "again"))
    assert one != list(dump(tmp_path / "other"))


def test_without_rows_only_the_schema_is_made(tmp_path: Path) -> None:
    reported = create(SqliteDatabase(tmp_path / "site.db"), "small", seed=1, with_rows=False)
    assert set(reported.values()) == {0}
    assert set(counted(tmp_path / "site.db").values()) == {0}


def test_readers_do_not_block_writers(tmp_path: Path) -> None:
    create(SqliteDatabase(tmp_path / "site.db"), "small", seed=1, with_rows=False)
    with closing(sqlite3.connect(tmp_path / "site.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_views_show_call_data_under_innocent_names(tmp_path: Path) -> None:
    create(SqliteDatabase(tmp_path / "site.db"), "small", seed=1)
    with closing(sqlite3.connect(tmp_path / "site.db")) as connection:
        for view in ("names", "v_names"):
            assert connection.execute(f"SELECT count(*) FROM {view}").fetchone()[0] > 0


def test_refuses_to_write_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "site.db").write_text("mine")
    with pytest.raises(FileExistsError, match=r"site\.db exists already"):
        create(SqliteDatabase(tmp_path / "site.db"), "small", seed=1)
    assert (tmp_path / "site.db").read_text() == "mine"
