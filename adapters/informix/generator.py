"""How a tree becomes Informix SQL.

The rule it keeps: only forms that `facts` holds are written. What Informix has no form for raises or is reported by
sqlglot as unsupported; a name that needs quotes raises where quotes mean a string.
"""

from __future__ import annotations

import re
from typing import Final

from sqlglot import exp
from sqlglot.errors import UnsupportedError
from sqlglot.generator import Generator

from adapters.informix.ddl import STORAGE, is_plain
from adapters.informix.nodes import Actions, Call, Parameter, Routine, Trigger
from adapters.informix.typenames import qualifier_of, sql_of

_LITERAL: Final = re.compile(r"-?[0-9][0-9 :.-]*", re.ASCII)
_ISO_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_BINDS_LESS: Final = (exp.Binary, exp.Unary, exp.Case, exp.Between, exp.In)
_NUMBERED: Final = (exp.GeneratedAsIdentityColumnConstraint, exp.AutoIncrementColumnConstraint)


class InformixGenerator(Generator):
    ALTER_TABLE_INCLUDE_COLUMN_KEYWORD = False
    LIMIT_FETCH = "LIMIT"
    NULL_ORDERING_SUPPORTED = None
    LOCKING_READS_SUPPORTED = True
    TRANSFORMS = {
        **Generator.TRANSFORMS,
        exp.AddConstraint: lambda self, e: f"ADD CONSTRAINT {self.expressions(e, flat=True)}",
        exp.ByteLength: lambda self, e: self.func("LENGTH", e.this),
        exp.Coalesce: lambda self, e: self._nvl(e),
        exp.CurrentDate: lambda *_: "TODAY",
        exp.CurrentTimestamp: lambda *_: "CURRENT",
        exp.CurrentUser: lambda *_: "USER",
        exp.Glob: lambda self, e: self.binary(e, "MATCHES"),
        exp.ILike: lambda self, e: self.binary(
            exp.Like(this=exp.Lower(this=e.this), expression=exp.Lower(this=e.expression)), "LIKE"
        ),
        exp.Length: lambda self, e: self.func("CHAR_LENGTH", e.this),
        exp.Mod: lambda self, e: self.func("MOD", e.this, e.expression),
        exp.NullSafeEQ: lambda self, e: self._null_safe(e),
        exp.NullSafeNEQ: lambda self, e: f"NOT {self._null_safe(e)}",
        exp.Transaction: lambda *_: "BEGIN WORK",
        exp.Commit: lambda *_: "COMMIT WORK",
        exp.Rollback: lambda self, e: self._rollback(e),
        Trigger: lambda self, e: self._trigger(e),
        Actions: lambda self, e: self._actions(e),
        Call: lambda self, e: self._call(e),
        Routine: lambda self, e: self._routine(e),
        Parameter: lambda self, e: self._parameter(e),
    }

    # Names and types

    def identifier_sql(self, expression: exp.Identifier) -> str:
        name = expression.name
        if not expression.quoted or is_plain(name):
            return name
        if self.dialect.IDENTIFIER_START != '"':
            message = f"the name {name!r} needs quotes, and these mean a string without DELIMIDENT"
            raise UnsupportedError(message)
        return '"' + name.replace('"', '""') + '"'

    def table_parts(self, expression: exp.Table) -> str:
        database, owner = self.sql(expression, "catalog"), expression.args.get("db")
        if isinstance(owner, exp.Identifier) and owner.quoted:
            # An owner in single quotes keeps its case, also where a database turns others into capitals.
            owner = exp.Literal.string(owner.name)
        owner = self.sql(owner) if owner else ""
        return (f"{database}:" if database else "") + (f"{owner}." if owner else "") + self.sql(expression, "this")

    def datatype_sql(self, expression: exp.DataType) -> str:
        written = sql_of(expression)
        if not written:
            written = super().datatype_sql(expression)
            self.unsupported(f"Informix has no type {written}")
        return written

    def create_sql(self, expression: exp.Create) -> str:
        storage = expression.args.get(STORAGE)
        return super().create_sql(expression) + (f" {storage}" if storage else "")

    def columndef_sql(self, expression: exp.ColumnDef, sep: str = " ") -> str:
        numbers = [part for part in expression.constraints if isinstance(part.kind, _NUMBERED)]
        if not numbers:
            return super().columndef_sql(expression, sep)
        plain = expression.copy()
        plain.set("constraints", [part for part in plain.constraints if not isinstance(part.kind, _NUMBERED)])
        wide = plain.kind is not None and plain.kind.this == exp.DType.BIGINT
        plain.set("kind", exp.DataType(this=exp.DType.BIGSERIAL if wide else exp.DType.SERIAL))
        return super().columndef_sql(plain, sep)

    def constraint_sql(self, expression: exp.Constraint) -> str:
        return f"{self.expressions(expression, flat=True)} CONSTRAINT {self.sql(expression, 'this')}"

    def columnconstraint_sql(self, expression: exp.ColumnConstraint) -> str:
        name = self.sql(expression, "this")
        kind = self.sql(expression, "kind").strip()
        return f"{kind} CONSTRAINT {name}" if name else kind

    def altercolumn_sql(self, expression: exp.AlterColumn) -> str:
        if expression.args.get("dtype") is None:
            return super().altercolumn_sql(expression)
        return f"MODIFY ({self.sql(expression, 'this')} {self.sql(expression, 'dtype')})"

    # Values

    def cast_sql(self, expression: exp.Cast, safe_prefix: str | None = None) -> str:  # noqa: ARG002
        value, target = expression.this, expression.args["to"]
        found = qualifier_of(target)
        if found is not None and isinstance(value, exp.CurrentTimestamp):
            return f"CURRENT {found[1].sql}"
        if isinstance(value, exp.Literal) and value.is_string:
            if found is not None and _LITERAL.fullmatch(value.name):
                return f"{found[0]}({value.name}) {found[1].sql}"
            date = _ISO_DATE.fullmatch(value.name) if target.this == exp.DType.DATE else None
            if date is not None:
                year, month, day = (int(part) for part in date.groups())
                return f"MDY({month}, {day}, {year})"
        inner = self.sql(value)
        wraps = isinstance(value, _BINDS_LESS) and not isinstance(value, exp.Paren)
        return f"{f'({inner})' if wraps else inner}::{self.sql(target)}"

    def trycast_sql(self, expression: exp.TryCast) -> str:
        self.unsupported("Informix has no cast that gives NULL instead of an error")
        return self.cast_sql(expression)

    def interval_sql(self, expression: exp.Interval) -> str:
        value = expression.this
        if isinstance(value, exp.Literal) and value.is_string and value.name.lstrip("-").isdigit():
            value = exp.Literal.number(value.name)
        return f"{self.sql(value)} UNITS {self.sql(expression, 'unit')}"

    def boolean_sql(self, expression: exp.Boolean) -> str:
        return "'t'" if expression.this else "'f'"

    def literal_sql(self, expression: exp.Literal) -> str:
        if not expression.is_string:
            return str(expression.name)
        lines = ["'" + line.replace("'", "''") + "'" for line in expression.name.split("\n")]
        # A line end can not stand in a literal.
        return " || CHR(10) || ".join(lines) if len(lines) == 1 else f"({' || CHR(10) || '.join(lines)})"

    def _nvl(self, expression: exp.Coalesce) -> str:
        parts = [expression.this, *expression.expressions]
        written = self.sql(parts[-1])
        for part in reversed(parts[:-1]):
            written = f"NVL({self.sql(part)}, {written})"
        return written

    def _null_safe(self, expression: exp.Expression) -> str:
        one, other = self.sql(expression, "this"), self.sql(expression, "expression")
        return f"({one} = {other} OR ({one} IS NULL AND {other} IS NULL))"

    # SELECT

    def select_sql(self, expression: exp.Select) -> str:
        limit, offset = expression.args.get("limit"), expression.args.get("offset")
        if isinstance(limit, exp.Fetch):
            limit = exp.Limit(expression=limit.args.get("count") or exp.Literal.number(1))
        words = ""
        for word, node in (("SKIP", offset), ("FIRST", limit)):
            if node is not None:
                words += f" {word} {self.sql(node, 'expression')}"
        if not words:
            return super().select_sql(expression)
        plain = expression.copy()
        plain.set("limit", None)
        plain.set("offset", None)
        plain.set("hint", exp.Var(this=words))
        plain.parent = expression.parent
        return super().select_sql(plain)

    def _rollback(self, expression: exp.Rollback) -> str:
        savepoint = self.sql(expression, "savepoint")
        return f"ROLLBACK WORK TO SAVEPOINT {savepoint}" if savepoint else "ROLLBACK WORK"

    # Triggers and routines

    def _trigger(self, expression: exp.Expression) -> str:
        columns = self.expressions(expression, key="columns", flat=True)
        parts = [
            f"CREATE TRIGGER{' IF NOT EXISTS' if expression.args.get('exists') else ''} {self.sql(expression, 'this')}",
            expression.args["event"] + (f" OF {columns}" if columns else ""),
            f"ON {self.sql(expression, 'table')}",
            self._correlations(expression),
            *(f"{word} {self.sql(expression, arg)}" for arg, word in _MOMENTS if expression.args.get(arg) is not None),
            expression.args.get("mode") or "",
        ]
        return " ".join(part for part in parts if part)

    def _correlations(self, expression: exp.Expression) -> str:
        names = [f"{w.upper()} AS {self.sql(expression, w)}" for w in ("old", "new") if expression.args.get(w)]
        return f"REFERENCING {' '.join(names)}" if names else ""

    def _actions(self, expression: exp.Expression) -> str:
        when = self.sql(expression, "when")
        return (f"WHEN ({when}) " if when else "") + f"({self.expressions(expression, flat=True)})"

    def _call(self, expression: exp.Expression) -> str:
        references = " WITH TRIGGER REFERENCES" if expression.args.get("references") else ""
        return f"EXECUTE {expression.args['kind']} {self.sql(expression, 'this')}{references}"

    def _routine(self, expression: exp.Expression) -> str:
        kind, returns = expression.args["kind"], self.expressions(expression, key="returns", flat=True)
        table = self.sql(expression, "table")
        exists = " IF NOT EXISTS" if expression.args.get("exists") else ""
        parameters = self.expressions(expression, key="parameters", flat=True)
        head = [
            f"CREATE {kind}{exists} {self.sql(expression, 'this')}({parameters})",
            f"RETURNING {returns};" if returns else "",
            f"{self._correlations(expression)} FOR {table}" if table else "",
        ]
        return " ".join(part for part in (*head, expression.args["body"], f"END {kind}") if part)

    def _parameter(self, expression: exp.Expression) -> str:
        default = self.sql(expression, "default")
        return f"{self.sql(expression, 'this')} {self.sql(expression, 'kind')}" + (
            f" DEFAULT {default}" if default else ""
        )


_MOMENTS: Final = (("before", "BEFORE"), ("each", "FOR EACH ROW"), ("after", "AFTER"))
