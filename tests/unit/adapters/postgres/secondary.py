"""A PostgreSQL database as a secondary: tables from DDL, guarded, with an open target."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from adapters.postgres.catalog import read_tables
from adapters.postgres.connection import connect, transaction
from adapters.postgres.guard import guard_statements
from adapters.postgres.schema import base_statements
from adapters.postgres.target import PostgresTarget
from sync.core.net import net
from sync.model.batch import Checkpoint
from sync.model.change import Block, Op, Row
from sync.model.position import Position
from sync.model.schema import Column, TableSchema

ARRAY_ROWS_MAX = 50
"""In these tests."""


class Secondary:
    """A guarded database. `user` is the role of the applier, a superuser where none is given."""

    def __init__(self, url: str, ddl: str, user: str = "") -> None:
        self.app = psycopg.connect(url, autocommit=True)
        self.app.execute(ddl.encode())
        self.url = url.replace("postgres@", f"{user}@") if user else url
        connection = connect(self.url)
        self.tables = {name: table.schema for name, table in read_tables(connection).items()}
        self.install(self.tables)
        connection.close()
        self.target = PostgresTarget(self.url)
        self.target.open()

    def close(self) -> None:
        """Let go of the database."""
        self.target.close()
        self.app.close()

    def install(self, captured: dict[str, TableSchema]) -> None:
        """Put the guard on these tables."""
        connection = connect(self.url)
        with transaction(connection):
            for statement in base_statements(connection):
                connection.execute(statement.encode())
            for statement in guard_statements(connection, captured, "cms-east"):
                connection.execute(statement.encode())
        connection.close()

    def schema(self, table: str, *columns: str, key: tuple[int, ...] | None = None) -> TableSchema:
        """A table's schema, or only some of its columns."""
        whole = self.tables[table]
        if columns:
            picked = tuple(column for column in whole.columns if column.name in columns)
            names = [column.name for column in picked]
            whole = TableSchema(table, picked, tuple(names.index(name) for name in whole.key_names))
        return whole if key is None else TableSchema(whole.name, whole.columns, key)

    def typed(self, table: str, **columns: Column) -> TableSchema:
        """A table's schema with other types, as another database might have them."""
        whole = self.tables[table]
        return TableSchema(table, tuple(columns.get(each.name, each) for each in whole.columns), whole.key)

    def write(self, schema: TableSchema, *changes: tuple[Op, Row]) -> int:
        """Apply one block and commit; gives the repairs. Rolls back where it is refused."""
        self.target.begin()
        try:
            repairs = self.target.write(net([Block.of(schema, changes)]))
            self.target.commit(Checkpoint("somewhere", 1, Position(1)))
        except BaseException:
            self.target.rollback()
            raise
        return repairs

    def put(self, table: str, rows: Sequence[Row]) -> int:
        """Apply upserts of whole rows."""
        return self.write(self.tables[table], *((Op.UPSERT, row) for row in rows))

    def ask(self, query: str) -> list[Row]:
        """What a user sees."""
        return list(self.app.execute(query.encode()).fetchall())
