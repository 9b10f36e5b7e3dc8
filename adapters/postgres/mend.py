"""Net effects that the set form was refused for: another form first, then the row at fault.

The rule it keeps: what is given up on is one row with its name and reason. A set of upserts can be refused although its
end state is fine (two rows swap a unique name; PostgreSQL checks row by row); deleting all of its rows and inserting
them again, with what the stream did not say about them, gets there; where `Writes.displace` says so, rows outside of
the set that hold one of its unique values give way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import psycopg

from adapters.postgres.apply import REMEDY, Step, perform
from adapters.postgres.displace import displace
from adapters.postgres.errors import is_row_error, reason, sqlstate
from adapters.postgres.session import Session
from adapters.postgres.statements import Statements
from sync.errors import RowRefused

_CONSTRAINED: Final = """
SELECT string_agg(a.attname, ', ' ORDER BY k.at)
  FROM (SELECT conrelid AS relid, conkey AS keys FROM pg_constraint WHERE conname = $1 AND conrelid = $2
        UNION ALL SELECT indrelid, indkey::int2[] FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
         WHERE relname = $1 AND indrelid = $2 LIMIT 1) AS found,
       unnest(found.keys) WITH ORDINALITY AS k (number, at)
  JOIN pg_attribute a ON a.attnum = k.number AND a.attrelid = $2
"""
_CASCADES: Final = """
SELECT string_agg(conname, ', ' ORDER BY conname) FROM pg_constraint
 WHERE contype = 'f' AND confrelid = $1 AND confdeltype IN ('c', 'n', 'd') AND conparentid = 0
