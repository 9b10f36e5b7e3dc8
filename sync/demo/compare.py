"""Compares databases row by row, with plain queries alone.

It exists so that the demo does not have to believe the product's own verify. The rule it keeps: a row is all of its
columns and how often it stands there, so nothing passes that a key would hide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from sync.demo.database import Database, Session


def different_rows(
    one: Database, other: Database, tables: Iterable[str], local_columns: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, int]:
    """Table to the number of rows that stand on one side only, without the equal ones and without local columns."""
    differences = {}
    with closing(one.session(reading=True)) as here, closing(other.session(reading=True)) as there:
        for table in tables:
            local = (local_columns or {}).get(table, ())
            columns = ", ".join(name for name in here.columns(table) if name not in local)
            rows = len(_counted(here, table, columns) ^ _counted(there, table, columns))
            if rows:
                differences[table] = rows
    return differences


def _counted(session: Session, table: str, columns: str) -> set[tuple[tuple[Any, ...], int]]:
    """Each row with how often it stands there."""
    return set(Counter(session.rows(f"SELECT {columns} FROM {table}")).items())
