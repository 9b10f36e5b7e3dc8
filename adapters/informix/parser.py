"""How Informix SQL becomes a tree, where it differs from what sqlglot takes for SQL.

The rule it keeps: what other databases have too becomes their node (FIRST a limit, CURRENT a timestamp, MATCHES a
glob, a DATETIME literal a cast of its text), so that a tree can be rendered for them. A type keeps, beside its
neutral meaning, the words it was written in (`WRITTEN`).
"""

from __future__ import annotations

from typing import Any, Final

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from adapters.informix import qualifiers
from adapters.informix.ddl import STORAGE
from adapters.informix.routines import RoutineParser
from adapters.informix.typenames import NAMES, datatype, qualified

_COUNTS: Final = frozenset({TokenType.NUMBER, TokenType.PLACEHOLDER})
_QUALIFIED: Final = frozenset({"DATETIME", "INTERVAL"})
_OWN_FUNCTIONS: Final = (
    "TO_CHAR",
    "TO_DATE",
    "REPLACE",
    "YEAR",
    "MONTH",
    "DAY",
    "WEEKDAY",
    "DATE",
    "ROUND",
    "TRUNC",
    "OCTET_LENGTH",
)
"""Functions whose namesakes elsewhere take other arguments or mean something else: kept as they stand."""


def _mdy(args: list[exp.Expression]) -> exp.Expression:
    are_numbers = all(isinstance(arg, exp.Literal) and not arg.is_string for arg in args)
    if are_numbers and len(args) == len(("month", "day", "year")):
        month, day, year = (int(arg.name) for arg in args)
        return exp.Cast(this=exp.Literal.string(f"{year:04}-{month:02}-{day:02}"), to=exp.DataType(this=exp.DType.DATE))
    return exp.Anonymous(this="MDY", expressions=args)


