"""Canonical values as PostgreSQL's text input, column by column: array literals and lines for COPY.

The rule it keeps: what a column would round, cut or reinterpret in silence is found here and refused. What the server
itself refuses is left to it. Nothing is called for each value where the stream's type already fits the column's.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from math import isfinite
from types import NoneType
from typing import Final

from adapters.postgres.catalog import Attribute
from adapters.postgres.types import unbounded
from sync.model.change import Value
from sync.model.schema import Column, Kind

Texts = Sequence[str | None]
"""A column's values as text input; None for NULL."""
_Check = Callable[[str], bool]
"""Whether a value's text would lose something in the column."""

_REAL: Final = 700
_NAME: Final = 19
_NAME_BYTES: Final = 63
_ONE_BYTE: Final = 18
_BOX: Final = 603
_FRACTION: Final = re.compile(r"fraction\((\d)\)")
_DIGITS: Final = re.compile(r"\.(\d+)")
_DATE_CHARS: Final = 10
_ESCAPED: Final = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_BYTES: Final = frozenset({bytes})
_INTEGERS: Final = frozenset({Kind.INT16, Kind.INT32, Kind.INT64})


class Unfit(Exception):
    """The value at this place of the column does not fit, and why."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(at, why)
        self.at = at
        self.why = why


class Slot:
    """Where the values of one column of the stream go."""

    def __init__(self, stream: Column, attribute: Attribute) -> None:
        self.attribute = attribute
        self.name = attribute.name
        self.type = unbounded(attribute.type_oid, attribute.modifier, attribute.declared)
        """The column's type as SQL, without its bounds."""
        self.arrays = not self.type.endswith("]") and attribute.type_oid != _BOX and not attribute.composite
        """Whether many values can be sent as one array: unnest() would take a composite one apart."""
        self.is_integer = attribute.column.type.kind in _INTEGERS
        self._takes_bytes = attribute.column.type.kind is Kind.BYTES
        self._takes_bools = attribute.column.type.kind is Kind.BOOL
        self._loses, self._why = _loss(stream, attribute)
        self.is_same = self._loses is None and stream.type == attribute.column.type
        """Whether the column takes the text form of every value of the stream, and keeps all of it."""

    def texts(self, values: list[Value]) -> Texts:
        """The values as text input. Raises `Unfit`."""
        texts = self._texts(values)
        if self._loses is not None:
            for at, text in enumerate(texts):
                if text is not None and self._loses(text):
                    raise Unfit(at, self._why)
        return texts

    def _texts(self, values: list[Value]) -> Texts:
        kinds = set(map(type, values))
        null = NoneType in kinds
        kinds.discard(NoneType)
        if not kinds:
            return values  # type: ignore[return-value]
        if (self._takes_bytes and kinds != _BYTES) or (not self._takes_bytes and bytes in kinds):
            at = next(
                at for at, v in enumerate(values) if v is not None and isinstance(v, bytes) is not self._takes_bytes
            )
            raise Unfit(at, "bytes do not fit" if bytes in kinds and not self._takes_bytes else "only bytes fit")
        if kinds == {str}:
            return values  # type: ignore[return-value]
        if len(kinds) == 1 and not null and kinds <= {int, float}:
            return list(map(repr, values))
        return [self._text(at, value) for at, value in enumerate(values)]

    def _text(self, at: int, value: Value) -> str | None:
        match value:
            case None | str():
                return value
            case bool():
                return repr(value if self._takes_bools else int(value))
            case int() | float():
                return repr(value)
            case bytes():
                return "\\x" + value.hex()
            case _:
                raise Unfit(at, "the source did not send the value")


def array(texts: Texts) -> str:
    """An array literal. Raises `Unfit` where a text can not stand in a PostgreSQL database."""
    null, joined = _joined(texts)
    if "\\" in joined or '"' in joined:
        joined = joined.replace("\\", "\\\\").replace('"', '\\"')
    if not null:
        return '{"' + joined.replace("\0", '","') + '"}'
    quoted = zip(texts, joined.split("\0"), strict=True)
    return "{" + ",".join(["NULL" if t is None else f'"{q}"' for t, q in quoted]) + "}"


def copy_lines(columns: Iterable[Texts]) -> bytes:
    """Lines for COPY in its text format. Raises `Unfit` where a text can not stand in a PostgreSQL database."""
    return ("\n".join(map("\t".join, zip(*map(_escaped, columns), strict=True))) + "\n").encode()


