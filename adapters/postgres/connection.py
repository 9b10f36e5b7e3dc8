"""Connections to PostgreSQL, each with the same session settings.

The rule it keeps: a value has one text form here, whatever the server's, the database's or the role's settings say, and
no error shows a password.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.postgres.errors import refusals, unreachable
from sync.errors import DatabaseRefused, UsageError

Connection = psycopg.Connection[tuple[object, ...]]

VERSION_MIN: Final = 140000
APPLICATION: Final = "admin-sync"

_DEFAULTS: Final[Mapping[str, str]] = {
    "connect_timeout": "10",
    # A peer that is gone without a word is noticed within a minute.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "fallback_application_name": APPLICATION,
}
_SETTINGS: Final[Mapping[str, str]] = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # Rows that a policy hides from this role must be an error, not a smaller table.
    "row_security": "off",
}
SESSION: Final = "; ".join(f"SET {name} = '{value}'" for name, value in _SETTINGS.items())
"""The SQL that gives a session, replication sessions too, the text forms that `types.py` reads and writes."""


def conninfo_of(url: str, password: str | None = None, **parameters: str) -> str:
    """Turn `postgresql://[user@][host][:port]/database[?parameter=value]` into a connection string for libpq.

    `parameters` win over the URL's, the URL's over our defaults. Raises `UsageError` where libpq can not read it.
    """
    try:
        parsed = conninfo_to_dict(url)
        if password is not None:
            parsed["password"] = password
        return make_conninfo("", **{**_DEFAULTS, **parsed, **parameters})
    except psycopg.Error:
        # The driver's message repeats what it could not read, and that might be the password.
        raise UsageError(
            "this is no PostgreSQL URL",
            f"libpq can not read what follows {url.partition('://')[0]}://",
            "Write postgresql://user@host:5432/database; special characters in a part are percent-encoded",
        ) from None


def place_of(url: str) -> str:
    """Server and database of a URL, for people: without user and password. Raises `UsageError`."""
    parsed = conninfo_to_dict(conninfo_of(url))
    host = str(parsed.get("host") or "local")
    port = f":{parsed['port']}" if parsed.get("port") else ""
    return f"{parsed.get('dbname') or parsed.get('user') or 'default database'} on {host}{port}"


def connect(url: str, *, password: str | None = None) -> Connection:
    """Open an SQL session in autocommit: transactions are begun by hand.

    Raises `DatabaseBusy` where the server does not answer or is starting, `DatabaseRefused` where it said no, or is
    older than PostgreSQL 14, `UsageError` where the URL can not be read.
    """
    info = conninfo_of(url, password)
    what = f"could not connect to {place_of(url)}"
    try:
        connection = psycopg.connect(info, autocommit=True)
    except psycopg.Error as error:
        raise unreachable(error, info, what) from error
    try:
        with refusals(what):
            _demand_version(connection.pgconn, what)
            connection.execute(SESSION)
            # Which statements are prepared is decided where they are written, not by how often they ran.
            connection.prepare_threshold = None
    except BaseException:
        connection.close()
        raise
    return connection


def connect_replication(url: str, *, password: str | None = None) -> pq.abc.PGconn:
    """Open a session that speaks the replication protocol for the URL's database, blocking, with our settings.

    Raises as `connect` does. The caller ends it with `finish()`.
    """
    info = conninfo_of(url, password, replication="database")
    what = f"could not connect to {place_of(url)} for replication"
    session: pq.abc.PGconn = pq.PGconn.connect(info.encode())
    try:
        _demand_connection(session, info, what)
        _demand_version(session, what)
        with refusals(what):
            _demand_settings(session)
    except BaseException:
        session.finish()
        raise
    return session


@contextmanager
def transaction(connection: Connection, characteristics: str = "") -> Iterator[None]:
    """Run a block in one transaction: all of it or nothing. `characteristics` follow BEGIN in its SQL."""
    connection.execute(f"BEGIN {characteristics}".encode())
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        undo(connection)
        raise


def undo(connection: Connection) -> None:
    """Roll back where there is something to roll back; safe on a broken connection too."""
    if connection.closed or connection.info.transaction_status == pq.TransactionStatus.IDLE:
        return
    try:
        connection.execute("ROLLBACK")
    except psycopg.Error:
        # Broken: the server rolls back by itself when it notices.
        connection.close()


def _demand_connection(session: pq.abc.PGconn, info: str, what: str) -> None:
    if session.status != pq.ConnStatus.OK:
        raise unreachable(psycopg.OperationalError(session.get_error_message()), info, what)


def _demand_settings(session: pq.abc.PGconn) -> None:
    result = session.exec_(SESSION.encode())
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result)


def _demand_version(session: pq.abc.PGconn, what: str) -> None:
    if session.server_version < VERSION_MIN:
        major = session.server_version // 10000
        raise DatabaseRefused(what, f"PostgreSQL {major} is too old", f"Use PostgreSQL {VERSION_MIN // 10000} or later")
