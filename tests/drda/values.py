"""Columns and parameters on the wire: the driver's type codes, and values to bytes and back.

Numbers of ours lie in the byte order that the server names when it is asked for the database; those of the driver are
always little endian. Lengths of strings are big endian both ways. A value that is longer than its field was described
raises: the driver would read on behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from struct import error, pack, unpack_from

from tests.drda.engine import Field, Kind, Row, Value
from tests.drda.framing import Malformed

NULL = b"\xff"
PRESENT = b"\x00"
ROW_HEAD = b"\xff\x00"

LOB_LENGTH = 0x8004  # of a locator, or of a length that stands for what follows outside of the row
LOB_BYTES_MAX = 1_000_000  # of a description: with 2**31 - 1 the driver dies as soon as a string is bound
_VARCHAR_BYTES_MAX = 0x7FFF
_EXACT = Context(prec=64)  # the usual 28 digits would round what DECIMAL(32) holds
_LONG_BYTES_MAX = 0x7FBC
_TEXT_CCSID, _BINARY_CCSID = 1208, 0
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?")


class WrongValue(Exception):
    """An engine gave a value that does not fit the field it described."""


@dataclass(frozen=True, slots=True)
class Code:
    """How a kind is named: `sqltype` in descriptions, `fdoca` before rows; both for a field that takes NULL."""

    sqltype: int
    fdoca: int
    ccsid: int = 0
    length: int = 0  # where it is always the same


_CODES = {
    Kind.SMALLINT: Code(501, 0x05, length=2),
    Kind.INTEGER: Code(497, 0x03, length=4),
    Kind.BIGINT: Code(493, 0x17, length=8),
    Kind.FLOAT: Code(481, 0x0B, length=8),
    Kind.SMALLFLOAT: Code(481, 0x0D, length=4),
    Kind.DECIMAL: Code(485, 0x0F),
    Kind.DATE: Code(385, 0x21, _TEXT_CCSID, 10),
    Kind.TIME: Code(389, 0x23, _TEXT_CCSID, 8),
    Kind.TIMESTAMP: Code(393, 0x25, _TEXT_CCSID),
    Kind.CHAR: Code(453, 0x3D, _TEXT_CCSID),
    Kind.VARCHAR: Code(449, 0x3F, _TEXT_CCSID),
    Kind.VARBINARY: Code(449, 0x29, _BINARY_CCSID),
    Kind.LONG_VARCHAR: Code(457, 0x41, _TEXT_CCSID, _LONG_BYTES_MAX),
    Kind.LONG_VARBINARY: Code(457, 0x2B, _BINARY_CCSID, _LONG_BYTES_MAX),
    Kind.CLOB: Code(409, 0xCF, _TEXT_CCSID),
    Kind.BLOB: Code(405, 0xC9, _BINARY_CCSID),
}
LOBS = (Kind.CLOB, Kind.BLOB)


def described(field: Field, order: str) -> bytes:
    """The numbers of a field in a description (SQLDARD): precision, scale, length, type, code set."""
    code = _CODES[field.kind]
    length, precision, scale = field.length, 0, 0
    if field.kind is Kind.DECIMAL:
        length, precision, scale = 0, field.precision, field.scale
    elif field.kind is Kind.TIMESTAMP:
        scale = max(0, field.length - 20)
    elif field.kind in LOBS:
        length = min(field.length or LOB_BYTES_MAX, LOB_BYTES_MAX)
    return (
        pack(f"{order}hhqh", precision, scale, code.length or length, code.sqltype - (not field.nullable))
        + pack(">H", code.ccsid)
    )  # fmt: skip


def triplet(field: Field) -> bytes:
    """The three bytes of a field in front of rows (QRYDSC)."""
    code = _CODES[field.kind]
    kind = code.fdoca - (not field.nullable)
    if field.kind is Kind.DECIMAL:
        return bytes((kind, field.precision, field.scale))
    if field.kind in LOBS:
        return pack(">BH", kind, LOB_LENGTH)
    return pack(">BH", kind, code.length or field.length)


def encode_row(fields: Sequence[Field], row: Row, order: str, locate: Callable[[Kind, Value], int]) -> bytes:
    """One row of a result. `locate` keeps a large object and gives the number by which the driver will ask for it."""
    if len(row) != len(fields):
        raise WrongValue(f"a row of {len(row)} values for {len(fields)} columns")
    out = [ROW_HEAD]
    for field, value in zip(fields, row, strict=True):
        if value is None:
            if not field.nullable:
                raise WrongValue(f"NULL in column {field.name}, which was described as NOT NULL")
            out.append(NULL)
            continue
        if field.nullable:
            out.append(PRESENT)
        if field.kind in LOBS:
            out.append(pack(">I", locate(field.kind, value)))
        else:
            out.append(encode(field, value, order))
    return b"".join(out)


def encode(field: Field, value: Value, order: str) -> bytes:
    """A value that is not NULL and no large object, without indicator."""
    try:
        return _ENCODERS[field.kind](field, value, order)
    except (error, TypeError, ValueError, AttributeError) as wrong:
        raise WrongValue(f"column {field.name}: {value!r} is no {field.kind.name}: {wrong}") from wrong


def _number(code: str) -> Callable[[Field, Value, str], bytes]:
    return lambda _field, value, order: pack(order + code, value)


def _decimal(field: Field, value: Value, _order: str) -> bytes:
    number = Decimal(value) if isinstance(value, int | str | Decimal) else None
    if number is None or not number.is_finite():
        raise WrongValue(f"column {field.name}: {value!r} is no DECIMAL")
    scaled = number.scaleb(field.scale, _EXACT)
    if scaled != scaled.to_integral_value() or (scaled and scaled.adjusted() >= field.precision):
        raise WrongValue(f"column {field.name}: {number} does not fit DECIMAL({field.precision},{field.scale})")
    digits = f"{abs(int(scaled))}{'D' if scaled < 0 else 'C'}"
    return bytes.fromhex(digits.zfill((field.precision + 2) // 2 * 2))


def _fixed_text(field: Field, value: Value, _order: str) -> bytes:
    length = _CODES[field.kind].length or field.length
    text = _text(field, value)
    if len(text) != length:
        raise WrongValue(f"column {field.name}: {len(text)} bytes where {length} were described: {value!r}")
    return text


def _timestamp(field: Field, value: Value, order: str) -> bytes:
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        raise WrongValue(f"column {field.name}: {value!r} is no TIMESTAMP")
    return _fixed_text(field, value.replace(" ", "-").replace(":", "."), order)


def _char(field: Field, value: Value, _order: str) -> bytes:
    text = _text(field, value)
    if len(text) > field.length:
        raise WrongValue(f"column {field.name}: {len(text)} bytes in CHAR({field.length})")
    return text.ljust(field.length)


def _varying(field: Field, value: Value, _order: str) -> bytes:
    length = _CODES[field.kind].length or field.length
    content = bytes(value) if isinstance(value, bytes) else _text(field, value)
    if isinstance(value, bytes) != (field.kind in {Kind.VARBINARY, Kind.LONG_VARBINARY}):
        raise WrongValue(f"column {field.name}: {type(value).__name__} where {field.kind.name} was described")
    if len(content) > min(length, _VARCHAR_BYTES_MAX):
        raise WrongValue(f"column {field.name}: {len(content)} bytes in {field.kind.name}({length})")
    return pack(">H", len(content)) + content


def _text(field: Field, value: Value) -> bytes:
    if not isinstance(value, str):
        raise WrongValue(f"column {field.name}: {type(value).__name__} where {field.kind.name} was described")
    return value.encode()


_ENCODERS: dict[Kind, Callable[[Field, Value, str], bytes]] = {
    Kind.SMALLINT: _number("h"),
    Kind.INTEGER: _number("i"),
    Kind.BIGINT: _number("q"),
    Kind.FLOAT: _number("d"),
    Kind.SMALLFLOAT: _number("f"),
    Kind.DECIMAL: _decimal,
    Kind.DATE: _fixed_text,
    Kind.TIME: _fixed_text,
    Kind.TIMESTAMP: _timestamp,
    Kind.CHAR: _char,
    Kind.VARCHAR: _varying,
    Kind.VARBINARY: _varying,
    Kind.LONG_VARCHAR: _varying,
    Kind.LONG_VARBINARY: _varying,
}


def decode(kind: int, length: int, block: bytes, at: int) -> tuple[Value, int]:
    """A value of the driver at `at` of its block, without indicator: the value, and where the next one begins.

    A large object in the row is only its length (an int); the content follows outside.
    """
    try:
        return _decoded(kind | 1, length, block, at)
    except (error, UnicodeDecodeError) as wrong:
        raise Malformed(f"a parameter of type {kind:02X}: {wrong}") from wrong


def _decoded(kind: int, length: int, block: bytes, at: int) -> tuple[Value, int]:
    if kind in _FIXED:
        form = _FIXED[kind]
        size, value = _SIZES[form[-1]], unpack_from(form, block, at)[0]
    elif kind == _CODES[Kind.DECIMAL].fdoca:
        size = ((length >> 8) + 2) // 2
        value = _packed(block[at : at + size], length & 0xFF)
    elif kind in _TEXTS_FIXED:
        size = length
        value = _moment(kind, block[at : at + size].decode())
    elif kind in _TEXTS_VARYING or kind in _BINARIES_VARYING:
        (size,) = unpack_from(">H", block, at)
        at += 2
        content = block[at : at + size]
        value = content if kind in _BINARIES_VARYING else content.decode()
    else:
        raise Malformed(f"a parameter of the unknown type {kind:02X}")
    if at + size > len(block):
        raise Malformed(f"a parameter of type {kind:02X} and {size} bytes, {len(block) - at} are there")
    return value, at + size


_FIXED = {
    0x05: "<h", 0x03: "<i", 0x17: "<q", 0x0B: "<d", 0x0D: "<f", 0xCF: ">I", 0xC9: ">I", 0x1B: ">I", 0x19: ">I",
}  # fmt: skip
_SIZES = {"h": 2, "i": 4, "q": 8, "d": 8, "f": 4, "I": 4}
_TEXTS_FIXED = frozenset((0x21, 0x23, 0x25, 0x31, 0x3D))
_TEXTS_VARYING = frozenset((0x33, 0x35, 0x3F, 0x41))
_BINARIES_VARYING = frozenset((0x29, 0x2B))
OUTSIDE = frozenset((0xCF, 0xCE, 0xC9, 0xC8))


def _packed(content: bytes, scale: int) -> Decimal:
    digits = content.hex()
    if not digits[:-1].isdigit() or digits[-1] not in "abcdef":
        raise Malformed(f"{digits} is no packed decimal")
    return Decimal(f"{'-' if digits[-1] in 'bd' else ''}{digits[:-1]}E-{scale}")


def _moment(kind: int, text: str) -> str:
    if kind != _CODES[Kind.TIMESTAMP].fdoca:
        return text
    text = text.rstrip()  # always 26 characters, however many were bound
    return text[:10] + " " + text[11:].replace(".", ":", 2)
