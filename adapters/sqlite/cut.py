"""A cut: the net effect of everything that the journal notes up to one moment, streamed in parts.

The rule it keeps: journal and rows are read in one snapshot. A long journal is read window by window, each in key
order: the first part comes soon, the sorting stays in memory, and both databases look their rows up side by side. A key
that stands in several windows comes again, as it is now. A key whose row is there becomes an UPSERT of the whole row,
one whose row is gone a DELETE. Where an identity is not unique (no key, or NULL inside it) the DELETE of all its rows
comes first and the rows that are there now follow as INSERTs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from adapters.parts import Parts
from adapters.sqlite.catalog import Table, quote
from adapters.sqlite.connection import refusals
from adapters.sqlite.journal import key_columns, same_key
from adapters.sqlite.schema import JOURNAL
from sync.model.batch import Transaction
from sync.model.change import Op
from sync.model.schema import TableSchema

_WINDOW_ROWS = 1 << 16
"""Journal rows that are sorted together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The statements that read one captured table's share of a cut.

    Each takes (after, upto) and gives rows of the captured columns, `unique` with the operation behind them.
    """

    schema: TableSchema
    number: int
    unique: str
    """Keys without NULL, joined to their rows; "" where the table has no key."""
    gone: str
    """Identities that may stand for several rows; "" where the table has none."""
    present: str
    """The rows of these identities."""


def plan(table: Table, captured: TableSchema, number: int) -> Plan:
    """Build the statements for one table."""
    key = captured.key_names
    journal = key_columns(len(key))
    never_null = [name for name in key if captured.key and not table.is_nullable(name)]
    columns = ", ".join(f"t.{quote(name)}" for name in captured.column_names)
    mixed = ", ".join(
        f"j.{journal[key.index(name)]}" if name in key else f"t.{quote(name)}" for name in captured.column_names
    )
    keys = ", ".join(f"j.{name}" for name in journal)
    pairs = {f"t.{quote(name)}": f"j.{mine}" for name, mine in zip(key, journal, strict=True)}
    collations = table.collations_of(key)
    complete = " AND ".join(f"{name} IS NOT NULL" for name in journal)
    partial = " OR ".join(f"{name} IS NULL" for name in journal) if captured.key else "1"

    def noted(condition: str) -> str:
        # `tbl` last: the range of seq finds the rows, and no index on tbl slows the triggers down.
        return (
            f"(SELECT {', '.join(journal)} FROM {JOURNAL} WHERE seq > ? AND seq <= ? AND tbl = {number}"
            # Not DISTINCT: that keeps a tree of all keys where this sorts them once.
            f" AND ({condition}) GROUP BY {', '.join(journal)}) AS j"
        )

    unique = ""
    if captured.key:
        on = same_key(pairs, collations, nulls=False)
        gone_or_not = f"CASE WHEN t.{quote(key[0])} IS NULL THEN {Op.DELETE:d} ELSE {Op.UPSERT:d} END"
        unique = f"SELECT {mixed}, {gone_or_not} FROM {noted(complete)} LEFT JOIN {quote(table.name)} AS t ON {on}"
    gone = present = ""
    if not captured.key or len(never_null) < len(key):
        on = same_key(pairs, collations, nulls=True)
        gone = f"SELECT {keys} FROM {noted(partial)}"
        present = f"SELECT {columns} FROM {noted(partial)} JOIN {quote(table.name)} AS t ON {on}"
    return Plan(captured, number, unique, gone, present)


def stream(
    connection: sqlite3.Connection, plans: Mapping[int, Plan], after: int, upto: int, parts: Parts
) -> Iterator[Transaction]:
    """Give all parts of the cut (after, upto] but the last. `plans` stand under their tables' numbers."""
    for span in _windows(connection, after, upto):
        noted = connection.execute(f"SELECT DISTINCT tbl FROM {JOURNAL} WHERE seq > ? AND seq <= ?", span)
        # Rows that somebody else put there, under numbers that mean nothing, are no changes.
        for each in [plans[number] for (number,) in noted if number in plans]:
            for statement, op in ((each.unique, None), (each.gone, Op.DELETE), (each.present, Op.INSERT)):
                if statement:
                    with refusals(f"could not read table {each.schema.name}"):
                        yield from parts.fill(each.schema, connection.execute(statement, span).fetchmany, op)


def _windows(connection: sqlite3.Connection, after: int, upto: int) -> Iterator[tuple[int, int]]:
    """Divide (after, upto] so that no more than `_WINDOW_ROWS` rows of the journal stand in each piece."""
    border = f"SELECT seq FROM {JOURNAL} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT 1 OFFSET {_WINDOW_ROWS - 1}"
    while after < upto:
        row = connection.execute(border, (after, upto)).fetchone()
        end = row[0] if row else upto
        yield after, end
        after = end