class InformixParser(RoutineParser):
    FUNCTIONS = {
        **{name: build for name, build in RoutineParser.FUNCTIONS.items() if name not in _OWN_FUNCTIONS},
        # It counts bytes, and leaves blanks at the end out.
        "LENGTH": exp.ByteLength.from_arg_list,
        "CHAR_LENGTH": exp.Length.from_arg_list,
        "CHARACTER_LENGTH": exp.Length.from_arg_list,
        "MDY": _mdy,
    }
    FUNCTION_PARSERS = {
        **{name: parse for name, parse in RoutineParser.FUNCTION_PARSERS.items() if name not in _OWN_FUNCTIONS},
        "EXTEND": lambda self: self._extend(),
    }
    NO_PAREN_FUNCTION_PARSERS = {
        **RoutineParser.NO_PAREN_FUNCTION_PARSERS,
        "CURRENT": lambda self: self._current(),
        "SYSDATE": lambda self: self._current(),
        "TODAY": lambda _: exp.CurrentDate(),
        "USER": lambda _: exp.CurrentUser(),
    }
    STATEMENT_PARSERS = {
        **RoutineParser.STATEMENT_PARSERS,
        TokenType.SET: lambda self: self._command(),
        TokenType.EXECUTE: lambda self: self._call(),
    }
    PROPERTY_PARSERS = {
        **RoutineParser.PROPERTY_PARSERS,
        "LOCK": lambda self: self._storage("MODE"),
        "EXTENT": lambda self: self._storage("SIZE"),
        "NEXT": lambda self: self._storage("SIZE"),
    }
    DISTINCT_TOKENS = RoutineParser.DISTINCT_TOKENS | {TokenType.UNIQUE}
    RESERVED_CONSTRAINT_KINDS = {"PRIMARY KEY", "FOREIGN KEY", "UNIQUE", "CHECK"}
    ALTER_PARSERS = {
        **RoutineParser.ALTER_PARSERS,
        "ADD": lambda self: self._added(),
        "MODIFY": lambda self: self._parse_wrapped_csv(self._modified, optional=True),
    }

    def parse(self, raw_tokens: list[Token], sql: str) -> list[exp.Expr | None]:
        words = [token.text.upper() for token in raw_tokens[:3]]
        if words[:1] == ["CREATE"] and {"PROCEDURE", "FUNCTION"} & set(words[1:]):
            # SPL's own semicolons end no statement; the text of the body is found by where its tokens stand.
            raw_tokens = [t for t in raw_tokens if t.token_type is not TokenType.SEMICOLON]
        return super().parse(raw_tokens, sql)

    # Statements

    def _parse_statement(self) -> exp.Expr | None:
        if self._match_texts(("LOCK", "UNLOCK")):
            return self._command()
        return super()._parse_statement()

    def _command(self) -> exp.Command:
        """What only changes a session: kept as text."""
        start = self._prev
        while self._curr:
            self._advance()
        return exp.Command(this=start.text.upper(), expression=self._find_sql(start, self._prev)[len(start.text) :])

    def _parse_create(self) -> exp.Create | exp.Command:
        if self._match(TokenType.TRIGGER):
            return self._trigger()  # type: ignore[return-value]  # a statement of its own kind
        for kind in ("PROCEDURE", "FUNCTION"):
            if self._match_text_seq(kind):
                return self._routine(kind)  # type: ignore[return-value]
        create = super()._parse_create()
        properties = create.args.get("properties")
        if properties is not None:
            storage = [part for part in properties.expressions if isinstance(part, exp.LockProperty)]
            create.set(STORAGE, " ".join(part.name for part in storage) or None)
            for part in storage:
                part.pop()
            if not properties.expressions:
                create.set("properties", None)
        return create

    def _storage(self, word: str) -> exp.LockProperty:
        first = self._prev.text.upper()
        if not self._match_text_seq(word):
            self.raise_error(f"Expected {word} behind {first}")
        self._advance()
        return exp.LockProperty(this=exp.Var(this=f"{first} {word} {self._prev.text.upper()}"))

    # Tables and their columns

    def _parse_table_parts(
        self, schema: bool = False, is_db_reference: bool = False, wildcard: bool = False, fast: bool = False
    ) -> exp.Table | exp.Dot | None:
        if self._next and self._next.token_type is TokenType.COLON and self._curr.token_type in self.ID_VAR_TOKENS:
            database = self._parse_id_var()
            self._match(TokenType.COLON)
            table = super()._parse_table_parts(schema=schema, wildcard=wildcard)
            if isinstance(table, exp.Table):
                table.set("catalog", database)
            return table
        if fast and self._curr and self._curr.token_type is TokenType.STRING:
            return None
        return super()._parse_table_parts(schema=schema, is_db_reference=is_db_reference, wildcard=wildcard, fast=fast)

    def _parse_constraint(self) -> exp.Expr | None:
        constraint = super()._parse_constraint()
        if constraint is not None and self._match(TokenType.CONSTRAINT):
            return exp.Constraint(this=self._parse_id_var(), expressions=[constraint])
        return constraint

    def _parse_column_constraint(self) -> exp.Expr | None:
        constraint = super()._parse_column_constraint()
        if isinstance(constraint, exp.ColumnConstraint) and self._match(TokenType.CONSTRAINT):
            constraint.set("this", self._parse_id_var())
        return constraint

    def _added(self) -> list[exp.Expr]:
        if self._match(TokenType.L_PAREN, advance=False):
            return self._parse_wrapped_csv(self._parse_field_def)
        return self._parse_alter_table_add()

    def _modified(self) -> exp.AlterColumn:
        column = self._parse_field_def()
        assert column is not None
        return exp.AlterColumn(this=column.this, dtype=column.args["kind"])

    def _parse_types(
        self,
        check_func: bool = False,
        schema: bool = False,
        allow_identifiers: bool = True,
        with_collation: bool = False,
    ) -> exp.Expr | None:
        word = self._curr.text.upper() if self._curr else ""
        quoted = bool(self._curr) and self._curr.token_type in {TokenType.STRING, TokenType.IDENTIFIER}
        if not quoted and word in _QUALIFIED:
            found = self._literal() if self._next and self._next.token_type is TokenType.L_PAREN else self._qualified()
            if found is not None:
                return found
        if not quoted and not check_func and word in NAMES:
            self._advance()
            if word == "DOUBLE":
                self._match_text_seq("PRECISION")
            bounds = self._bounds()
            return datatype(word, bounds)
        return super()._parse_types(check_func, schema, allow_identifiers, with_collation)

    def _bounds(self) -> list[int]:
        if not self._match(TokenType.L_PAREN):
            return []
        numbers = self._parse_csv(self._parse_number)
        self._match_r_paren()
        return [int(number.name) for number in numbers]

    def _qualified(self) -> exp.DataType | None:
        index = self._index
        self._advance()
        name = self._prev.text.upper()
        qualifier = self._qualifier()
        if qualifier is None:
            self._retreat(index)
            return None
        return qualified(name, qualifier)

    def _qualifier(self) -> qualifiers.Qualifier | None:
        start = self._curr
        if not start or start.text.lower() not in qualifiers.UNITS:
            return None
        index = self._index
        self._advance()
        self._bounds()
        if not self._match_text_seq("TO") or not self._curr or self._curr.text.lower() not in qualifiers.UNITS:
            self._retreat(index)
            return None
        self._advance()
        self._bounds()
        text = self._find_sql(start, self._prev)
        try:
            return qualifiers.parse(text.replace(" (", "("))
        except ValueError as error:
            self.raise_error(str(error))
            return None

    # Values

    def _parse_interval(
        self, require_interval: bool = True, parse_function_unit: bool = True
    ) -> exp.Add | exp.Interval | None:
        if self._next and self._next.token_type is TokenType.L_PAREN and self._curr.text.upper() in _QUALIFIED:
            return None  # a literal: read where types are
        return super()._parse_interval(require_interval, parse_function_unit)

    def _parse_type(self, parse_interval: bool = True, fallback_to_identifier: bool = False) -> exp.Expr | None:
        value = super()._parse_type(parse_interval, fallback_to_identifier)
        if value is not None and self._match_text_seq("UNITS"):
            return exp.Interval(this=value, unit=self._parse_var(upper=True))
        return value

    def _literal(self) -> exp.Cast | None:
        """DATETIME(2024-01-31 10:11) YEAR TO MINUTE, and INTERVAL likewise: a cast of the text."""
        index, name = self._index, self._curr.text.upper()
        self._advance(2)
        start = self._curr
        while self._curr and self._curr.token_type is not TokenType.R_PAREN:
            self._advance()
        text = self._find_sql(start, self._prev)
        qualifier = self._qualifier() if self._match(TokenType.R_PAREN) else None
        if qualifier is None:
            self._retreat(index)
            return None
        return exp.Cast(this=exp.Literal.string(text), to=qualified(name, qualifier))

    def _current(self) -> exp.Expression:
        qualifier = self._qualifier()
        now = exp.CurrentTimestamp()
        return now if qualifier is None else exp.Cast(this=now, to=qualified("DATETIME", qualifier))

    def _extend(self) -> exp.Expression:
        value = self._parse_disjunction()
        qualifier = self._qualifier() if self._match(TokenType.COMMA) else None
        if qualifier is None:
            self.raise_error("Expected a qualifier in EXTEND")
        assert qualifier is not None
        return exp.Cast(this=value, to=qualified("DATETIME", qualifier))

    def _parse_derived_table_values(self, allow_value_synonym: bool = True) -> exp.Values | None:  # noqa: ARG002
        """VALUES holds one row; what follows a comma is the next action of a trigger."""
        if not self._match(TokenType.VALUES):
            return None
        return exp.Values(expressions=[self._parse_value()])

    # SELECT

    def _parse_hint(self) -> exp.Hint | None:
        """Stands where sqlglot looks first behind SELECT: SKIP and FIRST come before DISTINCT."""
        paging: dict[str, exp.Expression] = {}
        for arg, words in (("offset", ("SKIP",)), ("limit", ("FIRST", "LIMIT"))):
            if self._next and self._next.token_type in _COUNTS and self._match_texts(words):
                count = self._parse_number() or self._parse_placeholder()
                assert count is not None
                paging[arg] = exp.Offset(expression=count) if arg == "offset" else exp.Limit(expression=count)
        return exp.Hint(expressions=[], paging=paging) if paging else super()._parse_hint()

    def _parse_query_modifiers(self, this: Any) -> Any:  # noqa: ANN401 - the type of what it is given
        result = super()._parse_query_modifiers(this)
        hint = result.args.get("hint") if isinstance(result, exp.Select) else None
        if isinstance(hint, exp.Hint) and "paging" in hint.args:
            for arg, node in hint.args["paging"].items():
                result.set(arg, node)
            hint.pop()
        return result
