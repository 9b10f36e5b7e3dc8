"""Capture: source to filter to batcher to codec to spool, one step at a time on the source's thread.

The rule it keeps: the source forgets only what the spool has synced, and a transaction is in the spool whole or not
at all. Whatever fails, the owner closes, opens anew behind the last whole transaction, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sync.core.batcher import Batcher
from sync.core.digest import digest
from sync.core.filter import Filter
from sync.errors import AdminSyncError, PositionLost, SpoolCorrupt, SpoolError
from sync.model.batch import COPYING, Batch, Chunk, ChunkRequest, Encoded, Purpose, Transaction
from sync.model.change import Block, Columns
from sync.model.notice import CallDataRefused, Captured, RowsBlocked, Warned
from sync.model.position import START, Position
from sync.model.schema import TableSchema
from sync.ports import Observer, Source
from sync.replicator.surveyor import Surveyor
from sync.replicator.wall import Wall
from sync.spool.log import SegmentedSpool
from sync.wire.codec import Codec


class HistoryEnded(Exception):  # no error of ours: nothing failed, and nobody must act
    """Capture was installed anew while it ran: the owner begins again, with a spool for the new origin."""


@dataclass(slots=True)
class Capture:
    """The synchronous machine; it owns the source while open. Not for use from two threads."""

    source: Source
    rows: Filter
    surveyor: Surveyor
    codec: Codec
    spool: SegmentedSpool
    observer: Observer
    wall: Wall
    epoch: int
    batch_bytes_max: int
    appended: Callable[[Batch], None] = lambda _: None
    """Called after each append: wakes the sender."""
    lost: Callable[[str], None] = lambda _: None
    """Called when history was lost; notes durably that all tables must be copied again, or raises."""
    gather: Callable[[], None] = lambda: None
    """Called before what is there is taken; may wait a moment, so that more comes and goes together."""
    copying: Callable[[], frozenset[str]] = frozenset
    """Tells which tables are being copied, or wait for it."""
    captured: Mapping[str, TableSchema] = field(default_factory=dict)
    _batcher: Batcher | None = None
    _confirmed: Position = START
    _loss: tuple[Position, str] | None = None

    def open(self) -> None:
        """Open the source behind what the spool holds whole."""
        self._mend_spool()
        self.captured = self.surveyor.survey()
        if self._loss is None:
            try:
                self.source.open(self.captured, self.spool.newest)
            except PositionLost as error:
                self._loss = Position(max(error.resume, self.spool.newest)), str(error)
        if self.source.origin != self.spool.origin:
            self.close()
            raise HistoryEnded
        if self._loss is not None:
            self.restart(*self._loss)
        self._batcher = Batcher(self.source.origin, self.epoch, self.batch_bytes_max)

    def restart(self, after: Position, reason: str) -> None:
        """Give up what the spool holds, go on after `after`, and have all tables copied: nothing is missed silently."""
        # A source may say it only once: until all of this is done, every `open` does it again.
        self._loss = after, reason
        self.source.close()
        self.observer.notice(Warned(f"copying all tables again: {reason}"))
        # Noted before it is acted on: after a crash in between, the rest of this happens again.
        self.lost(reason)
        self.spool.restart(after)
        try:
            self.source.open(self.captured, after)
        except PositionLost as error:
            # What the peer remembers can lie before what the source has given up since.
            after = Position(max(error.resume, after))
            self._loss = after, reason
            self.spool.restart(after)
            self.source.open(self.captured, after)
        # What the journal holds below is delivered again, above: it must not be confirmed before that is spooled.
        self._confirmed = max(self._confirmed, after)
        self._loss = None

    def jump(self, position: Position, reason: str) -> None:
        """Restart behind a position that only the peer remembers, unless this history is beyond it by now."""
        if position > self.spool.newest:
            self.restart(position, reason)

    def changed(self) -> bool:
        """Look whether other tables are to be captured now than when the source was opened."""
        return self.surveyor.changed()

    def _mend_spool(self) -> None:
        try:
            self.spool.abandon()
        except SpoolError:
            try:
                self.spool.open()
            except SpoolCorrupt as error:
                self.observer.notice(Warned(str(error)))
                # Begun anew only once the loss is noted. Not left to the source to notice: it may have been put back
                # to a time when nothing was confirmed.
                self._loss = START, str(error)

    def close(self) -> None:
        """Close the source; what it gave and the spool did not complete is cut away at the next open."""
        self._batcher = None
        self.source.close()

    def step(self, request: ChunkRequest | None = None) -> Chunk | None:
        """Move everything that is committed now into the spool; gives the chunk that was asked for, as spooled."""
        spooled: Chunk | None = None
        transactions = self.source.read(request)
        for transaction in transactions:
            filtered = self._filter(transaction)
            if filtered.chunks:
                spooled = filtered.chunks[-1]
            for batch in self._open_batcher.add(filtered):
                self._append(batch)
        rest = self._open_batcher.flush()
        if rest is not None:
            self._append(rest)
        return spooled

    def confirm(self) -> None:
        """Tell the source what is durable in the spool."""
        durable = self.spool.durable
        if durable > self._confirmed:
            self.source.confirm(durable)
            self._confirmed = durable

    @property
    def _open_batcher(self) -> Batcher:
        if self._batcher is None:
            what = "capture was used while closed"
            raise AdminSyncError(what)
        return self._batcher

    def _filter(self, transaction: Transaction) -> Transaction:
        blocks: list[Block] = []
        for block in transaction.blocks:
            kept, blocked = self.rows.judge(block)
            if kept is not None:
                blocks.append(kept)
            if blocked:
                self.observer.notice(RowsBlocked(block.schema.name, blocked))
        chunks = tuple(self._finish_chunk(chunk) for chunk in transaction.chunks)
        return replace(transaction, blocks=tuple(blocks), chunks=chunks)

    def _finish_chunk(self, chunk: Chunk) -> Chunk:
        columns = in_scope(self.rows, chunk.schema, chunk.columns)
        count = len(columns[0])
        sent: Columns = tuple([] for _ in columns) if chunk.purpose is Purpose.DIGEST else columns
        return replace(chunk, columns=sent, count=count, digest=digest(chunk.schema, columns))

    def _append(self, batch: Batch) -> None:
        named = {block.schema.name for block in batch.blocks} | {chunk.schema.name for chunk in batch.chunks}
        copied = self.copying() & named
        if copied:
            batch = replace(batch, marks=(*batch.marks, *(COPYING + table for table in sorted(copied))))
        encoded: Encoded = self.codec.encode(batch)
        violation = self.wall.check(encoded.payload)
        if violation is not None:
            self.observer.notice(CallDataRefused("outbound", *violation))
            what = f"stopped {violation[0]} from leaving this server"
            raise AdminSyncError(what, violation[2], "This is a defect; please report it.")
        self.spool.append(encoded)
        self.observer.notice(Captured(encoded, tuple(block.schema.name for block in batch.blocks)))
        self.appended(batch)


def in_scope(rows: Filter, schema: TableSchema, columns: Columns) -> Columns:
    """Keep the rows of a key range that the row rules replicate."""
    scope = rows.columns_in_scope(schema, columns)
    if all(scope):
        return columns
    return tuple([value for value, kept in zip(column, scope, strict=True) if kept] for column in columns)
