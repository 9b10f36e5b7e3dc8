"""The write guard: triggers that refuse local writes to the captured tables of a secondary.

The rule it keeps: only the applier passes, and columns that stay each server's own may be written by anyone. In a
session in replica role ordinary triggers do not fire; an applier without the right to that role says who it is by a
setting that lasts as long as its transaction. The primary's name stands in each trigger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.postgres.catalog import SCHEMA, Table, literal, quote, read_tables
from adapters.postgres.connection import Connection
from adapters.postgres.schema import META, has_table, meta
from sync.errors import DatabaseRefused
from sync.model.schema import TableSchema

TRIGGER: Final = "admin_sync_guard"
APPLYING: Final = "admin_sync.applying"
"""The setting that lets an applier pass which may not switch to the replica role."""
_LOCAL: Final = f"coalesce(current_setting('{APPLYING}', true), '') <> 'on'"

GUARDED: Final = "guarded"
"""Under which name the meta table has the primary's name, while this database is guarded."""

_REMEMBER: Final = (
    f"INSERT INTO {META} VALUES ('{GUARDED}', {{}}) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_FUNCTION: Final = f"{SCHEMA}.refuse_write"
_BODY: Final = """
BEGIN
  RAISE EXCEPTION 'admin-sync: this server is the secondary; make the change on %', TG_ARGV[0]
    USING ERRCODE = 'read_only_sql_transaction', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
END
"""
_CREATE: Final = f"CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS '{{}}'"
# A trigger for TRUNCATE, unlike one for rows, is not handed down to partitions.
_PARTITIONS: Final = """
SELECT relid::bigint, relid::regclass::text FROM pg_partition_tree(%s::oid) WHERE isleaf AND relid <> %s::oid"""
_PRESENT: Final = f"""
SELECT t.tgrelid::bigint, t.tgname::text,
       CASE t.tgenabled WHEN 'O' THEN obj_description(t.oid, 'pg_trigger') END, t.tgrelid::regclass::text
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND n.nspname = '{SCHEMA}' AND p.proname = 'refuse_write'
 ORDER BY 4, 2"""


def guard_statements(connection: Connection, captured: Mapping[str, TableSchema], primary: str) -> list[str]:
    """The SQL that turns the guard that is there into the one wanted; the base of schema.py must be there before it.

    Raises `DatabaseRefused` where a table that is to be guarded does not exist.
    """
    tables = read_tables(connection)
    present = _present(connection)
    statements: list[str] = []
    if not has_table(connection, META) or meta(connection, GUARDED) != primary:
        statements.append(_REMEMBER.format(literal(primary)))
    if not _has_function(connection):
        statements.append(_CREATE.format(_BODY.replace("'", "''")))
    kept: set[tuple[int, str]] = set()
    for name, schema in sorted(captured.items()):
        table = tables.get(name)
        if table is None:
            raise DatabaseRefused(f"could not guard table {name}", "it does not exist", "Create it, or exclude it")
        for trigger in _wanted(connection, table, schema, primary):
            kept.add((trigger.oid, trigger.name))
            statements += _changes(present, trigger)
    dropped = [f"DROP TRIGGER {quote(key[1])} ON {found[1]}" for key, found in present.items() if key not in kept]
    return dropped + statements


def guard_one(connection: Connection, schema: TableSchema) -> None:
    """Guard one table as it is now, where this database is guarded."""
    primary = meta(connection, GUARDED)
    table = read_tables(connection).get(schema.name)
    if primary is None or table is None:
        return
    present = _present(connection)
    for trigger in _wanted(connection, table, schema, primary):
        for statement in _changes(present, trigger):
            connection.execute(statement.encode())


def removal_statements(connection: Connection) -> list[str]:
    """The SQL that removes the guard, function and all: for a primary, and before the schema is dropped."""
    dropped = [f"DROP TRIGGER {quote(name)} ON {found[1]}" for (_, name), found in _present(connection).items()]
    if has_table(connection, META) and meta(connection, GUARDED) is not None:
        dropped.append(f"DELETE FROM {META} WHERE name = '{GUARDED}'")
    return [*dropped, *([f"DROP FUNCTION {_FUNCTION}()"] if _has_function(connection) else [])]


_Present = dict[tuple[int, str], tuple[str, str]]
"""Triggers of ours: table and name to the remark that holds their text, and the table as SQL."""


@dataclass(frozen=True, slots=True)
class _Trigger:
    """One trigger as it is wanted."""

    oid: int
    """Of its table."""
    on: str
    """Its table, as SQL."""
    name: str
    text: str
    """What follows CREATE TRIGGER."""


def _wanted(connection: Connection, table: Table, captured: TableSchema, primary: str) -> list[_Trigger]:
    """All triggers that a table and its partitions must have."""
    partitions = [_truncate(*partition, primary) for partition in _partitions(connection, table)]
    return [*_triggers(table, captured, primary), *partitions]


def _changes(present: _Present, trigger: _Trigger) -> list[str]:
    """The SQL that makes one trigger what is wanted; nothing where it is that."""
    if present.get((trigger.oid, trigger.name), ("",))[0] == trigger.text:
        return []
    remark = f"COMMENT ON TRIGGER {trigger.name} ON {trigger.on} IS {literal(trigger.text)}"
    return [f"CREATE OR REPLACE TRIGGER {trigger.text}", remark]


def _triggers(table: Table, captured: TableSchema, primary: str) -> list[_Trigger]:
    own = {each.name for each in table.attributes}.difference(captured.column_names)
    always = f"FOR EACH ROW WHEN ({_LOCAL}) {_call(primary)}"

    def one(name: str, when: str, then: str) -> _Trigger:
        return _Trigger(table.oid, table.quoted, name, f"{name} BEFORE {when} ON {table.quoted} {then}")

    rows = [one(TRIGGER, "INSERT OR UPDATE OR DELETE", always)]
    if own:
        texts = [f"OLD.{quote(name)}::text IS DISTINCT FROM NEW.{quote(name)}::text" for name in captured.column_names]
        changed = f"FOR EACH ROW WHEN ({_LOCAL} AND ({' OR '.join(texts)})) {_call(primary)}"
        rows = [one(TRIGGER, "INSERT OR DELETE", always), one(f"{TRIGGER}_update", "UPDATE", changed)]
    return [*rows, _truncate(table.oid, table.quoted, primary)]


def _truncate(oid: int, on: str, primary: str) -> _Trigger:
    name = f"{TRIGGER}_truncate"
    text = f"{name} BEFORE TRUNCATE ON {on} FOR EACH STATEMENT WHEN ({_LOCAL}) {_call(primary)}"
    return _Trigger(oid, on, name, text)


def _call(primary: str) -> str:
    return f"EXECUTE FUNCTION {_FUNCTION}({literal(primary)})"


def _partitions(connection: Connection, table: Table) -> list[tuple[int, str]]:
    """The partitions that hold rows: OID, and the name as SQL."""
    if table.kind != "p":
        return []
    rows = connection.execute(_PARTITIONS.encode(), (table.oid, table.oid)).fetchall()
    return [(int(str(oid)), str(name)) for oid, name in rows]


def _present(connection: Connection) -> _Present:
    """Our triggers."""
    rows = connection.execute(_PRESENT.encode()).fetchall()
    return {(int(str(oid)), str(name)): (str(text), str(table)) for oid, name, text, table in rows}


def _has_function(connection: Connection) -> bool:
    row = connection.execute("SELECT to_regprocedure(%s) IS NOT NULL", (f"{_FUNCTION}()",)).fetchone()
    return row is not None and row[0] is True
