"""Writing net effects set by set: few rows as arrays in one round trip, many through COPY and a staging table.

The rule it keeps: this is the way on which nothing is refused. Where something is, all of it is undone, and `mend.py`
does the same work again, looking for another form or for the row at fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from adapters.postgres.exchange import Piece
from adapters.postgres.literals import Slot, Texts, Unfit, array, copy_lines
from adapters.postgres.session import Session
from adapters.postgres.statements import Present, Statements
from sync.errors import RowRefused
from sync.model.change import ABSENT, Change, Columns, Op, Value
from sync.model.writes import Upserts, Writes

ARRAY_ROWS_MAX = 100
"""Above it, COPY costs less than arrays."""

REMEDY: Final = "Correct the row on the primary, or the constraint on this database"


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a table's net effect with its rows as text: what is sent, in either way."""

    kind: str
    """`delete`, `upsert` or `insert`."""
    statements: Statements
    present: Present
    columns: tuple[Texts, ...]
    nulls: tuple[bool, ...] = ()
    """Of a delete: which columns of the identity are NULL in all of its rows."""
    said: Op = Op.UPSERT
    """See `Upserts.said`."""

    @property
    def is_fresh(self) -> bool:
        """Whether the rows can go straight into the table: if one is there already, a unique index refuses it."""
        return self.kind == "insert" or (self.said is Op.INSERT and self.statements.mergeable)

    @property
    def is_known(self) -> bool:
        """Whether the rows should all be there already."""
        return self.said is Op.UPDATE and self.statements.mergeable and self.statements.has_rest(self.present)

    def lines(self) -> bytes:
        """The rows for COPY. Raises `RowRefused` where a value can not be sent."""
        try:
            return copy_lines(self.columns)
        except Unfit as unfit:
            raise _unsendable(self) from unfit

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.columns[0])

    def sql(self, *, staged: bool) -> str:
        """The statement."""
        if self.kind == "delete":
            return self.statements.delete(self.nulls, staged=staged)
        make = self.statements.upsert if self.kind == "upsert" else self.statements.insert
        return make(self.present, staged=staged)

    def part(self, start: int, end: int) -> Step:
        """The same for some of the rows."""
        columns = tuple([column[start:end] for column in self.columns])
        return Step(self.kind, self.statements, self.present, columns, self.nulls, self.said)

    def key(self, at: int) -> str:
        """The identity of one row, for people."""
        place = {index: where for where, index in enumerate(self.present)}
        slots = self.statements.slots
        return shown([(slots[index], self.columns[place[index]][at]) for index in self.statements.key])


def steps(statements: Statements, writes: Writes) -> list[Step]:
    """The net effect on one table as steps, without its truncate. Raises `RowRefused` where a value can not be sent."""
    made = [*_deletes(statements, writes.deletes)] if writes.deletes[0] else []
    made += [_step("upsert", statements, group.present, group.columns, said=group.said) for group in writes.upserts]
    if writes.inserts[0]:
        everything = tuple(range(len(statements.slots)))
        made.append(_step("insert", statements, everything, writes.inserts))
    return made


def is_small(made: Sequence[Step]) -> bool:
    """Whether all steps can go as arrays."""
    return all(len(step) <= ARRAY_ROWS_MAX and step.statements.arrays for step in made)


def perform(session: Session, step: Step) -> None:
    """Run one step in the form that no row of the table is in the way of; raises as `steps` does.

    In a pipeline where `is_small` says that it needs no COPY.
    """
    if len(step) > ARRAY_ROWS_MAX or not step.statements.arrays:
        session.script(staged(session, step))
        return
    try:
        parameters = [array(column) for column in step.columns]
    except Unfit as unfit:
        raise _unsendable(step) from unfit
    before, after = _around(step)
    for statement in before:
        session.run(statement)
    session.run(step.sql(staged=False), parameters)
    for statement in after:
        session.run(statement)


