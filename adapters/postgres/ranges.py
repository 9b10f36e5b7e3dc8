"""Key ranges: the rows of a table behind one key and up to another, in one order that both ends share.

The rule it keeps: texts are compared byte by byte, whatever collation a column declares, and NULL comes first, so that
two databases agree on what a range holds. Where the key's index compares bytes too, that is the order of the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import psycopg

from adapters.postgres.catalog import Attribute, Table, quote
from adapters.postgres.connection import Connection
from adapters.postgres.types import selected, unbounded
from sync.errors import DatabaseRefused
from sync.model.change import Columns, Row, Value
from sync.model.schema import Kind, TableSchema

_REMEDY = "Bring the table to the other node's definition, then the work goes on"


def read_range(
    connection: Connection,
    table: Table,
    schema: TableSchema,
    after: Row | None,
    upto: Row | None,
    limit: int | None = None,
) -> Columns:
    """The rows of (after, upto], the schema's columns, in key order; only the first ones where there is a limit."""
    keys = _Keys(table, schema)
    columns = ", ".join(selected(found.column.type, quote(found.name)) for found in attributes(table, schema))
    condition, values = keys.between(after, upto)
    query = f"SELECT {columns} FROM {table.only} WHERE {condition} ORDER BY {keys.order}"
    rows = _fetch(connection, query if limit is None else f"{query} LIMIT {limit:d}", values)
    return tuple(map(list, zip(*rows, strict=True))) if rows else tuple([] for _ in schema.columns)


def last_key(connection: Connection, table: Table, schema: TableSchema, after: Row | None, limit: int) -> Row | None:
    """The key of the `limit`-th row behind `after`; None where the table ends at or before it."""
    keys = _Keys(table, schema)
    columns = ", ".join(selected(found.column.type, quote(found.name)) for found in keys.attributes)
    condition, values = keys.between(after, None)
    skipped = max(limit, 1) - 1
    found = _fetch(
        connection,
        f"SELECT {columns} FROM {table.only} WHERE {condition} ORDER BY {keys.order} LIMIT 1 OFFSET {skipped:d}",
        values,
    )
    if not found:
        return None
    condition, values = keys.between(found[0], None)
    more = _fetch(connection, f"SELECT 1 FROM {table.only} WHERE {condition} LIMIT 1", values)
    return found[0] if more else None


def attributes(table: Table, schema: TableSchema) -> list[Attribute]:
    """The table's columns that the schema names, in its order. Raises `DatabaseRefused` where one is missing."""
    by_name = {found.name: found for found in table.attributes}
    for name in schema.column_names:
        if name not in by_name:
            raise DatabaseRefused(f"could not read table {schema.name}", f"it has no column {name}", _REMEDY)
    return [by_name[name] for name in schema.column_names]


class _Keys:
    """The identity of a table's rows as SQL."""

    def __init__(self, table: Table, schema: TableSchema) -> None:
        found = attributes(table, schema)
        self.attributes = [found[index] for index in schema.identity]
        self._nullable = any(each.column.nullable for each in self.attributes)
        self._sorted = [_comparable(each, quote(each.name)) for each in self.attributes]
        self.order = ", ".join(f"{each} NULLS FIRST" if self._nullable else each for each in self._sorted)

    def between(self, after: Row | None, upto: Row | None) -> tuple[str, list[Value]]:
        """The condition for (after, upto], and its parameters."""
        conditions, values = ["true"], list[Value]()
        step = self._chain if self._nullable else self._row_values
        for bound, above in ((after, True), (upto, False)):
            if bound is not None:
                conditions.append(f"({step(bound, len(values), above=above)})")
                values += bound
        return " AND ".join(conditions), values

    def _marks(self, offset: int) -> list[str]:
        return [
            _comparable(each, f"${at}::{unbounded(each.type_oid, each.modifier, each.declared)}")
            for at, each in enumerate(self.attributes, offset + 1)
        ]

    def _row_values(self, bound: Row, offset: int, *, above: bool) -> str:  # noqa: ARG002 as _chain
        """Compare by row value, which the server can answer from the index."""
        return f"({', '.join(self._sorted)}) {'>' if above else '<='} ({', '.join(self._marks(offset))})"

    def _chain(self, bound: Row, offset: int, *, above: bool) -> str:
        """Compare column by column, NULL before everything, as ORDER BY sorts it."""
        marks = self._marks(offset)
        same = [f"{column} IS NOT DISTINCT FROM {mark}" for column, mark in zip(self._sorted, marks, strict=True)]
        alternatives = [] if above else [" AND ".join(same)]
        for place, (column, mark) in enumerate(zip(self._sorted, marks, strict=True)):
            if bound[place] is not None:
                step = f"{column} > {mark}" if above else f"({column} < {mark} OR {column} IS NULL)"
            elif above:
                step = f"{column} IS NOT NULL"
            else:
                continue
            alternatives.append(" AND ".join([*same[:place], step]))
        # A parameter that no comparison names would have no type.
        return "(" + ") OR (".join(alternatives) + f") OR (false AND {' AND '.join(f'{m} IS NULL' for m in marks)})"


def _comparable(attribute: Attribute, expression: str) -> str:
    """An expression of the column's type, in an order that other databases have too."""
    column = attribute.column.type
    # A type with an order of its own (citext, an array, an enum) first: a collation alone would not change that order.
    if column.kind is Kind.JSON or (column.kind is Kind.TEXT and column.qualifier):
        return f'{expression}::text COLLATE "C"'
    if attribute.collatable:
        return f'{expression} COLLATE "C"'
    return expression


def _fetch(connection: Connection, query: str, values: Sequence[Value]) -> list[Row]:
    with psycopg.RawCursor(connection) as cursor:
        return cast("list[Row]", cursor.execute(query.encode(), values).fetchall())
