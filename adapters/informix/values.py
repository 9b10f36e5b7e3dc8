"""Values of Informix: what a driver gives, as canonical values (docs/types.md).

The rule it keeps: whatever a driver makes of a type (text, a number, a date) becomes the one canonical value, and
what is none of the type raises `ValueError`.
"""

from __future__ import annotations

import datetime as dt
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

from adapters.informix import intervals
from adapters.informix.qualifiers import Qualifier
from adapters.informix.types import ColumnType
from sync.model.schema import Kind
from sync.model.value import Value

_TRUE: Final = {"t": True, "T": True, "1": True, "f": False, "F": False, "0": False}
_STARTS: Final[Mapping[str, int]] = {"year": 0, "month": 5, "day": 8, "hour": 11, "minute": 14, "second": 17}
_FRACTION_START: Final = 20
_FIELD: Final = {"year": r"\d{4}", "fraction": r"\d{1,6}"}
BEFORE: Final = {"month": "-", "day": "-", "hour": "[ T]", "minute": ":", "second": ":", "fraction": r"\."}
DATE: Final = Qualifier("year", "day")

T = TypeVar("T")
Decoder = Callable[[object], Value]


def decode(column: ColumnType, values: Sequence[object]) -> list[Value]:
    """The canonical values of a whole column; None stays NULL. Raises `ValueError` where a value is not of the type."""
    decoder = _decoder(column)
    if None not in values:
        return list(map(decoder, values))
    return [None if value is None else decoder(value) for value in values]


def selected(column: ColumnType, name: str) -> str:
    """The SQL expression that reads a column: drivers have no type for intervals, so these come as text."""
    return f"{name}::CHAR(30)" if column.name == "INTERVAL" else name


def _decoder(column: ColumnType) -> Decoder:  # noqa: PLR0911 - one for each family of types
    match column.type.kind:
        case Kind.BOOL:
            return _boolean
        case Kind.INT16 | Kind.INT32 | Kind.INT64:
            return int  # type: ignore[return-value]  # of an integer, or of its text
        case Kind.FLOAT:
            return single if column.name == "SMALLFLOAT" else float  # type: ignore[return-value]
        case Kind.CHAR:
            return lambda value: text_of(value).rstrip(" ")
        case Kind.BYTES:
            return bytes  # type: ignore[return-value]
        case Kind.DECIMAL | Kind.MONEY:
            scale = None if column.floating else column.type.scale
            return lambda value: _decimal(value, scale)
        case Kind.DATE | Kind.TIME | Kind.DATETIME:
            return _moments(column.qualifier or DATE)
        case Kind.INTERVAL:
            qualifier = column.qualifier
            assert qualifier is not None
            return lambda value: intervals.canonical(text_of(value), qualifier)
        case _:
            return text_of


def text_of(value: object) -> str:
    """The value where it is text. Raises `ValueError` where it is not."""
    return checked(value, str)


def checked(value: object, kind: type[T]) -> T:
    """The value where it is of this type. Raises `ValueError` where it is not."""
    if not isinstance(value, kind):
        message = f"{type(value).__name__} came where {kind.__name__} belongs"
        raise ValueError(message)  # noqa: TRY004 - one error for whatever does not fit
    return value


def _boolean(value: object) -> bool:
    if isinstance(value, (bool, int)):
        return bool(value)
    found = _TRUE.get(text_of(value).strip(" "))
    if found is None:
        message = f"{value!r} is no boolean"
        raise ValueError(message)
    return found


def single(value: object) -> float:
    """The shortest number that the 32 bits are."""
    exact = float(checked(value, (int, float)))  # type: ignore[arg-type]
    same = struct.pack("<f", exact)
    for digits in range(6, 9):
        shorter = float(f"{exact:.{digits}g}")
        if struct.pack("<f", shorter) == same:
            return shorter
    return float(f"{exact:.9g}")


def _decimal(value: object, scale: int | None) -> str:
    written = value if isinstance(value, str) else format(value, "f")
    written = written.strip(" ").replace("$", "")
    try:
        plain = format(Decimal(written), "f")
    except InvalidOperation:
        message = f"{value!r} is no decimal number"
        raise ValueError(message) from None
    whole, _, behind = plain.partition(".")
    behind = behind.rstrip("0")
    if scale is not None:
        behind = behind.ljust(scale, "0")
    number = f"{whole}.{behind}" if behind else whole
    return number[1:] if number.startswith("-") and not number.strip("-0.") else number


def _moments(qualifier: Qualifier) -> Decoder:
    start = _STARTS.get(qualifier.first, _FRACTION_START)
    end = _FRACTION_START + qualifier.scale if qualifier.scale else _STARTS[qualifier.last] + _digits(qualifier.last)
    form = moment_form(qualifier)

    def decode_one(value: object) -> str:
        if isinstance(value, dt.datetime):
            written = value.isoformat(" ", "microseconds")[start:end]
        elif isinstance(value, dt.date):
            written = f"{value.isoformat()} 00:00:00.000000"[start:end]
        elif isinstance(value, dt.time):
            written = f"0001-01-01 {value.isoformat('microseconds')}"[start:end]
        else:
            written = text_of(value).strip(" ")
            if form.fullmatch(written) is None:
                message = f"{value!r} is no date or time from {qualifier}"
                raise ValueError(message)
        return _short(written, qualifier)

    return decode_one


def _digits(unit: str) -> int:
    """Digits of a field of a DATETIME."""
    return 4 if unit == "year" else 2


def _short(text: str, qualifier: Qualifier) -> str:
    """Without zeros at the end of a fraction; a fraction alone keeps one digit."""
    if not qualifier.scale:
        return text
    if qualifier.first == "fraction":
        return text.rstrip("0") or "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment_form(qualifier: Qualifier) -> re.Pattern[str]:
    """Texts of a DATETIME with all its fields; the fraction may be missing."""
    form = ""
    for unit in qualifier.fields:
        field = _FIELD.get(unit, r"\d{2}")
        if unit == qualifier.first:
            form += field
        else:
            form += f"(?:{BEFORE[unit]}{field})?" if unit == "fraction" else BEFORE[unit] + field
    return re.compile(form, re.ASCII)