"""
_QUIET: Final = "Run GRANT SET ON PARAMETER session_replication_role for the applier's role, and restart the node"
_PROBE: Final = "pg_temp.admin_sync_probe"


def mend(session: Session, statements: Statements, steps: Sequence[Step], *, displacing: bool) -> int:
    """Perform the steps of one table where the set form was refused; gives the number of repairs.

    Each row that was displaced is one too. Raises `RowRefused` naming the row; then the transaction must be undone.
    """
    upserts = [step for step in steps if step.kind == "upsert"]
    repairs = 0
    for step in steps:
        if step.kind == "upsert":
            if step is upserts[0]:
                repairs += _put(session, statements, upserts, displacing=displacing)
            continue
        _by_halves(session, step)
    return repairs


def _put(session: Session, statements: Statements, upserts: Sequence[Step], *, displacing: bool) -> int:
    if statements.mergeable:
        try:
            with session.savepoint("whole_set"):
                for step in upserts:
                    perform(session, step)
        except psycopg.Error as error:
            if not is_row_error(error):
                raise
        else:
            return 0
    displaced = _replace(session, statements, upserts, displacing=displacing)
    if not session.replica:
        _demand_no_cascade(session, upserts[0])
    return 1 + displaced


def _demand_no_cascade(session: Session, step: Step) -> None:
    """Refuse what was done where foreign keys fire: a row that was only out for a moment took its children along."""
    found = session.ask(_CASCADES, (step.statements.table.oid,))[0][0]
    if found:
        why = f"its rows must be deleted and inserted anew, at which {found} would change the rows that refer to them"
        raise RowRefused(step.statements.schema.name, step.key(0), "", why, _QUIET)


def _replace(session: Session, statements: Statements, upserts: Sequence[Step], *, displacing: bool) -> int:
    """Take all rows of the groups out, then put them in anew with what the stream did not say about them.

    Gives the number of other rows, out of date, that had to give way.
    """
    kept = [f"pg_temp.admin_sync_kept_{number}" for number, _ in enumerate(upserts)]
    for step, table in zip(upserts, kept, strict=True):
        _stage(session, step)
        session.run(statements.keep(step.present, table))
    for step in upserts:
        place = {index: where for where, index in enumerate(step.present)}
        keys = tuple(step.columns[place[index]] for index in statements.key)
        _by_halves(session, Step("delete", statements, statements.key, keys, (False,) * len(keys)))
    displaced = 0
    if displacing:
        laid_out = [(step.present, table, len(step)) for step, table in zip(upserts, kept, strict=True)]
        displaced = displace(session, statements, laid_out)
    for step, table in zip(upserts, kept, strict=True):
        for known in (True, False):
            _restore(session, step, table, known=known)
        session.run(f"DROP TABLE {table}")
    return displaced


def _stage(session: Session, step: Step) -> None:
    """Stage the rows, or name the one whose values the columns can not take."""

    def fill(start: int, end: int) -> None:
        part = step.part(start, end)
        session.script(list(session.staging(part.statements, part.present, part.lines())))

    at, error = _first_refused(session, fill, len(step))
    if error is not None:
        _refuse(session, step, at, error)
    # Halves may have replaced one another.
    fill(0, len(step))


def _by_halves(session: Session, step: Step) -> None:
    """Perform a step, or name the row at fault."""
    at, error = _first_refused(session, lambda start, end: perform(session, step.part(start, end)), len(step))
    if error is not None:
        _refuse(session, step, at, error)


def _restore(session: Session, step: Step, table: str, *, known: bool) -> None:
    statement = step.statements.restore(step.present, table, known=known)
    at, error = _first_refused(session, lambda start, end: _run(session, statement, start, end), len(step))
    if error is None:
        return
    columns = ", ".join(f"c{index}::text" for index in step.present)
    row = session.ask(f"SELECT {columns} FROM {table} WHERE n = $1", (at + 1,))[0]
    texts = tuple([None if text is None else str(text)] for text in row)
    _refuse(session, Step(step.kind, step.statements, step.present, texts), 0, error)


def _run(session: Session, statement: str, start: int, end: int) -> None:
    session.run(statement, (start, end))


def _first_refused(
    session: Session, attempt: Callable[[int, int], None], count: int
) -> tuple[int, psycopg.Error | None]:
    """Attempt rows from `start` to `end`, and where they are refused their halves, up to the first row at fault."""
    waiting = [(0, count)]
    while waiting:
        start, end = waiting.pop()
        if start == end:
            continue
        try:
            with session.savepoint("part_of_set"):
                attempt(start, end)
        except psycopg.Error as error:
            if not is_row_error(error):
                raise
            if end - start == 1:
                return start, error
            middle = (start + end) // 2
            waiting += [(middle, end), (start, middle)]
    return 0, None


def _refuse(session: Session, step: Step, at: int, error: psycopg.Error) -> NoReturn:
    column = _column(session, step.statements, error) or _unreadable(session, step, at)
    raise RowRefused(step.statements.schema.name, step.key(at), column, reason(error), REMEDY) from error


def _column(session: Session, statements: Statements, error: psycopg.Error) -> str:
    """The column or columns that the server names, itself or by a constraint of the table; "" where it does not."""
    diagnosis = error.diag
    if diagnosis.column_name:
        return diagnosis.column_name
    if not diagnosis.constraint_name:
        return ""
    found = session.ask(_CONSTRAINED, (diagnosis.constraint_name, statements.table.oid))
    return str(found[0][0] or "")


def _unreadable(session: Session, step: Step, at: int) -> str:
    """The first column whose declared type does not take this row's value; "" where all do."""
    slots = [step.statements.slots[index] for index in step.present]
    declared = ", ".join(f"c{place} {slot.attribute.declared}" for place, slot in enumerate(slots))
    session.run(f"CREATE TEMPORARY TABLE {_PROBE} ({declared}) ON COMMIT DROP")
    for place, slot in enumerate(slots):
        try:
            with session.savepoint("probe"):
                session.run(f"INSERT INTO {_PROBE} (c{place}) SELECT $1::{slot.type}", (step.columns[place][at],))
        except psycopg.Error as error:
            if not is_row_error(error):
                raise
            return slot.name
    return ""


def is_stale(error: psycopg.Error) -> bool:
    """Whether the table may no longer be what the statement was made for."""
    return sqlstate(error)[:2] == "42" or sqlstate(error) == "0A000"
