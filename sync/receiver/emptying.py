"""What TRUNCATE means where a row rule leaves some of a table's rows to this server.

The rule it keeps: only rows that the rule replicates go. They are looked for in pieces, so that memory stays bounded
however large the table is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from typing import Final

from sync.core.filter import Filter
from sync.model.batch import Batch
from sync.model.change import Change, Columns, Op
from sync.model.schema import TableSchema
from sync.model.writes import Writes
from sync.ports import Target

ROWS_MAX: Final = 5000
"""How many rows are looked at in one piece."""


def spares_rows(batches: Sequence[Batch], rows: Filter) -> bool:
    """Whether a table is emptied of which some rows are this server's own."""
    return any(
        Op.TRUNCATE in block.ops and rows.has_row_rule(block.schema.name) for batch in batches for block in batch.blocks
    )


def emptied(writes: Sequence[Writes], target: Target, rows: Filter) -> list[Writes]:
    """Empty such tables in the target's open transaction; gives what is left to write."""
    left = []
    for each in writes:
        if each.truncate and rows.has_row_rule(each.schema.name):
            _empty(each.schema, target, rows)
            left.append(replace(each, truncate=False))
        else:
            left.append(each)
    return left


def write_ordered(changes: Sequence[Change], target: Target, rows: Filter) -> int:
    """Write row by row in the given order, and empty such tables where their turn comes; gives the repairs."""
    repairs, begin = 0, 0
    for place, change in enumerate(changes):
        if change.op is Op.TRUNCATE and rows.has_row_rule(change.schema.name):
            repairs += target.write_ordered(changes[begin:place])
            _empty(change.schema, target, rows)
            begin = place + 1
    return repairs + target.write_ordered(changes[begin:])


def _empty(schema: TableSchema, target: Target, rows: Filter) -> None:
    no_rows: Columns = tuple([] for _ in schema.columns)
    after = None
    while True:
        found = target.read_range(schema, after, None, ROWS_MAX)
        scope = rows.columns_in_scope(schema, found)
        inside = dict.fromkeys(zip(*(compress(found[index], scope) for index in schema.identity), strict=True))
        if inside:
            target.write([Writes(schema, False, tuple(map(list, zip(*inside, strict=True))), (), no_rows)])  # noqa: FBT003
        if len(found[0]) < ROWS_MAX:
            return
        after = tuple(found[index][-1] for index in schema.identity)