def staged(session: Session, step: Step) -> list[Piece]:
    """A step as a script: its rows into the staging table, and the statement that takes them from there."""
    before, after = _around(step)
    statements = [(statement, None) for statement in (*before, step.sql(staged=True), *after)]
    return [*session.staging(step.statements, step.present, step.lines()), *statements]


def _around(step: Step) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What goes before and after: rows that no index finds are found by one pass over the table."""
    if step.kind == "delete" and step.statements.hashed:
        return ("SET LOCAL enable_hashjoin = on",), ("SET LOCAL enable_hashjoin = off",)
    return (), ()


def of_change(change: Change) -> Writes:
    """One change as a net effect."""
    schema = change.schema
    no_keys: Columns = tuple([] for _ in schema.identity)
    no_rows: Columns = tuple([] for _ in schema.columns)
    if change.op is Op.TRUNCATE:
        return Writes(schema, True, no_keys, (), no_rows)  # noqa: FBT003
    key: Columns = tuple([value] for value in change.key)
    unique = bool(schema.key) and None not in change.key
    deletes = key if change.op is Op.DELETE or (not unique and change.op is not Op.INSERT) else no_keys
    if change.op is Op.DELETE:
        return Writes(schema, False, deletes, (), no_rows)  # noqa: FBT003
    if not unique:
        inserts: Columns = tuple([None if value is ABSENT else value] for value in change.row)
        return Writes(schema, False, deletes, (), inserts)  # noqa: FBT003
    present = tuple(index for index, value in enumerate(change.row) if value is not ABSENT)
    group = Upserts(present, tuple([change.row[index]] for index in present))
    return Writes(schema, False, no_keys, (group,), no_rows)  # noqa: FBT003


def shown(values: Sequence[tuple[Slot, Value]]) -> str:
    """A key for people, from values or their texts."""
    pairs = [(slot.name, str(value) if slot.is_integer else repr(value)) for slot, value in values]
    return "(" + ", ".join(f"{name}={value}" for name, value in pairs) + ")"


def _deletes(statements: Statements, columns: Columns) -> Iterator[Step]:
    """One step for each pattern of NULLs: `=` finds no NULL, and what finds both uses no index and no hash."""
    if not any(None in column for column in columns):
        yield _step("delete", statements, statements.key, columns, (False,) * len(columns))
        return
    groups: dict[tuple[bool, ...], list[tuple[Value, ...]]] = {}
    for row in zip(*columns, strict=True):
        groups.setdefault(tuple([value is None for value in row]), []).append(row)
    for nulls, rows in groups.items():
        yield _step("delete", statements, statements.key, tuple(map(list, zip(*rows, strict=True))), nulls)


def _unsendable(step: Step) -> RowRefused:
    """The refusal of the first text that no PostgreSQL database can hold."""
    for index, column in zip(step.present, step.columns, strict=True):
        try:
            array(column)
        except Unfit as unfit:
            name = step.statements.slots[index].name
            return RowRefused(step.statements.schema.name, step.key(unfit.at), name, unfit.why, REMEDY)
    raise AssertionError


def _step(
    kind: str,
    statements: Statements,
    present: Present,
    columns: Columns,
    nulls: tuple[bool, ...] = (),
    said: Op = Op.UPSERT,
) -> Step:
    texts: list[Texts] = []
    for index, column in zip(present, columns, strict=True):
        try:
            texts.append(statements.slots[index].texts(column))
        except Unfit as unfit:
            _refuse(statements, present, columns, index, unfit)
    return Step(kind, statements, present, tuple(texts), nulls, said)


def _refuse(statements: Statements, present: Present, columns: Columns, index: int, unfit: Unfit) -> NoReturn:
    place = {at: where for where, at in enumerate(present)}
    key = [(statements.slots[at], columns[place[at]][unfit.at]) for at in statements.key]
    name = statements.slots[index].name
    raise RowRefused(statements.schema.name, shown(key), name, unfit.why, REMEDY) from unfit
