"""Informix's catalog types as logical types (docs/types.md), and back.

The rule it keeps: what the catalog says is decided here alone, from coltype, collength and the name of an extended
type; a type whose values can not be carried exactly is an obstacle with a reason, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.informix import qualifiers
from adapters.informix.typenames import DECIMAL_MAX, LVARCHAR_MAX, VARCHAR_MAX
from sync.model.schema import Kind, Type

_CODE: Final = 0xFF
_NOT_NULL: Final = 0x100
_DISTINCT: Final = 0x800
_NAMED_ROW: Final = 0x1000
_DISTINCT_OF: Final[Mapping[int, str]] = {0x2000: "lvarchar", 0x4000: "boolean"}
_SECURITY_LABEL: Final = 2061
"""A distinct VARCHAR by its flags; its rows show only to those whom the label admits."""

_PLAIN: Final[Mapping[int, tuple[str, Type]]] = {
    1: ("SMALLINT", Type(Kind.INT16)),
    2: ("INTEGER", Type(Kind.INT32)),
    3: ("FLOAT", Type(Kind.FLOAT)),
    4: ("SMALLFLOAT", Type(Kind.FLOAT)),
    6: ("SERIAL", Type(Kind.INT32)),
    7: ("DATE", Type(Kind.DATE)),
    11: ("BYTE", Type(Kind.BYTES)),
    12: ("TEXT", Type(Kind.TEXT)),
    17: ("INT8", Type(Kind.INT64)),
    18: ("SERIAL8", Type(Kind.INT64)),
    45: ("BOOLEAN", Type(Kind.BOOL)),
    52: ("BIGINT", Type(Kind.INT64)),
    53: ("BIGSERIAL", Type(Kind.INT64)),
}
_FIXED_TEXT: Final = {0: "CHAR", 15: "NCHAR"}
_VARYING_TEXT: Final = {13: "VARCHAR", 16: "NVARCHAR"}
_NUMBERS: Final = {5: ("DECIMAL", Kind.DECIMAL), 8: ("MONEY", Kind.MONEY)}
_DATETIME: Final = 10
_INTERVAL: Final = 14
_LVARCHAR: Final = 43
_OPAQUE: Final = frozenset({40, 41})
_OPAQUE_NAMES: Final[Mapping[str, tuple[str, Type]]] = {
    "boolean": ("BOOLEAN", Type(Kind.BOOL)),
    "blob": ("BLOB", Type(Kind.BYTES)),
    "clob": ("CLOB", Type(Kind.TEXT)),
}
_COLLECTIONS: Final[Mapping[int, str]] = {19: "SET", 20: "MULTISET", 21: "LIST", 22: "ROW", 23: "COLLECTION"}
_FLOATING: Final = 255
"""The scale of a DECIMAL whose point floats."""
_LVARCHAR_DEFAULT: Final = 2048
_SERIALS: Final = frozenset({"SERIAL", "SERIAL8", "BIGSERIAL"})
_LARGE: Final = frozenset({"BYTE", "TEXT", "BLOB", "CLOB"})


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What the catalog says of one column's type. `sql` declares it again; `obstacle` is empty where it is usable."""

    name: str
    """The type's name in capitals, without bounds."""
    sql: str
    type: Type
    nullable: bool = True
    qualifier: qualifiers.Qualifier | None = None
    floating: bool = False
    obstacle: str = ""

    @property
    def serial(self) -> bool:
        """Whether the server gives a number where it is given none, or 0."""
        return self.name in _SERIALS

    @property
    def large(self) -> bool:
        """Whether triggers can not read its values: only the row itself holds them."""
        return self.name in _LARGE


def column_type(coltype: int, collength: int, extended: str = "") -> ColumnType:
    """The type of a column from syscolumns.coltype and collength, and sysxtdtypes.name of its extended_id."""
    nullable = not coltype & _NOT_NULL
    bare = coltype & ~_NOT_NULL
    code, name = bare & _CODE, extended.strip().lower()
    if bare == _SECURITY_LABEL:
        return _refused("IDSSECURITYLABEL", "a security label hides rows from whom it does not admit", nullable)
    if bare & _NAMED_ROW or code in _COLLECTIONS:
        return _refused(_COLLECTIONS.get(code, "ROW"), "it is a collection or a row, not one value", nullable)
    if bare & _DISTINCT:
        # The flags name the base of an opaque one; of all others the code still says it.
        name = next((base for flag, base in _DISTINCT_OF.items() if bare & flag), name)
    if code in _OPAQUE and name != "lvarchar":
        if name not in _OPAQUE_NAMES:
            return _refused(name.upper() or "OPAQUE", "only its own functions can read such a value", nullable)
        sql, logical = _OPAQUE_NAMES[name]
        return ColumnType(sql, sql, logical, nullable)
    if code in _PLAIN:
        sql, logical = _PLAIN[code]
        return ColumnType(sql, sql, logical, nullable)
    try:
        return _bounded(code, collength, nullable=nullable)
    except ValueError as error:
        return _refused(f"coltype {coltype}", str(error), nullable)


