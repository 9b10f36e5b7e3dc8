"""Inputs with a structure: one string of bytes is cut into frames, files or messages, whatever the bytes are.

The rule it keeps: every string is a valid script, and its checksums are right, so that mutations get behind them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from sync.spool.segment import HEAD_BYTES, HEADER_BYTES, header_seed
from sync.wire.frame import encode_frame
from tests.fuzz.owner import Owner
from tests.fuzz.seeds import ACT as NO_FRAME
from tests.fuzz.seeds import Frames

_CRC = struct.Struct("<I")
_RECORD_LENGTHS = struct.Struct("<4sII")
FRAME, RAW, ACT, STEPS = 0, 1, 2, 3


@dataclass
class Cutter:
    """Takes pieces off the front of a string; gives short ones at its end."""

    rest: bytes
    at: int = field(default=0)

    def take(self, count: int) -> bytes:
        piece = self.rest[self.at : self.at + count]
        self.at += count
        return piece

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size), "big")

    @property
    def empty(self) -> bool:
        return self.at >= len(self.rest)


def script_of(frames: Frames) -> bytes:
    """The script that says exactly these frames."""
    return b"".join(
        bytes((ACT,)) + head
        if kind == NO_FRAME
        else struct.pack(">BBHH", FRAME, kind, len(head), len(payload)) + head + payload
        for kind, head, payload in frames
    )


def steps(script: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Cut a script into steps: bytes to hear (a frame with its checksum, or raw ones), or a number to act on."""
    cutter = Cutter(script)
    while not cutter.empty:
        step = cutter.number() % STEPS
        if step == FRAME:
            kind, head_bytes, payload_bytes = cutter.number(), cutter.number(2), cutter.number(2)
            yield step, b"".join(encode_frame(kind, cutter.take(head_bytes), cutter.take(payload_bytes))), 0
        elif step == RAW:
            yield step, cutter.take(cutter.number()), 0
        else:
            yield step, b"", cutter.number()


def play(owner: Owner, script: bytes) -> None:
    """Let a session live through a script."""
    for step, piece, act in steps(script):
        if step == ACT:
            owner.act(act)
        else:
            owner.hear(piece)


def mend_segment(content: bytes) -> bytes:
    """Set all checksums of a segment file right, as far as its lengths lead."""
    if len(content) < HEADER_BYTES:
        return content
    mended = bytearray(content)
    seed = header_seed(bytes(mended[:HEADER_BYTES]))
    _CRC.pack_into(mended, HEADER_BYTES - _CRC.size, seed)
    at = HEADER_BYTES
    while at + HEAD_BYTES <= len(mended):
        _, payload_bytes, _ = _RECORD_LENGTHS.unpack_from(mended, at)
        payload = bytes(mended[at + HEAD_BYTES : at + HEAD_BYTES + payload_bytes])
        _CRC.pack_into(mended, at + 8, zlib.crc32(payload))
        end = at + HEAD_BYTES - _CRC.size
        _CRC.pack_into(mended, end, zlib.crc32(bytes(mended[at:end]), seed))
        at += HEAD_BYTES + payload_bytes
    return bytes(mended)
