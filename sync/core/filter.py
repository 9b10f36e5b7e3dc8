"""The filter: what may leave a server, table by table, column by column, row by row (invariant 5).

The rule it keeps: deny rules and the structural rule win over every allow-list; what nothing names is not replicated,
and says so. The same object answers at all three walls: what is captured, what is sent, what is let in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import compress
from typing import Final

from sync.core.predicate import RowTest
from sync.core.profiles import structure_reason
from sync.core.selection import Rules, Selection, catalog_name, normal_name, selection_findings
from sync.errors import ConfigError, UsageError
from sync.model.catalog import Relation, TableFacts
from sync.model.change import ABSENT, Block, Columns, Op, Value
from sync.model.schema import TableSchema

__all__ = ["Decision", "Filter", "Selection", "Verdict", "selection_findings"]


class Verdict(Enum):
    """What becomes of a table."""

    REPLICATE = "replicate"
    DENIED = "denied"
    """A deny rule or the structural rule: call data, or the state of its own server. Nothing overrides it."""
    REFUSED = "refused"
    """Selected, but not to be trusted to capture: an obstacle, a view, or a rule that does not fit the table."""
    COMPARE_ONLY = "compare only"
    """Must be equal on both servers, and must not be written by a replicator."""
    HAZARD = "hazard"
    """Administration whose writing can damage call data; replicated only where `include` names it in full."""
    EXCLUDED = "excluded"
    UNLISTED = "unlisted"
    """Nothing names it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One verdict. `rule` is short and stable (`D1`, `structure`, `allow: cms/dictionary`), `reason` for people."""

    table: str
    verdict: Verdict
    rule: str
    reason: str


class Filter:
    """Judges tables, columns and rows by one selection. Raises `ConfigError` where the selection does not hold."""

    def __init__(self, selection: Selection) -> None:
        findings = selection_findings(selection)
        if findings:
            raise ConfigError("[tables]", findings)
        self.selection = selection
        self._rules = Rules(selection)
        self._tests: dict[str, RowTest | None] = {}
        self._walls: dict[tuple[str, tuple[str, ...]], str | None] = {}

    def decide(self, facts: TableFacts) -> Decision:
        """Judge one object of the catalog; never raises."""
        denied = self._denied(facts.name, facts.schema.column_names) or self._denied_base(facts)
        if denied is not None:
            return denied
        listed = self._listed(facts.name)
        if listed.verdict is not Verdict.REPLICATE:
            return listed
        refused = self._refused(facts)
        return listed if refused is None else Decision(facts.name, Verdict.REFUSED, listed.rule, refused)

    def captured(self, facts: Iterable[TableFacts]) -> dict[str, TableSchema]:
        """Give what is to be replicated: by catalog name, without the columns that stay local."""
        return {f.name: self.project(f.schema) for f in facts if self.decide(f).verdict is Verdict.REPLICATE}

    def project(self, schema: TableSchema) -> TableSchema:
        """Take away the local columns; the very same object where there are none."""
        local = self._rules.local_columns(schema.name)
        kept = [i for i, name in enumerate(schema.column_names) if name.lower() not in local]
        if len(kept) == len(schema.columns):
            return schema
        columns = tuple(schema.columns[i] for i in kept)
        return TableSchema(schema.name, columns, tuple(kept.index(i) for i in schema.key if i in kept))

    def findings(self, catalog: Sequence[TableFacts]) -> list[str]:
        """Hold the configuration against a catalog: everything in it that names what is not there or does not fit."""
        found: list[str] = []
        by_name = {catalog_name(facts.name): facts for facts in catalog}
        for setting, tables in (("rows", self.selection.rows), ("columns", self.selection.local_columns)):
            for table in tables:
                facts = by_name.get(normal_name(table))
                if facts is None:
                    found.append(f"tables.{setting}.{table}: the database has no such table")
        for facts in catalog:
            found += [f"tables.columns.{facts.name}: {problem}" for problem in self._column_problems(facts.schema)]
            if self._rules.row_rule(facts.name) is not None:
                problem = self._row_problem(facts.schema)
                found += [f"tables.rows.{facts.name}: {problem}"] if problem else []
        for pattern in self.selection.include:
            if not any(self._rules.matches(pattern, facts.name) for facts in catalog):
                found.append(f"tables.include: nothing in the database matches {pattern!r}")
        return found

    def block(self, block: Block) -> Block | None:
        """Apply the row rule of a block's table; the very same object where there is none or all rows pass."""
        return self.judge(block)[0]

    def judge(self, block: Block) -> tuple[Block | None, int]:
        """Apply the row rule; also gives how many rows it kept home (dropped, or sent as a DELETE instead).

        A row outside of the rule becomes a DELETE of its identity, so that a row that moves out leaves the target; it
        is dropped where its identity alone says that it can never have been inside, or where the identity is not
        unique and the row was added. A DELETE passes where its row may have been inside. TRUNCATE passes.

        Raises `UsageError` where the rule needs a column that the source did not send.
        """
        test = self._test(block.schema)
        if test is None or not block.ops:
            return block, 0
        return _with_rule(block, test)

    def columns_in_scope(self, schema: TableSchema, columns: Columns) -> list[bool]:
        """Say for each row (one list for each column of the schema) whether the row rule replicates it."""
        test = self._test(schema)
        return [True] * len(columns[0]) if test is None else test.holds(columns)

    def has_row_rule(self, table: str) -> bool:
        """Whether only some rows of the table are replicated: the others are each server's own."""
        return self._rules.row_rule(table) is not None

    def row_rule(self, table: str) -> str:
        """The row rule of a table as it was configured; "" where there is none."""
        rule = self._rules.row_rule(table)
        return "" if rule is None else rule.text

    def scope(self, schema: TableSchema) -> str:
        """Name what of a table is replicated: another name means that rows may have to be copied again."""
        rule = self._rules.row_rule(schema.name)
        return f"{schema.fingerprint} {rule.text}" if rule else schema.fingerprint

    def wall(self, table: str, column_names: Sequence[str]) -> str | None:
        """Say why a table with these columns must not cross, outbound or inbound; None where it may."""
        key = (table, tuple(column_names))
        if key not in self._walls:
            self._walls[key] = self._wall(table, key[1])
        return self._walls[key]

    def _wall(self, table: str, column_names: tuple[str, ...]) -> str | None:
        denied = self._denied(table, column_names)
        if denied is not None:
            return denied.reason
        listed = self._listed(table)
        if listed.verdict is not Verdict.REPLICATE:
            return listed.reason
        local = self._rules.local_columns(table)
        crossing = [name for name in column_names if name.lower() in local]
        return f"column {', '.join(crossing)} of {table} stays on each server" if crossing else None

    def _denied(self, table: str, column_names: Sequence[str]) -> Decision | None:
        rule = self._rules.denying(table)
        if rule is not None:
            return Decision(table, Verdict.DENIED, rule.id, f"{table} is {rule.what}")
        if self._rules.in_catalog_schema(table):
            return Decision(table, Verdict.DENIED, "D7", f"{table} is a system table")
        if self._rules.profile.structural:
            reason = structure_reason(frozenset(name.strip().lower() for name in column_names))
            if reason is not None:
                return Decision(table, Verdict.DENIED, "structure", f"{table} looks like call data: {reason}")
        return None

    def _denied_base(self, facts: TableFacts) -> Decision | None:
        for base in facts.bases:
            denied = self._denied(base, ())
            if denied is not None:
                kind = facts.relation.value
                return Decision(facts.name, Verdict.DENIED, denied.rule, f"a {kind} over {base}: {denied.reason}")
        return None

    def _listed(self, table: str) -> Decision:
        """Judge by the lists alone."""
        name, profile = catalog_name(table), self._rules.profile
        excluded = self._rules.first_match(self.selection.exclude, table)
        if excluded is not None:
            return Decision(table, Verdict.EXCLUDED, f"exclude {excluded!r}", f"{table} is excluded by {excluded!r}")
        if name in profile.compare_only:
            reason = f"{table} is compare-only: {profile.compare_only[name]}"
            return Decision(table, Verdict.COMPARE_ONLY, f"compare: {profile.name}", reason)
        included = self._rules.first_match(self.selection.include, table)
        if name in profile.hazards and name not in map(normal_name, self.selection.include):
            reason = f"{table} is left out: {profile.hazards[name]}; include names it in full to replicate it anyway"
            return Decision(table, Verdict.HAZARD, f"hazard: {profile.name}", reason)
        if name in profile.allow:
            rule = profile.allow[name]
            return Decision(table, Verdict.REPLICATE, f"allow: {rule}", f"{table} is in the built-in list {rule}")
        if included is not None:
            return Decision(table, Verdict.REPLICATE, f"include {included!r}", f"{table} is included by {included!r}")
        return Decision(table, Verdict.UNLISTED, "unlisted", f"{table} is neither in the profile nor in tables.include")

    def _refused(self, facts: TableFacts) -> str | None:
        """Say why a selected table can not be captured."""
        if facts.relation is not Relation.TABLE:
            over = f" over {', '.join(facts.bases)}" if facts.bases else ""
            kind = f"a {facts.relation.value}{over}" if facts.relation is not Relation.OTHER else "no ordinary table"
            return f"{facts.name} is {kind}: only tables that store their rows are replicated"
        problems = [*facts.obstacles, *self._column_problems(facts.schema)]
        if not problems and self._rules.row_rule(facts.name) is not None:
            problem = self._row_problem(facts.schema)
            problems += [f"its row rule does not fit: {problem}"] if problem else []
        return f"{facts.name} can not be captured: {'; '.join(problems)}" if problems else None

    def _column_problems(self, schema: TableSchema) -> list[str]:
        local = self._rules.local_columns(schema.name)
        names = [name.lower() for name in schema.column_names]
        configured = self._rules.configured_columns(schema.name)
        problems = [f"the table has no column {name}" for name in configured if name.lower() not in names]
        problems += [
            f"column {schema.columns[index].name} identifies a row and can not be local"
            for index in schema.identity
            if names[index] in local
        ]
        return problems

    def _row_problem(self, schema: TableSchema) -> str | None:
        try:
            self._test(self.project(schema))
        except (UsageError, ValueError) as error:
            return str(error)
        return None

    def _test(self, schema: TableSchema) -> RowTest | None:
        rule = self._rules.row_rule(schema.name)
        if rule is None:
            return None
        if schema.fingerprint not in self._tests:
            self._tests[schema.fingerprint] = rule.bind(schema)
        return self._tests[schema.fingerprint]


