"""Preflight: what would keep capture or apply from working, found before they start.

The rule it keeps: a finding that needs a person names the remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapters.postgres import choice, guard, publication, retention, rights, standing, truncation
from adapters.postgres.catalog import Obstacles, Table, read_tables
from adapters.postgres.connection import Connection
from adapters.postgres.journal import preflight as journal
from adapters.postgres.row_filter import RuleOf, filter_of
from adapters.postgres.schema import CHECKPOINT, META, has_table, meta
from adapters.postgres.session import MAY_SET_ORIGIN
from sync.errors import DatabaseRefused
from sync.model.catalog import Finding, Severity
from sync.model.schema import TableSchema

_BEHIND_MANY_BYTES = 4 << 30
_SERVER = """
SELECT current_setting('server_version'), current_setting('wal_level'), pg_is_in_recovery(),
       (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user),
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), current_user::text,
       (SELECT count(*) FROM pg_replication_slots) < current_setting('max_replication_slots')::int,
       current_setting('server_encoding')"""
_REPLICA_ROLE = "SELECT has_parameter_privilege('session_replication_role', 'SET')"
_PARAMETER_RIGHTS_SINCE = 150000


def findings(
    connection: Connection, captured: Mapping[str, TableSchema], primary: str, wanted: str, rule_of: RuleOf
) -> list[Finding]:
    """All findings, the most important first. `wanted` is the configuration's way of capture."""
    if shut_out := rights.shut_out(connection):
        return [*shut_out, *_server(connection)]
    tables = read_tables(connection)
    held = {name: tables[name] for name in captured if name in tables}
    if primary:
        found = [*_applying(connection, held), *_guard(connection, captured, primary)]
        obstacles = None
    else:
        chosen = choice.choose(connection, wanted, rule_of)
        obstacles = choice.obstacles(connection, chosen.mode)
        if chosen.mode == choice.LOG:
            found = [*_log(connection), *rights.capturing(connection, held.values()), *retention.findings(connection)]
            found += [*_row_filters(connection, held, rule_of), *truncation.findings(connection, held.values())]
        else:
            found = [*journal.findings(connection, held)]
        found += [_capture(chosen, wanted), *_installation(connection, captured, chosen), *_slot(connection)]
    found = [*_server(connection), *found, *_tables(tables, captured, obstacles)]
    order = [Severity.PROBLEM, Severity.WARNING, Severity.OK]
    return sorted(found, key=lambda finding: order.index(finding.severity))


def _row_filters(connection: Connection, tables: Mapping[str, Table], rule_of: RuleOf) -> Iterator[Finding]:
    """Where the server itself leaves out the rows that a row rule does."""
    for name, table in tables.items():
        rule = rule_of(name)
        if rule and connection.info.server_version >= publication.LISTS_SINCE:
            said, why = filter_of(table, rule)
            told = "the server sends only its rows, and refuses to drop or retype its columns meanwhile"
            yield Finding(
                f"row rule {name}", Severity.OK, told if said else f"all rows are read, and judged here: {why}"
            )


def _capture(chosen: choice.Choice, wanted: str) -> Finding:
    if why := choice.conflict(chosen, wanted):
        return Finding("capture", Severity.PROBLEM, why, choice.REMEDY)
    return Finding("capture", Severity.OK, str(chosen))


def _server(connection: Connection) -> Iterator[Finding]:
    row = connection.execute(_SERVER.encode()).fetchone()
    if row is None:
        return
    version, _, standby, _, _, _, _, encoding = row
    if standby:
        remedy = "Connect to the primary of the cluster"
        yield Finding("server", Severity.PROBLEM, "it is a standby, which accepts no writes", remedy)
    if encoding != "UTF8":
        message = f"the database's encoding is {encoding}: a text that it lacks can not be applied"
        yield Finding("encoding", Severity.WARNING, message, "Use a database with encoding UTF8")
    yield Finding("version", Severity.OK, f"PostgreSQL {version}")


def _log(connection: Connection) -> Iterator[Finding]:
    """What the server and the role lack for decoding the log."""
    row = connection.execute(_SERVER.encode()).fetchone()
    if row is None:
        return
    _, wal_level, _, replication, _, user, slots_free, _ = row
    if wal_level == "logical":
        yield Finding("wal_level", Severity.OK, "the log can be decoded")
    else:
        remedy = "Run ALTER SYSTEM SET wal_level = logical, and restart the server"
        yield Finding("wal_level", Severity.PROBLEM, f"wal_level is {wal_level}: the log lacks what is needed", remedy)
    if not replication:
        remedy = f"Run ALTER ROLE {user} REPLICATION"
        yield Finding("rights", Severity.PROBLEM, f"role {user} may not read the replication stream", remedy)
    if not slots_free and not publication.has_slot(connection):
        remedy = "Raise max_replication_slots, and restart the server"
        yield Finding("slot", Severity.PROBLEM, "the server has no free replication slot", remedy)


