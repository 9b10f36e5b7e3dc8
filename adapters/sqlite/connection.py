"""Connections to a SQLite file, and SQLite's refusals as errors of ours.

The rule it keeps: an error's class follows from SQLite's result code, never from the wording of a message.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote as quote_url

from sync.errors import AdminSyncError, DatabaseBusy, DatabaseError, DatabaseRefused, UsageError

VERSION_MIN = (3, 35, 0)
BUSY_TIMEOUT_MS = 2000
_STATEMENTS_CACHED = 1024
_CACHE_KIB = 32 * 1024
"""Keys are looked up in no order, so the inner pages of the larger indexes should stay at hand."""

_PREFIX = "sqlite:///"
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_ROW = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}
_REMEDIES = {
    sqlite3.SQLITE_FULL: "Free space on the database's disk",
    sqlite3.SQLITE_READONLY: "Make the database file and its directory writable for this user",
    sqlite3.SQLITE_CANTOPEN: "Check that the file exists and that this user may read and write it and its directory",
    sqlite3.SQLITE_PERM: "Make the database file readable and writable for this user",
    sqlite3.SQLITE_AUTH: "Make the database file readable and writable for this user",
    sqlite3.SQLITE_CORRUPT: "Restore the database from a backup; PRAGMA integrity_check shows the damage",
    sqlite3.SQLITE_NOTADB: "Check the path: the file is not a SQLite database",
    sqlite3.SQLITE_IOERR: "Check the database's disk",
}


def path_of(url: str) -> str:
    """Give the file's path of `sqlite:///relative/path` or `sqlite:////absolute/path`."""
    path = url[len(_PREFIX) :] if url.startswith(_PREFIX) else ""
    if not path or "\0" in path:
        raise UsageError(
            "this is no SQLite URL",
            url,
            "Write sqlite:///relative/path or, with four slashes, sqlite:////absolute/path",
        )
    return path


def connect(path: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> sqlite3.Connection:
    """Open an existing database file; transactions are begun by hand.

    Raises `DatabaseRefused` where the file is missing, is no database, or can not be opened.
    """
    what = f"could not open {path}"
    if sqlite3.sqlite_version_info < VERSION_MIN:
        needed = ".".join(map(str, VERSION_MIN))
        raise DatabaseRefused(what, f"SQLite {sqlite3.sqlite_version} is too old", f"Use SQLite {needed} or later")
    with refusals(what):
        connection = sqlite3.connect(
            f"file:{quote_url(os.path.abspath(path))}?mode=rw",  # noqa: PTH100 a name is wanted, not a Path
            uri=True,
            isolation_level=None,
            # An owner may open on one thread and close on another; it never uses two at once.
            check_same_thread=False,
            cached_statements=_STATEMENTS_CACHED,
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms:d}")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute("PRAGMA schema_version").fetchone()
        except BaseException:
            connection.close()
            raise
    return connection


def primary_code(error: BaseException) -> int:
    """SQLite's primary result code; 0 where the error did not come from SQLite itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_row_error(error: BaseException) -> bool:
    """Whether one row's values are at fault, and not the database."""
    if isinstance(error, (OverflowError, UnicodeError, TypeError, sqlite3.DataError)):
        return True
    code = primary_code(error)
    # The driver refuses to bind a value that SQLite has no type for, and gives no result code then.
    unbound = code == 0 and isinstance(error, (sqlite3.InterfaceError, sqlite3.ProgrammingError))
    return unbound or code in _ROW


def translated(error: sqlite3.Error | sqlite3.Warning, what: str) -> DatabaseError:
    """SQLite's error as one of ours; `what` says in lower case what was tried."""
    code = primary_code(error)
    name = getattr(error, "sqlite_errorname", "")
    why = f"{error} ({name})" if name else str(error)
    if code in _BUSY:
        return DatabaseBusy(what, why, "It is tried again; find out which program holds the database locked")
    if code == 0 and isinstance(error, sqlite3.OperationalError):
        return DatabaseRefused(
            what, f"a text in the database is not valid UTF-8: {error}", "Correct the value, or store it as a BLOB"
        )
    return DatabaseRefused(what, why, _REMEDIES.get(code, ""))


def file_behind(path: str) -> tuple[int, int]:
    """Give the file that the path names now, as (device, inode).

    A connection goes on with the file that it opened, wherever that was moved: only this tells. Raises
    `DatabaseRefused` where there is none.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 once a transaction, and a Path would be made for each
    except OSError as error:
        what = f"could not find {path}"
        raise DatabaseRefused(what, error.strerror or str(error), _REMEDIES[sqlite3.SQLITE_CANTOPEN]) from error
    return found.st_dev, found.st_ino


def demand_same_file(path: str, opened: tuple[int, int]) -> None:
    """Raise `DatabaseRefused` where the path does not name the file any more that was opened."""
    if file_behind(path) != opened:
        what = f"could not go on with {path}"
        raise DatabaseRefused(what, "another file was put in its place", "It is opened again")


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Raise what SQLite raises inside as an error of ours."""
    try:
        yield
    except AdminSyncError:
        raise
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise translated(error, what) from error


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Run a block in one transaction: all of it or nothing."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        undo(connection)
        raise


def undo(connection: sqlite3.Connection) -> None:
    """Roll back where there is something to roll back."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
