"""Parts: how a journal source gathers the rows of a cut into blocks, and the blocks into the parts of one transaction.

The rule it keeps: never more than two parts are in memory, whatever the size of the rows. They are fetched in slices
that grow and shrink with the size of those met so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, compress
from operator import not_
from sys import getsizeof
from typing import cast

from sync.model.batch import Chunk, Transaction
from sync.model.change import ABSENT, Block, Op, Row, Value
from sync.model.position import Position
from sync.model.schema import Kind, TableSchema

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


@dataclass(slots=True)
class _Gathered:
    """One block under way."""

    schema: TableSchema
    first: int
    ops: list[bytes] = field(default_factory=list)
    columns: list[list[Value]] = field(default_factory=list)

    def block(self) -> Block:
        ops = b"".join(self.ops)
        return Block(self.schema, ops, tuple(self.columns), range(self.first, self.first + len(ops)))


class Parts:
    """One transaction under way."""

    def __init__(self, position: Position, committed_at_us: int, limits: Limits) -> None:
        self._empty = Transaction(position, committed_at_us, (), last=False)
        self._limits = limits
        self._blocks: list[_Gathered] = []
        self._rows = 0
        self._bytes = self._bytes_all = 0
        self._ordinal = 0
        self._part = 0

    @property
    def empty(self) -> bool:
        """Whether nothing was found so far."""
        return self._ordinal == 0

    def fill(
        self, schema: TableSchema, fetch: Callable[[int], Sequence[Row]], op: Op | None = None
    ) -> Iterator[Transaction]:
        """Take what `fetch` gives, at most so many rows at a time, until it gives none; gives the parts that are full.

        The rows hold the schema's columns, for `Op.DELETE` those of the identity alone. Without an operation given,
        each row's own stands behind its columns: `Op.UPSERT`, or `Op.DELETE` where the rest of it means nothing.
        """
        size = _SLICE_ROWS_FIRST
        while rows := fetch(min(size, self._limits.rows_max - self._rows)):
            before = self._bytes_all
            self._take(schema, rows, op)
            row_bytes = (self._bytes_all - before) // len(rows) + 1
            size = max(1, min(_SLICE_ROWS, _SLICE_BYTES // row_bytes, size * 8))
            if self._rows >= self._limits.rows_max or self._bytes >= self._limits.bytes_max:
                yield self._next()

    def truncate(self, schema: TableSchema) -> None:
        """Note that all rows of a table went."""
        self._add(schema, bytes((Op.TRUNCATE,)), [[ABSENT] for _ in schema.columns])

    def rest(self, chunks: tuple[Chunk, ...] = ()) -> Transaction:
        """Give what is left as the last part."""
        return replace(self._next(), chunks=chunks, last=True)

    def _next(self) -> Transaction:
        made = replace(self._empty, blocks=tuple(gathered.block() for gathered in self._blocks), part=self._part)
        self._blocks = []
        self._rows = self._bytes = 0
        self._part += 1
        return made

    def _take(self, schema: TableSchema, rows: Sequence[Row], op: Op | None) -> None:
        columns = list(map(list, zip(*rows, strict=True)))
        if op is Op.DELETE:
            self._add(schema, bytes((op,)) * len(rows), _deleted(schema, columns))
        elif op is not None:
            self._add(schema, bytes((op,)) * len(rows), columns)
        else:
            ops = bytes(cast("list[int]", columns.pop()))
            if Op.DELETE in ops:
                gone = [found == Op.DELETE for found in ops]
                keys = [list(compress(columns[at], gone)) for at in schema.identity]
                self._add(schema, bytes((Op.DELETE,)) * len(keys[0]), _deleted(schema, keys))
                there = list(map(not_, gone))
                columns = [list(compress(column, there)) for column in columns]
                ops = bytes((Op.UPSERT,)) * len(columns[0])
            self._add(schema, ops, columns)

    def _add(self, schema: TableSchema, ops: bytes, columns: list[list[Value]]) -> None:
        if not ops:
            return
        if not self._blocks or self._blocks[-1].schema is not schema:
            # A table that comes again gets a block of its own: no two blocks may share a stretch of ordinals.
            self._blocks.append(_Gathered(schema, self._ordinal, [], [[] for _ in schema.columns]))
        block = self._blocks[-1]
        block.ops.append(ops)
        for mine, more in zip(block.columns, columns, strict=True):
            mine.extend(more)
        self._ordinal += len(ops)
        self._rows += len(ops)
        sized = [at for at, column in enumerate(schema.columns) if column.type.kind not in _NUMBERS]
        sample = [columns[at][::_SAMPLE] for at in sized]
        size = _SAMPLE * sum(map(getsizeof, chain.from_iterable(sample))) + 64 * len(ops)
        self._bytes += size
        self._bytes_all += size


def _deleted(schema: TableSchema, keys: Sequence[list[Value]]) -> list[list[Value]]:
    """Columns of deletes: the identity, and nothing known of the rest."""
    place = dict(zip(schema.identity, keys, strict=True))
    return [place[at] if at in place else [ABSENT] * len(keys[0]) for at in range(len(schema.columns))]
