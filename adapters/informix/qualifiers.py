"""Qualifiers of DATETIME and INTERVAL: how Informix names them, and how its catalog packs them into a length.

The rule it keeps: one record for both, and nothing is guessed: what is no qualifier raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

UNITS: Final = ("year", "month", "day", "hour", "minute", "second", "fraction")
_SECOND: Final = 10
"""The catalog's numbers are YEAR 0 to SECOND 10 in steps of two; behind it FRACTION(1) 11 to FRACTION(5) 15."""
_LAST: Final = 15
_FRACTION_FIRST: Final = 12
_DIGITS: Final = {"year": 4, "fraction": 3}
"""Digits of a first field that says none; two for all others."""
_FORM: Final = re.compile(
    rf"(?P<first>{'|'.join(UNITS)})(\((?P<digits>[1-9])\))? to (?P<last>{'|'.join(UNITS)})(\((?P<scale>[1-5])\))?"
)
_SCALE: Final = 3
"""Digits of FRACTION where none are said."""


@dataclass(frozen=True, slots=True)
class Qualifier:
    """From `first` to `last`; `digits` of the first field count for intervals, `scale` where the last is FRACTION."""

    first: str
    last: str
    digits: int = 0
    scale: int = 0

    def __str__(self) -> str:
        """As in the catalog of types: `year to fraction(5)`, `day(3) to second`."""
        digits = f"({self.digits})" if self.digits else ""
        return f"{self.first}{digits} to {self.last}{f'({self.scale})' if self.scale else ''}"

    @property
    def sql(self) -> str:
        return str(self).upper()

    @property
    def fields(self) -> tuple[str, ...]:
        return UNITS[UNITS.index(self.first) : UNITS.index(self.last) + 1]


def parse(text: str) -> Qualifier:
    """Read `year to second`, `day(3) to fraction(5)`, in any case. Raises `ValueError` where it is none."""
    found = _FORM.fullmatch(" ".join(text.lower().split()))
    if found is None or UNITS.index(found["first"]) > UNITS.index(found["last"]):
        message = f"{text!r} is no qualifier of DATETIME or INTERVAL"
        raise ValueError(message)
    scale = int(found["scale"] or _SCALE) if found["last"] == "fraction" else 0
    return Qualifier(found["first"], found["last"], int(found["digits"] or 0), scale)


def unpacked(length: int, *, interval: bool) -> Qualifier:
    """Read a catalog's length: digits * 256 + first * 16 + last. Raises `ValueError` where it holds none."""
    first, last = length >> 4 & 15, length & 15
    if first % 2 or first > _FRACTION_FIRST or last > _LAST or (last < _SECOND and last % 2):
        names = None
    else:
        names = UNITS[first // 2], UNITS[min(last, _FRACTION_FIRST) // 2 + (last == _SECOND + 1)]
    if names is None or UNITS.index(names[0]) > UNITS.index(names[1]):
        message = f"length {length} is no qualifier of DATETIME or INTERVAL"
        raise ValueError(message)
    scale = last - _SECOND if names[1] == "fraction" else 0
    # The catalog counts all digits; what the fields behind the first have is known.
    digits = (length >> 8) - _behind(*names, scale)
    return Qualifier(*names, digits if interval and digits != _DIGITS.get(names[0], 2) else 0, scale)


def packed(qualifier: Qualifier) -> int:
    """The catalog's length of a qualifier."""
    first, last = 2 * UNITS.index(qualifier.first), 2 * UNITS.index(qualifier.last)
    own = qualifier.digits or _DIGITS.get(qualifier.first, 2)
    digits = own + _behind(qualifier.first, qualifier.last, qualifier.scale)
    return (digits << 8) + (first << 4) + (_SECOND + qualifier.scale if qualifier.scale else last)


def _behind(first: str, last: str, scale: int) -> int:
    """Digits of the fields behind the first."""
    units = UNITS[UNITS.index(first) + 1 : UNITS.index(last) + 1]
    return sum(scale if unit == "fraction" else 2 for unit in units)
