"""Two SQLite files with one definition, kept equal through the adapter under test."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from adapters.sqlite.catalog import quote, read_tables
from adapters.sqlite.site import SqliteSite
from adapters.sqlite.source import SqliteSource
from adapters.sqlite.target import SqliteTarget
from sync.core.net import net
from sync.model.batch import Checkpoint, Transaction
from sync.model.position import START, Position
from sync.model.schema import TableSchema


class Twin:
    """A primary with capture and a secondary with the guard; `app` is an application on the primary."""

    def __init__(self, place: Path, ddl: str, *, ddl_secondary: str = "") -> None:
        self.paths = [str(place / "primary.db"), str(place / "secondary.db")]
        self.app, self.other = (sqlite3.connect(path, isolation_level=None) for path in self.paths)
        self.app.executescript(ddl)
        self.other.executescript(ddl_secondary or ddl)
        self.captured: dict[str, TableSchema] = {n: t.schema for n, t in read_tables(self.app).items()}
        self.source = SqliteSource(self.paths[0], confirm_interval_s=0)
        self.target = SqliteTarget(self.paths[1])
        self.repairs = 0

    def start(self, *, without: Mapping[str, tuple[str, ...]] | None = None) -> Twin:
        """Install and open, with these columns of these tables local."""
        for name, local in (without or {}).items():
            schema = self.captured[name]
            kept = tuple(column for column in schema.columns if column.name not in local)
            key = tuple(kept.index(schema.columns[index]) for index in schema.key)
            self.captured = {**self.captured, name: TableSchema(name, kept, key)}
        for path, install in zip(self.paths, ("capture", "guard"), strict=True):
            site = SqliteSite(path)
            if install == "capture":
                site.install_capture(self.captured)
            else:
                site.install_guard(self.captured, "cms-east")
            site.close()
        self.source.open(self.captured, START)
        self.target.open()
        return self

    def run(self, *statements: str) -> None:
        """Run statements on the primary, each in its own transaction."""
        for statement in statements:
            self.app.execute(statement)

    def apply(self, transactions: list[Transaction]) -> None:
        """Apply what was read."""
        for transaction in transactions:
            if transaction.part == 0:
                self.target.begin()
            self.repairs += self.target.write(net(transaction.blocks))
            if transaction.last:
                self.target.commit(Checkpoint(self.source.origin, 1, Position(transaction.position)))

    def sync(self) -> list[Transaction]:
        """Bring the secondary up to date, and see that it is."""
        found = list(self.source.read())
        self.apply(found)
        for name, schema in self.captured.items():
            columns = ", ".join(quote(column) for column in schema.column_names)
            mine, theirs = (
                sorted(repr(row) for row in connection.execute(f"SELECT {columns} FROM {quote(name)}"))
                for connection in (self.app, self.other)
            )
            assert theirs == mine, name
        return found

    def close(self) -> None:
        """Let go of everything."""
        self.source.close()
        self.target.close()
        self.app.close()
        self.other.close()


def keys_of(transactions: list[Transaction]) -> list[tuple[str, str, tuple[object, ...]]]:
    """Operation, table and key of every change."""
    return [
        (change.op.name, change.schema.name, change.key)
        for transaction in transactions
        for block in transaction.blocks
        for change in block.changes()
    ]
