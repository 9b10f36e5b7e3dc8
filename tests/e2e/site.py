"""The sample site as a pair: what crosses of each table, and how its databases are made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from adapters.sqlite.schema import GUARD
from sync.core.profiles import CMS
from sync.demo import site
from sync.demo.sqlite import SqliteDatabase
from tests.e2e.harness import select

ROW_RULE = '\n[tables.rows]\nsynonyms = "acd_no IN (1, 2)"\n'
LOCAL = {"users": ("printer",), "timetables": ("run_on", "active", "next_run")}


def databases(place: Path) -> tuple[Path, Path]:
    """A primary with rows, a secondary without."""
    east, west = place / "east.db", place / "west.db"
    site.create(SqliteDatabase(east), "small", seed=4)
    site.create(SqliteDatabase(west), "small", seed=4, with_rows=False)
    return east, west


def replicated(path: Path) -> dict[str, str]:
    """Each table that crosses with the columns that do."""
    there = {name for (name,) in select(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    found = {}
    for table in sorted(there.intersection(CMS.allow)):
        columns = [row[1] for row in select(path, f"PRAGMA table_info({table})")]
        found[table] = ", ".join(column for column in columns if column not in LOCAL.get(table, ()))
    return found


def catalog(path: Path) -> list[tuple[object, ...]]:
    """Every object of the database with its text, but for a table of SQLite's own that nobody can drop."""
    sql = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name <> 'sqlite_sequence' ORDER BY type, name"
    return select(path, sql)


def behind_the_guard(path: Path, *statements: str) -> None:
    """Write on a secondary the way only the applier may: what a fault or a mistake could leave behind."""
    with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"UPDATE {GUARD} SET applying = 1")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"UPDATE {GUARD} SET applying = 0")
