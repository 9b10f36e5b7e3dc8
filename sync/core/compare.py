"""Comparison of one key range on both sides: which rows differ, and the block that makes the target equal.

The rule it keeps: applying `mend` to the target leaves exactly the source's rows, and touches no row that is equal.
Values are equal as in `sync.core.digest`. Both sides were brought through the row filter before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_, ne
from typing import Final

from sync.core.digest import canonical_column
from sync.model.batch import DIFFERENCES_MAX, ChunkDifference
from sync.model.change import ABSENT, Block, Columns, Op, Row, Value
from sync.model.schema import TableSchema


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs. `differences` holds the first `DIFFERENCES_MAX` in key order (by code point, NULL first)."""

    missing: int
    """Rows of the source that the target lacks."""
    extra: int
    """Rows of the target that the source lacks."""
    different: int
    """Rows on both sides with other values."""
    differences: tuple[ChunkDifference, ...]
    mend: Block | None
    """Makes the target equal; None where it is."""

    @property
    def count(self) -> int:
        """All differences, listed or not."""
        return self.missing + self.extra + self.different

    @property
    def equal(self) -> bool:
        """Whether both sides hold the same rows."""
        return self.mend is None


_EQUAL: Final = Comparison(0, 0, 0, (), None)


def compare(schema: TableSchema, source: Columns, target: Columns) -> Comparison:
    """Hold the target's rows of a key range against the source's; both as one list for each column of the schema."""
    if source == target:
        return _EQUAL
    if not target[0]:
        return _all_missing(schema, source)
    ours, our_originals = _by_identity(schema, source)
    theirs, their_originals = _by_identity(schema, target)
    unequal = [key for key, rows in ours.items() if not _same(rows, theirs.get(key))]
    unequal += [key for key in theirs if key not in ours]
    if not unequal:
        return _EQUAL
    unequal = _in_key_order(unequal)
    mend = _Mend(schema)
    kinds: Counter[str] = Counter()
    listed: list[ChunkDifference] = []
    for key in unequal:
        found = _differences(schema, key, ours.get(key, []), theirs.get(key, []))
        kinds.update(difference.what for difference in found)
        listed += found[: DIFFERENCES_MAX - len(listed)]
        mend.replace(our_originals.get(key, []), their_originals.get(key, []))
    return Comparison(kinds["missing"], kinds["extra"], kinds["different"], tuple(listed), mend.block())


def _all_missing(schema: TableSchema, source: Columns) -> Comparison:
    """The first copy of a table, which is most of what is ever compared: the source's own lists are handed on."""
    size = len(source[0])
    keys = list(zip(*(canonical_column(source[index]) for index in schema.identity), strict=True))
    listed = tuple(ChunkDifference(schema.name, key, "missing") for key in _in_key_order(keys)[:DIFFERENCES_MAX])
    return Comparison(size, 0, 0, listed, Block(schema, bytes([Op.INSERT]) * size, source, range(size)))


def _same(rows: list[Row], other: list[Row] | None) -> bool:
    if other is None or len(rows) != len(other):
        return False
    return rows == other or (len(rows) > 1 and Counter(rows) == Counter(other))


def _in_key_order(keys: list[Row]) -> list[Row]:
    try:
        return sorted(keys)  # values of one type in each column, as almost always
    except TypeError:
        return sorted(keys, key=lambda key: tuple(map(_rank, key)))


_Rows = dict[Row, list[Row]]


def _by_identity(schema: TableSchema, columns: Columns) -> tuple[_Rows, _Rows]:
    """Group rows by canonical identity: in the form that compares, and as they are."""
    canonical = tuple([canonical_column(column) for column in columns])
    keys = list(zip(*(canonical[index] for index in schema.identity), strict=True))
    compared = _grouped(keys, canonical)
    return compared, compared if all(map(is_, canonical, columns)) else _grouped(keys, columns)


def _grouped(keys: Sequence[Row], columns: Columns) -> _Rows:
    groups: _Rows = {}
    for key, row in zip(keys, zip(*columns, strict=True), strict=True):
        groups.setdefault(key, []).append(row)
    return groups


def _differences(schema: TableSchema, key: Row, rows: Sequence[Row], other: Sequence[Row]) -> list[ChunkDifference]:
    """Pair what only one side has; what finds no partner is missing or extra."""
    if not (rows and other):
        return [ChunkDifference(schema.name, key, "missing" if rows else "extra")] * (len(rows) + len(other))
    ours, theirs = Counter(rows), Counter(other)
    only_ours, only_theirs = list((ours - theirs).elements()), list((theirs - ours).elements())
    pairs = min(len(only_ours), len(only_theirs))
    names = schema.column_names
    changed = [
        ChunkDifference(
            schema.name, key, "different", tuple(n for n, d in zip(names, map(ne, one, two), strict=True) if d)
        )
        for one, two in zip(only_ours, only_theirs, strict=False)
    ]
    missing = [ChunkDifference(schema.name, key, "missing")] * (len(only_ours) - pairs)
    extra = [ChunkDifference(schema.name, key, "extra")] * (len(only_theirs) - pairs)
    return [*changed, *missing, *extra]


class _Mend:
    """Collects deletes and puts; deletes come first, so that a unique value is free before another row takes it."""

    def __init__(self, schema: TableSchema) -> None:
        self._schema = schema
        self._deletes: list[tuple[Op, Row]] = []
        self._puts: list[tuple[Op, Row]] = []

    def replace(self, rows: Sequence[Row], other: Sequence[Row]) -> None:
        """Put `rows` where the target has `other`, all of one identity.

        A single row of a unique key is overwritten, so that it keeps its columns that do not travel.
        """
        key = [(rows or other)[0][index] for index in self._schema.identity]
        if len(rows) == 1 and len(other) <= 1 and self._schema.key and None not in key:
            self._puts.append((Op.UPSERT, rows[0]))
            return
        if other:
            row: list[Value] = [ABSENT] * len(self._schema.columns)
            for index in self._schema.identity:
                row[index] = other[0][index]
            self._deletes.append((Op.DELETE, tuple(row)))
        self._puts += [(Op.INSERT, row) for row in rows]

    def block(self) -> Block:
        return Block.of(self._schema, [*self._deletes, *self._puts])


def _rank(value: Value) -> tuple[int, float | str | bytes]:
    """Order values of any types: NULL, numbers, text, bytes."""
    if isinstance(value, str):
        return 2, value
    if isinstance(value, bytes):
        return 3, value
    if value is None or value is ABSENT or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return 0, 0
    return 1, value
