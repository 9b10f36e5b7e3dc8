"""PostgreSQL's types as logical types (docs/types.md), and how their values are read.

The rule it keeps: a query gives the same canonical value as the log's text form (see `sync.model.texts`). The text
forms are those of a session that `connection.SESSION` has set up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from sync.model.schema import Kind, Type

_BPCHAR: Final = 1042
_VARCHAR: Final = 1043
_TIME: Final = 1083
_TIMESTAMP: Final = 1114
_TIMESTAMPTZ: Final = 1184
_INTERVAL: Final = 1186
_TIMETZ: Final = 1266
_NUMERIC: Final = 1700

_PLAIN: Final[Mapping[int, Type]] = {
    16: Type(Kind.BOOL),
    17: Type(Kind.BYTES),
    20: Type(Kind.INT64),
    21: Type(Kind.INT16),
    23: Type(Kind.INT32),
    25: Type(Kind.TEXT),
    26: Type(Kind.INT64),  # oid: unsigned, 32 bits
    114: Type(Kind.JSON),
    700: Type(Kind.FLOAT),
    701: Type(Kind.FLOAT),
    790: Type(Kind.MONEY, 19, 2),
    1082: Type(Kind.DATE),
    2950: Type(Kind.UUID),
    3802: Type(Kind.JSON),
}
"""By the OIDs of pg_type.dat, which never change."""

_TIMES: Final[Mapping[int, tuple[Kind, str, str]]] = {
    _TIME: (Kind.TIME, "hour", ""),
    _TIMETZ: (Kind.TIME, "hour", " with time zone"),
    _TIMESTAMP: (Kind.DATETIME, "year", ""),
    _TIMESTAMPTZ: (Kind.DATETIME, "year", " with time zone"),
}
_UNBOUNDED: Final[Mapping[int, str]] = {_BPCHAR: "bpchar", 1560: '"bit"'}
"""Types whose bare name means a length of one."""
_BOUNDS: Final = re.compile(r"\([0-9, -]+\)")
_FRACTION_MAX: Final = 6
_NAME_CHARS_MAX: Final = 128
_HEADER_BYTES: Final = 4
"""What the modifier of a length counts too much."""


def type_of(oid: int, modifier: int, name: str) -> Type:
    """The logical type of a column.

    `oid` and `modifier` are pg_attribute's atttypid and atttypmod, of a domain its base type's; `name` is what
    `format_type` makes of them. A type that has no logical type of its own is text that bears its name.
    """
    plain = _PLAIN.get(oid)
    if plain is not None:
        return plain
    if oid in {_BPCHAR, _VARCHAR}:
        if modifier < _HEADER_BYTES:
            return Type(Kind.CHAR if oid == _BPCHAR else Kind.TEXT)
        return Type(Kind.CHAR if oid == _BPCHAR else Kind.VARCHAR, modifier - _HEADER_BYTES)
    if oid == _NUMERIC:
        return _decimal(modifier)
    if oid in _TIMES:
        kind, first, zone = _TIMES[oid]
        digits = _FRACTION_MAX if modifier < 0 else modifier
        last = f"fraction({digits})" if digits else "second"
        return Type(kind, qualifier=f"{first} to {last}{zone}")
    if oid == _INTERVAL:
        return Type(Kind.INTERVAL, qualifier=name.removeprefix("interval").strip())
    return Type(Kind.TEXT, qualifier=name[:_NAME_CHARS_MAX])


def _decimal(modifier: int) -> Type:
    if modifier < _HEADER_BYTES:
        return Type(Kind.DECIMAL)
    packed = modifier - _HEADER_BYTES
    precision, scale = packed >> 16, packed & 0x7FF
    if scale >= 1 << 10:
        # Rounded to tens or more: zeros stand before the point.
        return Type(Kind.DECIMAL, precision + (1 << 11) - scale, 0)
    return Type(Kind.DECIMAL, max(precision, scale), scale)


def selected(column: Type, quoted: str) -> str:
    """The SQL expression that the driver gives as a canonical value; `quoted` names a column of this type."""
    match column.kind:
        case Kind.BOOL | Kind.INT16 | Kind.INT32 | Kind.FLOAT | Kind.BYTES | Kind.VARCHAR:
            return quoted
        case Kind.INT64:
            return f"{quoted}::int8"
        case Kind.MONEY:
            return f"{quoted}::numeric::text"
        case Kind.CHAR:
            return f"rtrim({quoted}::text, ' ')"
        case Kind.TEXT if column.qualifier:
            # A cast is not always what the type itself writes: that of inet adds a netmask.
            return f"CASE num_nulls({quoted}) WHEN 0 THEN concat({quoted}) END"
        case _:
            return f"{quoted}::text"


def unbounded(oid: int, modifier: int, declared: str) -> str:
    """A declared type as SQL without its length or precision: a cast to it refuses nothing and cuts nothing."""
    if oid in _UNBOUNDED:
        return _UNBOUNDED[oid]
    return declared if modifier < 0 else _BOUNDS.sub("", declared)
