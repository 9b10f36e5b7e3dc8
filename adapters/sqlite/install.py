"""What an installation consists of: computed as SQL from what is there and what is wanted.

The rule it keeps: the statements that are shown are the statements that run, and none is given that would change
nothing. A table's number stands in its triggers and journal rows; it belongs to the table's name and identity, and is
never given to another.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from adapters.sqlite.catalog import Table, quote, read_table
from adapters.sqlite.guard import guard_triggers
from adapters.sqlite.journal import capture_triggers, journal_statements
from adapters.sqlite.schema import (
    BASE_STATEMENTS,
    CHECKPOINT,
    GUARD,
    JOURNAL,
    META,
    has_table,
    meta,
    meta_position,
    our_triggers,
    set_meta,
    trigger_changes,
)
from sync.errors import DatabaseRefused
from sync.model.schema import TableSchema

REINSTALL = "Run `admin-sync install` again"
_NUMBER = "table:"
_NUMBERS_GIVEN = "numbers"
_GAP = (
    f"INSERT OR REPLACE INTO {META} SELECT 'confirmed', 1 + max("
    f"coalesce((SELECT value FROM {META} WHERE name = 'reserved'), 0),"
    f" coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{JOURNAL}'), 0))"
)
"""A table that was captured lacked triggers, so changes may have gone unseen. No spool can reach the position that is
noted here as confirmed: the source finds that it can not go on, and everything is copied."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """The captured tables as they are in the database, each with its number."""

    tables: Mapping[str, Table]
    numbers: Mapping[str, int]
    new: Mapping[str, int]
    """Numbers by meta name that have still to be stored."""


def subjects(connection: sqlite3.Connection, captured: Mapping[str, TableSchema]) -> Subjects:
    """Find the captured tables; raises `DatabaseRefused` where one is missing or is not as the schema says."""
    tables = {name: _fitting(connection, schema) for name, schema in sorted(captured.items())}
    installed = has_table(connection, META)
    last = meta(connection, _NUMBERS_GIVEN) if installed else None
    given = last if isinstance(last, int) else 0
    numbers, new = {}, {}
    for name, schema in sorted(captured.items()):
        key = number_name(schema)
        number = meta(connection, key) if installed else None
        if not isinstance(number, int):
            given += 1
            number = new[key] = given
        numbers[name] = number
    return Subjects(tables, numbers, new)


def number_name(schema: TableSchema) -> str:
    """The meta name under which the number of a table with this identity is stored."""
    return _NUMBER + json.dumps([schema.name, *schema.key_names], ensure_ascii=False)


def wanted_capture(found: Subjects, captured: Mapping[str, TableSchema]) -> dict[str, str]:
    """All journal triggers that belong to these tables."""
    wanted: dict[str, str] = {}
    for name, table in found.tables.items():
        wanted |= capture_triggers(table, captured[name], found.numbers[name])
    return wanted


def suffices(present: Mapping[str, str], found: Subjects, captured: Mapping[str, TableSchema]) -> bool:
    """Whether these journal triggers miss nothing.

    A table that had no local column before, and has gained one, keeps triggers that note a little more than they must.
    """
    return present.keys() == wanted_capture(found, captured).keys() and not _lacking(present, found, captured)


def _lacking(present: Mapping[str, str], found: Subjects, captured: Mapping[str, TableSchema]) -> set[str]:
    """The tables for which a trigger is not there, or notes less than it must."""
    return {
        name
        for name, table in found.tables.items()
        for trigger, text in capture_triggers(table, captured[name], found.numbers[name]).items()
        if present.get(trigger) not in {text, _broad(table, captured[name], found.numbers[name])[trigger]}
    }


def _broad(table: Table, captured: TableSchema, number: int) -> dict[str, str]:
    return capture_triggers(table, captured, number, every=True)


def capture_statements(
    connection: sqlite3.Connection, captured: Mapping[str, TableSchema], copied: Collection[str] = ()
) -> list[str]:
    """The SQL that installs capture, and lifts a guard that stood here before.

    The tables `copied` are copied afterwards: what their triggers missed is no loss.
    """
    found = subjects(connection, captured)
    statements = _base(connection)
    if not has_table(connection, META) or meta(connection, "origin") is None:
        statements.append(f"INSERT INTO {META} VALUES ('origin', lower(hex(randomblob(8))))")
    width_before = _journal_width(connection)
    width = max([width_before, 1, *(len(schema.key_names) for schema in captured.values())])
    statements += journal_statements(width_before, width)
    lacking = _lacking(our_triggers(connection), found, captured).difference(copied)
    if any(number_name(captured[name]) not in found.new for name in lacking):
        statements.append(_GAP)
    statements += _number_statements(connection, found, captured)
    if _guarded(connection) != (0, ""):
        statements.append(f"UPDATE {GUARD} SET guarded = 0, primary_node = ''")
    return statements + trigger_changes(our_triggers(connection), wanted_capture(found, captured))


def guard_statements(connection: sqlite3.Connection, captured: Mapping[str, TableSchema], primary: str) -> list[str]:
    """The SQL that installs checkpoint and guard; journal triggers go, the journal and its rows stay."""
    found = subjects(connection, captured)
    wanted: dict[str, str] = {}
    for name, table in found.tables.items():
        wanted |= guard_triggers(table, captured[name], found.numbers[name], primary)
    statements = _base(connection) + _number_statements(connection, found, captured)
    if _guarded(connection) != (1, primary):
        name = primary.replace("'", "''")
        statements.append(f"UPDATE {GUARD} SET guarded = 1, primary_node = '{name}'")
    return statements + trigger_changes(our_triggers(connection), wanted)


def adapts(connection: sqlite3.Connection) -> bool:
    """Whether capture is installed here, so that it can be adapted."""
    return has_table(connection, META) and meta(connection, "origin") is not None and _guarded(connection) == (0, "")


def guard_one(connection: sqlite3.Connection, schema: TableSchema) -> None:
    """Guard one table as it is now, where this database is guarded."""
    guarded, primary = _guarded(connection) or (0, "")
    table = read_table(connection, schema.name)
    if not guarded or table is None:
        return
    number = meta_position(connection, number_name(schema))
    if not number:
        number = meta_position(connection, _NUMBERS_GIVEN) + 1
        set_meta(connection, number_name(schema), number)
        set_meta(connection, _NUMBERS_GIVEN, number)
    wanted = guard_triggers(table, schema, number, primary)
    present = {name: text for name, text in our_triggers(connection).items() if name in wanted}
    for statement in trigger_changes(present, wanted):
        connection.execute(statement)


def uninstall_statements(connection: sqlite3.Connection) -> list[str]:
    """The SQL that removes every object of ours; dropping a table takes its row of sqlite_sequence along."""
    statements = [f"DROP TRIGGER {quote(name)}" for name in our_triggers(connection)]
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'admin\\_sync\\_%' ESCAPE '\\'"
    )
    return statements + [f"DROP TABLE {quote(name)}" for (name,) in tables]


def prove_triggers(connection: sqlite3.Connection, tables: Mapping[str, Table]) -> None:
    """Let SQLite compile every trigger now: it reads a trigger's names only when a statement fires it."""
    for name, table in tables.items():
        column = quote(table.schema.columns[0].name)
        for statement in (
            f"INSERT INTO {quote(name)} DEFAULT VALUES",
            f"UPDATE {quote(name)} SET {column} = {column}",
            f"DELETE FROM {quote(name)}",
        ):
            connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()


