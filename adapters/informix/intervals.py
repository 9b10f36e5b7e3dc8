"""Intervals: Informix's text (`3 04:05:06.7`, `1-06`) as canonical text (`P3DT4H5M6.7S`, `P1Y6M`), and back.

The rule it keeps: months, days and seconds are kept apart, as they are not each other's multiples everywhere; inside
of each the canonical text is normal (no 12 months, no 60 seconds). A value that would read back as another is refused.
"""

from __future__ import annotations

import re
from typing import Final

from adapters.informix.qualifiers import Qualifier

_SEPARATORS: Final = {"month": "-", "hour": " ", "minute": ":", "second": ":", "fraction": "."}
_SECONDS: Final = {"hour": 3600, "minute": 60, "second": 1}
_ISO: Final = re.compile(
    r"P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?"
    r"(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?)(\d+)(?:\.(\d+))?S)?)?",
    re.ASCII,
)
_UNIT: Final = 100_000
"""Parts of a second that Informix tells apart."""
_DAY_PARTS: Final = 24 * 3600 * _UNIT
_FRACTION_DIGITS: Final = 5


def canonical(text: str, qualifier: Qualifier) -> str:
    """Informix's text of an interval as canonical text. Raises `ValueError` where it is none of this qualifier."""
    found = _form(qualifier).fullmatch(text.strip(" "))
    if found is None:
        message = f"{text!r} is no interval {qualifier}"
        raise ValueError(message)
    sign = "-" if found["sign"] else ""
    parts = {unit: found[unit] or "0" for unit in qualifier.fields}
    if qualifier.first in {"year", "month"}:
        months = int(parts.get("year", 0)) * 12 + int(parts.get("month", 0))
        return _iso(sign, months=months)
    fraction = parts.get("fraction", "").ljust(_FRACTION_DIGITS, "0")
    seconds = sum(int(parts.get(unit, 0)) * size for unit, size in _SECONDS.items())
    return _iso(sign, days=int(parts.get("day", 0)), parts=seconds * _UNIT + int(fraction))


def text(value: str, qualifier: Qualifier) -> str:
    """Canonical text as Informix's text. Raises `ValueError` where a column of this qualifier does not hold it."""
    found = _ISO.fullmatch(value)
    if found is None or value in {"P", "PT"}:
        message = f"{value!r} is no interval"
        raise ValueError(message)
    years, months, days, hours, minutes = (int(part or 0) for part in found.groups()[:5])
    digits = (found[8] or "").ljust(_FRACTION_DIGITS, "0")
    parts = int((found[7] or "0") + digits[:_FRACTION_DIGITS]) * (-1 if found[6] else 1)
    whole = years * 12 + months, days, (hours * 3600 + minutes * 60) * _UNIT + parts
    if digits[_FRACTION_DIGITS:].strip("0") or not (all(n >= 0 for n in whole) or all(n <= 0 for n in whole)):
        message = f"{value!r} has more digits of a second than Informix, or two signs"
        raise ValueError(message)
    sign = "-" if any(n < 0 for n in whole) else ""
    written = sign + _fields(qualifier, *map(abs, whole))
    carried = qualifier.first == "day" and abs(whole[2]) >= _DAY_PARTS
    if carried or canonical(written, qualifier) != _iso(sign, *map(abs, whole)):
        message = f"an interval {qualifier} does not hold {value!r}"
        raise ValueError(message)
    return written


def _fields(qualifier: Qualifier, months: int, days: int, parts: int) -> str:
    seconds, fraction = divmod(parts, _UNIT)
    left = {"year": months // 12, "month": months % 12, "day": days}
    left |= {"hour": seconds // 3600, "minute": seconds // 60 % 60, "second": seconds % 60}
    first = qualifier.first
    if first == "month":
        left["month"] = months
    elif first in {"minute", "second"}:
        left[first] = seconds // _SECONDS[first]
    out = ""
    for unit in qualifier.fields:
        if unit == "fraction":
            number = f"{fraction:05}"[: qualifier.scale]
        else:
            number = str(left[unit]) if unit == first else f"{left[unit]:02}"
        out += number if unit == first else _SEPARATORS[unit] + number
    return out


def _form(qualifier: Qualifier) -> re.Pattern[str]:
    form = r"(?P<sign>-)?"
    for unit in qualifier.fields:
        behind = unit != qualifier.first
        digits = r"\d{1,2}" if behind and unit != "fraction" else r"\d{1,9}"
        form += (re.escape(_SEPARATORS[unit]) if behind else " *") + f"(?P<{unit}>{digits})"
    return re.compile(form, re.ASCII)


def _iso(sign: str, months: int = 0, days: int = 0, parts: int = 0) -> str:
    seconds, fraction = divmod(parts, _UNIT)
    second = f"{seconds % 60}.{fraction:05}".rstrip("0").rstrip(".") if fraction else str(seconds % 60)
    date = [(months // 12, "Y"), (months % 12, "M"), (days, "D")]
    time = [(seconds // 3600, "H"), (seconds // 60 % 60, "M")]
    out = "P" + "".join(f"{sign}{number}{letter}" for number, letter in date if number)
    clock = "".join(f"{sign}{number}{letter}" for number, letter in time if number)
    clock += f"{sign}{second}S" if second != "0" else ""
    return out + (f"T{clock}" if clock else "") if out != "P" or clock else "PT0S"
