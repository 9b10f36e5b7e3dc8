"""Frames: where one message ends and the next begins.

The rule it keeps: a frame that is too long or unknown is refused at its header, before a byte of it is stored, and a
payload is copied once, from the pieces that the connection gave into one object.

    frame = magic "AS", kind u8, flags u8 (0), head length u32, payload length u32, crc32 u32, head, payload

All numbers are big-endian. The checksum covers the first twelve bytes, the head and the payload. TLS already keeps
strangers out; the checksum finds faults of memory and of our own code.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from sync.wire.checks import malformed

MAGIC: Final = b"AS"
HEADER_BYTES: Final = 16
PIECE_BYTES_MIN: Final = 4096
"""Smaller pieces are gathered, so that a peer which sends single bytes can not make us keep millions of objects."""
GATHERED_BYTES_MAX: Final = 65_536

CHECKED_BYTES: Final = 12
"""The part of the header that the checksum covers; the checksum itself follows it."""

_HEADER: Final = struct.Struct(">2sBBIII")
_START: Final = struct.Struct(">2sBBII")


@dataclass(frozen=True, slots=True)
class FrameLimit:
    """What a frame of one kind may carry."""

    head_bytes_max: int
    payload_bytes_max: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """One received frame: the packed message, and the bytes that travel beside it."""

    kind: int
    head: bytes
    payload: bytes = b""

    @property
    def bytes_wire(self) -> int:
        return HEADER_BYTES + len(self.head) + len(self.payload)


def encode_frame(kind: int, head: bytes, payload: bytes = b"") -> list[bytes]:
    """Give the pieces to send, one after the other; `payload` is passed on as it is, not copied."""
    start = _START.pack(MAGIC, kind, 0, len(head), len(payload))
    checksum = crc32(payload, crc32(head, crc32(start)))
    small = start + checksum.to_bytes(4) + head
    return [small, payload] if payload else [small]


class FrameDecoder:
    """Cuts a stream of bytes into frames. `limits` names the kinds that exist and what each may carry.

    A frame is taken in three sections (header, head, payload), so that a payload is joined straight into the object
    that its receiver keeps.
    """

    def __init__(self, limits: Mapping[int, FrameLimit]) -> None:
        self._limits = limits
        self._gathered = bytearray()
        self._pieces: list[bytes | memoryview] = []
        self._missing = HEADER_BYTES
        self._header: _Header | None = None
        self._head: bytes | None = None

    @property
    def idle(self) -> bool:
        """Whether the stream stands between two frames: the only place where it may end."""
        return self._header is None and self._missing == HEADER_BYTES

    def receive(self, piece: bytes) -> list[Frame]:
        """Take the next bytes and give the frames that they complete. After a `ProtocolError` it is of no more use."""
        frames: list[Frame] = []
        start = 0
        while True:
            end = start + self._missing
            if end > len(piece):
                self._keep(piece, start)
                return frames
            section = self._take(piece, start, end)
            start = end
            if self._header is None:
                self._header = self._open(section)
                self._missing = self._header.head_bytes
            elif self._head is None:
                self._head = section
                self._missing = self._header.payload_bytes
            else:
                frames.append(_finish(self._header, self._head, section))
                self._header = self._head = None
                self._missing = HEADER_BYTES

    def _keep(self, piece: bytes, start: int) -> None:
        """Remember the rest of a piece, without copying where it is large."""
        length = len(piece) - start
        self._missing -= length
        rest = memoryview(piece)[start:]
        if length >= PIECE_BYTES_MIN:
            self._flush()
            self._pieces.append(rest)
            return
        self._gathered += rest
        if len(self._gathered) >= GATHERED_BYTES_MAX:
            self._flush()

    def _flush(self) -> None:
        if self._gathered:
            self._pieces.append(bytes(self._gathered))
            self._gathered.clear()

    def _take(self, piece: bytes, start: int, end: int) -> bytes:
        if not self._pieces and not self._gathered:
            return piece[start:end]
        self._flush()
        whole = b"".join([*self._pieces, memoryview(piece)[start:end]])
        self._pieces.clear()
        return whole

    def _open(self, section: bytes) -> _Header:
        magic, kind, flags, head_bytes, payload_bytes, wanted = _HEADER.unpack(section)
        if magic != MAGIC:
            malformed("frame", "it does not start as a frame of this protocol")
        limit = self._limits.get(kind)
        if limit is None or flags:
            malformed("frame", f"kind {kind} with flags {flags} is unknown")
        if head_bytes > limit.head_bytes_max or payload_bytes > limit.payload_bytes_max:
            malformed(
                f"frame of kind {kind}",
                f"{head_bytes} + {payload_bytes} bytes are more than "
                f"{limit.head_bytes_max} + {limit.payload_bytes_max}",
            )
        return _Header(kind, head_bytes, payload_bytes, crc32(section[:CHECKED_BYTES]), wanted)


@dataclass(frozen=True, slots=True)
class _Header:
    kind: int
    head_bytes: int
    payload_bytes: int
    checksum: int
    """Of the header so far."""
    wanted: int


def _finish(header: _Header, head: bytes, payload: bytes) -> Frame:
    if crc32(payload, crc32(head, header.checksum)) != header.wanted:
        malformed(f"frame of kind {header.kind}", "its checksum does not match")
    return Frame(header.kind, head, payload)
