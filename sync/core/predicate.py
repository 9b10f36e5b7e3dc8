"""Row rules: an SQL predicate over one row, compiled to one Python loop over columns.

The rule it keeps: SQL's three-valued logic, on canonical values. A row is replicated where the predicate is TRUE; FALSE
and unknown keep it home. What two databases would judge differently is refused when the rule is read or bound, with
the construct's name, never guessed. Text compares by code point, whatever the collation; a value that is not of its
column's type orders as in SQLite (numbers, text, bytes) and makes functions NULL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, SqlglotError

from sync.core.conditions import SUPPORTED, Condition, condition_of
from sync.core.operands import Scope, refusal
from sync.core.sql_values import rank
from sync.errors import UsageError
from sync.model.change import Columns
from sync.model.schema import TableSchema

_Loop = Callable[[Columns], list[bool]]

# What a node may carry; anything else would change its meaning in a way that nobody here has thought of.
_ARGS: Final = frozenset({"this", "expression", "expressions"})
_MORE_ARGS: Final[dict[type[exp.Expression], frozenset[str]]] = {
    exp.Between: frozenset({"low", "high"}),
    exp.Case: frozenset({"ifs", "default"}),
    exp.Cast: frozenset({"to"}),
    exp.Column: frozenset({"table"}),
    exp.DataType: frozenset({"nested", "written"}),
    exp.Div: frozenset({"typed", "safe"}),
    exp.DPipe: frozenset({"safe"}),
    exp.Identifier: frozenset({"quoted"}),
    exp.If: frozenset({"true"}),
    exp.ILike: frozenset({"negate"}),
    exp.Is: frozenset({"negate"}),
    exp.Like: frozenset({"negate"}),
    exp.Literal: frozenset({"is_string"}),
    exp.Trim: frozenset({"position"}),
}
_TOO_DEEP: Final = (RecursionError, MemoryError, SyntaxError)


@dataclass(frozen=True, slots=True)
class RowTest:
    """A row rule bound to a schema."""

    columns: tuple[int, ...]
    """Indexes of the columns that it looks at."""
    _holds: tuple[_Loop, _Loop]
    _possible: tuple[_Loop, _Loop]

    def holds(self, columns: Columns) -> list[bool]:
        """Say for each row whether the predicate is TRUE; takes one list for each column of the schema."""
        return _run(self._holds, columns)

    def possible(self, columns: Columns) -> list[bool]:
        """Say for each row whether it can be TRUE for a row with this identity; looks at no other column."""
        return _run(self._possible, columns)


@dataclass(frozen=True, slots=True)
class RowRule:
    """A predicate that was read; it means something once bound to a table."""

    text: str
    _tree: exp.Expression = field(repr=False)
    _dialect: Dialect = field(repr=False)
    _dialect_name: str

    def bind(self, schema: TableSchema) -> RowTest:
        """Compile for one table. Raises `UsageError` where a column is missing or types do not fit together."""
        identity = frozenset(schema.identity)
        try:
            (fast, used), (exact, _) = (self._loop(schema, None, exact=exact) for exact in (False, True))
            (may, _), (may_exact, _) = (self._loop(schema, identity, exact=exact) for exact in (False, True))
        except _TOO_DEEP:
            raise _too_deep(self.text) from None
        return RowTest(tuple(sorted(used)), (fast, exact), (may, may_exact))

    def _loop(self, schema: TableSchema, known: frozenset[int] | None, *, exact: bool) -> tuple[_Loop, frozenset[int]]:
        scope = Scope(schema, self._dialect, self._dialect_name, exact=exact)
        condition = condition_of(scope, self._tree, known)
        return _compiled(scope, condition, known), condition.columns


def parse(text: str, dialect: str) -> RowRule:
    """Read a predicate in a database's dialect. Raises `UsageError` naming what a row rule can not hold."""
    known = Dialect.get(dialect)
    if known is None:
        # Another dialect might take a name for a string, or the other way round.
        raise UsageError("could not read the row rule", f"this program knows no SQL of {dialect}", "Install it again.")
    rules = known()
    try:
        trees = cast("list[exp.Expression | None]", rules.parse_into(exp.Condition, text))
    except _TOO_DEEP:
        raise _too_deep(text) from None
    except SqlglotError as error:
        what = "could not read the row rule"
        raise UsageError(what, _description(error), "It must be one SQL predicate, like: acd_no IN (1, 2)") from None
    tree = trees[0] if len(trees) == 1 else None
    if tree is None:
        what = "could not read the row rule"
        raise UsageError(what, "it is empty", "Take it out, or write a predicate, like: acd_no IN (1, 2)")
    for node in tree.walk():
        _check(rules, dialect, cast("exp.Expression", node))
    return RowRule(text, tree, rules, dialect)


def _check(dialect: Dialect, name: str, node: exp.Expression) -> None:
    # A glob is MATCHES in Informix; SQLite's has no escape, so a rule would not mean the same there.
    if type(node) not in SUPPORTED or (isinstance(node, exp.Glob) and name != "informix"):
        raise refusal(dialect, node, f"row rules know no {type(node).__name__.upper()}")
    allowed = _ARGS | _MORE_ARGS.get(type(node), frozenset())
    extra = [name for name, value in node.args.items() if value and name not in allowed]
    if extra:
        raise refusal(dialect, node, f"row rules know no {type(node).__name__.upper()} with {', '.join(extra).upper()}")


def _description(error: SqlglotError) -> str:
    if isinstance(error, ParseError) and error.errors:
        first = error.errors[0]
        near = first.get("highlight")
        # The name of a class of the parser says nothing to the one who wrote the rule.
        what = re.sub(r"Required keyword: .*", "something is missing", str(first.get("description")))
        return what + (f" near {near!r}" if near else "")
    return str(error).splitlines()[0]


def _too_deep(text: str) -> UsageError:
    what = f"can not use `{text[:60]}…` as a row rule"
    return UsageError(what, "it is nested too deeply", "Use IN lists, and chains of AND and OR without parentheses.")


def _compiled(scope: Scope, condition: Condition, known: frozenset[int] | None) -> _Loop:
    used = sorted(condition.columns if known is None else condition.columns & known)
    variables = ", ".join(f"c{index}" for index in used)
    lists = ", ".join(f"columns[{index}]" for index in used)
    if len(used) != 1:
        variables, lists = (variables, f"zip({lists})") if used else ("_", "columns[0]")
    source = f"lambda columns: [{condition.true} for {variables} in {lists}]"
    names = {"__builtins__": {}, "zip": zip, "rank": rank, **scope.names}
    return cast("_Loop", eval(compile(source, "<row rule>", "eval"), names))  # noqa: S307 - only code made here


def _run(loops: tuple[_Loop, _Loop], columns: Columns) -> list[bool]:
    fast, exact = loops
    try:
        return fast(columns)
    except TypeError:
        # A value that is not of its column's type was ordered against another; only SQLite holds such.
        return exact(columns)
