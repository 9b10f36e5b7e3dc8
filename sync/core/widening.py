"""Widening: which logical types hold the values of which others (docs/types.md has the table).

Two questions, kept apart: `fits` asks whether a column as it is gives back the very same canonical values; `widens`
asks whether a change of type loses nothing, though the values may be written otherwise afterwards.
"""

from __future__ import annotations

import re
from typing import Final

from sync.model.schema import Kind, Type

_INTEGERS: Final = {Kind.INT16: 5, Kind.INT32: 10, Kind.INT64: 19}
"""With the most digits that each has."""
_EXACT_IN_FLOAT: Final = frozenset({Kind.INT16, Kind.INT32})
_NUMBERS: Final = frozenset({Kind.DECIMAL, Kind.MONEY})
_TEXTS: Final = frozenset({Kind.CHAR, Kind.VARCHAR, Kind.TEXT})
_WRITTEN: Final = frozenset(
    {Kind.DECIMAL, Kind.MONEY, Kind.DATE, Kind.TIME, Kind.DATETIME, Kind.INTERVAL, Kind.UUID, Kind.JSON}
)
"""Kinds whose canonical value is a text already."""
_FRACTION: Final = re.compile(r"^(?P<span>.* to )(?:second|fraction\((?P<digits>\d+)\))(?P<zone>.*)$")


def fits(have: Type, wanted: Type) -> bool:
    """Whether a column of type `have` holds every value of `wanted` as it is."""
    if have == wanted or have.kind is Kind.ANY:
        return True
    if have.kind in _INTEGERS and wanted.kind in _INTEGERS:
        return _INTEGERS[have.kind] >= _INTEGERS[wanted.kind]
    if have.kind in {Kind.VARCHAR, Kind.TEXT} and not have.qualifier:
        if wanted.kind in _TEXTS and not wanted.qualifier:
            return _has_room(have.length, wanted.length)
        return not have.length and (wanted.kind in _WRITTEN or wanted.kind is Kind.TEXT)
    if have.kind is wanted.kind is Kind.CHAR:
        return _has_room(have.length, wanted.length)
    if have.kind in _NUMBERS and wanted.kind in _NUMBERS:
        # Digits behind the point are written as many as the column has.
        return not have.length or (have.scale == wanted.scale and 0 < wanted.length <= have.length)
    return have.kind is wanted.kind and have.kind in {Kind.TIME, Kind.DATETIME} and _is_finer(have, wanted)


def widens(old: Type, new: Type) -> bool:
    """Whether a column of type `old` can become one of `new` without losing a value."""
    if fits(new, old):
        return True
    if old.kind in _INTEGERS and new.kind in _NUMBERS:
        return not new.length or new.length - new.scale >= _INTEGERS[old.kind]
    if old.kind in _NUMBERS and new.kind in _NUMBERS:
        before = old.length - old.scale
        return bool(old.length) and new.scale >= old.scale and new.length - new.scale >= before
    if new.kind is Kind.FLOAT:
        return old.kind in _EXACT_IN_FLOAT
    if old.kind is Kind.CHAR and new.kind in {Kind.VARCHAR, Kind.TEXT} and not new.qualifier:
        return _has_room(new.length, old.length)
    if old.kind is Kind.DATE and new.kind is Kind.DATETIME:
        return not new.qualifier.endswith("zone")
    return new == Type(Kind.TEXT) and old.kind not in {Kind.BYTES, Kind.ANY}


def is_larger(new: Type, old: Type) -> bool:
    """Whether `new` is the same as `old` but for its size, and holds more."""
    alike = new.kind is old.kind or {new.kind, old.kind} <= _INTEGERS.keys()
    return alike and widens(old, new) and not fits(old, new)


def _has_room(have: int, wanted: int) -> bool:
    """Whether so many characters are enough; 0 is without a limit."""
    return not have or 0 < wanted <= have


def _is_finer(have: Type, wanted: Type) -> bool:
    mine, theirs = _FRACTION.match(have.qualifier), _FRACTION.match(wanted.qualifier)
    if mine is None or theirs is None:
        return False
    same = (mine["span"], mine["zone"]) == (theirs["span"], theirs["zone"])
    return same and int(mine["digits"] or 0) >= int(theirs["digits"] or 0)
