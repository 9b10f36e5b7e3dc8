"""Creates the sample site's database.

The rule it keeps: the same size and seed give the same rows, to the last byte, so two runs can be compared and a
failure can be met again.
"""

import sqlite3
from collections.abc import Container, Iterable
from contextlib import closing
from importlib.resources import files
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

from sync.demo import admin_rows, call_rows
from sync.demo.tables import ADMIN_TABLES, SCALES, Size, rows_of

INSERT_ROWS_MAX: Final = 10_000
"""Rows handed to the database at once: bounds memory at the large size."""


def create(
    path: Path, size: Size, *, seed: int, with_rows: bool = True, tables: Container[str] | None = None
) -> dict[str, int]:
    """Make the database at `path`, which must not exist, and return table to rows.

    Every table is made; only `tables` are filled (all of them where None). Without rows the schema alone is made:
    what a secondary starts from.
    """
    if path.exists():
        raise FileExistsError(f"could not create the sample site: {path} exists already")
    counts = {table: rows if tables is None or table in tables else 0 for table, rows in rows_of(size).items()}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")  # a half-made sample is thrown away, never repaired
        connection.executescript(files("sync.demo").joinpath("schema.sql").read_text(encoding="utf-8"))
        if not with_rows:
            return dict.fromkeys(counts, 0)
        connection.execute("BEGIN")
        for table, count in counts.items():
            _fill(connection, table, _rows(table, count, size, seed))
        connection.execute("COMMIT")
    return counts


def _rows(table: str, count: int, size: Size, seed: int) -> Iterable[admin_rows.Row]:
    # One generator a table: a change in one table's making leaves the others as they were.
    rng = Random(f"{seed}:{table}")
    if table in ADMIN_TABLES:
        return admin_rows.MAKERS[table](rng, SCALES[size], count)
    make = call_rows.MAKERS[table]
    return (make(rng, number) for number in range(count))


def _fill(connection: sqlite3.Connection, table: str, rows: Iterable[admin_rows.Row]) -> None:
    remaining = iter(rows)
    while chunk := list(islice(remaining, INSERT_ROWS_MAX)):
        marks = ", ".join("?" * len(chunk[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", chunk)
