"""The sample site in a SQLite file.

The rule it keeps: readers and the writer do not wait for each other (WAL), as on the servers that it stands for.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar, Final

from sync.demo.database import Row, Session, Value, schema

BUSY_TIMEOUT_MS: Final = 10_000


class SqliteSession(Session):
    """See `Session`."""

    row = "rowid"
    mark = "?"
    # Immediate: a writer that upgrades from reading can be refused at once, whatever its busy timeout.
    begin = "BEGIN IMMEDIATE"

    def fill(self, table: str, rows: Iterable[Row]) -> None:
        marks = ", ".join("?" * len(self.columns(table)))
        self._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def somewhere(self, table: str, rng: Random) -> Value:
        [(first, last)] = self.rows(f"SELECT min(rowid), max(rowid) FROM {table}")
        return None if first is None else rng.randint(first, last)


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """See `Database`."""

    path: Path
    failure: ClassVar[type[Exception]] = sqlite3.Error

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def create(self) -> None:
        if self.path.exists():
            raise FileExistsError(f"could not create the sample site: {self.path} exists already")
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")  # a half-made sample is thrown away, never repaired
            connection.executescript(schema())

    def copy(self) -> SqliteDatabase:
        copied = SqliteDatabase(self.path.with_name("before.db"))
        shutil.copyfile(self.path, copied.path)
        return copied

    def session(self, *, reading: bool = False) -> SqliteSession:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        if reading:
            connection.execute("PRAGMA query_only = ON")
        return SqliteSession(connection)