def _fitting(connection: sqlite3.Connection, schema: TableSchema) -> Table:
    table = read_table(connection, schema.name)
    what = f"could not use table {schema.name}"
    if table is None:
        raise DatabaseRefused(what, "it does not exist", REINSTALL)
    if not is_as_captured(table, schema):
        raise DatabaseRefused(what, "its columns or its key have changed", REINSTALL)
    if obstacles := table.obstacles():
        raise DatabaseRefused(what, "; ".join(obstacles), "Exclude the table, or drop what stands in the way")
    return table


def is_as_captured(table: Table, schema: TableSchema) -> bool:
    """Whether a table still has these columns, and this key."""
    captured = set(schema.column_names)
    columns = tuple(column for column in table.schema.columns if column.name in captured)
    return columns == schema.columns and (not schema.key or table.schema.key_names == schema.key_names)


def _base(connection: sqlite3.Connection) -> list[str]:
    complete = all(has_table(connection, name) for name in (META, GUARD, CHECKPOINT))
    return [] if complete and _guarded(connection) is not None else list(BASE_STATEMENTS)


def _guarded(connection: sqlite3.Connection) -> tuple[int, str] | None:
    if not has_table(connection, GUARD):
        return None
    row: tuple[int, str] | None = connection.execute(f"SELECT guarded, primary_node FROM {GUARD}").fetchone()
    return row


def _journal_width(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM pragma_table_xinfo(?) WHERE name LIKE 'k%'", (JOURNAL,)).fetchone()
    return int(row[0])


def _number_statements(
    connection: sqlite3.Connection, found: Subjects, captured: Mapping[str, TableSchema]
) -> list[str]:
    statements = []
    if found.new:
        given = max(found.new.values())
        stored = [(_NUMBERS_GIVEN, given), *found.new.items()]
        statements += [f"INSERT OR REPLACE INTO {META} VALUES ({_text(name)}, {number})" for name, number in stored]
    if has_table(connection, META):
        kept = {number_name(schema) for schema in captured.values()}
        present = connection.execute(f"SELECT name FROM {META} WHERE substr(name, 1, {len(_NUMBER)}) = '{_NUMBER}'")
        gone = sorted(name for (name,) in present if name not in kept)
        statements += [f"DELETE FROM {META} WHERE name = {_text(name)}" for name in gone]
    return statements


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
