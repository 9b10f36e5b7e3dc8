"""Servers under test: one small face for each kind of database, spoken to in neutral steps.

An adapter joins the contract by one more class here and its name in `KINDS`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import sql

from adapters.memory import MemoryDatabase, MemorySite, MemorySource, MemoryTarget
from adapters.parts import Limits
from adapters.postgres.journal.source import JournalSource
from adapters.postgres.site import PostgresSite
from adapters.postgres.source import PostgresSource
from adapters.postgres.target import PostgresTarget
from adapters.sqlite.site import SqliteSite
from adapters.sqlite.source import SqliteSource
from adapters.sqlite.target import SqliteTarget
from sync.model.change import Change, Op, Row
from sync.model.schema import Kind, TableSchema
from sync.ports import Site, Source, Target
from tests.postgres import cluster


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

    def has(self, schema: TableSchema) -> bool:
        """Whether a database of this kind can have such a table."""
        ...

    def captures(self, schema: TableSchema) -> bool:
        """Whether a source of this kind can tell what happens to such a table."""
        ...

    def create(self, schemas: Iterable[TableSchema]) -> None: ...
    def extend(self, schema: TableSchema, default: int) -> None:
        """Give a table the last column of this schema, with a default for the rows that are there and to come."""
        ...

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

    def close(self) -> None:
        """Let go of the database, and remove it where it would stay otherwise; also twice."""
        ...


class MemoryServer:
    """The reference."""

    def __init__(self, place: Path) -> None:
        self.database = MemoryDatabase(name=place.name)

    def has(self, schema: TableSchema) -> bool:
        return True

    def captures(self, schema: TableSchema) -> bool:
        return True

    def create(self, schemas: Iterable[TableSchema]) -> None:
        for schema in schemas:
            self.database.define(schema)

    def extend(self, schema: TableSchema, default: int) -> None:
        self.database.define(schema, {schema.column_names[-1]: default})

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

    def close(self) -> None:
        """The database goes with the object."""


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

    def has(self, schema: TableSchema) -> bool:
        return True

    def captures(self, schema: TableSchema) -> bool:
        return True

    def create(self, schemas: Iterable[TableSchema]) -> None:
        for schema in schemas:
            lines = [f'"{c.name}" {_DECLARED[c.type.kind]} {"" if c.nullable else "NOT NULL"}' for c in schema.columns]
            if schema.key:
                lines.append("PRIMARY KEY (" + ", ".join(f'"{name}"' for name in schema.key_names) + ")")
            self.app.execute(f'CREATE TABLE "{schema.name}" ({", ".join(lines)})')

    def extend(self, schema: TableSchema, default: int) -> None:
        added = schema.columns[-1]
        declared = f'"{added.name}" {_DECLARED[added.type.kind]} DEFAULT {default}'
        self.app.execute(f'ALTER TABLE "{schema.name}" ADD COLUMN {declared}')

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

    def close(self) -> None:
        self.app.close()

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


_POSTGRES_DECLARED = {
    Kind.INT16: "smallint",
    Kind.INT64: "bigint",
    Kind.TEXT: "text",
    Kind.BYTES: "bytea",
    Kind.FLOAT: "double precision",
}
_TRACES = """
SELECT nspname FROM pg_namespace WHERE nspname LIKE '%admin_sync%'
UNION ALL SELECT pubname FROM pg_publication WHERE pubname LIKE '%admin_sync%'
UNION ALL SELECT slot_name FROM pg_replication_slots WHERE database = current_database()
UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE '%admin_sync%'
UNION ALL SELECT evtname FROM pg_event_trigger WHERE evtname LIKE '%admin_sync%'
UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE '%admin_sync%'
UNION ALL SELECT roname FROM pg_replication_origin, pg_database
    WHERE datname = current_database() AND roname LIKE '%admin_sync%' || pg_database.oid || '%'
