"""The inbound wall: what should not have come is refused and reported, whatever the peer believes.

It trusts nothing but this node's own configuration: origin, epoch, tables and columns of every batch are checked
before a row of it reaches the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sync.core.digest import DIGEST_BYTES
from sync.core.filter import Filter
from sync.errors import PeerRefused, ProtocolError
from sync.model.batch import Batch, Chunk
from sync.model.change import Value
from sync.model.notice import CallDataRefused
from sync.model.schema import TableSchema
from sync.ports import Observer

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1


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
        for chunk in batch.chunks:
            _check_chunk(chunk)

    def _check_table(self, schema: TableSchema) -> None:
        reason = self.rules.wall(schema.name, schema.column_names)
        if reason is None:
            return
        self.observer.notice(CallDataRefused("inbound", schema.name, schema.column_names, reason))
        code = "call_data"
        what = f"refused a batch that holds {schema.name}"
        remedy = "Make [tables] equal in both configurations; if they are, this is a defect of the sender."
        raise PeerRefused(code, what, reason, remedy)


def _check_chunk(chunk: Chunk) -> None:
    """A chunk that says nothing true must not decide what the target deletes."""
    why = ""
    bounds = (*(chunk.after or ()), *(chunk.upto or ()))
    if len(chunk.digest) != DIGEST_BYTES:
        why = f"its digest has {len(chunk.digest)} bytes instead of {DIGEST_BYTES}"
    elif not all(map(_comparable, bounds)):
        why = "its range is bounded by what no database can compare"
    elif chunk.after is not None and chunk.upto is not None and _reversed(chunk.after, chunk.upto):
        why = "its range ends before it starts"
    if why:
        what = f"the peer sent a chunk of {chunk.schema.name} that can not be"
        raise ProtocolError(what, why, "This is a defect of the sender; please report it.")


def _comparable(value: Value) -> bool:
    """Integers of 64 bits, numbers, and texts that are texts: what a driver takes as a parameter."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, int):
        return INT64_MIN <= value <= INT64_MAX
    return value == value  # noqa: PLR0124 - only NaN differs from itself


def _reversed(after: Sequence[Value], upto: Sequence[Value]) -> bool:
    """Whether the bounds are certainly the wrong way round; how texts are ordered, only the database knows."""
    for low, high in zip(after, upto, strict=True):
        if low != high:
            return isinstance(low, int | float) and isinstance(high, int | float) and low > high
    return True
