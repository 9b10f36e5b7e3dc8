"""Altering a target's table: the stream's schema as SQLite's own DDL.

The rule it keeps: a column gives back exactly the canonical value that was put into it. So its declared type is chosen
for its affinity: what travels as text is declared TEXT, or SQLite would make a number of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial

from adapters import sql
from adapters.sqlite.catalog import DIALECT, read_table, type_of
from adapters.sqlite.connection import is_row_error, primary_code
from adapters.sqlite.install import guard_one
from sync.errors import TableRefused
from sync.model.alteration import AddColumn, Alteration, CreateTable, WidenColumn
from sync.model.schema import Column, Kind, TableSchema, Type

_DECLARED = {
    Kind.BOOL: "BOOLEAN",
    Kind.INT16: "SMALLINT",
    Kind.INT32: "INTEGER",
    Kind.INT64: "BIGINT",
    Kind.FLOAT: "DOUBLE PRECISION",
    Kind.BYTES: "BLOB",
    Kind.ANY: "",
}
_NUMBERS = frozenset({Kind.INT16, Kind.INT32, Kind.INT64, Kind.FLOAT})
_TEXTS = frozenset({Kind.VARCHAR, Kind.TEXT})
_SAVEPOINT = "altered"


def own_type(wanted: Type) -> Type:
    """The logical type of a column declared for one of the stream's."""
    return type_of(_declared(wanted))


def alter(connection: sqlite3.Connection, schema: TableSchema, steps: Sequence[Alteration]) -> None:
    """Take the steps, all of them or none, and guard the table as it is then. Raises `TableRefused`."""
    connection.execute(f"SAVEPOINT {_SAVEPOINT}")
    try:
        for step in steps:
            _take(connection, schema, step)
        guard_one(connection, schema)
    except (sqlite3.Error, TableRefused) as error:
        connection.execute(f"ROLLBACK TO {_SAVEPOINT}")
        connection.execute(f"RELEASE {_SAVEPOINT}")
        if isinstance(error, TableRefused) or not (primary_code(error) == sqlite3.SQLITE_ERROR or is_row_error(error)):
            raise
        wanted = "; ".join(map(str, steps))
        remedy = f"Alter {schema.name} on this database by hand ({wanted}), then it is copied and goes on by itself"
        raise TableRefused(schema.name, str(error), remedy) from error
    connection.execute(f"RELEASE {_SAVEPOINT}")


def _take(connection: sqlite3.Connection, schema: TableSchema, step: Alteration) -> None:
    match step:
        case CreateTable():
            connection.execute(_create(step.schema))
        case AddColumn():
            connection.execute(sql.add_column(sql.table(schema.name), _definition(step.column), DIALECT))
        case WidenColumn():
            _widen(connection, schema.name, step.column)


def _create(schema: TableSchema) -> str:
    definitions = [_definition(column, key=at in schema.key) for at, column in enumerate(schema.columns)]
    names = [schema.columns[at].name for at in schema.key]
    primary = not any(schema.columns[at].nullable for at in schema.key)
    make = partial(sql.create, sql.table(schema.name), definitions, names)
    return make(primary=primary, dialect=DIALECT)


def _widen(connection: sqlite3.Connection, table: str, column: Column) -> None:
    """SQLite enforces no length, so there is nothing to do as long as the values keep their storage class."""
    found = read_table(connection, table)
    have = next((each.type.kind for each in found.schema.columns if each.name == column.name), None) if found else None
    want = own_type(column.type).kind
    if not any({have, want} <= alike for alike in (_NUMBERS, _TEXTS)) and have is not want:
        raise TableRefused(
            table,
            f"SQLite can not change the type of column {column.name}",
            f"Make {table} anew with {column.name} declared {_declared(column.type)}, then it is copied and goes on",
        )


def _definition(column: Column, *, key: bool = False) -> sql.Definition:
    return column.name, _declared(column.type), key and not column.nullable


def _declared(wanted: Type) -> str:
    if wanted.kind in {Kind.CHAR, Kind.VARCHAR} and wanted.length:
        return f"VARCHAR({wanted.length})"
    return _DECLARED.get(wanted.kind, "TEXT")
