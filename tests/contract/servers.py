"""Servers under test: one small face for each kind of database, spoken to in neutral steps.

An adapter joins the contract by one more class here and its name in `KINDS`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from adapters.memory import MemoryDatabase, MemorySite, MemorySource, MemoryTarget
from adapters.sqlite.cut import Limits
from adapters.sqlite.site import SqliteSite
from adapters.sqlite.source import SqliteSource
from adapters.sqlite.target import SqliteTarget
from sync.model.change import Change, Op, Row
from sync.model.schema import Kind, TableSchema
from sync.ports import Site, Source, Target


@dataclass(frozen=True)
class Insert:
    """A new row."""

    table: TableSchema
    row: Row


@dataclass(frozen=True)
class Update:
    """All rows with this identity become this row, its key too."""

    table: TableSchema
    key: Row
    row: Row


@dataclass(frozen=True)
class Delete:
    """All rows with this identity go; or only one of several equal ones."""

    table: TableSchema
    key: Row
    one: bool = False


Step = Insert | Update | Delete


class Server(Protocol):
    """One database of some kind."""

    def create(self, schemas: Iterable[TableSchema]) -> None: ...
    def site(self) -> Site: ...
    def source(self, part_rows_max: int = 20_000) -> Source: ...
    def target(self) -> Target: ...
    def run(self, steps: Sequence[Step]) -> None:
        """Commit these steps in one transaction, as an application would."""
        ...

    def rows(self, table: str) -> list[Row]: ...
    def traces(self) -> list[str]:
        """Names of everything in the database that no application made."""
        ...


class MemoryServer:
    """The reference."""

    def __init__(self, place: Path) -> None:
        self.database = MemoryDatabase(name=place.name)

    def create(self, schemas: Iterable[TableSchema]) -> None:
        self.database = MemoryDatabase(schemas, name=self.database.name)

    def site(self) -> Site:
        return MemorySite(self.database)

    def source(self, part_rows_max: int = 20_000) -> Source:
        return MemorySource(self.database, part_rows_max=part_rows_max)

    def target(self) -> Target:
        return MemoryTarget(self.database)

    def run(self, steps: Sequence[Step]) -> None:
        changes: list[Change] = []
        held: dict[str, list[Row]] = {}
        for step in steps:
            name, schema = step.table.name, step.table
            rows = held.setdefault(name, self.database.rows(name))
            if isinstance(step, Insert):
                rows.append(step.row)
                changes.append(Change(schema, Op.INSERT, step.row))
                continue
            found = [row for row in rows if Change(schema, Op.DELETE, row).key == step.key]
            if not found:
                continue
            changes.append(Change(schema, Op.DELETE, found[0]))
            left = found[1:] if isinstance(step, Delete) and step.one else []
            put = [step.row] * len(found) if isinstance(step, Update) else left
            changes += [Change(schema, Op.INSERT, row) for row in put]
            held[name] = [row for row in rows if row not in found] + put
        self.database.commit(changes)

    def rows(self, table: str) -> list[Row]:
        return self.database.rows(table)

    def traces(self) -> list[str]:
        found = self.database
        return ["installed"] if found.installed or found.captured or found.guarded or found.state.checkpoints else []


_DECLARED = {
    Kind.INT16: "SMALLINT",
    Kind.INT64: "BIGINT",
    Kind.TEXT: "TEXT",
    Kind.BYTES: "BLOB",
    Kind.FLOAT: "REAL",
    Kind.ANY: "",
}


class SqliteServer:
    """A database file."""

    def __init__(self, place: Path) -> None:
        self.path = str(place.with_suffix(".db"))
        self.app = sqlite3.connect(self.path, isolation_level=None)

    def create(self, schemas: Iterable[TableSchema]) -> None:
        for schema in schemas:
            lines = [f'"{c.name}" {_DECLARED[c.type.kind]} {"" if c.nullable else "NOT NULL"}' for c in schema.columns]
            if schema.key:
                lines.append("PRIMARY KEY (" + ", ".join(f'"{name}"' for name in schema.key_names) + ")")
            self.app.execute(f'CREATE TABLE "{schema.name}" ({", ".join(lines)})')

    def site(self) -> Site:
        return SqliteSite(self.path)

    def source(self, part_rows_max: int = 20_000) -> Source:
        return SqliteSource(self.path, limits=Limits(part_rows_max), confirm_interval_s=0)

    def target(self) -> Target:
        return SqliteTarget(self.path)

    def run(self, steps: Sequence[Step]) -> None:
        self.app.execute("BEGIN IMMEDIATE")
        try:
            for step in steps:
                self._step(step)
            self.app.execute("COMMIT")
        except BaseException:
            self.app.execute("ROLLBACK")
            raise

    def rows(self, table: str) -> list[Row]:
        return self.app.execute(f'SELECT * FROM "{table}"').fetchall()

    def traces(self) -> list[str]:
        found = self.app.execute("SELECT name FROM sqlite_master WHERE name LIKE '%admin_sync%'").fetchall()
        if self.app.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
            found += self.app.execute("SELECT name FROM sqlite_sequence WHERE name LIKE '%admin_sync%'").fetchall()
        return [name for (name,) in found]

    def _step(self, step: Step) -> None:
        table = f'"{step.table.name}"'
        if isinstance(step, Insert):
            self.app.execute(f"INSERT INTO {table} VALUES ({', '.join('?' for _ in step.row)})", step.row)
            return
        where = " AND ".join(f'"{name}" IS ?' for name in step.table.key_names)
        if isinstance(step, Update):
            sets = ", ".join(f'"{name}" = ?' for name in step.table.column_names)
            self.app.execute(f"UPDATE {table} SET {sets} WHERE {where}", (*step.row, *step.key))
        elif step.one:
            self.app.execute(
                f"DELETE FROM {table} WHERE rowid = (SELECT min(rowid) FROM {table} WHERE {where})", step.key
            )
        else:
            self.app.execute(f"DELETE FROM {table} WHERE {where}", step.key)


KINDS: Mapping[str, Callable[[Path], Server]] = {"memory": MemoryServer, "sqlite": SqliteServer}
