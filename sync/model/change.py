"""Changes: columns, not rows.

The hot path never builds an object for a row. A block holds the changes of one table as one list for each column,
so that encoding, filtering and applying run at the speed of C loops over lists. `Change` is the view of one row
for `tail`, the quarantine and tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sync.model.schema import TableSchema
from sync.model.tuples import Tuples
from sync.model.value import ABSENT, Columns, Row, Value

__all__ = ["ABSENT", "Block", "Change", "Columns", "Op", "Row", "Value"]


class Op(IntEnum):
    """What happened to a row. The number is the byte in a block and on the wire.

    No operation needs an image from before: a row that changed its key is a DELETE of the old key and an UPSERT of
    the new one; a row that left a row rule's scope is a DELETE. Only the identity columns of a DELETE matter; its
    other columns are ABSENT. A DELETE removes every row with that identity (where the identity is not unique that
    may be several); a deleted row that is not there is no error.
    """

    INSERT = 1
    """A row appeared. Where the key is unique, a row already there is overwritten."""
    UPDATE = 2
    """A row changed; a missing row is inserted."""
    UPSERT = 3
    """The row is now this; the source does not say which of the two it was."""
    DELETE = 4
    TRUNCATE = 5
    """All rows of the table went. Every column is ABSENT."""


@dataclass(frozen=True, slots=True)
class Block:
    """The changes of one table, in source order.

    `ops` is one byte (an `Op`) a change; each of `columns` is a list as long as `ops`; all of them may be `Tuples`, raw
    rows, where the source gives such. `ordinals` gives each change's place among all changes of its transaction or
    batch: strictly increasing inside a block, and no number stands in two blocks. The lists are shared, never changed
    in place after construction.
    """

    schema: TableSchema
    ops: bytes
    columns: Columns
    ordinals: Sequence[int]

    def __post_init__(self) -> None:
        """Check that all columns have one length."""
        count = len(self.ops)
        if len(self.columns) != len(self.schema.columns) or len(self.ordinals) != count:
            message = f"block of {self.schema.name} does not have the shape of its schema"
            raise ValueError(message)
        columns = self.columns
        equal = columns.rows == count if isinstance(columns, Tuples) else all(len(c) == count for c in columns)
        if not equal:
            message = f"block of {self.schema.name} has columns of different lengths"
            raise ValueError(message)

    def __len__(self) -> int:
        """Count the changes."""
        return len(self.ops)

    def changes(self) -> Iterator[Change]:
        """View row by row, in order. Not for the hot path."""
        for op, ordinal, row in zip(self.ops, self.ordinals, zip(*self.columns, strict=True), strict=True):
            yield Change(self.schema, Op(op), row, ordinal)

    @classmethod
    def of(cls, schema: TableSchema, changes: Sequence[tuple[Op, Row]], first_ordinal: int = 0) -> Block:
        """Build from rows; for tests, the quarantine and adapters that receive single rows."""
        ops = bytes(op for op, _ in changes)
        columns: Columns = tuple([row[i] for _, row in changes] for i in range(len(schema.columns)))
        return cls(schema, ops, columns, range(first_ordinal, first_ordinal + len(ops)))


@dataclass(frozen=True, slots=True)
class Change:
    """One row's change: the view for people and tests."""

    schema: TableSchema
    op: Op
    row: Row
    ordinal: int = 0

    @property
    def key(self) -> Row:
        """The identity values, in key order."""
        return tuple(self.row[index] for index in self.schema.identity)
