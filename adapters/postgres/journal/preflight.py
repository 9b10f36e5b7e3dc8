"""Preflight of the journal: which rights it lacks, and what writes past its triggers.

The rule it keeps: a finding that needs a person names the remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapters.postgres.catalog import Table
from adapters.postgres.connection import Connection
from adapters.postgres.journal.notes import JOURNAL
from adapters.postgres.schema import has_schema, has_table
from sync.model.catalog import Finding, Severity

_LARGE_BYTES = 1 << 30
_ROLE = """
SELECT current_user::text, has_database_privilege(current_database(), 'CREATE'),
       current_setting('max_prepared_transactions')"""
_RIGHTS = """
SELECT oid::bigint, has_table_privilege(oid, 'TRIGGER'), pg_has_role(relowner, 'USAGE') FROM pg_class
 WHERE oid = ANY (%s)"""
_SUBSCRIBED = "SELECT DISTINCT srrelid::bigint FROM pg_subscription_rel WHERE srrelid = ANY (%s)"


def findings(connection: Connection, tables: Mapping[str, Table]) -> Iterator[Finding]:
    """What there is to say about capturing these tables."""
    row = connection.execute(_ROLE.encode()).fetchone()
    if row is None:
        return
    role, may_create, prepared = row
    if not may_create and not has_schema(connection):
        remedy = f"Run GRANT CREATE ON DATABASE … TO {role}, or install as the database's owner"
        yield Finding("rights", Severity.PROBLEM, f"role {role} may not make a schema in this database", remedy)
    oids = [table.oid for table in tables.values()]
    rights = {int(str(oid)): (may, owns) for oid, may, owns in connection.execute(_RIGHTS.encode(), (oids,)).fetchall()}
    subscribed = {int(str(oid)) for (oid,) in connection.execute(_SUBSCRIBED.encode(), (oids,)).fetchall()}
    for name, table in tables.items():
        subject = f"table {name}"
        may, owns = rights.get(table.oid, (True, True))
        if not may:
            remedy = f"Run GRANT TRIGGER ON {table.quoted} TO {role}"
            yield Finding(subject, Severity.PROBLEM, f"role {role} may not make triggers on it", remedy)
        elif not owns:
            message = "what sessions in replica role write is not captured, for only its owner can have that"
            yield Finding(subject, Severity.WARNING, message, f"Install as its owner, or make {role} a member of it")
        if table.oid in subscribed:
            message = "a subscription of PostgreSQL's own writes to it, which fires no trigger of ours"
            yield Finding(subject, Severity.WARNING, message, "End the subscription, or set database.capture to log")
    if prepared != "0":
        message = f"max_prepared_transactions is {prepared}: commits are asked for, 50 times a second"
        yield Finding("wake-up", Severity.OK, message)
    if has_table(connection, JOURNAL):
        yield _size(connection)


def _size(connection: Connection) -> Finding:
    row = connection.execute("SELECT pg_total_relation_size(%s::regclass)", (JOURNAL,)).fetchone()
    size_bytes = int(str(row[0])) if row is not None else 0
    if size_bytes < _LARGE_BYTES:
        return Finding("journal", Severity.OK, f"it takes {size_bytes >> 20} MiB")
    remedy = "See whether `admin-sync run` is running, its spool has room, and autovacuum is on"
    return Finding("journal", Severity.WARNING, f"it takes {size_bytes >> 30} GiB", remedy)
