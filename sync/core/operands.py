"""Operands of a row rule: SQL values compiled to Python expressions, with the type that decides what may meet what.

The rule it keeps: nothing of a rule's text enters the code; columns become `c<index>`, constants names of a namespace,
functions the ones of `sql_values`. What two databases would understand differently is refused, by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from typing import Final, Protocol

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from sync.core import sql_values
from sync.errors import UsageError
from sync.model.schema import Kind, TableSchema


class Class(Enum):
    """What a value is to comparisons. The value is the word in messages."""

    NUMBER = "a number"
    DECIMAL = "a decimal number"
    BOOL = "a boolean"
    TEXT = "text"
    BYTES = "bytes"
    DATE = "a date"
    UUID = "a UUID"
    DYNAMIC = "a value of any type"
    OPAQUE = "a value that has no order here"
    NULL = "NULL"


_CLASSES: Final = {
    Kind.BOOL: Class.BOOL,
    **dict.fromkeys((Kind.INT16, Kind.INT32, Kind.INT64, Kind.FLOAT), Class.NUMBER),
    **dict.fromkeys((Kind.CHAR, Kind.VARCHAR, Kind.TEXT), Class.TEXT),
    **dict.fromkeys((Kind.DECIMAL, Kind.MONEY), Class.DECIMAL),
    Kind.BYTES: Class.BYTES,
    Kind.DATE: Class.DATE,
    Kind.UUID: Class.UUID,
    Kind.ANY: Class.DYNAMIC,
}
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_LOOKS_NUMERIC: Final = re.compile(r"\s*[+-]?\.?[0-9].*", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Operand:
    """A compiled value. `code` may be repeated where `simple`; `literal` is the constant, where it is one."""

    node: exp.Expression
    of: Class
    code: str
    columns: frozenset[int] = frozenset()
    simple: bool = False
    is_literal: bool = False
    literal: object = None
    padded: bool = False
    """Blanks at the end do not count (CHAR)."""


@dataclass(slots=True)
class Scope:
    """The table that a rule is compiled for, and the names that its code uses."""

    schema: TableSchema
    dialect: Dialect
    name: str
    """Of the dialect."""
    exact: bool = False
    """Order values of different types; costs a call for each."""
    names: dict[str, object] = field(default_factory=dict)
    _temporaries: int = 0

    def constant(self, value: object) -> str:
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name

    def twice(self, operand: Operand) -> tuple[str, str]:
        """Give code for the first and for later uses of a value that is computed once."""
        if operand.simple:
            return operand.code, operand.code
        self._temporaries += 1
        name = f"t{self._temporaries}"
        return f"({name} := {operand.code})", name

    def refuse(self, node: exp.Expression, why: str, remedy: str = "") -> UsageError:
        return refusal(self.dialect, node, why, remedy)


def refusal(dialect: Dialect, node: exp.Expression, why: str, remedy: str = "") -> UsageError:
    """Name what a row rule can not use."""
    return UsageError(f"can not use `{node.sql(dialect=dialect)}` in a row rule", why, remedy)


def constant(scope: Scope, node: exp.Expression, of: Class, value: object) -> Operand:
    code = scope.constant(value)
    return Operand(node, of, code, simple=True, is_literal=True, literal=value)


def value_of(scope: Scope, node: exp.Expression) -> Operand:
    """Compile a value. Raises `UsageError` naming what is not supported."""
    while isinstance(node, exp.Paren):
        node = node.this
    compiler = COMPILERS.get(type(node))
    if compiler is None:
        raise scope.refuse(node, "it is no value that a row rule can compute")
    return compiler(scope, node)


def _literal(scope: Scope, node: exp.Expression) -> Operand:
    assert isinstance(node, exp.Literal)
    if node.is_string:
        return constant(scope, node, Class.TEXT, node.this)
    return constant(scope, node, Class.NUMBER, _number(node.this))


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else float(text)


def _bytes(scope: Scope, node: exp.Expression) -> Operand:
    if scope.name != "sqlite":
        raise scope.refuse(node, "hexadecimal constants mean different things to different databases")
    return constant(scope, node, Class.BYTES, bytes.fromhex(node.this))


def _column(scope: Scope, node: exp.Expression) -> Operand:
    assert isinstance(node, exp.Column)
    table = scope.schema.name.rpartition(".")[2]
    if node.table and node.table.lower() != table.lower():
        raise scope.refuse(node, f"the rule is about table {scope.schema.name}")
    names = scope.schema.column_names
    hits = [i for i, name in enumerate(names) if name == node.name]
    hits = hits or [i for i, name in enumerate(names) if name.lower() == node.name.lower()]
    if len(hits) != 1:
        why = "several columns have this name" if hits else f"{scope.schema.name} has no replicated column {node.name}"
        raise scope.refuse(node, why, f"There are {', '.join(names)}.")
    index, kind = hits[0], scope.schema.columns[hits[0]].type.kind
    of = _CLASSES.get(kind, Class.OPAQUE)
    columns = frozenset({index})
    if of is Class.DECIMAL:
        return Operand(node, of, f"{scope.constant(sql_values.decimal)}(c{index})", columns)
    return Operand(node, of, f"c{index}", columns, simple=True, padded=kind is Kind.CHAR)


def _function(
    functions: Sequence[Callable[..., object]], takes: Class, gives: Class
) -> Callable[[Scope, exp.Expression], Operand]:
    """Compile a function of one or two values of one class. Two functions: for SQLite, which folds ASCII only."""

    def compiler(scope: Scope, node: exp.Expression) -> Operand:
        parts = [value_of(scope, node.args[arg]) for arg in ("this", "expression") if node.args.get(arg) is not None]
        if isinstance(node, exp.Length) and scope.name == "informix" and any(part.padded for part in parts):
            raise scope.refuse(node, "the blanks at the end of a CHAR may count or not")
        for part in parts:
            if part.of not in {takes, Class.NULL}:
                raise scope.refuse(node, f"it needs {takes.value}, and `{_sql(scope, part)}` is {part.of.value}")
        function = scope.constant(functions[0 if scope.name == "sqlite" else -1])
        code = f"{function}({', '.join(part.code for part in parts)})"
        return Operand(node, gives, code, frozenset().union(*(part.columns for part in parts)))

    return compiler


_subtract = _function([sql_values.subtract], Class.NUMBER, Class.NUMBER)
_negative = _function([sql_values.negative], Class.NUMBER, Class.NUMBER)
_TRIMS: Final = {
    "": _function([sql_values.trim], Class.TEXT, Class.TEXT),
    "BOTH": _function([sql_values.trim], Class.TEXT, Class.TEXT),
    "LEADING": _function([sql_values.trim_left], Class.TEXT, Class.TEXT),
    "TRAILING": _function([sql_values.trim_right], Class.TEXT, Class.TEXT),
}


def _trim(scope: Scope, node: exp.Expression) -> Operand:
    if node.args.get("expression") is not None:
        raise scope.refuse(node, "only blanks can be trimmed")
    return _TRIMS[node.args.get("position") or ""](scope, node)


def _neg(scope: Scope, node: exp.Expression) -> Operand:
    inner = node.this
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return constant(scope, node, Class.NUMBER, -_number(inner.this))
    return _negative(scope, node)


def _divide(scope: Scope, node: exp.Expression) -> Operand:
    if scope.name not in {"sqlite", "postgres"}:
        raise scope.refuse(node, "databases disagree about the quotient of two integers")
    return _quotient(scope, node)


_quotient = _function([sql_values.divide], Class.NUMBER, Class.NUMBER)


def _coalesce(scope: Scope, node: exp.Expression) -> Operand:
    parts = [value_of(scope, part) for part in (node.this, *node.expressions)]
    parts = unified(scope, node, parts)
    code = "None"
    for part in reversed(parts):
        first, again = scope.twice(part)
        code = f"({again} if {first} is not None else {code})"
    return _combined(node, parts, code)


def unified(scope: Scope, node: exp.Expression, parts: Sequence[Operand]) -> list[Operand]:
    """Check that the alternatives of one value are of one class."""
    classes = {part.of for part in parts} - {Class.NULL}
    if len(classes) > 1 or classes & {Class.DYNAMIC, Class.OPAQUE, Class.DECIMAL}:
        raise scope.refuse(node, "its alternatives are not plainly of one type")
    return list(parts)


def _combined(node: exp.Expression, parts: Sequence[Operand], code: str) -> Operand:
    of = next((part.of for part in parts if part.of is not Class.NULL), Class.NULL)
    return Operand(node, of, code, frozenset().union(*(part.columns for part in parts)))


class Branch(Protocol):
    """A compiled condition, as far as a CASE needs it."""

    @property
    def true(self) -> str: ...
    @property
    def columns(self) -> frozenset[int]: ...


def case_of(scope: Scope, node: exp.Expression, conditions: Sequence[Branch], parts: Sequence[Operand]) -> Operand:
    """Build a CASE from its conditions and its values, the default last."""
    parts = unified(scope, node, parts)
    code = parts[-1].code
    for condition, part in zip(reversed(conditions), reversed(parts[:-1]), strict=True):
        code = f"({part.code} if {condition.true} else {code})"
    combined = _combined(node, parts, code)
    return replace(combined, columns=combined.columns.union(*(condition.columns for condition in conditions)))


def _cast(scope: Scope, node: exp.Expression) -> Operand:
    target = node.args["to"].this
    inner = value_of(scope, node.this)
    if target == exp.DataType.Type.DATE and inner.is_literal:
        return _as(scope, replace(inner, node=node), Class.DATE)
    if target in exp.DataType.INTEGER_TYPES and inner.of in {Class.NUMBER, Class.TEXT}:
        function, of = sql_values.to_integer, Class.NUMBER
    elif (
        target in exp.DataType.TEXT_TYPES and inner.of in {Class.NUMBER, Class.TEXT} and not node.args["to"].expressions
    ):
        function, of = sql_values.to_text, Class.TEXT
    else:
        raise scope.refuse(node, "only casts between integers and text of any length mean the same everywhere")
    return Operand(node, of, f"{scope.constant(function)}({inner.code})", inner.columns)


def _sql(scope: Scope, operand: Operand) -> str:
    return operand.node.sql(dialect=scope.dialect)


def aligned(scope: Scope, node: exp.Expression, one: Operand, other: Operand) -> tuple[Operand, Operand]:
    """Bring two operands of a comparison to one class. Raises `UsageError` where databases would not agree on how."""
    if Class.NULL in {one.of, other.of}:
        return one, other
    if Class.OPAQUE in {one.of, other.of}:
        opaque = one if one.of is Class.OPAQUE else other
        raise scope.refuse(node, f"`{_sql(scope, opaque)}` can only be tested for NULL")
    if other.is_literal:
        return one, _as(scope, other, one.of, beside=one)
    if one.is_literal:
        return _as(scope, one, other.of, beside=other), other
    numbers = {Class.NUMBER, Class.BOOL}
    if one.of is Class.DYNAMIC or (one.of is not other.of and not {one.of, other.of} <= numbers):
        why = f"`{_sql(scope, one)}` is {one.of.value}, `{_sql(scope, other)}` is {other.of.value}"
        raise scope.refuse(node, why, "Compare with a constant, or cast.")
    return one, other


def _as(scope: Scope, literal: Operand, of: Class, beside: Operand | None = None) -> Operand:
    """Read a constant as the class of what it is compared with."""
    value = _converted(literal, of, padded=beside is not None and beside.padded)
    if of is Class.BOOL and scope.name == "informix":
        # Its booleans are written in quotes.
        value = {"t": True, "f": False}.get(str(literal.literal).lower(), value)
    if of is Class.NUMBER and literal.of is Class.TEXT and not (beside and isinstance(beside.node, exp.Column)):
        # Only a column makes every database read the text as a number.
        value = None
    if value is not None:
        return constant(scope, literal.node, of, value)
    text = _sql(scope, literal)
    if of is Class.TEXT:
        raise scope.refuse(literal.node, "it is compared with text", f"Write '{text}'.")
    if of is Class.DYNAMIC:
        raise scope.refuse(literal.node, "the column has no fixed type, so a number in quotes may mean either")
    raise scope.refuse(literal.node, f"it is compared with {of.value}")


def _converted(literal: Operand, of: Class, *, padded: bool) -> object:
    value = literal.literal
    text = value if isinstance(value, str) else None
    if of in {Class.NUMBER, Class.BOOL} and literal.of in {Class.NUMBER, Class.BOOL}:
        return value
    if of is Class.NUMBER and text is not None:
        return _number(text) if _NUMBER.fullmatch(text) else None
    if of is Class.DECIMAL and literal.of in {Class.NUMBER, Class.TEXT}:
        source = literal.node.sql() if text is None else text
        return Decimal(source) if _NUMBER.fullmatch(source.replace(" ", "")) else None
    if of is Class.DATE:
        return value if literal.of is Class.DATE or (text is not None and _DATE.fullmatch(text)) else None
    if of is Class.UUID and text is not None:
        return text.lower() if _UUID.fullmatch(text.lower()) else None
    if of is Class.DYNAMIC and (text is None or not _LOOKS_NUMERIC.fullmatch(text)):
        return value
    if of is Class.TEXT and text is not None:
        return text.rstrip(" ") if padded else text
    return value if of is literal.of else None


COMPILERS: Final[dict[type[exp.Expression], Callable[[Scope, exp.Expression], Operand]]] = {
    exp.Literal: _literal,
    exp.HexString: _bytes,
    exp.Boolean: lambda scope, node: constant(scope, node, Class.BOOL, bool(node.this)),
    exp.Null: lambda _, node: Operand(node, Class.NULL, "None", simple=True),
    exp.Column: _column,
    exp.Neg: _neg,
    exp.Add: _function([sql_values.add], Class.NUMBER, Class.NUMBER),
    exp.Sub: _subtract,
    exp.Mul: _function([sql_values.multiply], Class.NUMBER, Class.NUMBER),
    exp.Div: _divide,
    exp.Mod: _function([sql_values.remainder], Class.NUMBER, Class.NUMBER),
    exp.DPipe: _function([sql_values.concat], Class.TEXT, Class.TEXT),
    exp.Lower: _function([sql_values.ascii_lower, sql_values.lower], Class.TEXT, Class.TEXT),
    exp.Upper: _function([sql_values.ascii_upper, sql_values.upper], Class.TEXT, Class.TEXT),
    exp.Trim: _trim,
    exp.Length: _function([sql_values.length], Class.TEXT, Class.NUMBER),
    exp.Abs: _function([sql_values.absolute], Class.NUMBER, Class.NUMBER),
    exp.Coalesce: _coalesce,
    exp.Cast: _cast,
}
