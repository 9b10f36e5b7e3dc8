"""How DRDA messages lie on the wire: data stream structures (DSS) that hold nested objects (DDM).

A request is a command with the objects behind it, and requests that belong together come as one chain. The rule here:
a chain is read whole before anything of it is answered, so neither side can block the other with full buffers, and
whatever does not add up is a `Malformed`, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from struct import pack, unpack_from

MAGIC = 0xD0
CHAINED = 0x40
SAME_CORRELATION = 0x10
REQUEST, REPLY, OBJECT = 1, 2, 3

_DSS_HEADER_BYTES = 6
_DSS_BYTES_MAX = 0x7FFF
_SEGMENT_BODY_BYTES_MAX = _DSS_BYTES_MAX - 2
_DDM_HEADER_BYTES = 4
_DDM_EXTENDED = 0x8000
_DDM_EXTENDED_HEADER = _DDM_EXTENDED | 8


class Malformed(Exception):
    """Bytes that are not DRDA as this server knows it: a mistake in the double, or a driver that changed."""


@dataclass(frozen=True, slots=True)
class Ddm:
    """One object: its code point and its body, without the header."""

    code: int
    body: bytes = b""

    def encoded(self) -> bytes:
        size = _DDM_HEADER_BYTES + len(self.body)
        if size <= _DSS_BYTES_MAX:
            return pack(">HH", size, self.code) + self.body
        return pack(">HHI", _DDM_EXTENDED_HEADER, self.code, len(self.body)) + self.body

    def parts(self) -> dict[int, bytes]:
        """The objects inside, by code point; bodies of commands are such lists, where none occurs twice."""
        return {part.code: part.body for part in parse(self.body)}


@dataclass(slots=True)
class Command:
    """A request, and the objects that came with it."""

    correlation: int
    ddm: Ddm
    objects: list[Ddm] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Part:
    """One structure of an answer."""

    kind: int
    ddm: Ddm


def message(code: int, *inside: Ddm) -> Part:
    return Part(REPLY, Ddm(code, b"".join(part.encoded() for part in inside)))


def thing(code: int, body: bytes) -> Part:
    return Part(OBJECT, Ddm(code, body))


def parse(block: bytes) -> Iterator[Ddm]:
    at = 0
    while at < len(block):
        if len(block) - at < _DDM_HEADER_BYTES:
            raise Malformed(f"{len(block) - at} bytes are left where an object should begin")
        size, code = unpack_from(">HH", block, at)
        start = at + _DDM_HEADER_BYTES
        if size & _DDM_EXTENDED:
            extra = (size & ~_DDM_EXTENDED) - _DDM_HEADER_BYTES
            if extra != _DDM_HEADER_BYTES:
                raise Malformed(f"object {code:04X}: an extended length of {extra} bytes")
            (length,) = unpack_from(">I", block, start)
            start += extra
        else:
            length = size - _DDM_HEADER_BYTES
        if length < 0 or start + length > len(block):
            raise Malformed(f"object {code:04X} of {length} bytes in a block of {len(block)}")
        yield Ddm(code, block[start : start + length])
        at = start + length


def read_chain(read: Callable[[int], bytes]) -> list[Command]:
    """The next chain. `read` gives exactly as many bytes as asked for, or raises."""
    chain: list[Command] = []
    more = True
    while more:
        size, magic, flags, correlation = unpack_from(">HBBH", read(_DSS_HEADER_BYTES))
        if magic != MAGIC:
            raise Malformed(f"a structure begins with {magic:02X}, not with {MAGIC:02X}")
        more = bool(flags & CHAINED)
        for ddm in parse(_payload(size, read)):
            if flags & 0x0F == REQUEST:
                chain.append(Command(correlation, ddm))
            elif chain and chain[-1].correlation == correlation:
                chain[-1].objects.append(ddm)
            else:
                raise Malformed(f"object {ddm.code:04X} belongs to no request")
    return chain


def _payload(size: int, read: Callable[[int], bytes]) -> bytes:
    body = bytearray(read((size & _DSS_BYTES_MAX) - _DSS_HEADER_BYTES))
    while size & ~_DSS_BYTES_MAX:
        (size,) = unpack_from(">H", read(2))
        body += read((size & _DSS_BYTES_MAX) - 2)
    return bytes(body)


def write_chain(answers: Sequence[tuple[int, Part]]) -> bytes:
    """All answers to one chain, each with the correlation of its request, as one block to send."""
    out = bytearray()
    for index, (correlation, part) in enumerate(answers):
        flags = part.kind
        if index + 1 < len(answers):
            flags |= CHAINED
            if answers[index + 1][0] == correlation:
                flags |= SAME_CORRELATION
        out += _structure(flags, correlation, part.ddm.encoded())
    return bytes(out)


def _structure(flags: int, correlation: int, body: bytes) -> bytes:
    size = _DSS_HEADER_BYTES + len(body)
    if size <= _DSS_BYTES_MAX:
        return pack(">HBBH", size, MAGIC, flags, correlation) + body
    at = _DSS_BYTES_MAX - _DSS_HEADER_BYTES
    out = [pack(">HBBH", 0xFFFF, MAGIC, flags, correlation), body[:at]]
    while at < len(body):
        piece = body[at : at + _SEGMENT_BODY_BYTES_MAX]
        at += len(piece)
        out += [pack(">H", len(piece) + 2 | (0x8000 if at < len(body) else 0)), piece]
    return b"".join(out)
