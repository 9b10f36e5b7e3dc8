"""A PostgreSQL database as a primary: tables from DDL, capture installed, with an open source."""

from __future__ import annotations

import time

import psycopg

from adapters.parts import Limits
from adapters.postgres.journal.source import JournalSource
from adapters.postgres.site import PostgresSite
from adapters.postgres.source import PostgresSource
from sync.model.batch import ChunkRequest, Transaction
from sync.model.change import Change, Row
from sync.model.position import START, Position
from sync.model.schema import TableSchema
from sync.ports import Source


class Primary:
    """A captured database. `local` names columns as `table.column` that are not captured."""

    def __init__(
        self, url: str, ddl: str, *local: str, part_rows_max: int = 20_000, capture: str = "log", user: str = ""
    ) -> None:
        self.local, self.part_rows_max, self.capture = local, part_rows_max, capture
        self.url = url.replace("postgres@", f"{user}@") if user else url
        self.app = psycopg.connect(self.url, autocommit=True)
        self.run(ddl)
        self.tables = self.survey()
        self.install()
        self.source = self.make_source()
        self.source.open(self.tables, START)
        self.position = START

    def make_source(self) -> Source:
        """Another incarnation of the source."""
        if self.capture == "journal":
            return JournalSource(self.url, limits=Limits(self.part_rows_max), confirm_interval_s=0)
        return PostgresSource(self.url, part_rows_max=self.part_rows_max)

    def close(self) -> None:
        """Let go of the database."""
        self.source.close()
        self.app.close()

    def run(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        for statement in statements:
            self.app.execute(statement.encode())

    def ask(self, query: str) -> list[Row]:
        """What a user sees."""
        return list(self.app.execute(query.encode()).fetchall())

    def await_lock(self) -> None:
        """Return once a session waits for a lock."""
        waiting = "SELECT FROM pg_locks JOIN pg_database d ON d.oid = database WHERE NOT granted AND datname = current_database()"  # noqa: E501
        until = time.monotonic() + 30
        while not self.ask(waiting):
            assert time.monotonic() < until

    def survey(self) -> dict[str, TableSchema]:
        """Everything that can be captured, without local columns."""
        site = PostgresSite(self.url, capture=self.capture)
        facts = [found for found in site.catalog() if not found.obstacles and found.relation.value == "table"]
        site.close()
        return {found.name: self._captured(found.schema) for found in facts}

    def install(self) -> None:
        """Install capture for the tables."""
        site = PostgresSite(self.url, capture=self.capture)
        site.install_capture(self.tables)
        assert list(site.capture_statements(self.tables)) == []
        site.close()

    def reopen(self, after: Position | None = None, *, anew: bool = True) -> None:
        """Open again, with another source or the same one."""
        self.source.close()
        if anew:
            self.source = self.make_source()
        self.source.open(self.tables, self.position if after is None else after)

    def read(self, chunk: ChunkRequest | None = None) -> list[Transaction]:
        """Read what is new."""
        found = list(self.source.read(chunk))
        self.position = found[-1].position if found else self.position
        return found

    def changes(self) -> list[tuple[str, str, Row]]:
        """What is new, as table, operation and row, in order."""
        found: list[tuple[str, str, Row]] = []
        for made in self.read():
            inside: list[Change] = [change for block in made.blocks for change in block.changes()]
            inside.sort(key=lambda change: change.ordinal)
            found += [(change.schema.name, change.op.name, change.row) for change in inside]
        return found

    def _captured(self, schema: TableSchema) -> TableSchema:
        columns = tuple(each for each in schema.columns if f"{schema.name}.{each.name}" not in self.local)
        names = [each.name for each in columns]
        key = schema.key_names if schema.key else ()
        return TableSchema(schema.name, columns, tuple(names.index(name) for name in key))