"""


class PostgresServer:
    """A database on the test run's own server, captured from its log."""

    capture = "log"

    def __init__(self, place: Path) -> None:
        self.url = cluster().create("contract")
        self.app = psycopg.connect(self.url, autocommit=True)

    def has(self, schema: TableSchema) -> bool:
        return all(column.type.kind in _POSTGRES_DECLARED for column in schema.columns)

    def captures(self, schema: TableSchema) -> bool:
        """The log names a deleted row by its key, and says no more than that one of several equal ones went."""
        return bool(schema.key) and not any(schema.columns[index].nullable for index in schema.key)

    def create(self, schemas: Iterable[TableSchema]) -> None:
        for schema in schemas:
            lines = [
                sql.SQL("{} {} {}").format(
                    sql.Identifier(column.name),
                    sql.SQL(_POSTGRES_DECLARED[column.type.kind]),
                    sql.SQL("" if column.nullable else "NOT NULL"),
                )
                for column in schema.columns
            ]
            if schema.key:
                identity = "PRIMARY KEY ({})" if self.captures(schema) else "UNIQUE ({})"
                lines.append(sql.SQL(identity).format(sql.SQL(", ").join(map(sql.Identifier, schema.key_names))))
            statement = sql.SQL("CREATE TABLE {} ({})")
            self.app.execute(statement.format(sql.Identifier(schema.name), sql.SQL(", ").join(lines)))

    def extend(self, schema: TableSchema, default: int) -> None:
        added = schema.columns[-1]
        statement = sql.SQL("ALTER TABLE {} ADD COLUMN {} {} DEFAULT {}")
        names = sql.Identifier(schema.name), sql.Identifier(added.name)
        self.app.execute(statement.format(*names, sql.SQL(_POSTGRES_DECLARED[added.type.kind]), sql.Literal(default)))

    def site(self) -> Site:
        return PostgresSite(self.url, capture=self.capture)

    def source(self, part_rows_max: int = 20_000) -> Source:
        return PostgresSource(self.url, part_rows_max=part_rows_max)

    def target(self) -> Target:
        return PostgresTarget(self.url)

    def run(self, steps: Sequence[Step]) -> None:
        with self.app.transaction():
            for step in steps:
                self._step(step)

    def rows(self, table: str) -> list[Row]:
        return list(self.app.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall())

    def traces(self) -> list[str]:
        return [str(name) for (name,) in self.app.execute(_TRACES).fetchall()]

    def close(self) -> None:
        if not self.app.closed:
            self.app.close()
            cluster().drop(self.url)

    def _step(self, step: Step) -> None:
        table = sql.Identifier(step.table.name)
        if isinstance(step, Insert):
            marks = sql.SQL(", ").join(sql.Placeholder() for _ in step.row)
            self.app.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(table, marks), step.row)
            return
        where = sql.SQL(" AND ").join(
            sql.SQL("{} IS NOT DISTINCT FROM %s").format(sql.Identifier(name)) for name in step.table.key_names
        )
        if isinstance(step, Update):
            sets = sql.SQL(", ").join(
                sql.SQL("{} = %s").format(sql.Identifier(name)) for name in step.table.column_names
            )
            statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(table, sets, where)
            self.app.execute(statement, (*step.row, *step.key))
        elif step.one:
            one = sql.SQL("DELETE FROM {} WHERE ctid = (SELECT ctid FROM {} WHERE {} LIMIT 1)")
            self.app.execute(one.format(table, table, where), step.key)
        else:
            self.app.execute(sql.SQL("DELETE FROM {} WHERE {}").format(table, where), step.key)


class JournalledPostgresServer(PostgresServer):
    """A database that is captured by triggers."""

    capture = "journal"

    def captures(self, schema: TableSchema) -> bool:
        """The notes hold whole rows where there is no key; an index that lets NULL in is none."""
        return not any(schema.columns[index].nullable for index in schema.key)

    def source(self, part_rows_max: int = 20_000) -> Source:
        return JournalSource(self.url, limits=Limits(part_rows_max), confirm_interval_s=0)


KINDS: Mapping[str, Callable[[Path], Server]] = {
    "memory": MemoryServer,
    "postgres": PostgresServer,
    "postgres journal": JournalledPostgresServer,
    "sqlite": SqliteServer,
}
