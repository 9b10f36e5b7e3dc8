"""What the functions of SQL mean inside a row rule, on canonical values.

The rule it keeps: NULL in gives NULL out, and a value of a type that the function is not for gives NULL too: a row
rule can end in "unknown", which keeps the row home, and never in an exception. `None` stands for NULL throughout.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final

_INT64_MAX: Final = 2**63 - 1
_ASCII_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_ASCII_UPPER: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)

Number = int | float
Binary = Callable[[object, object], object]


def decimal(value: object) -> Decimal | None:
    """Read the canonical text of a DECIMAL; NULL for what has no order (NaN) or is no number."""
    try:
        number = Decimal(value) if isinstance(value, (str, int)) else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _arithmetic(compute: Callable[[Number, Number], Number | None]) -> Binary:
    def operate(one: object, other: object) -> Number | None:
        if type(one) not in {int, float} or type(other) not in {int, float}:
            return None
        assert isinstance(one, (int, float))
        assert isinstance(other, (int, float))
        try:
            result = compute(one, other)
            if isinstance(result, int) and not -_INT64_MAX <= result <= _INT64_MAX:
                result = compute(float(one), float(other))
        except (OverflowError, ZeroDivisionError):
            return None
        return None if result is None or result != result else result  # noqa: PLR0124 - only NaN differs from itself

    return operate


def _divide(one: Number, other: Number) -> Number:
    if isinstance(one, int) and isinstance(other, int):
        quotient = abs(one) // abs(other)
        return quotient if (one < 0) == (other < 0) else -quotient
    return one / other


def _remainder(one: Number, other: Number) -> Number | None:
    if isinstance(one, int) and isinstance(other, int):
        return abs(one) % abs(other) * (-1 if one < 0 else 1)
    return None


add: Final = _arithmetic(lambda one, other: one + other)
subtract: Final = _arithmetic(lambda one, other: one - other)
multiply: Final = _arithmetic(lambda one, other: one * other)
divide: Final = _arithmetic(_divide)
"""Integers divide to an integer, towards zero; division by zero gives NULL."""
remainder: Final = _arithmetic(_remainder)
"""Integers only; the sign is that of the first."""


def negative(value: object) -> object:
    return subtract(0, value)


def absolute(value: object) -> object:
    return abs(value) if isinstance(value, (int, float)) else None


def concat(one: object, other: object) -> object:
    return one + other if isinstance(one, str) and isinstance(other, str) else None


def ascii_lower(value: object) -> object:
    return value.translate(_ASCII_LOWER) if isinstance(value, str) else None


def ascii_upper(value: object) -> object:
    return value.translate(_ASCII_UPPER) if isinstance(value, str) else None


def lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else None


def upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else None


def trim(value: object) -> object:
    """Take blanks, and blanks only, from both ends."""
    return value.strip(" ") if isinstance(value, str) else None


def trim_left(value: object) -> object:
    return value.lstrip(" ") if isinstance(value, str) else None


def trim_right(value: object) -> object:
    return value.rstrip(" ") if isinstance(value, str) else None


def length(value: object) -> object:
    """Characters of a text."""
    return len(value) if isinstance(value, str) else None


def to_integer(value: object) -> object:
    """Read an integer; NULL for text that is anything else, and for numbers with a fraction, which databases round."""
    if isinstance(value, str):
        text = value.strip(" ")
        return int(text) if _INTEGER.fullmatch(text) and abs(int(text)) <= _INT64_MAX else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _INT64_MAX else None
    return value if isinstance(value, int) else None


def to_text(value: object) -> object:
    """Write an integer; text stays. NULL for floats, which every database writes in its own way."""
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else None


def like(pattern: str, escape: str, *, ascii_fold: bool, fold: bool) -> Callable[[object], bool | None]:
    """Compile a LIKE pattern; matching what is no text gives NULL."""
    parts: list[str] = []
    letters = iter(pattern)
    for letter in letters:
        if escape and letter == escape:
            parts.append(re.escape(next(letters, "")))
        else:
            parts.append({"%": ".*", "_": "."}.get(letter) or re.escape(letter))
    flags = re.DOTALL | (re.IGNORECASE if fold or ascii_fold else 0) | (re.ASCII if ascii_fold else 0)
    full = re.compile(re.sub(r"(\.\*)+", ".*", "".join(parts)), flags).fullmatch

    def match(value: object) -> bool | None:
        return full(value) is not None if isinstance(value, str) else None

    return match


def matches(pattern: str, escape: str) -> Callable[[object], bool | None]:
    """Compile a MATCHES pattern: `*`, `?`, and sets in brackets (`[a-z]`, `[^a-z]`); no text gives NULL."""
    parts: list[str] = []
    rest = pattern
    while rest:
        letter, rest = rest[0], rest[1:]
        end = rest.find("]", 1 + rest.startswith("^")) if letter == "[" else -1
        if letter == escape:
            parts.append(re.escape(rest[:1]))
            rest = rest[1:]
        elif end > 0:
            inside, rest = rest[:end], rest[end + 1 :]
            parts.append(_set(inside))
        else:
            parts.append({"*": ".*", "?": "."}.get(letter) or re.escape(letter))
    full = re.compile(re.sub(r"(\.\*)+", ".*", "".join(parts)), re.DOTALL).fullmatch

    def match(value: object) -> bool | None:
        return full(value) is not None if isinstance(value, str) else None

    return match


def _set(inside: str) -> str:
    """A set of characters of MATCHES as one of a regular expression; an empty range matches nothing."""
    negated, inside = inside.startswith("^"), inside.removeprefix("^")
    ranges: list[str] = []
    while inside:
        first, last, more = inside[0], inside[0], inside[1:]
        if len(more) > 1 and more[0] == "-":
            last, more = more[1], more[2:]
        if first <= last:
            ranges.append(f"{re.escape(first)}-{re.escape(last)}")
        inside = more
    if not ranges:
        return "." if negated else r"(?!)"
    return f"[{'^' if negated else ''}{''.join(ranges)}]"


def rank(value: object) -> tuple[int, object]:
    """Order values of different types as SQLite does: numbers, text, bytes. Never called with NULL."""
    if isinstance(value, (int, float, Decimal)):
        return 0, value
    return (1, value) if isinstance(value, str) else (2, value)
