"""TRUNCATE of single partitions, which PostgreSQL does not publish where the changes of a partition go by its root.

The rule it keeps: what a TRUNCATE of partitions removes stands in the log as deletes before they are emptied, in the
same transaction. A TRUNCATE that names the root is published as one, and passes: the root's triggers say that it is on
its way. The deletes run with the rights of whoever truncates. Where those allow it, no other trigger fires for them, as
none does for a TRUNCATE; and where somebody's trigger keeps a row, the TRUNCATE is refused.

A partition without our trigger that does not have the file any more which it was made with can have been emptied
untold: with the trigger goes the note of a loss, decided under the lock that making the trigger takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, cast

from adapters.postgres.catalog import SCHEMA, Table, literal
from adapters.postgres.connection import Connection
from adapters.postgres.schema import META
from sync.model.catalog import Finding, Severity

_FUNCTION: Final = f"{SCHEMA}.empty_partition"
_TRIGGER: Final = SCHEMA
_EMPTYING: Final = "admin_sync.emptying"
"""The setting that holds the roots which the statement empties."""
_BODY: Final = f"""
DECLARE
  roots text := coalesce(current_setting('{_EMPTYING}', true), '');
  root text := format('<%s>', pg_partition_root(TG_RELID)::oid);
  firing text := current_setting('session_replication_role');
  policies text := current_setting('row_security');
  kept boolean;
BEGIN
  IF TG_WHEN = 'AFTER' THEN
    PERFORM set_config('{_EMPTYING}', replace(roots, root, ''), true);
  ELSIF pg_partition_root(TG_RELID) = TG_RELID THEN
    PERFORM set_config('{_EMPTYING}', roots || root, true);
  ELSIF strpos(roots, root) = 0 THEN
    BEGIN
      PERFORM set_config('session_replication_role', 'replica', true);
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
    PERFORM set_config('row_security', 'off', true);
    EXECUTE format('DELETE FROM ONLY %s', TG_RELID::regclass);
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', TG_RELID::regclass) INTO kept;
    PERFORM set_config('row_security', policies, true);
    IF current_setting('session_replication_role') <> firing THEN
      PERFORM set_config('session_replication_role', firing, true);
    END IF;
    IF kept THEN
      RAISE EXCEPTION 'admin-sync: a trigger or rule of % keeps its rows from being deleted', TG_RELID::regclass
        USING HINT = 'TRUNCATE the whole partitioned table, or do it as superuser';
    END IF;
  END IF;
  RETURN NULL;
END
"""
_CREATE: Final = f"CREATE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS '" + _BODY.replace("'", "''") + "'"
_PATIENCE: Final = "SET LOCAL lock_timeout = '10s'"
"""To make a trigger waits for all who write to the table, and others wait behind it: not forever."""

_HAS_FUNCTION: Final = f"SELECT to_regprocedure('{_FUNCTION}()') IS NOT NULL"
_WANTED: Final = """
SELECT relid::bigint, relid::regclass::text, level = 0,
       CASE WHEN pg_has_role(relowner, 'USAGE') THEN '' ELSE quote_ident(pg_get_userbyid(relowner)) END
  FROM pg_partition_tree(%s::oid) JOIN pg_class c ON c.oid = relid WHERE isleaf OR level = 0 ORDER BY level, 2"""
_ALWAYS: Final = "A"
"""Fires in replica role too: what another replicator empties here."""
_PRESENT: Final = f"""
SELECT tgrelid::bigint, tgname::text, tgrelid::regclass::text, tgenabled::text FROM pg_trigger
 WHERE tgfoid = to_regprocedure('{_FUNCTION}()') ORDER BY 3, 2"""
SEAL: Final = f"""
SELECT string_agg(concat_ws(':', tgrelid, xmin), ' ' ORDER BY tgrelid, oid) FROM pg_trigger
 WHERE tgfoid = to_regprocedure('{_FUNCTION}()')"""
"""A text that stays the same as long as nobody touches the triggers."""


def statements(connection: Connection, tables: Iterable[Table], *, fresh: bool) -> list[str]:
    """The SQL that turns the triggers that are there into those that these tables need, to run in one transaction.

    `fresh` says that nothing was captured before, so that nothing can have been missed.
    """
    present = {(oid, name): (table, enabled) for oid, name, table, enabled in _present(connection)}
    kept: set[tuple[int, str]] = set()
    made: list[str] = []
    for table in tables:
        for oid, on, is_root, owner in _wanted(connection, table):
            for when in ("BEFORE", "AFTER") if is_root else ("BEFORE",):
                name = f"{_TRIGGER}_{when.lower()}"
                kept.add((oid, name))
                # Only its owner could remove it again.
                if not owner and present.get((oid, name), ("", ""))[1] != _ALWAYS:
                    made += _making(oid, on, name, when, noting=not (fresh or is_root))
    dropped = [
        f"DROP TRIGGER {name} ON {table}" for (oid, name), (table, _) in present.items() if (oid, name) not in kept
    ]
    if made and not _has_function(connection):
        made.insert(0, _CREATE)
    if not kept and _has_function(connection):
        dropped.append(f"DROP FUNCTION {_FUNCTION}()")
    return [_PATIENCE, *dropped, *made] if dropped or made else []


def findings(connection: Connection, tables: Iterable[Table]) -> Iterator[Finding]:
    """Which partitions can have no trigger."""
    present = {oid for oid, _, _, enabled in _present(connection) if enabled == _ALWAYS}
    for table in tables:
        for oid, on, is_root, owner in _wanted(connection, table):
            if owner and not is_root and oid not in present:
                message = f"its partition {on} is another role's: a TRUNCATE of it alone would go unnoticed"
                remedy = f"Run GRANT {owner} TO this role, then `admin-sync install`"
                yield Finding(f"table {table.name}", Severity.WARNING, message, remedy)


def removal_statements(connection: Connection) -> list[str]:
    """The SQL that removes all of it."""
    return statements(connection, (), fresh=True)


def _making(oid: int, on: str, name: str, when: str, *, noting: bool) -> Iterator[str]:
    yield (
        f"CREATE OR REPLACE TRIGGER {name} {when} TRUNCATE ON {on} FOR EACH STATEMENT EXECUTE FUNCTION {_FUNCTION}()"
    )
    yield f"ALTER TABLE {on} ENABLE ALWAYS TRIGGER {name}"
    if noting:
        why = literal(f"{on} may have been truncated before its trigger stood")
        yield (
            f"INSERT INTO {META} SELECT 'lost', {why} FROM pg_class WHERE oid = {oid} AND relfilenode <> oid"
            " ON CONFLICT DO NOTHING"
        )


def _wanted(connection: Connection, table: Table) -> list[tuple[int, str, bool, str]]:
    """Where triggers belong: OID, name as SQL, whether it is the root, and its owner where we have not its rights."""
    if table.kind != "p":
        return []
    rows = connection.execute(_WANTED.encode(), (table.oid,)).fetchall()
    return cast("list[tuple[int, str, bool, str]]", rows)


def _present(connection: Connection) -> list[tuple[int, str, str, str]]:
    return cast("list[tuple[int, str, str, str]]", connection.execute(_PRESENT.encode()).fetchall())


def _has_function(connection: Connection) -> bool:
    row = connection.execute(_HAS_FUNCTION.encode()).fetchone()
    return row is not None and row[0] is True
