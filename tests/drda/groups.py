"""The groups of fields inside replies: how a statement went (SQLCA), what columns there are, and rows.

Layouts are those of SQLAM level 7, as this driver was seen to accept them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import pack

from tests.drda import codepoints as cp
from tests.drda.engine import Field, Row, Value
from tests.drda.framing import Ddm, Malformed, Part, thing
from tests.drda.values import NULL, OUTSIDE, decode, described, triplet

NO_SQLCA = NULL
END_OF_ROWS, END_OF_ROWS_STATE = 100, "02000"
_ERRP_BYTES = 8
_WARNINGS = 11
_TRIPLETS_MAX = 84
_QRYDSC_END = bytes.fromhex("0971e0540001d000010671f0e00000")
_FIRST_GROUP, _NEXT_GROUP = b"\x76\xd0", b"\x7f\x00"
_TRIPLET_BYTES = 3


@dataclass(frozen=True, slots=True)
class Voice:
    """In whose name and byte order (`>` or `<`) a server writes its groups."""

    product: str
    order: str

    def sqlca(self, code: int, state: str, *, affected: int = 0, tokens: str = "", warnings: str = "") -> bytes:
        """How it went, in full. `affected` is what the driver gives as the row count."""
        return b"".join((
            b"\x00",
            pack(f"{self.order}i", code),
            state.encode(),
            self.product.encode().ljust(_ERRP_BYTES),
            b"\x00",
            pack(f"{self.order}6i", 0, 0, affected, 0, 0, 0),
            warnings.ljust(_WARNINGS).encode(),
            b"\x00\x00",
            _counted(tokens),
            b"\x00\x00",
            NULL,
        ))  # fmt: skip

    def sqldard(self, fields: Sequence[Field]) -> Part:
        """The description of columns or parameters."""
        head = NO_SQLCA + b"\x00" + bytes(6 * 2 + 2 + 4) + pack(f"{self.order}h", len(fields))
        return thing(cp.SQLDARD, head + b"".join(map(self._column, fields)))

    def _column(self, field: Field) -> bytes:
        return b"".join((
            described(field, self.order),
            b"\x00",
            pack(f"{self.order}h", not field.name),
            _counted(field.name),
            bytes(2 + 4 + 4),
            NULL,
            b"\x00",
            bytes(4 * 2 + 2 + 4 * 4),
        ))  # fmt: skip


def sqlcard(sqlca: bytes = NO_SQLCA) -> Part:
    return thing(cp.SQLCARD, sqlca)


def _counted(text: str) -> bytes:
    encoded = text.encode()
    return pack(">H", len(encoded)) + encoded


def qrydsc(fields: Sequence[Field]) -> bytes:
    """What lies in front of rows."""
    triplets = [triplet(field) for field in fields]
    out = []
    for start in range(0, len(triplets), _TRIPLETS_MAX):
        group = b"".join(triplets[start : start + _TRIPLETS_MAX])
        out += [bytes((len(group) + _TRIPLET_BYTES,)), _NEXT_GROUP if start else _FIRST_GROUP, group]
    return b"".join(out) + _QRYDSC_END


def parameters(objects: Sequence[Ddm]) -> Row:
    """The values that came with a command, large ones put back in their places."""
    outside = [thing.body[1:] for thing in objects if thing.code == cp.EXTDTA]
    for ddm in objects:
        if ddm.code == cp.SQLDTA:
            parts = ddm.parts()
            return _values(parts[cp.FDODSC], parts[cp.FDODTA], outside)
    return ()


def _values(description: bytes, block: bytes, outside: list[bytes]) -> Row:
    values: list[Value] = []
    at = 1
    for kind, length in _triplets(description):
        if kind & 1:
            indicator, at = block[at], at + 1
            if indicator & 0x80:
                values.append(None)
                continue
        value, at = decode(kind, length, block, at)
        if kind in OUTSIDE and length == 0x8004:
            values.append(_large(kind, value, outside))
        else:
            values.append(value)
    if at != len(block) or outside:
        raise Malformed(f"parameters: {len(block) - at} bytes and {len(outside)} large objects are left over")
    return values


def _large(kind: int, length: Value, outside: list[bytes]) -> Value:
    content = outside.pop(0) if length else b""
    if len(content) != length:
        raise Malformed(f"a large object of {len(content)} bytes, {length!r} were announced")
    return content.decode() if kind | 1 == 0xCF else content


def _triplets(description: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while description[at + 1 : at + 3] in {_FIRST_GROUP, _NEXT_GROUP}:
        size = description[at]
        for place in range(at + _TRIPLET_BYTES, at + size, _TRIPLET_BYTES):
            yield description[place], int.from_bytes(description[place + 1 : place + 3])
        at += size


def sql_of(objects: Sequence[Ddm]) -> str:
    for ddm in objects:
        if ddm.code == cp.SQLSTT:
            return _nullable_text(ddm.body)
    raise Malformed("a command without its statement")


def attributes_of(objects: Sequence[Ddm]) -> str:
    return next((_nullable_text(ddm.body) for ddm in objects if ddm.code == cp.SQLATTR), "")


def _nullable_text(body: bytes) -> str:
    length = int.from_bytes(body[1:5])
    if body[:1] != b"\x00" or body[5 + length :] != NULL:
        raise Malformed(f"a statement's text of {length} bytes in {len(body)}")
    return body[5 : 5 + length].decode()


def managers(body: bytes) -> list[tuple[int, int]]:
    return [(int.from_bytes(body[at : at + 2]), int.from_bytes(body[at + 2 : at + 4])) for at in range(0, len(body), 4)]
