"""The inbound wall: what should not have come is refused and reported, whatever the peer believes.

It trusts nothing but this node's own configuration: origin, epoch, tables and columns of every batch are checked
before a row of it reaches the database.
"""

from __future__ import annotations

from dataclasses import dataclass

from sync.core.filter import Filter
from sync.errors import PeerRefused, ProtocolError
from sync.model.batch import Batch
from sync.model.notice import CallDataRefused
from sync.model.schema import TableSchema
from sync.ports import Observer


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges decoded batches."""

    rules: Filter
    observer: Observer

    def check(self, batch: Batch, origin: str, epoch: int) -> None:
        """Raise where the batch must not be applied: `ProtocolError` (not what the hello said) or `PeerRefused`."""
        if batch.origin != origin:
            what = "the peer sent a batch of another origin"
            raise ProtocolError(what, f"{batch.origin!r} instead of {origin!r}", "Restart the primary.")
        if batch.epoch > epoch:
            what = "the peer sent a batch of a higher epoch than its hello"
            raise ProtocolError(what, f"{batch.epoch} above {epoch}", "Restart the primary.")
        for schema in (*(b.schema for b in batch.blocks), *(c.schema for c in batch.chunks)):
            self._check_table(schema)

    def _check_table(self, schema: TableSchema) -> None:
        reason = self.rules.wall(schema.name, schema.column_names)
        if reason is None:
            return
        self.observer.notice(CallDataRefused("inbound", schema.name, schema.column_names, reason))
        code = "call_data"
        what = f"refused a batch that holds {schema.name}"
        remedy = "Make [tables] equal in both configurations; if they are, this is a defect of the sender."
        raise PeerRefused(code, what, reason, remedy)
