"""Retention: how long the server keeps the log for the slot, and whether a standby that takes over has the slot too.

The rule it keeps: a setting by which changes can be lost is named before they are. Source of facts: the settings of
PostgreSQL's manual, "Replication", and its pages on slot synchronization.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from psycopg.conninfo import make_conninfo

from adapters.postgres import publication
from adapters.postgres.connection import Connection, connect_replication
from sync.errors import DatabaseError
from sync.model.catalog import Finding, Severity

_SETTING: Final = "SELECT setting::bigint FROM pg_settings WHERE name = %s"
_SLOT: Final = """
SELECT wal_status::text, active, safe_wal_size, coalesce(to_jsonb(s) ->> 'failover', 'false') = 'true'
  FROM pg_replication_slots s WHERE slot_name = %s"""
_STANDBYS: Final = "SELECT slot_name::text FROM pg_replication_slots WHERE slot_type = 'physical' ORDER BY 1"
_KEEP_MIN_MIB: Final = 1024


def findings(connection: Connection) -> Iterator[Finding]:
    """What to know about the stream, the slot and the log it needs."""
    row = connection.execute(_SLOT, (publication.slot_name(connection),)).fetchone()
    status, active, safe, failover = row or ("", False, None, False)
    if not active and _may_stream(connection):
        yield _reachable(connection)
    if status == "unreserved":
        message = "the slot lags so far that the server will remove log that it needs"
        remedy = "Start `admin-sync run`, or raise max_slot_wal_keep_size, at once"
        yield Finding("slot", Severity.PROBLEM, message, remedy)
    yield _kept(_number(connection, "max_slot_wal_keep_size"), safe)
    idle_s = _number(connection, "idle_replication_slot_timeout")
    if idle_s:
        message = f"the server gives up the slot after {idle_s} s without a reader; then all tables are copied again"
        remedy = "Run ALTER SYSTEM SET idle_replication_slot_timeout = 0, and SELECT pg_reload_conf()"
        yield Finding("idle slot", Severity.WARNING, message, remedy)
    if connection.info.server_version >= publication.FAILOVER_SINCE:
        yield from _failover(connection, exists=row is not None, failover=failover is True)


def _may_stream(connection: Connection) -> bool:
    query = "SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user"
    row = connection.execute(query).fetchone()
    return row is not None and row[0] is True


def _reachable(connection: Connection) -> Finding:
    """Try what capture will do first: pg_hba.conf and max_wal_senders decide about it."""
    info = make_conninfo("", **connection.info.get_parameters(), password=connection.info.password)
    try:
        connect_replication(info).finish()
    except DatabaseError as error:
        remedy = "Raise max_wal_senders and restart the server, or see its pg_hba.conf"
        return Finding("replication stream", Severity.PROBLEM, error.why, remedy)
    return Finding("replication stream", Severity.OK, "it can be opened")


def _kept(limit_mib: int | None, safe: object) -> Finding:
    if limit_mib is None or limit_mib < 0:
        message = "the server keeps its log without a limit while this node is stopped: its disk must have the room"
        return Finding("max_slot_wal_keep_size", Severity.OK, message)
    left = f", {int(str(safe)) >> 20} MiB are left" if safe is not None else ""
    message = f"the server keeps {limit_mib} MiB of log for this node{left}; beyond that all tables are copied again"
    if limit_mib >= _KEEP_MIN_MIB:
        return Finding("max_slot_wal_keep_size", Severity.OK, message)
    remedy = "Raise max_slot_wal_keep_size to what the server writes in the longest stop of this node"
    return Finding("max_slot_wal_keep_size", Severity.WARNING, message, remedy)


def _failover(connection: Connection, *, exists: bool, failover: bool) -> Iterator[Finding]:
    """Whether a standby that takes over has the slot, and everything that was read through it."""
    standbys = [str(name) for (name,) in connection.execute(_STANDBYS).fetchall()]
    if exists and not failover:
        message = "a standby that takes over has no slot: all tables are copied again then"
        yield Finding("failover", Severity.WARNING, message, "Run `admin-sync uninstall` and `admin-sync install`")
    elif standbys:
        row = connection.execute("SELECT current_setting('synchronized_standby_slots')").fetchone()
        missing = sorted(set(standbys) - {name.strip() for name in str(row[0] if row else "").split(",")})
        on_standbys = (
            "on each standby sync_replication_slots = on, hot_standby_feedback = on, primary_slot_name,"
            " and a dbname in primary_conninfo"
        )
        if missing:
            message = "capture may read what a standby has not got yet; where that takes over, all tables are copied"
            remedy = f"Set synchronized_standby_slots = '{', '.join(standbys)}' here, and {on_standbys}"
            yield Finding("failover", Severity.WARNING, message, remedy)
        else:
            yield Finding("failover", Severity.OK, f"nothing is read before the standbys have it; needed {on_standbys}")


def _number(connection: Connection, setting: str) -> int | None:
    row = connection.execute(_SETTING, (setting,)).fetchone()
    return None if row is None else int(str(row[0]))
