"""The sample site in a database of a PostgreSQL server.

The rule it keeps: it is reached as any program of the site would reach it, through the driver and its URL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import psycopg

from sync.demo.database import Row, Session, Value, schema

PAGE_ROWS: Final = 60
"""About so many rows of the site lie on one page."""
_PAGES: Final = "SELECT pg_relation_size(CAST(? AS regclass)) / CAST(current_setting('block_size') AS integer)"


class PostgresSession(Session):
    """See `Session`."""

    row = "ctid"
    mark = "%s"
    begin = "BEGIN"

    def fill(self, table: str, rows: Iterable[Row]) -> None:
        with self._connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def somewhere(self, table: str, rng: Random) -> Value:
        [(pages,)] = self.rows(_PAGES, table)
        return f"({rng.randrange(pages)},{rng.randint(1, PAGE_ROWS)})" if pages else None

    def _execute(self, sql: str, values: Sequence[Value] = ()) -> Any:  # noqa: ANN401  as in `Session`
        return self._connection.execute(sql.replace("?", self.mark).encode(), values or None)


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """See `Database`."""

    url: str
    failure: ClassVar[type[Exception]] = psycopg.Error

    def create(self) -> None:
        self._make("TEMPLATE template0")
        with closing(self.session()) as session:
            session.run(schema())

    def copy(self) -> PostgresDatabase:
        copied = self._beside("before")
        copied._make(f"TEMPLATE {self._name}")
        return copied

    def session(self, *, reading: bool = False) -> PostgresSession:
        options = "-c default_transaction_read_only=on" if reading else ""
        return PostgresSession(psycopg.connect(self.url, autocommit=True, options=options))

    @property
    def _name(self) -> str:
        return urlsplit(self.url).path.removeprefix("/")

    def _beside(self, name: str) -> PostgresDatabase:
        """Another database of the same server."""
        return PostgresDatabase(urlsplit(self.url)._replace(path=f"/{name}").geturl())

    def _make(self, how: str) -> None:
        with closing(self._beside("postgres").session()) as session:
            session.run(f"CREATE DATABASE {self._name} {how}")
