"""A tap on the line: takes the bytes of both directions apart, following docs/wire.md and nothing else.

It checks what can be seen from outside: frames inside their limits, credit kept, and hands on every payload opened.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack

HEADER = struct.Struct(">2sBBIII")
WELCOME, BATCH, ACK = 2, 4, 5
FRAME_BYTES_MAX = 16 << 20

Decompress = Callable[[bytes], bytes]


class LineFault(AssertionError):
    """The line carried what no node may send."""


@dataclass(slots=True)
class _Line:
    pieces: bytearray = field(default_factory=bytearray)
    batches: int = 0
    received: int = 0
    credit: int = 0


class Wiretap:
    """Sees what either end sends, before the network can lose it."""

    def __init__(self, decompress: Decompress, credit_max: int, payload: Callable[[bytes], None]) -> None:
        self._decompress = decompress
        self._credit_max = credit_max
        self._payload = payload
        self._lines: dict[tuple[int, str], _Line] = {}
        self.payloads = 0
        self.largest_payload_bytes = 0

    def saw(self, connection: int, name: str, sent: bytes) -> None:
        """Take what one end sent."""
        line = self._lines.setdefault((connection, name), _Line())
        line.pieces += sent
        while len(line.pieces) >= HEADER.size:
            magic, kind, _, head_bytes, payload_bytes, _ = HEADER.unpack_from(line.pieces)
            if magic != b"AS" or head_bytes + payload_bytes > FRAME_BYTES_MAX:
                raise LineFault(f"invariant 7: a frame of {head_bytes} + {payload_bytes} bytes")
            end = HEADER.size + head_bytes + payload_bytes
            if len(line.pieces) < end:
                return
            head = bytes(line.pieces[HEADER.size : HEADER.size + head_bytes])
            payload = bytes(line.pieces[HEADER.size + head_bytes : end])
            del line.pieces[:end]
            self._frame(connection, kind, head, payload)

    def _frame(self, connection: int, kind: int, head: bytes, payload: bytes) -> None:
        line = self._lines.setdefault((connection, ""), _Line())
        if kind == BATCH:
            line.batches += 1
            if line.batches - line.received > self._credit_max:
                raise LineFault(f"invariant 7: {line.batches - line.received} batches are under way")
            self.payloads += 1
            self.largest_payload_bytes = max(self.largest_payload_bytes, len(payload))
            self._payload(self._decompress(payload))
        elif kind == ACK:
            fields: dict[str, Any] = msgpack.unpackb(head)
            line.received = max(line.received, fields["received"])
        else:
            self._payload(head)
