"""Single rows by their key: what the stream left out of a row that moved to another key.

The rule it keeps: a row comes under the key that was asked for, in canonical values, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import psycopg

from adapters.postgres.catalog import Table, quote
from adapters.postgres.connection import Connection
from adapters.postgres.ranges import attributes
from adapters.postgres.types import selected, unbounded
from sync.model.change import Row
from sync.model.schema import TableSchema


def read_rows(connection: Connection, table: Table, schema: TableSchema, keys: Sequence[Row]) -> dict[Row, Row]:
    """The rows with these keys as they are now, by key. One query a key: it is asked for a few."""
    found = attributes(table, schema)
    columns = ", ".join(selected(each.column.type, quote(each.name)) for each in found)
    condition = " AND ".join(
        f"{quote(each.name)} = ${at}::{unbounded(each.type_oid, each.modifier, each.declared)}"
        for at, each in enumerate((found[index] for index in schema.key), 1)
    )
    query = f"SELECT {columns} FROM {table.only} WHERE {condition}".encode()
    rows: dict[Row, Row] = {}
    with psycopg.RawCursor(connection) as cursor:
        for key in keys:
            row = cursor.execute(query, key).fetchone()
            if row is not None:
                rows[key] = cast("Row", row)
    return rows