def _bounded(code: int, collength: int, *, nullable: bool) -> ColumnType:
    if code in _FIXED_TEXT:
        sql = _FIXED_TEXT[code]
        return ColumnType(sql, f"{sql}({collength})", Type(Kind.CHAR, collength), nullable)
    if code in _VARYING_TEXT:
        # Reserved bytes stand above the length, and make the number negative where they are more than 127.
        sql, length, reserved = _VARYING_TEXT[code], collength & 0xFF, collength >> 8 & 0xFF
        bounds = f"{length},{reserved}" if reserved else f"{length}"
        return ColumnType(sql, f"{sql}({bounds})", Type(Kind.VARCHAR, length), nullable)
    if code == _LVARCHAR or code in _OPAQUE:
        length = collength or _LVARCHAR_DEFAULT
        return ColumnType("LVARCHAR", f"LVARCHAR({length})", Type(Kind.VARCHAR, length), nullable)
    if code in _NUMBERS:
        return _number(*_NUMBERS[code], *divmod(collength & 0xFFFF, 256), nullable=nullable)
    if code in {_DATETIME, _INTERVAL}:
        return _time(qualifiers.unpacked(collength, interval=code == _INTERVAL), code == _INTERVAL, nullable)
    message = "the catalog of types does not know it"
    raise ValueError(message)


def _number(name: str, kind: Kind, precision: int, scale: int, *, nullable: bool) -> ColumnType:
    if scale == _FLOATING:
        return ColumnType(name, f"{name}({precision})", Type(Kind.DECIMAL), nullable, floating=True)
    return ColumnType(name, f"{name}({precision},{scale})", Type(kind, precision, scale), nullable)


def _time(qualifier: qualifiers.Qualifier, interval: bool, nullable: bool) -> ColumnType:  # noqa: FBT001
    text = str(qualifier)
    if interval:
        logical = Type(Kind.INTERVAL, qualifier=text)
    elif (qualifier.first, qualifier.last) == ("year", "day"):
        logical = Type(Kind.DATE)
    else:
        # From the hour on it is a time of day; whatever begins before it is a date and time, or a part of one.
        is_time = qualifier.first in {"hour", "minute", "second", "fraction"}
        logical = Type(Kind.TIME if is_time else Kind.DATETIME, qualifier=text)
    name = "INTERVAL" if interval else "DATETIME"
    return ColumnType(name, f"{name} {qualifier.sql}", logical, nullable, qualifier)


def _refused(name: str, why: str, nullable: bool) -> ColumnType:  # noqa: FBT001
    return ColumnType(name, "", Type(Kind.TEXT, qualifier=name.lower()), nullable, obstacle=f"{name}: {why}")


_DECLARED: Final[Mapping[Kind, str]] = {
    Kind.BOOL: "BOOLEAN",
    Kind.INT16: "SMALLINT",
    Kind.INT32: "INTEGER",
    Kind.INT64: "BIGINT",
    Kind.FLOAT: "FLOAT",
    Kind.BYTES: "BYTE",
    Kind.DATE: "DATE",
    Kind.UUID: "CHAR(36)",
}


def declared(wanted: Type) -> str:
    """A logical type as a column's type in Informix SQL: the narrowest that holds its values.

    Raises `ValueError` where there is none, saying why.
    """
    plain = _DECLARED.get(wanted.kind)
    if plain is not None:
        return plain
    match wanted.kind:
        case Kind.CHAR:
            return f"CHAR({wanted.length})" if 0 < wanted.length < LVARCHAR_MAX else "TEXT"
        case Kind.VARCHAR if 0 < wanted.length <= LVARCHAR_MAX:
            return f"{'VARCHAR' if wanted.length <= VARCHAR_MAX else 'LVARCHAR'}({wanted.length})"
        case Kind.DECIMAL | Kind.MONEY:
            return _declared_number(wanted)
        case Kind.DATETIME | Kind.TIME:
            return f"DATETIME {_span(wanted.qualifier).sql}"
        case Kind.INTERVAL:
            return f"INTERVAL {_span(wanted.qualifier or 'day(9) to fraction(5)').sql}"
        case Kind.ANY:
            message = "a column that holds values of any type has no counterpart"
            raise ValueError(message)
        case _:
            return "TEXT"


def _declared_number(wanted: Type) -> str:
    if wanted.length > DECIMAL_MAX:
        message = f"Informix has at most {DECIMAL_MAX} digits, and this has {wanted.length}"
        raise ValueError(message)
    name = "MONEY" if wanted.kind is Kind.MONEY else "DECIMAL"
    return f"{name}({wanted.length},{wanted.scale})" if wanted.length else f"DECIMAL({DECIMAL_MAX})"


def _span(text: str) -> qualifiers.Qualifier:
    if text.endswith("time zone"):
        message = "Informix keeps no time zone"
        raise ValueError(message)
    # Informix keeps five digits of a second; a value that has a sixth is refused when it comes.
    return qualifiers.parse(text.replace("fraction(6)", "fraction(5)"))
