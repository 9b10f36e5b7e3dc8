"""Type names of Informix SQL and their neutral meaning, in both directions.

The rule it keeps: a type that was read from Informix SQL is written again in its own words, whatever it means to
others (`WRITTEN`); a type from elsewhere becomes the narrowest one of Informix that holds all its values, and what
no type of Informix holds is reported, never cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlglot import exp

from adapters.informix.qualifiers import Qualifier, parse

WRITTEN: Final = "written"
"""The argument of a DataType that holds the words it was written in."""

D = exp.DType
_MEANINGS: Final[Mapping[str, D]] = {
    "SERIAL": D.SERIAL,
    "SERIAL8": D.BIGSERIAL,
    "BIGSERIAL": D.BIGSERIAL,
    "INT8": D.BIGINT,
    "FLOAT": D.DOUBLE,
    "DOUBLE PRECISION": D.DOUBLE,
    "SMALLFLOAT": D.FLOAT,
    "REAL": D.FLOAT,
    "DECIMAL": D.DECIMAL,
    "DEC": D.DECIMAL,
    "NUMERIC": D.DECIMAL,
    "MONEY": D.DECIMAL,
    "CHAR": D.CHAR,
    "CHARACTER": D.CHAR,
    "NCHAR": D.NCHAR,
    "VARCHAR": D.VARCHAR,
    "NVARCHAR": D.NVARCHAR,
    "LVARCHAR": D.VARCHAR,
    "BYTE": D.VARBINARY,
    "BLOB": D.VARBINARY,
    "TEXT": D.TEXT,
    "CLOB": D.TEXT,
}
"""Names whose meaning, or way of writing, sqlglot does not know by itself."""
NAMES: Final = frozenset(_MEANINGS)
_NUMBERS: Final = frozenset({"DECIMAL", "DEC", "NUMERIC", "MONEY"})
_MONEY: Final = (16, 2)
"""Digits of a MONEY that says none."""

_INT: Final = {
    D.TINYINT: "SMALLINT",
    D.SMALLINT: "SMALLINT",
    D.MEDIUMINT: "INTEGER",
    D.INT: "INTEGER",
    D.BIGINT: "BIGINT",
}
_PLAIN: Final[Mapping[D, str]] = {
    **_INT,
    D.SMALLSERIAL: "SERIAL",
    D.SERIAL: "SERIAL",
    D.BIGSERIAL: "BIGSERIAL",
    D.FLOAT: "SMALLFLOAT",
    D.DOUBLE: "FLOAT",
    D.MONEY: "MONEY(19,2)",
    D.BOOLEAN: "BOOLEAN",
    D.DATE: "DATE",
    D.BINARY: "BYTE",
    D.VARBINARY: "BYTE",
    D.BLOB: "BYTE",
    D.TEXT: "TEXT",
    D.LONGTEXT: "TEXT",
    D.MEDIUMTEXT: "TEXT",
    D.JSON: "TEXT",
    D.JSONB: "TEXT",
    D.UUID: "CHAR(36)",
    D.INTERVAL: "INTERVAL DAY(9) TO FRACTION(5)",
}
_TIMES: Final = {D.TIME: "HOUR", D.DATETIME: "YEAR", D.TIMESTAMP: "YEAR", D.TIMESTAMPNTZ: "YEAR"}
FRACTION_MAX: Final = 5
DECIMAL_MAX: Final = 32
VARCHAR_MAX: Final = 255
LVARCHAR_MAX: Final = 32_739


def datatype(name: str, bounds: Sequence[int]) -> exp.DataType:
    """The tree of a type from its name in capitals, one of `NAMES`, and the numbers behind it."""
    meaning = _MEANINGS[name]
    written = f"{name}({','.join(map(str, bounds))})" if bounds else name
    neutral: Sequence[int] = bounds[:1]
    if name in _NUMBERS:
        # A DECIMAL without a scale floats; a MONEY without one has two.
        neutral = bounds if len(bounds) > 1 else ()
        if name == "MONEY":
            neutral = (*bounds, *_MONEY[len(bounds) :])
    elif meaning in {D.SERIAL, D.BIGSERIAL, D.BIGINT, D.DOUBLE, D.FLOAT, D.VARBINARY, D.TEXT}:
        neutral = ()
    return _built(meaning, neutral, written)


def qualified(name: str, qualifier: Qualifier) -> exp.DataType:
    """The tree of a DATETIME or INTERVAL."""
    written = f"{name} {qualifier.sql}"
    if name == "INTERVAL":
        return _built(D.INTERVAL, (), written)
    span = (qualifier.first, qualifier.last)
    if span == ("year", "day"):
        return _built(D.DATE, (), written)
    meaning = {"year": D.TIMESTAMP, "hour": D.TIME}.get(qualifier.first)
    if meaning is None or qualifier.last not in {"second", "fraction"}:
        # Part of a date or of a time: no other database has a type for it.
        return _built(D.TEXT, (), written)
    return _built(meaning, (qualifier.scale,), written)


def qualifier_of(node: exp.Expression) -> tuple[str, Qualifier] | None:
    """The name and qualifier of a DATETIME or INTERVAL type; None for any other node."""
    if not isinstance(node, exp.DataType):
        return None
    name, _, text = sql_of(node).partition(" ")
    return (name, parse(text)) if name in {"DATETIME", "INTERVAL"} else None


def sql_of(node: exp.DataType) -> str:
    """A type in Informix SQL; "" where no type of Informix holds its values."""
    written = node.args.get(WRITTEN)
    if isinstance(written, str):
        return written
    bounds = [int(part.name) for part in node.expressions if part.name.isdigit()]
    kind = node.this
    if kind == D.DECIMAL:
        return _decimal(bounds)
    if kind in {D.CHAR, D.NCHAR, D.VARCHAR, D.NVARCHAR}:
        return _text(kind, bounds[0] if bounds else 0)
    if kind in _TIMES:
        scale = min(bounds[0], FRACTION_MAX) if bounds else FRACTION_MAX
        return f"DATETIME {_TIMES[kind]} TO {f'FRACTION({scale})' if scale else 'SECOND'}"
    return _PLAIN.get(kind, "")


def _decimal(bounds: Sequence[int]) -> str:
    if not bounds:
        return f"DECIMAL({DECIMAL_MAX})"
    if bounds[0] > DECIMAL_MAX:
        return ""
    # Elsewhere a missing scale is 0; here it would make the point float.
    return f"DECIMAL({bounds[0]},{bounds[1] if len(bounds) > 1 else 0})"


def _text(kind: D, length: int) -> str:
    if kind in {D.CHAR, D.NCHAR}:
        return f"{kind.value}({length or 1})"
    if not length:
        return "LVARCHAR"
    if length <= VARCHAR_MAX:
        return f"{kind.value}({length})"
    return f"LVARCHAR({length})" if length <= LVARCHAR_MAX else "TEXT"


def _built(meaning: D, bounds: Sequence[int], written: str) -> exp.DataType:
    parameters = [exp.DataTypeParam(this=exp.Literal.number(bound)) for bound in bounds]
    return exp.DataType(this=meaning, expressions=parameters, **{WRITTEN: written})
