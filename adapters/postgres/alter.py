"""Altering a target's table, and noting what is known of it: the stream's schema as PostgreSQL's own DDL.

The rule it keeps: only what PostgreSQL itself names becomes SQL. A type's bounds are numbers, its qualifier has one of
a few known forms, and any other name is looked up in the catalog first; what is not known there is text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import psycopg

from adapters import sql
from adapters.postgres.catalog import DIALECT, quote, read_tables
from adapters.postgres.connection import Connection
from adapters.postgres.errors import reason, sqlstate
from adapters.postgres.guard import guard_one
from adapters.postgres.schema import META, NOTE
from adapters.postgres.session import Session
from sync.errors import TableRefused
from sync.model.alteration import AddColumn, Alteration, CreateTable, WidenColumn
from sync.model.schema import Column, Kind, TableSchema, Type

_PLAIN: Final = {
    Kind.BOOL: "boolean",
    Kind.INT16: "smallint",
    Kind.INT32: "integer",
    Kind.INT64: "bigint",
    Kind.FLOAT: "double precision",
    Kind.BYTES: "bytea",
    Kind.DATE: "date",
    Kind.UUID: "uuid",
    Kind.JSON: "json",  # jsonb would write json's text otherwise, while json keeps that of jsonb
}
_MONEY: Final = Type(Kind.MONEY, 19, 2)
_TIMES: Final = re.compile(r"(hour|year) to (?:second|fraction\(([1-6])\))( with time zone)?")
_INTERVAL: Final = re.compile(
    r"(?:(?:year|month|day|hour|minute|second)(?: to (?:month|hour|minute|second))?)?(?:\(\d\))?"
)
_NAMED: Final = re.compile(r"(?P<base>.+?)(?P<bounds>\(\d+(?:,-?\d+)?\))?(?P<array>(?:\[\])*)")
_SAVEPOINT: Final = "altered"
_REFUSING: Final = {"0A", "22", "23", "2B", "42"}
"""Classes of SQLSTATE that say no to this statement, and would again: unsupported, values, dependencies, rights."""
_GENERATED: Final = """
SELECT attname::text, attgenerated = 's' FROM pg_attribute
 WHERE attrelid = %s::oid AND attname = ANY (%s) AND attgenerated <> '' AND NOT attisdropped ORDER BY attnum"""
_THEN: Final = "Then the table is copied and goes on by itself"


def alter(session: Session, schema: TableSchema, steps: Sequence[Alteration]) -> None:
    """Take the steps, all of them or none, and guard the table as it is then. Raises `TableRefused`."""
    session.start()
    _demand_writable(session.connection, schema, [step.column.name for step in steps if isinstance(step, AddColumn)])
    statements = [_statement(session, schema, step) for step in steps]
    try:
        with session.savepoint(_SAVEPOINT):
            for statement in statements:
                session.run(statement)
            guard_one(session.connection, schema)
    except psycopg.Error as error:
        if sqlstate(error)[:2] not in _REFUSING:
            raise
        remedy = f"Run on this database: {'; '.join(statements)}. {_THEN}"
        raise TableRefused(schema.name, reason(error), remedy) from error


def notes(session: Session) -> dict[str, str]:
    """What was noted of each table."""
    rows = session.ask(f"SELECT name, value FROM {META} WHERE starts_with(name, $1)", (NOTE,))
    return {str(name)[len(NOTE) :]: str(text) for name, text in rows}


def note(session: Session, table: str, text: str) -> None:
    """Note something of a table, in the open transaction."""
    session.start()
    session.run(
        f"INSERT INTO {META} VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (NOTE + table, text),
    )


def own_type(connection: Connection, wanted: Type) -> Type:
    """The logical type of a column declared for one of the stream's."""
    if wanted.kind is Kind.ANY:
        return Type(Kind.TEXT)
    if wanted.kind is Kind.MONEY and wanted != _MONEY:
        return Type(Kind.DECIMAL, wanted.length, wanted.scale)
    return Type(Kind.TEXT) if _declared(connection, wanted) == "text" else wanted


