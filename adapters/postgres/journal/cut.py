"""A cut: the net effect of everything that the journal notes and the last cut did not hold, streamed in parts.

The rule it keeps: journal and rows are read in one snapshot, which was taken when the tables were locked against being
truncated or rewritten: a snapshot older than that shows such a table as empty. A key whose row is there becomes an
UPSERT of the whole row, one whose row is gone a DELETE. Of a table without a key, all rows that are like a noted one
are deleted first, and those that are there now follow as INSERTs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from adapters.parts import Parts
from adapters.postgres.catalog import Table, quote
from adapters.postgres.connection import Connection
from adapters.postgres.journal.notes import JOURNAL, text_of
from adapters.postgres.journal.snapshot import Snapshot
from adapters.postgres.ranges import attributes
from adapters.postgres.types import selected, unbounded
from sync.model.batch import Transaction
from sync.model.change import Op, Row
from sync.model.schema import TableSchema

_CURSOR: Final = "admin_sync_cut"


@dataclass(frozen=True, slots=True)
class Plan:
    """What reads one captured table's share of a cut: SQL with a place for the condition on the notes."""

    schema: TableSchema
    table: Table
    keyed: Callable[[str], str] | None
    """The rows with a key, and the operation behind each."""
    gone: Callable[[str], str]
    present: Callable[[str], str]
    """Of a table without a key: the noted rows, and which of them are there."""


def plan(number: int, table: Table, schema: TableSchema) -> Plan:
    """Build the SQL for one table."""
    stored = attributes(table, schema)
    key = [stored[at] for at in schema.identity]
    noted = {
        each.name: f"(j.key[{place}])::{unbounded(each.type_oid, each.modifier, each.declared)}"
        for place, each in enumerate(key, 1)
    }
    rows = [selected(each.column.type, f"t.{quote(each.name)}") for each in stored]
    texts = f"ARRAY[{', '.join(text_of(f't.{quote(each.name)}', each) for each in key)}]"
    mixed = ", ".join(
        selected(each.column.type, f"coalesce(t.{quote(each.name)}, {noted[each.name]})") if each.name in noted else row
        for each, row in zip(stored, rows, strict=True)
    )
    # What an index finds need not be the same byte by byte.
    same = " AND ".join([*(f"t.{quote(name)} = {value}" for name, value in noted.items()), f"{texts} = j.key"])
    op = f"CASE WHEN t.ctid IS NULL THEN {Op.DELETE:d} ELSE {Op.UPSERT:d} END"
    keys = ", ".join(selected(each.column.type, noted[each.name]) for each in key)

    def notes(condition: str) -> str:
        return f"(SELECT DISTINCT key FROM {JOURNAL} WHERE {condition} AND tbl = {number} AND key IS NOT NULL) AS j"

    def keyed(condition: str) -> str:
        return f"SELECT {mixed}, {op} FROM {notes(condition)} LEFT JOIN {table.only} AS t ON {same}"

    def gone(condition: str) -> str:
        return f"SELECT {keys} FROM {notes(condition)}"

    def present(condition: str) -> str:
        return f"SELECT {', '.join(rows)} FROM {notes(condition)} JOIN {table.only} AS t ON {texts} = j.key"

    return Plan(schema, table, keyed if schema.key else None, gone, present)


def stream(
    connection: Connection, each: Plan, since: Snapshot, parts: Parts, *, truncated: bool
) -> Iterator[Transaction]:
    """Gather one table's share of a cut, what `since` does not show; gives the parts that are full."""
    if truncated:
        parts.truncate(each.schema)
    if each.keyed is not None:
        yield from _fill(connection, each, each.keyed(since.hidden), parts)
    else:
        yield from _fill(connection, each, each.gone(since.hidden), parts, Op.DELETE)
        # Here the notes and the whole table meet: no index holds whole rows.
        connection.execute("SET LOCAL enable_hashjoin = on")
        yield from _fill(connection, each, each.present(since.hidden), parts, Op.INSERT)
        connection.execute("SET LOCAL enable_hashjoin = off")


def _fill(connection: Connection, each: Plan, query: str, parts: Parts, op: Op | None = None) -> Iterator[Transaction]:
    connection.execute(f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {query}".encode())

    def fetch(count: int) -> Sequence[Row]:
        return cast("list[Row]", connection.execute(f"FETCH {count} FROM {_CURSOR}".encode()).fetchall())

    yield from parts.fill(each.schema, fetch, op)
    connection.execute(f"CLOSE {_CURSOR}")
