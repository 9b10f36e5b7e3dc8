"""PostgreSQL's refusals as errors of ours.

The rule it keeps: an error's class follows from its SQLSTATE, never from the wording of a message, which may come in
any language.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from sync.errors import AdminSyncError, DatabaseBusy, DatabaseError, DatabaseRefused

_BUSY_CLASSES: Final = {"08", "40"}
"""Connection exceptions, and transactions rolled back for another's sake."""
_BUSY_STATES: Final = {
    "53300",  # too many connections
    "55006",  # object in use
    "55P03",  # lock not available
    "57P01",  # terminated by an administrator
    "57P02",  # crash of another session
    "57P03",  # starting up or shutting down
    "57P05",  # idle session timeout
    "57014",  # canceled
}
_ROW_CLASSES: Final = {"22", "23", "44"}
"""Values that do not fit, constraints, check options of views."""
_ROW_STATES: Final = {
    "54000",  # a row too large for an index
    "54023",
    "P0001",  # raised by somebody's trigger
}
_REMEDIES: Final = {
    "28": "Check the user and the password, and the server's pg_hba.conf",
    "3D": "Check the database's name in the URL",
    "53": "Free the resource on the database server: disk, memory or connections",
    "25": "Connect to a server that accepts writes",
    "42501": "Grant this user the right; `admin-sync check` names what is needed",
    "58": "Check the database server's disk",
    "XX": "Look into the database server's log; the database may be corrupt",
}
_BUSY_REMEDY: Final = "It is tried again; if it lasts, look at the database server and at its locks"


def is_row_error(error: BaseException) -> bool:
    """Whether one row's values are at fault, and not the database."""
    state = sqlstate(error)
    return state[:2] in _ROW_CLASSES or state in _ROW_STATES


def sqlstate(error: BaseException) -> str:
    """The error's SQLSTATE; "" where the server did not give one."""
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return state or ""


def translated(error: psycopg.Error | UnicodeError, what: str) -> DatabaseError:
    """PostgreSQL's error as one of ours; `what` says in lower case what was tried."""
    state = sqlstate(error)
    why = reason(error)
    # A session that broke gives no SQLSTATE of its own.
    broken = not state and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    if broken or state[:2] in _BUSY_CLASSES or state in _BUSY_STATES:
        return DatabaseBusy(what, why, _BUSY_REMEDY)
    return DatabaseRefused(what, why, _REMEDIES.get(state, _REMEDIES.get(state[:2], "")))


def reason(error: BaseException) -> str:
    """The server's message and detail on one line, with the SQLSTATE."""
    parts = [str(error)]
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        parts = [error.diag.message_primary, error.diag.message_detail or ""]
    state = sqlstate(error)
    text = "; ".join(" ".join(part.split()).rstrip(".") for part in parts if part.strip())
    return f"{text} (SQLSTATE {state})" if state else text


def unreachable(error: psycopg.Error, conninfo: str, what: str) -> DatabaseError:
    """A connection that could not be made: busy where no server answers or it is starting, else refused.

    libpq gives no SQLSTATE for a failed connection, but can tell whether the server takes connections at all.
    """
    why = reason(error)
    if _may_not_write(conninfo):
        return DatabaseBusy(what, "no server of the URL takes writes", "It is tried again; see whether one is promoted")
    ping = pq.PGconn.ping(conninfo.encode())
    if ping in {pq.Ping.REJECT, pq.Ping.NO_RESPONSE}:
        return DatabaseBusy(what, why, "It is tried again; check that the server runs and that the address is right")
    return DatabaseRefused(what, why, "Check user, password and database, and the server's pg_hba.conf")


def _may_not_write(conninfo: str) -> bool:
    """Whether only the state of the servers, which `target_session_attrs` asks for, keeps us out: all are standbys."""
    if "target_session_attrs=" not in conninfo:
        return False
    session = pq.PGconn.connect(make_conninfo(conninfo, target_session_attrs="any").encode())
    try:
        return bool(session.status == pq.ConnStatus.OK)
    finally:
        session.finish()


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Raise what the driver raises inside as an error of ours."""
    try:
        yield
    except AdminSyncError:
        raise
    except (psycopg.Error, UnicodeError) as error:
        raise translated(error, what) from error
