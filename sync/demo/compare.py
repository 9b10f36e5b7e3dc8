"""Compares databases row by row, with SQL alone.

It exists so that the demo does not have to believe the product's own verify. The rule it keeps: a row is all of its
columns and how often it stands there, so nothing passes that a key would hide.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path


def different_rows(
    one: Path, other: Path, tables: Iterable[str], local_columns: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, int]:
    """Table to the number of rows that stand on one side only, without the equal ones and without local columns."""
    differences = {}
    with closing(sqlite3.connect(one)) as connection:
        connection.execute("ATTACH ? AS other", (str(other),))
        connection.execute("PRAGMA query_only = ON")
        for table in tables:
            columns = _columns(connection, table, (local_columns or {}).get(table, ()))
            rows = _one_sided(connection, table, columns)
            if rows:
                differences[table] = rows
    return differences


def _columns(connection: sqlite3.Connection, table: str, local: tuple[str, ...]) -> str:
    names = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    return ", ".join(name for name in names if name not in local)


def _one_sided(connection: sqlite3.Connection, table: str, columns: str) -> int:
    main, other = (f"SELECT {columns}, count(*) FROM {side}.{table} GROUP BY {columns}" for side in ("main", "other"))
    sql = f"SELECT (SELECT count(*) FROM ({main} EXCEPT {other})) + (SELECT count(*) FROM ({other} EXCEPT {main}))"
    rows: int = connection.execute(sql).fetchone()[0]
    return rows
