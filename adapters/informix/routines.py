"""How triggers, routines and calls become trees (see `nodes`).

The rule it keeps: an action of a trigger is parsed as the statement it is; the body of a routine is kept as written.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import TokenType

from adapters.informix.nodes import Actions, Call, Parameter, Routine, Trigger


class RoutineParser(Parser):
    """A parser of SQL that knows them too."""

    def _trigger(self) -> Trigger:
        exists = self._parse_exists(not_=True)
        name = self._parse_table_parts()
        if not self._match_texts(("INSERT", "UPDATE", "DELETE")):
            self.raise_error("Expected INSERT, UPDATE or DELETE")
        trigger = Trigger(this=name, event=self._prev.text.upper(), exists=exists)
        if self._match_text_seq("OF"):
            trigger.set("columns", self._parse_csv(self._parse_id_var))
        self._match(TokenType.ON)
        trigger.set("table", self._parse_table_parts())
        if self._match_text_seq("REFERENCING"):
            self._correlations(trigger)
        for arg, words in (("before", ("BEFORE",)), ("each", ("FOR", "EACH", "ROW")), ("after", ("AFTER",))):
            if self._match_text_seq(*words):
                trigger.set(arg, self._actions())
        if self._match_texts(("ENABLED", "DISABLED")):
            trigger.set("mode", self._prev.text.upper())
        return trigger

    def _correlations(self, node: exp.Expression) -> None:
        while self._match_texts(("OLD", "NEW")):
            which = self._prev.text.lower()
            self._match(TokenType.ALIAS)
            node.set(which, self._parse_id_var())

    def _actions(self) -> Actions:
        when = self._parse_wrapped(self._parse_disjunction) if self._match(TokenType.WHEN) else None
        return Actions(when=when, expressions=self._parse_wrapped_csv(self._parse_statement))

    def _call(self) -> Call:
        if not self._match_texts(("PROCEDURE", "FUNCTION")):
            self.raise_error("Expected PROCEDURE or FUNCTION behind EXECUTE")
        kind = self._prev.text.upper()
        function = self._parse_column()
        return Call(this=function, kind=kind, references=self._match_text_seq("WITH", "TRIGGER", "REFERENCES"))

    def _routine(self, kind: str) -> Routine:
        exists = self._parse_exists(not_=True)
        routine = Routine(this=self._parse_table_parts(schema=True), kind=kind, exists=exists)
        if self._match_pair(TokenType.L_PAREN, TokenType.R_PAREN):
            routine.set("parameters", [])
        else:
            routine.set("parameters", self._parse_wrapped_csv(self._parameter))
        if self._match_texts(("RETURNING", "RETURNS")):
            routine.set("returns", self._parse_csv(self._parse_types))
        if self._match_text_seq("REFERENCING"):
            self._correlations(routine)
            self._match(TokenType.FOR)
            routine.set("table", self._parse_table_parts())
        start = self._curr
        while self._curr and not (self._curr.text.upper() == "END" and self._next and self._next.text.upper() == kind):
            self._advance()
        if not self._match_text_seq("END", kind):
            self.raise_error(f"Expected END {kind}")
        routine.set("body", self.sql[start.start : self._tokens[self._index - 2].start].strip())
        return routine

    def _parameter(self) -> Parameter:
        parameter = Parameter(this=self._parse_id_var(), kind=self._parse_types())
        if self._match(TokenType.DEFAULT):
            parameter.set("default", self._parse_disjunction())
        return parameter
