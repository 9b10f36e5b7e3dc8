"""Tail: a view on the changes as they pass, for people. It never slows the road: who reads too slowly misses some."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

from sync.model.batch import Batch
from sync.model.change import ABSENT, Change

QUEUE_BATCHES_MAX = 256
Line = dict[str, object]


class Tail:
    """Fans applied or captured batches out to listeners. `offer` may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: set[asyncio.Queue[Batch | None]] = set()

    @property
    def wanted(self) -> bool:
        """Whether anybody listens; where not, nothing should be decoded for it."""
        return bool(self._queues)

    def offer(self, batch: Batch) -> None:
        """Show one batch to all listeners."""
        if self._queues:
            self._loop.call_soon_threadsafe(self._offer, batch)

    def _offer(self, batch: Batch | None) -> None:
        for waiting in self._queues:
            if waiting.full():
                waiting.get_nowait()
            waiting.put_nowait(batch)

    def close(self) -> None:
        """End all listeners."""
        self._offer(None)

    async def lines(self, tables: Sequence[str] = ()) -> AsyncIterator[Line]:
        """Yield one line a change, in order, from now on; of these tables only, where any are named."""
        waiting: asyncio.Queue[Batch | None] = asyncio.Queue(QUEUE_BATCHES_MAX)
        self._queues.add(waiting)
        try:
            while (batch := await waiting.get()) is not None:
                for line in lines_of(batch):
                    if not tables or line["table"] in tables:
                        yield line
        finally:
            self._queues.discard(waiting)


def lines_of(batch: Batch) -> Iterator[Line]:
    """Give a batch's changes in source order as JSON-ready lines."""
    changes = sorted((c for block in batch.blocks for c in block.changes()), key=lambda change: change.ordinal)
    commits = iter(batch.commits)
    commit = next(commits)
    for change in changes:
        while change.ordinal >= commit.end:
            following = next(commits, None)
            if following is None:
                break
            commit = following
        yield _line(change, commit.position, commit.committed_at_us)


def _line(change: Change, position: int, committed_at_us: int) -> Line:
    row = {
        column.name: _shown(value)
        for column, value in zip(change.schema.columns, change.row, strict=True)
        if value is not ABSENT
    }
    return {
        "position": position,
        "committed_at_us": committed_at_us,
        "table": change.schema.name,
        "op": change.op.name.lower(),
        "row": row,
    }


def _shown(value: object) -> object:
    return {"hex": value.hex()} if isinstance(value, bytes) else value
