"""Gathering: the rows of a transaction, or of a few, as raw tuples by relation, and blocks made of them.

The rule it keeps: no row is looked into unless the stream's columns are not the captured ones, or a row that moved to
another key lacks a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sync.model.change import ABSENT, Block, Columns, Op, Row, Value
from sync.model.schema import TableSchema
from sync.model.texts import decode
from sync.model.tuples import MARK, NULL, UNCHANGED, Tuples, cells, is_dense, texts

Fetch = Callable[[TableSchema, Sequence[Row]], Mapping[Row, Row]]
"""Reads the rows with these keys as they are now: what a row that moved to another key did not bring along."""

_ONE: Final = {op: bytes((op,)) for op in Op}
_ABSENT: Final = bytes((UNCHANGED,))


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation of the stream, and what is captured of it."""

    schema: TableSchema
    places: tuple[int, ...]
    """Where each captured column stands in the tuple; -1 where the stream does not have it."""
    key: tuple[int, ...]
    """Where the key's columns stand in the tuple."""
    width: int

    @property
    def is_raw(self) -> bool:
        """Whether a tuple is a row of the schema as it stands."""
        return self.places == tuple(range(self.width)) and bool(self.width)


@dataclass(slots=True)
class Rows:
    """Rows of one relation, in order."""

    relation: Relation
    tuples: list[bytes] = field(default_factory=list)
    ops: list[bytes] = field(default_factory=list)
    stretches: list[tuple[int, int]] = field(default_factory=list)
    """Where rows without a gap between their ordinals begin: (place, ordinal)."""
    count: int = 0
    moved: bool = False


@dataclass(slots=True)
class Gather:
    """What was gathered since it was taken last."""

    tables: dict[int, Rows] = field(default_factory=dict)
    """By the relation's number."""
    count: int = 0
    size_bytes: int = 0

    def add(self, oid: int, relation: Relation, op: Op, tuples: list[bytes]) -> None:
        """Add rows of one operation, whose tuples have all of the relation's columns."""
        rows = self.tables.get(oid)
        if rows is None:
            rows = self.tables[oid] = Rows(relation)
        added = len(tuples)
        rows.stretches.append((rows.count, self.count))
        rows.tuples += tuples
        rows.ops.append(_ONE[op] * added)
        rows.count += added
        rows.moved = rows.moved or op is Op.UPSERT
        self.count += added
        self.size_bytes += sum(map(len, tuples))

    def append(self, other: Gather) -> None:
        """Take over what the other has gathered, behind what is here."""
        for oid, more in other.tables.items():
            rows = self.tables.get(oid)
            if rows is None:
                rows = self.tables[oid] = Rows(more.relation)
            rows.stretches += [(rows.count + place, self.count + ordinal) for place, ordinal in more.stretches]
            rows.tuples += more.tuples
            rows.ops += more.ops
            rows.count += more.count
            rows.moved = rows.moved or more.moved
        self.count += other.count
        self.size_bytes += other.size_bytes
        other.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.tables = {}
        self.count = self.size_bytes = 0

    def blocks(self, first: int, fetch: Fetch) -> tuple[Block, ...]:
        """One block for each relation; the first of all rows has the ordinal `first`."""
        return tuple([_block(rows, first, fetch) for rows in self.tables.values()])


def identity_only(tuples: list[bytes], relation: Relation) -> list[bytes]:
    """Tuples of deleted rows, with nothing left but the key."""
    rest = relation.width - len(relation.key)
    if relation.key == (0,):
        tail = bytes((NULL,)) * rest
        if all(each.startswith(MARK) and each.count(MARK) == 1 and each.endswith(tail) for each in tuples):
            return [each[: len(each) - rest] + _ABSENT * rest for each in tuples]
    flat = cells(b"".join(tuples), len(tuples) * relation.width)
    for place in set(range(relation.width)).difference(relation.key):
        flat[place :: relation.width] = [_ABSENT] * len(tuples)
    return [b"".join(flat[at : at + relation.width]) for at in range(0, len(flat), relation.width)]


def _block(rows: Rows, first: int, fetch: Fetch) -> Block:
    relation, schema = rows.relation, rows.relation.schema
    ops, body = b"".join(rows.ops), b"".join(rows.tuples)
    ordinals = _ordinals(rows.stretches, rows.count, first)
    if relation.is_raw and not (rows.moved and not is_dense(body, rows.count * relation.width)):
        return Block(schema, ops, Tuples(schema, body, rows.count), ordinals)
    raw = texts(body, rows.count, relation.width)
    columns: Columns = tuple(
        [
            [ABSENT] * rows.count if place < 0 else decode(column.type, raw[place])
            for place, column in zip(relation.places, schema.columns, strict=True)
        ]
    )
    if rows.moved:
        _complete(schema, ops, columns, fetch)
    return Block(schema, ops, columns, ordinals)


def _complete(schema: TableSchema, ops: bytes, columns: Columns, fetch: Fetch) -> None:
    """Give rows that moved to another key the large values that the server did not send along.

    The row under the new key has no such value on the target. It is read as it is now: had it changed since,
    the stream brings that later; is the row gone, so does the stream.
    """
    lacking = [at for at, op in enumerate(ops) if op == Op.UPSERT and any(column[at] is ABSENT for column in columns)]
    if not lacking:
        return
    keys = [tuple(columns[i][at] for i in schema.key) for at in lacking]
    found = fetch(schema, keys)
    for at, key in zip(lacking, keys, strict=True):
        row: Sequence[Value] | None = found.get(key)
        for column, value in zip(columns, row or (), strict=row is not None):
            if column[at] is ABSENT:
                column[at] = value


def _ordinals(stretches: Sequence[tuple[int, int]], count: int, first: int) -> Sequence[int]:
    begin = stretches[0][1]
    if stretches[-1][1] - begin == stretches[-1][0]:
        return range(first + begin, first + begin + count)
    ordinals: list[int] = []
    ends = [*(place for place, _ in stretches[1:]), count]
    for (place, ordinal), end in zip(stretches, ends, strict=True):
        ordinals.extend(range(first + ordinal, first + ordinal + end - place))
    return ordinals
