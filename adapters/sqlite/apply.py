"""Writing net effects to a table: whole sets first, another form where the set is refused, then the row at fault.

The rule it keeps: what is given up on is one row with its name and reason. A set of upserts can be refused although
its end state is fine (two rows swap a unique name); deleting all of its rows and inserting them again gets there.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from operator import ne

from adapters.sqlite.connection import is_row_error, primary_code, translated
from adapters.sqlite.schema import GUARD
from adapters.sqlite.statements import Statements
from sync.errors import RowRefused
from sync.model.change import ABSENT, Change, Columns, Op, Row, Value
from sync.model.schema import Kind
from sync.model.writes import Upserts, Writes

ROW_ERRORS = (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError, TypeError)
"""What the driver raises where values do not fit, and more; `is_row_error` tells."""

_UNIQUE_ERRORS = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
}
_VALUES_BOUND = 300
"""With one call; any SQLite takes 999."""
_REMEDY = "Correct the row on the primary, or the constraint on this database"
_HELD = (
    "Another row of this database holds the value: delete or correct that one, in a transaction between"
    f" UPDATE {GUARD} SET applying = 1 and SET applying = 0"
)
_REMEDIES = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: _HELD,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: _HELD,
    sqlite3.SQLITE_CONSTRAINT_ROWID: _HELD,
    sqlite3.SQLITE_CONSTRAINT_TRIGGER: "Correct or drop the trigger on this database that refuses the row",
}


def write_set(connection: sqlite3.Connection, statements: Statements, writes: Writes) -> int:
    """Write the net effect on one table; gives the number of repairs."""
    _refuse_nan(statements, writes)
    if writes.truncate:
        connection.execute(f"DELETE FROM {statements.quoted}")
    if writes.deletes[0]:
        _many(connection, statements, statements.delete, statements.identity(writes.deletes), writes.deletes)
    repairs = 0
    if writes.upserts:
        repairs = _put(connection, statements, writes.upserts, displace=writes.displace)
    if writes.inserts[0]:
        everything = tuple(range(len(writes.schema.columns)))
        keys = tuple(writes.inserts[index] for index in writes.schema.identity)
        _many(connection, statements, statements.insert(everything), writes.inserts, keys)
    return repairs


def write_change(connection: sqlite3.Connection, statements: Statements, change: Change) -> int:
    """Write one change as it is; gives the number of repairs."""
    schema = statements.schema
    if change.op is Op.TRUNCATE:
        connection.execute(f"DELETE FROM {statements.quoted}")
        return 0
    key: Columns = tuple([value] for value in change.key)
    unique = bool(schema.key) and None not in change.key
    no_rows: Columns = tuple([] for _ in schema.columns)
    no_keys: Columns = tuple([] for _ in schema.identity)
    deletes = key if change.op is Op.DELETE or (not unique and change.op is not Op.INSERT) else no_keys
    if change.op is Op.DELETE:
        return write_set(connection, statements, Writes(schema, False, deletes, (), no_rows))  # noqa: FBT003
    if not unique:
        inserts: Columns = tuple([None if value is ABSENT else value] for value in change.row)
        return write_set(connection, statements, Writes(schema, False, deletes, (), inserts))  # noqa: FBT003
    present = tuple(index for index, value in enumerate(change.row) if value is not ABSENT)
    upserts = Upserts(present, tuple([change.row[index]] for index in present))
    return write_set(connection, statements, Writes(schema, False, no_keys, (upserts,), no_rows))  # noqa: FBT003


def _put(connection: sqlite3.Connection, statements: Statements, groups: Sequence[Upserts], *, displace: bool) -> int:
    if statements.mergeable:
        try:
            for group in groups:
                _upsert(connection, statements, group)
        except ROW_ERRORS as error:
            if not is_row_error(error):
                raise
        else:
            return 0
    return 1 + _replace(connection, statements, groups, displace=displace)


def _upsert(connection: sqlite3.Connection, statements: Statements, group: Upserts) -> None:
    """Put many rows with each call: the way into SQLite and back costs as much as half of the row itself."""
    rows = zip(*group.columns, strict=True)
    together = _VALUES_BOUND // len(group.columns)
    if together > 1 and len(group) >= together:
        values = chain.from_iterable(rows)
        sets = (tuple(islice(values, together * len(group.columns))) for _ in range(len(group) // together))
        connection.executemany(statements.upsert(group.present, together), sets)
    connection.executemany(statements.upsert(group.present), rows)


def _replace(
    connection: sqlite3.Connection, statements: Statements, groups: Sequence[Upserts], *, displace: bool
) -> int:
    """Take all rows of the groups out, then put them in anew with what the stream did not say about them.

    Gives the number of rows before which others, out of date, had to give way.
    """
    rebuilt: list[tuple[list[str], Row, Row]] = []
    for group in groups:
        names, others = statements.names(group.present), statements.others(group.present)
        keys = _keys(statements, group)
        stash = statements.stash(others) if others else ""
        finds = zip(*statements.identity(keys), strict=True)
        for row, key, find in zip(zip(*group.columns, strict=True), zip(*keys, strict=True), finds, strict=True):
            kept = _found(connection, statements, stash, find, key) if stash else None
            rebuilt.append((names, row, key) if kept is None else (names + others, row + kept, key))
    for group in groups:
        keys = _keys(statements, group)
        _many(connection, statements, statements.delete, statements.identity(keys), keys)
    displaced = 0
    for names, row, key in rebuilt:
        try:
            connection.execute(statements.insert_named(tuple(names), False), row)  # noqa: FBT003
        except ROW_ERRORS as error:
            if not displace or getattr(error, "sqlite_errorcode", 0) not in _UNIQUE_ERRORS:
                raise refused(statements, names, row, key, error) from error
            connection.execute(statements.insert_named(tuple(names), True), row)  # noqa: FBT003
            displaced += 1
    return displaced


def _found(
    connection: sqlite3.Connection, statements: Statements, stash: str, find: Row, key: Row
) -> tuple[Value, ...] | None:
    try:
        found: tuple[Value, ...] | None = connection.execute(stash, find).fetchone()
    except ROW_ERRORS as error:
        raise refused(statements, statements.key, key, key, error) from error
    return found


def _keys(statements: Statements, group: Upserts) -> Columns:
    place = {index: at for at, index in enumerate(group.present)}
    return tuple(group.columns[place[index]] for index in statements.schema.identity)


def _many(
    connection: sqlite3.Connection, statements: Statements, statement: str, columns: Columns, keys: Columns
) -> None:
    """Run a statement for all rows; where it is refused, find out for which one."""
    connection.execute("SAVEPOINT whole_set")
    try:
        connection.executemany(statement, zip(*columns, strict=True))
    except ROW_ERRORS as error:
        if not is_row_error(error):
            raise
        # The rows before the one at fault are in already, and would now be refused for standing in their own way.
        connection.execute("ROLLBACK TO whole_set")
        _blame(connection, statements, statement, columns, keys)
        raise refused(statements, (), (), (), error) from error
    connection.execute("RELEASE whole_set")


def _blame(
    connection: sqlite3.Connection, statements: Statements, statement: str, columns: Columns, keys: Columns
) -> None:
    """Run the set again row by row, up to the row that is refused. The caller's transaction ends with it."""
    names = statements.schema.column_names if len(columns) == len(statements.schema.columns) else statements.key
    for row, key in zip(zip(*columns, strict=True), zip(*keys, strict=True), strict=True):
        try:
            connection.execute(statement, row)
        except ROW_ERRORS as error:
            raise refused(statements, names, row, key, error) from error


