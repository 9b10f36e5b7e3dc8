"""Conditions of a row rule: SQL predicates compiled to two Python expressions, one for TRUE and one for FALSE.

The rule it keeps: unknown is where neither holds, so AND, OR and NOT need no third value at run time. Where only some
columns are known, what looks at another may be either, and both expressions become upper bounds: they hold wherever
the predicate may be TRUE, or FALSE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, cast

from sqlglot import exp

from sync.core.operands import COMPILERS, Class, Operand, Scope, aligned, case_of, value_of
from sync.core.sql_values import like, matches


@dataclass(frozen=True, slots=True)
class Condition:
    """Code that holds where the predicate is TRUE, where it is FALSE, and the columns that it looks at."""

    true: str
    false: str
    columns: frozenset[int]

    @property
    def negated(self) -> Condition:
        return Condition(self.false, self.true, self.columns)


_Known = frozenset[int] | None
_Compiler = Callable[[Scope, exp.Expression], Condition]


def condition_of(scope: Scope, node: exp.Expression, known: _Known) -> Condition:
    """Compile a predicate; `known` names the columns that have a value, None for all.

    Raises `UsageError` naming what is not supported, or which types do not meet.
    """
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Not):
        return condition_of(scope, node.this, known).negated
    if isinstance(node, (exp.And, exp.Or)):
        parts = [condition_of(scope, cast("exp.Expression", part), known) for part in node.flatten()]
        return _all(parts) if isinstance(node, exp.And) else _any(parts)
    condition = _atom(scope, node)
    if known is not None and not condition.columns <= known:
        return Condition("True", "True", condition.columns)
    return condition


def _all(parts: Iterable[Condition]) -> Condition:
    listed = list(parts)
    columns = frozenset().union(*(part.columns for part in listed))
    return Condition(_chain(" and ", (p.true for p in listed)), _chain(" or ", (p.false for p in listed)), columns)


def _any(parts: Iterable[Condition]) -> Condition:
    return _all(part.negated for part in parts).negated


def _chain(word: str, parts: Iterable[str]) -> str:
    return f"({word.join(parts)})"


def _atom(scope: Scope, node: exp.Expression) -> Condition:
    compiler = _CONDITIONS.get(type(node))
    if compiler is not None:
        return compiler(scope, node)
    operand = value_of(scope, node)
    if operand.of is Class.NULL:
        return Condition("False", "False", operand.columns)
    if operand.of is not Class.BOOL:
        raise scope.refuse(node, f"it is {operand.of.value}, where a condition is needed", "Compare it with something.")
    return Condition(f"({operand.code} == 1)", f"({operand.code} == 0)", operand.columns)


_OPPOSITE: Final = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def _comparison(sign: str) -> _Compiler:
    def compiler(scope: Scope, node: exp.Expression) -> Condition:
        return _compared(scope, node, value_of(scope, node.this), value_of(scope, node.expression), sign)

    return compiler


def _compared(scope: Scope, node: exp.Expression, one: Operand, other: Operand, sign: str) -> Condition:
    one, other = aligned(scope, node, one, other)
    columns = one.columns | other.columns
    if Class.NULL in {one.of, other.of}:
        return Condition("False", "False", columns)
    return Condition(
        _comparison_code(scope, one, other, sign), _comparison_code(scope, one, other, _OPPOSITE[sign]), columns
    )


def _comparison_code(scope: Scope, one: Operand, other: Operand, sign: str) -> str:
    if sign == "==" and (one.is_literal or other.is_literal):
        # A constant is never NULL, so NULL is not equal to it.
        return f"({one.code} == {other.code})"
    (one_first, one_again), (other_first, other_again) = scope.twice(one), scope.twice(other)
    checks = [
        f"{first} is not None" for operand, first in ((one, one_first), (other, other_first)) if not operand.is_literal
    ]
    if scope.exact and sign not in {"==", "!="}:
        one_again, other_again = f"rank({one_again})", f"rank({other_again})"
    return _chain(" and ", [*checks, f"{one_again} {sign} {other_again}"])


def _in(scope: Scope, node: exp.Expression) -> Condition:
    one = value_of(scope, node.this)
    others = [value_of(scope, part) for part in node.expressions]
    if not others:
        return Condition("False", "True", one.columns)
    if not all(other.is_literal or other.of is Class.NULL for other in others) or one.is_literal:
        return _any(_compared(scope, node, one, other, "==") for other in others)
    if one.of is Class.NULL:
        return Condition("False", "False", one.columns)
    values = frozenset(aligned(scope, node, one, o)[1].literal for o in others if o.of is not Class.NULL)
    name = scope.constant(values)
    first, again = scope.twice(one)
    unknown = any(other.of is Class.NULL for other in others)
    outside = "False" if unknown else f"({first} is not None and {again} not in {name})"
    return Condition(f"({one.code} in {name})", outside, one.columns)


def _between(scope: Scope, node: exp.Expression) -> Condition:
    one = value_of(scope, node.this)
    low, high = (value_of(scope, node.args[bound]) for bound in ("low", "high"))
    return _all([_compared(scope, node, one, low, ">="), _compared(scope, node, one, high, "<=")])


def _like(scope: Scope, node: exp.Expression) -> Condition:
    escape = "" if scope.name == "sqlite" else "\\"
    inner = node
    if isinstance(node, exp.Escape):
        inner, given = node.this, node.expression
        if not isinstance(given, exp.Literal) or not given.is_string or len(given.this) > 1:
            raise scope.refuse(node, "the escape must be one character in quotes")
        escape = given.this
    glob = isinstance(inner, exp.Glob)
    if not isinstance(inner, (exp.Like, exp.ILike, exp.Glob)) or (
        isinstance(inner, exp.ILike) and scope.name != "postgres"
    ):
        raise scope.refuse(node, f"{scope.name} has no such comparison")
    one, pattern = value_of(scope, inner.this), inner.expression
    if not isinstance(pattern, exp.Literal) or not pattern.is_string:
        raise scope.refuse(node, "the pattern must be a constant in quotes")
    if one.of not in {Class.TEXT, Class.DYNAMIC, Class.NULL}:
        word = "MATCHES" if glob else "LIKE"
        raise scope.refuse(node, f"{word} needs text, and this is {one.of.value}")
    match = scope.constant(
        matches(pattern.this, escape)
        if glob
        else like(pattern.this, escape, ascii_fold=scope.name == "sqlite", fold=isinstance(inner, exp.ILike))
    )
    condition = Condition(f"({match}({one.code}) is True)", f"({match}({one.code}) is False)", one.columns)
    return condition.negated if inner.args.get("negate") else condition


def _is(scope: Scope, node: exp.Expression) -> Condition:
    condition = _is_plain(scope, node)
    return condition.negated if node.args.get("negate") else condition


def _is_plain(scope: Scope, node: exp.Expression) -> Condition:
    what = node.expression
    if isinstance(what, exp.Null):
        operand = value_of(scope, node.this)
        return Condition(f"({operand.code} is None)", f"({operand.code} is not None)", operand.columns)
    if isinstance(what, exp.Boolean):
        inner = condition_of(scope, node.this, None)
        code = inner.true if what.this else inner.false
        return Condition(code, f"(not {code})", inner.columns)
    return _distinct(scope, node)


def _distinct(scope: Scope, node: exp.Expression) -> Condition:
    one, other = aligned(scope, node, value_of(scope, node.this), value_of(scope, node.expression))
    return Condition(f"({one.code} == {other.code})", f"({one.code} != {other.code})", one.columns | other.columns)


def _case(scope: Scope, node: exp.Expression) -> Operand:
    """A CASE is a value; it stands here because it holds conditions."""
    subject = node.args.get("this")
    conditions: list[Condition] = []
    for branch in node.args["ifs"]:
        if subject is None:
            conditions.append(condition_of(scope, branch.this, None))
        else:
            conditions.append(_compared(scope, node, value_of(scope, subject), value_of(scope, branch.this), "=="))
    default = node.args.get("default") or exp.Null()
    values = [value_of(scope, part) for part in (*(branch.args["true"] for branch in node.args["ifs"]), default)]
    return case_of(scope, node, conditions, values)


_CONDITIONS: Final[dict[type[exp.Expression], _Compiler]] = {
    exp.EQ: _comparison("=="),
    exp.NEQ: _comparison("!="),
    exp.LT: _comparison("<"),
    exp.LTE: _comparison("<="),
    exp.GT: _comparison(">"),
    exp.GTE: _comparison(">="),
    exp.In: _in,
    exp.Between: _between,
    exp.Like: _like,
    exp.ILike: _like,
    exp.Glob: _like,
    exp.Escape: _like,
    exp.Is: _is,
    exp.NullSafeEQ: _distinct,
    exp.NullSafeNEQ: lambda scope, node: _distinct(scope, node).negated,
}
COMPILERS[exp.Case] = _case

SUPPORTED: Final = frozenset(
    {*_CONDITIONS, *COMPILERS, exp.And, exp.Or, exp.Not, exp.Paren, exp.Identifier, exp.DataType, exp.If}
)
"""Every node that a row rule may hold."""
