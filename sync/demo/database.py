"""The sample site's database as its own programs see it, whatever its kind.

It exists so that the site, its traffic and whoever judges the demo are written once. The rule it keeps: a kind is known
by its own module alone, and its driver is imported when such a database is asked for, and only then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Protocol

Value = int | str | None
Row = tuple[Value, ...]


class Session(ABC):
    """One connection. In its SQL `?` stands for a value, and for nothing else. Belongs to the thread that made it."""

    row: ClassVar[str]
    """A column that every table has without saying so: the place of a row, until the row is changed."""
    mark: ClassVar[str]
    begin: ClassVar[str]

    def __init__(self, connection: Any) -> None:  # noqa: ANN401  a connection of PEP 249; drivers share no type
        self._connection = connection

    def rows(self, sql: str, *values: Value) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        found: list[tuple[Any, ...]] = self._execute(sql, values).fetchall()
        return found

    def columns(self, table: str) -> list[str]:
        return [column[0] for column in self._execute(f"SELECT * FROM {table} LIMIT 0").description]

    def run(self, sql: str, *values: Value) -> int:
        """Run one statement; gives how many rows it changed itself, without what triggers did."""
        return int(self._execute(sql, values).rowcount)

    def insert(self, table: str, *rows: Row) -> int:
        """Insert rows, all in one go, and give how many."""
        if rows:
            marks = ", ".join([self.mark] * len(rows[0]))
            self._connection.cursor().executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        return len(rows)

    @abstractmethod
    def fill(self, table: str, rows: Iterable[Row]) -> None:
        """Insert many rows in bounded memory, as fast as this kind of database takes them."""

    @abstractmethod
    def somewhere(self, table: str, rng: Random) -> Value:
        """Some value of the column `row`, near one that is there; None where the table is empty."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing."""
        self.run(self.begin)
        try:
            yield
        except BaseException:
            self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def close(self) -> None:
        self._connection.close()

    def _execute(self, sql: str, values: Sequence[Value] = ()) -> Any:  # noqa: ANN401  a cursor of PEP 249
        return self._connection.execute(sql.replace("?", self.mark), values)


class Database(Protocol):
    """One database, made or still to be made."""

    failure: ClassVar[type[Exception]]
    """What its sessions raise."""

    @property
    def url(self) -> str: ...

    def create(self) -> None:
        """Make it, with the site's tables and no rows. Raises where it is there already."""
        ...

    def copy(self) -> Database:
        """Copy it as it is now, and give the copy. Nobody may be connected."""
        ...

    def session(self, *, reading: bool = False) -> Session:
        """Connect; only to read, where that is all that is wanted. Raises `failure`."""
        ...


def database(url: str) -> Database:
    """The database of a URL that another `Database` gave."""
    if url.startswith("sqlite:///"):
        from sync.demo.sqlite import SqliteDatabase  # noqa: PLC0415  one kind does not need the other's driver

        return SqliteDatabase(Path(url.removeprefix("sqlite:///")))
    from sync.demo.postgres import PostgresDatabase  # noqa: PLC0415  as above

    return PostgresDatabase(url)


def schema() -> str:
    """The SQL of the site's tables; every kind of database can read it."""
    return files("sync.demo").joinpath("schema.sql").read_text(encoding="utf-8")
