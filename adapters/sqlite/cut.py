"""A cut: the net effect of everything that the journal notes up to one moment, streamed in parts.

The rule it keeps: journal and rows are read in one snapshot, and never more than two parts of it are in memory. A long
journal is read window by window, each in key order: the first part comes soon, the sorting stays in memory, and both
databases look their rows up side by side. A key that stands in several windows comes again, as it is now. A key
whose row is there becomes an UPSERT of the whole row, one whose row is gone a DELETE. Where an identity is not unique
(no key, or NULL inside it) the DELETE of all its rows comes first and the rows that are there now follow as INSERTs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress
from operator import not_
from sys import getsizeof
from typing import cast

from adapters.sqlite.catalog import Table, quote
from adapters.sqlite.connection import refusals
from adapters.sqlite.journal import key_columns, same_key
from adapters.sqlite.schema import JOURNAL
from sync.model.batch import Transaction
from sync.model.change import ABSENT, Block, Op, Value
from sync.model.position import Position
from sync.model.schema import Kind, TableSchema

_WINDOW_ROWS = 1 << 16
"""Journal rows that are sorted together."""
_SLICE_ROWS = 256
"""Few enough that a slice of unforeseen long values still fits."""
_SAMPLE = 4
"""One row in so many is measured."""
_SLICE_ROWS_FIRST = 32
_SLICE_BYTES = 1 << 20
_NUMBERS = {Kind.INT16, Kind.INT32, Kind.INT64, Kind.FLOAT, Kind.BOOL}


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one part of a transaction."""

    rows_max: int = 20_000
    bytes_max: int = 4 << 20
    """Of the values as Python holds them; a part may exceed it by one row or by about a megabyte."""


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
    sized: tuple[int, ...]
    """Columns whose values may be long."""


def plan(table: Table, captured: TableSchema, number: int) -> Plan:
    """Build the statements for one table."""
    key = captured.key_names
    journal = key_columns(len(key))
    never_null = [name for name in key if captured.key and not table.is_nullable(name)]
    sized = tuple(at for at, column in enumerate(captured.columns) if column.type.kind not in _NUMBERS)
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
    return Plan(captured, number, unique, gone, present, sized)


class Parts:
    """Gathers rows into blocks, and blocks into the parts of one transaction."""

    def __init__(self, position: Position, committed_at_us: int, limits: Limits) -> None:
        self._empty = Transaction(position, committed_at_us, (), last=False)
        self._limits = limits
        self._blocks: dict[str, tuple[TableSchema, list[bytes], list[list[Value]], int]] = {}
        self._rows = 0
        self._bytes = self._bytes_all = 0
        self._ordinal = 0
        self._part = 0

    @property
    def empty(self) -> bool:
        """Whether nothing was found so far."""
        return self._ordinal == 0

    def stream(self, connection: sqlite3.Connection, plans: Mapping[int, Plan], after: int) -> Iterator[Transaction]:
        """Give all parts of the cut (after, position] but the last. `plans` stand under their tables' numbers."""
        for span in _windows(connection, after, self._empty.position):
            noted = connection.execute(f"SELECT DISTINCT tbl FROM {JOURNAL} WHERE seq > ? AND seq <= ?", span)
            # Rows that somebody else put there, under numbers that mean nothing, are no changes.
            for each in [plans[number] for (number,) in noted if number in plans]:
                yield from self._table(connection, each, span)

    def _table(self, connection: sqlite3.Connection, each: Plan, span: tuple[int, int]) -> Iterator[Transaction]:
        """Gather one table's share of a window; gives the parts that are full."""
        for statement, op in ((each.unique, None), (each.gone, Op.DELETE), (each.present, Op.INSERT)):
            if statement:
                for rows in self._slices(connection, each, statement, span):
                    self._take(each, rows, op)
                    if self._rows >= self._limits.rows_max or self._bytes >= self._limits.bytes_max:
                        yield self.part()

    def part(self) -> Transaction:
        """Give what is gathered as the next part, and begin another."""
        blocks = []
        for schema, ops, columns, first in self._blocks.values():
            joined = b"".join(ops)
            blocks.append(Block(schema, joined, tuple(columns), range(first, first + len(joined))))
        made = replace(self._empty, blocks=tuple(blocks), part=self._part)
        self._blocks = {}
        self._rows = self._bytes = 0
        self._part += 1
        return made

    def _slices(
        self, connection: sqlite3.Connection, each: Plan, statement: str, span: tuple[int, int]
    ) -> Iterator[list[tuple[Value, ...]]]:
        """Fetch in slices that grow and shrink with the size of the rows met so far."""
        size = _SLICE_ROWS_FIRST
        with refusals(f"could not read table {each.schema.name}"):
            cursor = connection.execute(statement, span)
            while rows := cursor.fetchmany(min(size, self._limits.rows_max - self._rows)):
                before = self._bytes_all
                yield rows
                row_bytes = (self._bytes_all - before) // len(rows) + 1
                size = max(1, min(_SLICE_ROWS, _SLICE_BYTES // row_bytes, size * 8))

    def _take(self, each: Plan, rows: list[tuple[Value, ...]], op: Op | None) -> None:
        """Add one slice; without an operation given, each row's own stands behind its columns."""
        columns = list(map(list, zip(*rows, strict=True)))
        if op is Op.INSERT:
            self._add(each, bytes((op,)) * len(rows), columns)
        elif op is Op.DELETE:
            self._add(each, bytes((op,)) * len(rows), _deleted(each.schema, columns))
        else:
            ops = bytes(cast("list[int]", columns.pop()))
            if Op.DELETE in ops:
                gone = [found == Op.DELETE for found in ops]
                keys = [list(compress(columns[at], gone)) for at in each.schema.identity]
                self._add(each, bytes((Op.DELETE,)) * len(keys[0]), _deleted(each.schema, keys))
                there = list(map(not_, gone))
                columns = [list(compress(column, there)) for column in columns]
                ops = bytes((Op.UPSERT,)) * len(columns[0])
            self._add(each, ops, columns)

    def _add(self, each: Plan, ops: bytes, columns: list[list[Value]]) -> None:
        if not ops:
            return
        found = self._blocks.get(each.schema.name)
        if found is None:
            self._blocks[each.schema.name] = (each.schema, [ops], columns, self._ordinal)
        else:
            found[1].append(ops)
            for mine, more in zip(found[2], columns, strict=True):
                mine.extend(more)
        self._ordinal += len(ops)
        self._rows += len(ops)
        sample = [columns[at][::_SAMPLE] for at in each.sized]
        size = _SAMPLE * sum(map(getsizeof, chain.from_iterable(sample))) + 64 * len(ops)
        self._bytes += size
        self._bytes_all += size


def _windows(connection: sqlite3.Connection, after: int, upto: int) -> Iterator[tuple[int, int]]:
    """Divide (after, upto] so that no more than `_WINDOW_ROWS` rows of the journal stand in each piece."""
    border = f"SELECT seq FROM {JOURNAL} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT 1 OFFSET {_WINDOW_ROWS - 1}"
    while after < upto:
        row = connection.execute(border, (after, upto)).fetchone()
        end = row[0] if row else upto
        yield after, end
        after = end


def _deleted(schema: TableSchema, keys: Sequence[list[Value]]) -> list[list[Value]]:
    """Columns of deletes: the identity, and nothing known of the rest."""
    place = dict(zip(schema.identity, keys, strict=True))
    # A list for each column: they are extended in place, so no two may be one.
    return [place[at] if at in place else [ABSENT] * len(keys[0]) for at in range(len(schema.columns))]