_IS_PUT: Final = bytes(op < Op.DELETE for op in range(256))
_DELETE: Final = int(Op.DELETE)
_INSERT: Final = int(Op.INSERT)
_TRUNCATE: Final = int(Op.TRUNCATE)


def _with_rule(block: Block, test: RowTest) -> tuple[Block | None, int]:
    schema, ops, columns = block.schema, block.ops, block.columns
    puts = ops.translate(_IS_PUT)
    all_puts = all(puts)
    _check_present(schema, columns, puts, test)
    holds = test.holds(columns) if all_puts else _holds_of_puts(columns, puts, test)
    if all(holds):
        return block, 0
    outside = [place for place, inside in enumerate(holds) if not inside and ops[place] != _TRUNCATE]
    judged: Columns = tuple([list(map(column.__getitem__, outside)) for column in columns])
    kept, away, fate = [True] * len(ops), [], bytearray(ops)
    for place, possible, unique in zip(outside, test.possible(judged), _unique(schema, judged), strict=True):
        if not possible or (ops[place] == _INSERT and not unique):
            kept[place] = False
        elif ops[place] != _DELETE:
            fate[place] = _DELETE
            away.append(place)
    home = len(away) + kept.count(False)
    return (_rebuilt(block, bytes(fate), kept, away), home) if home else (block, 0)


