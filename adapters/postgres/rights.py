"""Rights: what the role may not do that capture or apply needs, each with the statement that grants it.

The rule it keeps: nothing is tried out. The server is asked what the role may do, and whoever reads the findings can
hand the remedies to a database administrator as they are. What is installed already needs no right to install it.
Source of facts: the privileges that PostgreSQL's manual names for CREATE PUBLICATION, triggers and what is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from adapters.postgres.catalog import SCHEMA, Table, quote
from adapters.postgres.connection import Connection
from adapters.postgres.guard import TRIGGER
from adapters.postgres.publication import PUBLICATION
from adapters.postgres.schema import META, has_schema, has_table
from sync.model.catalog import Finding, Severity

_ROLE: Final = """
SELECT quote_ident(current_user), quote_ident(current_database()), has_database_privilege(current_database(), 'CREATE'),
       has_database_privilege(current_database(), 'TEMP')"""
_TABLE: Final = """
SELECT quote_ident(n.nspname), has_schema_privilege(n.oid, 'USAGE'), quote_ident(pg_get_userbyid(c.relowner)),
       pg_has_role(c.relowner, 'USAGE'),
       ARRAY(SELECT right_ FROM unnest(%s::text[]) right_ WHERE NOT has_table_privilege(c.oid, right_)),
       c.relrowsecurity AND NOT r.rolbypassrls AND NOT r.rolsuper
         AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')),
       EXISTS (SELECT FROM pg_publication_rel o JOIN pg_publication p ON p.oid = o.prpubid
                WHERE o.prrelid = c.oid AND p.pubname = %s),
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = %s)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.rolname = current_user
 WHERE c.oid = %s"""
_CASCADES: Final = """
SELECT conname::text, conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
 WHERE contype = 'f' AND conparentid = 0 AND confrelid = ANY (%s::oid[])
   AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd')) ORDER BY 2, 1"""
_DEFERRABLE: Final = """
SELECT conname::text, conrelid::regclass::text FROM pg_constraint
 WHERE contype IN ('p', 'u', 'x') AND condeferrable AND conparentid = 0 AND conrelid = ANY (%s::oid[]) ORDER BY 2, 1"""
_WRITING: Final = ["SELECT", "INSERT", "UPDATE", "DELETE"]


def capturing(connection: Connection, tables: Iterable[Table]) -> Iterator[Finding]:
    """What the role lacks to capture these tables from the log."""
    user, database, may_create, _ = _role(connection)
    if not may_create and not has_schema(connection):
        yield _lacks(user, f"may not install anything in {database}", f"GRANT CREATE ON DATABASE {database} TO {user}")
    yield from _ours(connection, user)
    for table in tables:
        found = _Held(connection, table, ["SELECT"])
        yield from found.lacking(user)
        if not found.owns and not found.published:
            why = f"does not own table {table.name}, which only its owner can publish"
            yield _lacks(user, why, f"GRANT {found.owner} TO {user}")


def applying(connection: Connection, tables: Iterable[Table], *, replica: bool) -> Iterator[Finding]:
    """What the role lacks to apply to these tables, and what applying does that nobody may expect.

    `replica` tells whether the role may switch to the replica role, in which triggers and foreign keys do not fire.
    """
    user, database, may_create, may_stage = _role(connection)
    if not may_create and not has_schema(connection):
        yield _lacks(user, f"may not install anything in {database}", f"GRANT CREATE ON DATABASE {database} TO {user}")
    if not may_stage:
        why = f"may not make temporary tables in {database}, which large batches need"
        yield _lacks(user, why, f"GRANT TEMPORARY ON DATABASE {database} TO {user}")
    yield from _ours(connection, user)
    oids = []
    for table in tables:
        oids.append(table.oid)
        found = _Held(connection, table, _WRITING)
        yield from found.lacking(user)
        if not found.owns and not found.guarded:
            why = f"does not own table {table.name}, whose write guard only its owner can install"
            yield _lacks(user, why, f"GRANT {found.owner} TO {user}")
    yield from _deferrable(connection, oids) if replica else _cascades(connection, oids, user)