def refused(
    statements: Statements, names: Sequence[str], row: Sequence[Value], key: Sequence[Value], error: BaseException
) -> Exception:
    """The driver's refusal of one row as an error of ours."""
    table = statements.schema.name
    if not is_row_error(error):
        assert isinstance(error, (sqlite3.Error, sqlite3.Warning))
        return translated(error, f"could not write to table {table}")
    shown = ", ".join(f"{name}={value!r}" for name, value in zip(statements.key, key, strict=False))
    remedy = _REMEDIES.get(getattr(error, "sqlite_errorcode", 0), _REMEDY)
    return RowRefused(table, f"({shown})", _column(statements, names, row, error), str(error), remedy)


def _column(statements: Statements, names: Sequence[str], row: Sequence[Value], error: BaseException) -> str:
    """The column at fault, where it can be told: for people, nothing depends on it."""
    never_null = {column.name for column in statements.table.schema.columns if not column.nullable}
    for name, value in zip(names, row, strict=False):
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return name
        if value is None and name in never_null and primary_code(error) == sqlite3.SQLITE_CONSTRAINT:
            return name
    return _named(str(error), statements.schema.name, statements.table.schema.column_names)


def _named(message: str, table: str, columns: Sequence[str]) -> str:
    """The columns that SQLite names in its message, and only there."""
    place = message.rpartition(" failed: " if " failed: " in message else " column ")[2]
    found = [column for column in columns if f"{table}.{column}" in place.split(", ")]
    if not found and message.startswith("CHECK"):
        # It quotes the condition; where that speaks of one column, it is the one.
        words = set(re.findall(r"\w+", place))
        found = [column for column in columns if column in words]
        return found[0] if len(found) == 1 else ""
    return ", ".join(found)


def _refuse_nan(statements: Statements, writes: Writes) -> None:
    """Refuse NaN, which SQLite would store as NULL without a word."""
    floats = {index for index, column in enumerate(writes.schema.columns) if column.type.kind is Kind.FLOAT}
    if not floats:
        return
    sets: Iterable[tuple[tuple[int, ...], Columns]] = (
        *((group.present, group.columns) for group in writes.upserts),
        (tuple(range(len(writes.schema.columns))), writes.inserts),
    )
    for present, columns in sets:
        for index, values in zip(present, columns, strict=True):
            # Only NaN differs from itself.
            if index in floats and any(map(ne, values, values)):
                at = next(at for at, value in enumerate(values) if value != value)  # noqa: PLR0124
                place = {column: where for where, column in enumerate(present)}
                key = [columns[place[column]][at] for column in writes.schema.identity]
                shown = ", ".join(f"{name}={value!r}" for name, value in zip(statements.key, key, strict=True))
                name = writes.schema.columns[index].name
                raise RowRefused(writes.schema.name, f"({shown})", name, "SQLite can not hold NaN", _REMEDY)
