"""The outbound wall: nothing leaves this server before its encoded bytes were looked at.

The filter decides what is captured; this looks at what was really encoded. Batches that were spooled before the
configuration changed are looked at again when they are sent, and what may no longer leave is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sync.core.filter import Filter
from sync.model.batch import Encoded
from sync.wire.codec import Codec

Violation = tuple[str, tuple[str, ...], str]
"""Table, its columns, and the reason why it must not cross."""


@dataclass(frozen=True, slots=True)
class Wall:
    """Checks encoded batches against the filter's rules."""

    rules: Filter
    codec: Codec

    def check(self, payload: bytes) -> Violation | None:
        """Give the first table in the payload that must not leave; None where all may."""
        for table, columns in self.codec.directory(payload).tables:
            reason = self.rules.wall(table, columns)
            if reason is not None:
                return table, tuple(columns), reason
        return None

    def strip(self, encoded: Encoded) -> Encoded:
        """Encode a batch again without the tables that must not leave; positions and commits stay."""
        batch = self.codec.decode(encoded.payload)
        blocks = tuple(b for b in batch.blocks if self.rules.wall(b.schema.name, b.schema.column_names) is None)
        chunks = tuple(c for c in batch.chunks if self.rules.wall(c.schema.name, c.schema.column_names) is None)
        return self.codec.encode(replace(batch, blocks=blocks, chunks=chunks))