def _statement(session: Session, schema: TableSchema, step: Alteration) -> str:
    connection = session.connection
    found = read_tables(connection).get(schema.name)
    namespace, relation = (found.namespace, found.relation) if found else _place(connection, schema.name)
    table = sql.table(relation, namespace)
    match step:
        case CreateTable():
            made = step.schema
            definitions = [
                _definition(connection, column, key=at in made.key) for at, column in enumerate(made.columns)
            ]
            names = [made.columns[at].name for at in made.key]
            primary = not any(made.columns[at].nullable for at in made.key)
            return sql.create(table, definitions, names, primary=primary, dialect=DIALECT)
        case AddColumn():
            return sql.add_column(table, _definition(connection, step.column), DIALECT)
        case WidenColumn():
            return sql.set_type(table, _definition(connection, step.column), DIALECT)


def _demand_writable(connection: Connection, schema: TableSchema, added: Sequence[str]) -> None:
    """Refuse to add columns that are there already, generated, so that no row can bring a value for them."""
    table = read_tables(connection).get(schema.name) if added else None
    rows = connection.execute(_GENERATED, (table.oid, list(added))).fetchall() if table else ()
    if table and rows:
        # A virtual column has no values that could stay when its expression goes.
        forms = {True: "ALTER {} DROP EXPRESSION", False: "DROP {}"}
        actions = ", ".join(forms[stored is True].format(quote(str(name))) for name, stored in rows)
        why = f"{', '.join(str(name) for name, _ in rows)} can not be written: generated on this database only"
        remedy = f"Run on this database: ALTER TABLE {table.quoted} {actions}. {_THEN}"
        raise TableRefused(schema.name, why, remedy)


def _place(connection: Connection, name: str) -> tuple[str, str]:
    """Schema and name of a table that is not there yet: as the source called it, where a schema of that name exists."""
    namespace, dot, relation = name.partition(".")
    row = connection.execute("SELECT to_regnamespace(quote_ident(%s)) IS NOT NULL", (namespace,)).fetchone()
    if dot and row is not None and row[0]:
        return namespace, relation
    row = connection.execute("SELECT coalesce(current_schema(), 'public')::text").fetchone()
    return str(row[0]) if row else "public", name


def _definition(connection: Connection, column: Column, *, key: bool = False) -> sql.Definition:
    return column.name, _declared(connection, column.type), key and not column.nullable


def _declared(connection: Connection, wanted: Type) -> str:
    """The type as SQL."""
    plain = _PLAIN.get(wanted.kind)
    if plain is not None:
        return plain
    match wanted.kind:
        case Kind.CHAR:
            return f"char({wanted.length})" if wanted.length else "bpchar"
        case Kind.VARCHAR if wanted.length:
            return f"varchar({wanted.length})"
        case Kind.MONEY if wanted == _MONEY:
            return "money"
        case Kind.DECIMAL | Kind.MONEY:
            return f"numeric({wanted.length},{wanted.scale})" if wanted.length else "numeric"
        case Kind.TEXT if wanted.qualifier:
            return _named(connection, wanted.qualifier)
        case Kind.INTERVAL if _INTERVAL.fullmatch(wanted.qualifier):
            return f"interval {wanted.qualifier}".strip()
    return _time(wanted) if wanted.kind in {Kind.TIME, Kind.DATETIME} else "text"


def _time(wanted: Type) -> str:
    found = _TIMES.fullmatch(wanted.qualifier)
    name, first = ("time", "hour") if wanted.kind is Kind.TIME else ("timestamp", "year")
    if found is None or found[1] != first:
        return "text"
    return f"{name}({found[2] or 0}){found[3] or ''}"


def _named(connection: Connection, name: str) -> str:
    """A type of this name where the database has one, as the database writes it; else text."""
    found = _NAMED.fullmatch(name)
    if found is None:
        return "text"
    try:
        with connection.transaction():
            query = "SELECT format_type(to_regtype(%s), NULL), to_regtype(%s) IS NOT NULL"
            row = connection.execute(query, (found["base"], found["base"])).fetchone()
    except psycopg.Error:
        return "text"  # before PostgreSQL 16 what can not be a type's name is an error
    return f"{row[0]}{found['bounds'] or ''}{found['array']}" if row and row[1] else "text"
