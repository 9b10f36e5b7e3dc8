"""What is bound for a canonical value, so that the column holds exactly it.

The rule it keeps: a value that a column would cut, round, wrap or take for NULL raises `ValueError` with the reason,
which the caller completes with table, key and column. Only what stands for nothing is cut: zeros of a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from adapters.informix import intervals
from adapters.informix.qualifiers import UNITS, Qualifier
from adapters.informix.types import ColumnType
from adapters.informix.values import BEFORE, DATE, checked, moment_form, single, text_of
from sync.model.schema import Kind
from sync.model.value import ABSENT, Value

_BITS: Final = {Kind.INT16: 15, Kind.INT32: 31, Kind.INT64: 63}
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)

Encoder = Callable[[Value], object]


def encode(column: ColumnType, values: Sequence[Value], encoding: str = "utf-8") -> list[object]:
    """What is bound for the canonical values of a whole column; None stays NULL, ABSENT stays absent.

    `encoding` is the database's code set: Informix counts bytes. Raises `ValueError` saying why a value does not fit.
    """
    encoder = _encoder(column, encoding)
    return [value if value is None or value is ABSENT else encoder(value) for value in values]


def _encoder(column: ColumnType, encoding: str) -> Encoder:  # noqa: PLR0911 - one for each family of types
    match column.type.kind:
        case Kind.BOOL:
            return lambda value: "t" if checked(value, bool) else "f"
        case Kind.INT16 | Kind.INT32 | Kind.INT64:
            return _integers(column)
        case Kind.FLOAT:
            return _float32 if column.name == "SMALLFLOAT" else _float
        case Kind.CHAR | Kind.VARCHAR:
            return _texts(column, encoding)
        case Kind.BYTES:
            return lambda value: checked(value, bytes)
        case Kind.DECIMAL | Kind.MONEY:
            return _decimals(column)
        case Kind.DATE | Kind.TIME | Kind.DATETIME:
            return _bound_moments(column.qualifier or DATE)
        case Kind.INTERVAL:
            qualifier = column.qualifier
            assert qualifier is not None
            return lambda value: intervals.text(text_of(value), qualifier)
        case _:
            return lambda value: _encodable(text_of(value), encoding)


def _bound_moments(qualifier: Qualifier) -> Encoder:
    exact = moment_form(qualifier)
    # A longer text fits where what the column does not keep is zero.
    units = UNITS[UNITS.index(qualifier.last) + 1 :] if qualifier.last != "fraction" else ()
    rest = re.compile("".join(f"(?:{BEFORE[u]}{'0+' if u == 'fraction' else '00'})?" for u in units), re.ASCII)

    def encode_one(value: Value) -> str:
        written = text_of(value)
        found = exact.match(written)
        if found is None or rest.fullmatch(written, found.end()) is None or units[:1] in {("month",), ("day",)}:
            found = exact.fullmatch(written)
        if found is None:
            message = f"a column from {qualifier} does not hold {written!r}"
            raise ValueError(message)
        return _filled(found[0], qualifier)

    return encode_one


def _filled(text: str, qualifier: Qualifier) -> str:
    """With as many digits of a second as the column has."""
    if not qualifier.scale:
        return text
    head, point, digits = text.partition(".") if qualifier.first != "fraction" else ("", "", text)
    if digits[qualifier.scale :].strip("0"):
        message = f"{text!r} has more digits of a second than the column's {qualifier.scale}"
        raise ValueError(message)
    digits = digits[: qualifier.scale].ljust(qualifier.scale, "0")
    return f"{head}{point or '.'}{digits}" if qualifier.first != "fraction" else digits


def _integers(column: ColumnType) -> Encoder:
    top = 1 << _BITS[column.type.kind]

    def encode_one(value: Value) -> int:
        number = checked(value, int)
        if column.serial and not number:
            message = "0 in a serial column makes the server choose a number"
            raise ValueError(message)
        if not -top < number < top:
            message = f"{number} is NULL there" if number == -top else f"{number} is more than {column.sql} holds"
            raise ValueError(message)
        return int(number)

    return encode_one


def _float(value: Value) -> float:
    number = float(checked(value, (int, float)))  # type: ignore[arg-type]
    if number != number or number in {float("inf"), float("-inf")}:  # noqa: PLR0124 - only NaN differs from itself
        message = f"Informix has no {number}"
        raise ValueError(message)
    return number


def _float32(value: Value) -> float:
    number = _float(value)
    try:
        same = single(number) == number
    except OverflowError:
        same = False
    if not same:
        message = f"32 bits do not hold {number}"
        raise ValueError(message)
    return number


def _texts(column: ColumnType, encoding: str) -> Encoder:
    limit = column.type.length

    def encode_one(value: Value) -> str:
        written = _encodable(text_of(value), encoding)
        if len(written) * 4 > limit and len(written.encode(encoding)) > limit:
            message = f"it has more bytes than {column.sql} holds"
            raise ValueError(message)
        return written

    return encode_one


def _encodable(text: str, encoding: str) -> str:
    if "\0" in text:
        message = "the character NUL means NULL there"
        raise ValueError(message)
    try:
        text.encode(encoding)
    except UnicodeEncodeError as error:
        message = f"the database's code set {encoding} has no {text[error.start]!r}"
        raise ValueError(message) from None
    return text


def _decimals(column: ColumnType) -> Encoder:
    digits_max, scale = (32, 32) if column.floating else (column.type.length, column.type.scale)

    def encode_one(value: Value) -> str:
        written = text_of(value)
        if _NUMBER.fullmatch(written) is None:
            message = f"Informix has no {written}"
            raise ValueError(message)
        whole, _, behind = written.lstrip("-").partition(".")
        whole, behind = whole.lstrip("0"), behind.rstrip("0")
        if column.floating:
            fits = len((whole + behind).strip("0")) <= digits_max
        else:
            fits = len(behind) <= scale and len(whole) <= digits_max - scale
        if not fits:
            message = f"{column.sql} does not hold {written}"
            raise ValueError(message)
        return written

    return encode_one
