"""The net effect of a batch on one table: what a target writes, set by set.

`sync.core.net` makes it from blocks. A target performs the parts in this order: truncate, deletes, upserts, inserts.
Inside one part no two rows have the same identity, so their order does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

from sync.model.change import Columns, Op
from sync.model.schema import TableSchema


@dataclass(frozen=True, slots=True)
class Upserts:
    """Rows to put, all with the same columns present.

    `present` holds indexes into the schema's columns, ascending, and always contains the key; `columns` has one list
    for each of them. A row that exists keeps its other columns, a new one takes their defaults.
    """

    present: tuple[int, ...]
    columns: Columns
    said: Op = Op.UPSERT
    """INSERT where the source says of every row that it is new, UPDATE where that each was there. It is worth trying
    what is cheaper then; a target that was begun from other rows, or gets a batch again, finds it to be untrue."""

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.columns[0])


@dataclass(frozen=True, slots=True)
class Writes:
    """The net effect on one table.

    `deletes` has one list for each identity column, in key order: every row with that identity goes. `inserts` has
    one list for each column of the schema: rows whose identity is not unique (no key, or NULL inside the key), added
    as they are after the deletes.
    """

    schema: TableSchema
    truncate: bool
    deletes: Columns
    upserts: tuple[Upserts, ...]
    inserts: Columns
    displace: bool = False
    """Whether a row outside of this set that holds a unique value of one of its rows goes. Such a row is out of date,
    because the source can not hold both; where the table is being copied, a later chunk states it anew."""

    @property
    def row_count(self) -> int:
        """Count the rows that this writes or deletes (a truncate counts as one)."""
        upserts = sum(len(group) for group in self.upserts)
        return int(self.truncate) + len(self.deletes[0]) + upserts + len(self.inserts[0])
