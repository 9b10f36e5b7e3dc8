"""Row filters: a row rule said to the server, so that it sends only the rows that are replicated.

The rule it keeps: only what means the same there as in `sync.core` is said, for the filter in core stays the judge and
never sees what the server kept. And a rule over columns that are not in the replica identity is never said, because the
server would refuse the application's own updates and deletes. PostgreSQL turns an update that leaves the filter into a
delete, and one that enters it into an insert.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from adapters.postgres.catalog import DIALECT, Attribute, Table, literal, quote

RuleOf = Callable[[str], str]
"""The row rule of a table, by its name: an SQL predicate, "" where there is none."""

_INTEGERS: Final = {20, 21, 23}
_TEXTS: Final = {25, 1043}
_INT64: Final = range(-(2**63), 2**63)
_COMPARISONS: Final[dict[type[exp.Expression], str]] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_EQUALITIES: Final = {"=", "<>"}
_ARGS: Final = {"this", "expression", "expressions", "low", "high", "negate"}
"""What a condition may carry; `negate` only IS does."""


class _Unsaid(Exception):
    """Why a rule is not said to the server."""


def no_rules(_: str) -> str:
    """Where no table has a row rule."""
    return ""


def filter_of(table: Table, rule: str) -> tuple[str, str]:
    """The row rule as the publication can hold it, and ""; or "" and why it can not."""
    try:
        tree = sqlglot.parse_one(rule, into=exp.Condition, dialect=DIALECT)
        saying = _Saying(table)
        text = saying.condition(cast("exp.Expression", tree))
        saying.demand_identity()
    except _Unsaid as unsaid:
        return "", str(unsaid)
    except (SqlglotError, RecursionError):
        return "", "it is more than comparisons of columns with constants"
    return text, ""


class _Saying:
    """One rule on its way into SQL."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._used: set[int] = set()

    def demand_identity(self) -> None:
        """Raise where a column that was named is not logged with every update and delete."""
        if self._table.replica == "f":
            return
        chosen = [
            index for index in self._table.indexes if index.replica or (self._table.replica == "d" and index.primary)
        ]
        logged = set(chosen[0].numbers) if chosen else set[int]()
        for each in self._table.attributes:
            if each.number in self._used - logged:
                raise _Unsaid(f"column {each.name} is not in the replica identity")

    def condition(self, node: exp.Expression) -> str:
        """One condition, in parentheses."""
        if not _ARGS.issuperset(name for name, value in node.args.items() if value):
            raise _Unsaid(f"it holds {node.key.upper()} of a form that is not known here")
        match node:
            case exp.Paren():
                return self.condition(node.this)
            case exp.And() | exp.Or():
                word = "AND" if isinstance(node, exp.And) else "OR"
                return f"({self.condition(node.this)} {word} {self.condition(node.expression)})"
            case exp.Not():
                return f"(NOT {self.condition(node.this)})"
            case exp.Is() if isinstance(node.expression, exp.Null):
                word = "IS NOT NULL" if node.args.get("negate") else "IS NULL"
                return f"({quote(self._column(node.this).name)} {word})"
            case exp.In() if node.expressions and not node.args.get("query"):
                column = self._column(node.this)
                constants = ", ".join(_constant(column, each) for each in node.expressions)
                return f"({_operand(column)} IN ({constants}))"
            case exp.Between():
                low, high = (
                    self._compared(node.this, sign, node.args[end]) for sign, end in ((">=", "low"), ("<=", "high"))
                )
                return f"({low} AND {high})"
            case _ if type(node) in _COMPARISONS:
                sign = _COMPARISONS[type(node)]
                if isinstance(node.this, exp.Column):
                    return self._compared(node.this, sign, node.expression)
                return self._compared(node.expression, _MIRRORED.get(sign, sign), node.this)
        raise _Unsaid(f"it holds {node.key.upper()}")

    def _compared(self, column: exp.Expression, sign: str, constant: exp.Expression) -> str:
        found = self._column(column)
        if found.type_oid in _TEXTS and sign not in _EQUALITIES:
            raise _Unsaid("it asks for the order of texts")
        return f"({_operand(found)} {sign} {_constant(found, constant)})"

    def _column(self, node: exp.Expression) -> Attribute:
        if not isinstance(node, exp.Column) or node.table:
            raise _Unsaid("it is more than comparisons of columns with constants")
        found = [each for each in self._table.attributes if each.name.lower() == node.name.lower()]
        if len(found) != 1 or found[0].type_oid not in _INTEGERS | _TEXTS:
            raise _Unsaid(f"column {node.name} is neither an integer nor a text")
        self._used.add(found[0].number)
        return found[0]


def _operand(column: Attribute) -> str:
    # Byte by byte, whatever the column's own collation takes for equal.
    return quote(column.name) + (' COLLATE "C"' if column.type_oid in _TEXTS else "")


def _constant(column: Attribute, node: exp.Expression) -> str:
    sign, inner = ("-", node.this) if isinstance(node, exp.Neg) else ("", node)
    if isinstance(inner, exp.Literal):
        text = str(inner.this)
        if column.type_oid in _TEXTS and inner.is_string and not sign and "\0" not in text:
            return literal(text)
        if column.type_oid in _INTEGERS and not inner.is_string and text.isdecimal() and int(sign + text) in _INT64:
            return sign + text
    raise _Unsaid(f"column {column.name} is compared with something of another kind")