def _check_present(schema: TableSchema, columns: Columns, puts: bytes, test: RowTest) -> None:
    for index in test.columns:
        if ABSENT in columns[index] and ABSENT in compress(columns[index], puts):
            name = schema.columns[index].name
            what = f"the row rule of {schema.name} can not be decided"
            why = f"the source did not send column {name}, which did not change"
            remedy = f"Take {name} out of tables.rows.{schema.name}, or make the source log whole rows."
            raise UsageError(what, why, remedy)


def _holds_of_puts(columns: Columns, puts: bytes, test: RowTest) -> list[bool]:
    """Judge the rows that are put, and give False for all others."""
    judged = iter(test.holds(tuple([list(compress(column, puts)) for column in columns])))
    return [bool(put) and next(judged) for put in puts]


def _unique(schema: TableSchema, columns: Columns) -> list[bool]:
    if not schema.key:
        return [False] * len(columns[0])
    return [None not in key for key in zip(*(columns[index] for index in schema.key), strict=True)]


def _rebuilt(block: Block, ops: bytes, kept: list[bool], away: list[int]) -> Block | None:
    identity = frozenset(block.schema.identity)
    columns: list[list[Value]] = []
    for index, column in enumerate(block.columns):
        values = column
        if away and index not in identity:
            values = column.copy()
            for place in away:
                values[place] = ABSENT
        columns.append(list(compress(values, kept)))
    ops = bytes(compress(ops, kept))
    return Block(block.schema, ops, tuple(columns), list(compress(block.ordinals, kept))) if ops else None