def _applying(connection: Connection, tables: Mapping[str, Table]) -> Iterator[Finding]:
    """The rights that applying needs, and those that make it faster or simpler."""
    row = connection.execute(_SERVER.encode()).fetchone()
    superuser, user = (bool(row[4]), row[5]) if row else (False, "")
    replica = superuser
    if not superuser and connection.info.server_version >= _PARAMETER_RIGHTS_SINCE:
        granted = connection.execute(_REPLICA_ROLE.encode()).fetchone()
        replica = granted is not None and bool(granted[0])
    if replica:
        yield Finding("replica role", Severity.OK, "triggers and foreign keys do not fire for applied rows")
    else:
        message = f"role {user} may not set session_replication_role: triggers and foreign keys fire for applied rows"
        remedy = f"Run GRANT SET ON PARAMETER session_replication_role TO {user}, and drop triggers that write"
        yield Finding("replica role", Severity.WARNING, message, remedy)
    yield from rights.applying(connection, tables.values(), replica=replica)
    may = connection.execute(MAY_SET_ORIGIN.encode()).fetchone()
    if may is not None and may[0]:
        yield Finding("replication origin", Severity.OK, "applied rows bear an origin")
    else:
        message = f"role {user} may not use replication origins: applied rows are marked by a message instead"
        yield Finding("replication origin", Severity.OK, message)


def _guard(connection: Connection, captured: Mapping[str, TableSchema], primary: str) -> Iterator[Finding]:
    subject = "installation"
    if not has_table(connection, META) or not has_table(connection, CHECKPOINT):
        yield Finding(subject, Severity.PROBLEM, "nothing is installed", "Run `admin-sync install`")
        return
    try:
        wanted = guard.guard_statements(connection, captured, primary)
    except DatabaseRefused as error:
        yield Finding(subject, Severity.PROBLEM, f"{error.what}: {error.why}", error.remedy)
        return
    if wanted or choice.choose(connection, choice.AUTO).installed:
        message = "the write guard is not as it should be: local writes may not be refused"
        yield Finding(subject, Severity.PROBLEM, message, publication.REINSTALL)
    else:
        yield Finding(subject, Severity.OK, f"write guard, the primary is {primary}")


def _installation(
    connection: Connection, captured: Mapping[str, TableSchema], chosen: choice.Choice
) -> Iterator[Finding]:
    subject = "installation"
    if not has_table(connection, META) or not has_table(connection, CHECKPOINT):
        yield Finding(subject, Severity.PROBLEM, "nothing is installed", "Run `admin-sync install`")
        return
    try:
        wanted = choice.statements(connection, captured, chosen)
    except DatabaseRefused as error:
        yield Finding(subject, Severity.PROBLEM, f"{error.what}: {error.why}", error.remedy)
        return
    if wanted:
        message = f"it is out of date by {len(wanted)} statements"
        yield Finding(subject, Severity.PROBLEM, message, publication.REINSTALL)
    else:
        yield Finding(subject, Severity.OK, f"capture, origin {meta(connection, 'origin')}")


def _slot(connection: Connection) -> Iterator[Finding]:
    if not publication.has_slot(connection):
        return
    if standing.slot_confirmed(connection) is None:
        message = "the server removed log that the slot needed: changes are lost"
        yield Finding("slot", Severity.PROBLEM, message, "Raise max_slot_wal_keep_size; all tables are copied again")
        return
    row = connection.execute(
        "SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots WHERE slot_name = %s",
        (publication.slot_name(connection),),
    ).fetchone()
    behind = int(str(row[0] or 0)) if row else 0
    if behind < _BEHIND_MANY_BYTES:
        yield Finding("slot", Severity.OK, f"it keeps {behind >> 20} MiB of log")
    else:
        remedy = "See whether `admin-sync run` is running and its spool has room"
        yield Finding("slot", Severity.WARNING, f"it keeps {behind >> 30} GiB of log", remedy)


def _tables(
    tables: Mapping[str, Table], captured: Mapping[str, TableSchema], obstacles: Obstacles | None
) -> Iterator[Finding]:
    for name, schema in sorted(captured.items()):
        table, subject = tables.get(name), f"table {name}"
        if table is None:
            yield Finding(subject, Severity.PROBLEM, "it does not exist", publication.REINSTALL)
        elif obstacles is not None and (found := obstacles(table)):
            yield Finding(subject, Severity.PROBLEM, "; ".join(found), "Do that, or exclude the table")
        elif not schema.key:
            message = "it has no key: rows are matched on all their columns, which is slow"
            yield Finding(subject, Severity.WARNING, message, "Give the table a primary key")
