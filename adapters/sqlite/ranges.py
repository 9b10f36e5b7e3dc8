"""Key ranges: the rows of a table behind one key and up to another, in one order that both ends share.

The rule it keeps: the order is SQLite's own over storage classes (NULL, numbers, texts, blobs) with texts compared
byte by byte, whatever collation a column declares, so that two files agree on what a range holds. Where no key column
is nullable and the index compares bytes, that is the order of the index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from adapters.sqlite.catalog import Table, quote
from sync.model.change import Columns, Row, Value
from sync.model.schema import TableSchema


def read_range(
    connection: sqlite3.Connection,
    table: Table,
    schema: TableSchema,
    after: Row | None,
    upto: Row | None,
    limit: int | None = None,
) -> Columns:
    """The rows of (after, upto], the schema's columns, in key order; only the first ones where there is a limit."""
    columns = ", ".join(map(quote, schema.column_names))
    condition, values = _condition(table, schema, after, upto)
    rows = connection.execute(
        f"SELECT {columns} FROM {quote(table.name)} WHERE {condition} ORDER BY {_order(schema)} LIMIT ?",
        (*values, -1 if limit is None else limit),
    ).fetchall()
    return tuple(map(list, zip(*rows, strict=True))) if rows else tuple([] for _ in schema.columns)


def last_key(
    connection: sqlite3.Connection, table: Table, schema: TableSchema, after: Row | None, limit: int
) -> Row | None:
    """The key of the `limit`-th row behind `after`; None where the table ends at or before it."""
    key = ", ".join(map(quote, schema.key_names))
    condition, values = _condition(table, schema, after, None)
    found = connection.execute(
        f"SELECT {key} FROM {quote(table.name)} WHERE {condition} ORDER BY {_order(schema)} LIMIT 1 OFFSET ?",
        (*values, max(limit, 1) - 1),
    ).fetchone()
    if found is None:
        return None
    condition, values = _condition(table, schema, found, None)
    more = connection.execute(f"SELECT 1 FROM {quote(table.name)} WHERE {condition} LIMIT 1", values).fetchone()
    return tuple(found) if more else None


def _order(schema: TableSchema) -> str:
    return ", ".join(f"{quote(name)} COLLATE BINARY" for name in schema.key_names)


def _condition(table: Table, schema: TableSchema, after: Row | None, upto: Row | None) -> tuple[str, list[Value]]:
    nullable = any(table.is_nullable(name) for name in schema.key_names)
    between = _chain if nullable else _row_values
    conditions, values = ["1"], list[Value]()
    for bound, above in ((after, True), (upto, False)):
        if bound is not None:
            condition, bound_values = between(schema.key_names, bound, above=above)
            conditions.append(f"({condition})")
            values += bound_values
    return " AND ".join(conditions), values


def _row_values(names: Sequence[str], bound: Row, *, above: bool) -> tuple[str, list[Value]]:
    """Compare by row value, which SQLite can answer from the index."""
    columns = ", ".join(f"{quote(name)} COLLATE BINARY" for name in names)
    marks = ", ".join("?" for _ in names)
    left, right = (f"({columns})", f"({marks})") if len(names) > 1 else (columns, marks)
    return f"{left} {'>' if above else '<='} {right}", list(bound)


def _chain(names: Sequence[str], bound: Row, *, above: bool) -> tuple[str, list[Value]]:
    """Compare column by column, NULL before everything, as ORDER BY sorts it."""
    alternatives, values = [], list[Value]()
    for place, (name, value) in enumerate(zip(names, bound, strict=True)):
        column = f"{quote(name)} COLLATE BINARY"
        if value is not None:
            step = f"{column} > ?" if above else f"({column} < ? OR {column} IS NULL)"
        elif above:
            step = f"{column} IS NOT NULL"
        else:
            continue
        same = [f"{quote(before)} COLLATE BINARY IS ?" for before in names[:place]]
        alternatives.append("(" + " AND ".join([*same, step]) + ")")
        values += [*bound[:place], *([] if value is None else [value])]
    if not above:
        alternatives.append("(" + " AND ".join(f"{quote(name)} COLLATE BINARY IS ?" for name in names) + ")")
        values += bound
    return " OR ".join(alternatives) or "0", values