def _cascades(connection: Connection, oids: list[int], user: str) -> Iterator[Finding]:
    for constraint, table, referred in connection.execute(_CASCADES, (oids,)).fetchall():
        yield Finding(
            f"table {referred}",
            Severity.PROBLEM,
            f"foreign key {constraint} of {table} changes other rows when an applied row goes or gets another key",
            f"Run GRANT SET ON PARAMETER session_replication_role TO {user} (PostgreSQL 15 or later), or ALTER TABLE"
            f" {table} DROP CONSTRAINT {quote(str(constraint))}",
        )


def _deferrable(connection: Connection, oids: list[int]) -> Iterator[Finding]:
    """PostgreSQL checks such a constraint by a trigger, and it fires none for applied rows."""
    for constraint, table in connection.execute(_DEFERRABLE, (oids,)).fetchall():
        yield Finding(
            f"table {table}",
            Severity.WARNING,
            f"constraint {constraint} is deferrable: the server does not check it for applied rows, only the primary"
            " does",
            "Make it NOT DEFERRABLE on this database where rows of this server's own stand in the table",
        )


def _role(connection: Connection) -> tuple[str, str, bool, bool]:
    row = connection.execute(_ROLE.encode()).fetchone() or ("", "", False, False)
    return str(row[0]), str(row[1]), row[2] is True, row[3] is True


def shut_out(connection: Connection) -> list[Finding]:
    """What the role lacks to see what another role has installed; nothing else can be looked at before."""
    query = "SELECT quote_ident(current_user), has_schema_privilege(%s, 'USAGE')"
    row = connection.execute(query, (SCHEMA,)).fetchone() if has_schema(connection) else None
    if row is None or row[1]:
        return []
    user = str(row[0])
    found = _lacks(user, f"may not use schema {SCHEMA}", f"GRANT USAGE ON SCHEMA {SCHEMA} TO {user}")
    return [found, _our_tables(user)]


def _ours(connection: Connection, user: str) -> Iterator[Finding]:
    """Rights on what another role has installed."""
    if not has_table(connection, META):
        return
    query = "SELECT bool_and(has_table_privilege(%s, right_)) FROM unnest(%s::text[]) right_"
    row = connection.execute(query, (META, _WRITING)).fetchone()
    if row is None or row[0] is not True:
        yield _our_tables(user)


def _our_tables(user: str) -> Finding:
    grant = f"GRANT {', '.join(_WRITING)} ON ALL TABLES IN SCHEMA {SCHEMA} TO {user}"
    return _lacks(user, f"may not write to the tables of schema {SCHEMA}", grant)


class _Held:
    """What the role holds on one table."""

    def __init__(self, connection: Connection, table: Table, rights: list[str]) -> None:
        row = connection.execute(_TABLE, (rights, PUBLICATION, TRIGGER, table.oid)).fetchone()
        self._table = table
        namespace, enters, owner, owns, lacking, hidden, published, guarded = row or (
            "",
            True,
            "",
            True,
            [],
            *[False] * 3,
        )
        self.owner = str(owner)
        self.owns, self.published, self.guarded = owns is True, published is True, guarded is True
        self._namespace, self._enters, self._hidden = namespace, enters is True, hidden is True
        self._lacking = ", ".join(map(str, lacking)) if isinstance(lacking, list) else ""

    def lacking(self, user: str) -> Iterator[Finding]:
        """What it would need besides."""
        name = self._table.name
        if not self._enters:
            yield _lacks(
                user, f"may not use schema {self._namespace}", f"GRANT USAGE ON SCHEMA {self._namespace} TO {user}"
            )
        if self._lacking:
            grant = f"GRANT {self._lacking} ON {self._table.quoted} TO {user}"
            yield _lacks(user, f"may not {self._lacking} on table {name}", grant)
        if self._hidden:
            why = f"is subject to the row policies of table {name}, which hide rows"
            yield _lacks(user, why, f"ALTER ROLE {user} BYPASSRLS")


def _lacks(user: str, why: str, statement: str) -> Finding:
    return Finding("rights", Severity.PROBLEM, f"role {user} {why}", f"Run {statement}")
