"""Chunks on the receiving side: hold the target's rows of a key range against what the source says they are."""

from __future__ import annotations

from dataclasses import replace

from sync.core.compare import compare
from sync.core.digest import digest
from sync.core.filter import Filter
from sync.core.net import net
from sync.model.batch import DIFFERENCES_MAX, Chunk, ChunkResult, Purpose
from sync.model.change import Columns
from sync.ports import Target


def settle(chunk: Chunk, target: Target, rows: Filter) -> ChunkResult:
    """Compare one chunk inside the target's open transaction; for REPLACE also write what differs."""
    local = target.read_range(chunk.schema, chunk.after, chunk.upto)
    scope = rows.columns_in_scope(chunk.schema, local)
    mine: Columns = local
    if not all(scope):
        mine = tuple([value for value, kept in zip(column, scope, strict=True) if kept] for column in local)
    count = len(mine[0])
    if count == chunk.count and digest(chunk.schema, mine) == chunk.digest:
        return ChunkResult(chunk.run, chunk.number, chunk.schema.name, equal=True, rows=count)
    if chunk.purpose is Purpose.DIGEST:
        return ChunkResult(chunk.run, chunk.number, chunk.schema.name, equal=False, rows=count)
    found = compare(chunk.schema, chunk.columns, mine)
    if chunk.purpose is Purpose.REPLACE and found.mend is not None:
        # Rows that the rule leaves to this server are not ours to put aside.
        displace = not rows.has_row_rule(chunk.schema.name)
        target.write([replace(each, displace=displace) for each in net([found.mend])])
    return ChunkResult(
        chunk.run,
        chunk.number,
        chunk.schema.name,
        equal=found.count == 0,
        rows=count,
        differences=tuple(found.differences[:DIFFERENCES_MAX]),
        difference_count=found.count,
    )