def _escaped(texts: Texts) -> Sequence[str]:
    null, joined = _joined(texts)
    present: Sequence[str] = joined.split("\0") if null else texts  # type: ignore[assignment]
    if any(special in joined for special, _ in _ESCAPED):
        for special, escape in _ESCAPED:
            joined = joined.replace(special, escape)
        present = joined.split("\0")
    return ["\\N" if t is None else e for t, e in zip(texts, present, strict=True)] if null else present


def _joined(texts: Texts) -> tuple[bool, str]:
    """Whether NULL is among them, and all of them with NUL, which can stand in no text of a database, between them."""
    null = None in texts
    present: Sequence[str] = [t or "" for t in texts] if null else texts  # type: ignore[assignment]
    joined = "\0".join(present)
    if joined.count("\0") != len(present) - 1 or not _is_unicode(joined):
        for at, text in enumerate(present):
            _check_text(at, text)
    return null, joined


def _is_unicode(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _check_text(at: int, text: str) -> None:
    if "\0" in text:
        raise Unfit(at, "PostgreSQL texts can not hold the character NUL")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unfit(at, f"it is no valid Unicode text: {error.reason}") from error


def _loss(stream: Column, attribute: Attribute) -> tuple[_Check | None, str]:
    """The check that a column needs for what the stream may bring, and the reason where it finds something."""
    have, into = stream.type, attribute.column.type
    if attribute.type_oid in {_NAME, _ONE_BYTE}:
        limit = _NAME_BYTES if attribute.type_oid == _NAME else 1
        return (lambda text: len(text.encode()) > limit), f"it has more than {limit} bytes"
    match into.kind:
        case Kind.VARCHAR if have.kind not in {Kind.VARCHAR, Kind.CHAR} or not 0 < have.length <= into.length:
            return (lambda text: len(text) > into.length), f"it has more than {into.length} characters"
        case Kind.DECIMAL | Kind.MONEY if into.length and not _is_exact(stream, into.scale):
            return (lambda text: _scale(text) > into.scale), f"it has more than {into.scale} digits behind the point"
        case Kind.FLOAT if attribute.type_oid == _REAL:
            return _is_rounded, "a 32-bit number can not hold it"
        case Kind.DATE if have.kind is not Kind.DATE:
            return (lambda text: len(text) > _DATE_CHARS and text[_DATE_CHARS:] != " BC"), "it is not only a date"
        case Kind.TIME | Kind.DATETIME if have != into:
            return _time_loss(have.qualifier, into.qualifier)
        case Kind.INTERVAL if into.qualifier not in {"", have.qualifier}:
            return (lambda _: True), f"the column holds only {into.qualifier}"
    return None, ""


def _time_loss(have: str, into: str) -> tuple[_Check | None, str]:
    if have.endswith("zone") and not into.endswith("zone"):
        return (lambda _: True), "the column does not hold a time zone"
    had, kept = _fraction(have), _fraction(into)
    if have and had <= kept:
        return None, ""
    why = f"it has more than {kept} digits of a second"
    return (lambda text: any(len(digits.rstrip("0")) > kept for digits in _DIGITS.findall(text))), why


def _fraction(qualifier: str) -> int:
    match = _FRACTION.search(qualifier)
    return int(match[1]) if match else 0


def _is_exact(stream: Column, scale: int) -> bool:
    """Whether nothing of this type has more digits behind the point."""
    kind = stream.type.kind
    bounded = kind in {Kind.DECIMAL, Kind.MONEY} and stream.type.length > 0 and stream.type.scale <= scale
    return bounded or kind in _INTEGERS


def _scale(text: str) -> int:
    try:
        exponent = Decimal(text).normalize().as_tuple().exponent
    except InvalidOperation:
        return 0
    return -exponent if isinstance(exponent, int) else 0


def _is_rounded(text: str) -> bool:
    try:
        value = float(text)
        single = struct.pack("f", value)
    except (ValueError, OverflowError):
        # The server refuses it by itself.
        return False
    (rounded,) = struct.unpack("f", single)
    if not isfinite(value) or not rounded:
        return isfinite(value) and value != rounded
    # As the server writes it: the shortest text that is nearer to this 32-bit number than to any other.
    (bits,) = struct.unpack("I", single)
    nearer, further = (struct.unpack("f", struct.pack("I", bits + step))[0] for step in (-1, 1))
    others = (nearer, further if isfinite(further) else 2 * rounded - nearer)
    spellings = (float(f"{rounded:.{digits}g}") for digits in range(1, 10))
    return value != next(t for t in spellings if all(abs(t - rounded) < abs(t - other) for other in others))
