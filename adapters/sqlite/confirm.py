"""Clearing the journal of what is durable elsewhere.

The rule it keeps: the applications own the database's one write lock, and the journal only borrows it: rarely, in
small slices, and giving way where it is taken. A journal row that stays too long costs nothing but its bytes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

from adapters.sqlite.connection import BUSY_TIMEOUT_MS, primary_code, transaction
from adapters.sqlite.schema import JOURNAL, set_meta
from sync.model.position import Position

_INTERVAL_S = 1.0
_SLICE_ROWS = 5000
_BUSY_TIMEOUT_MS = 50
_BUSY_MAX = 60
"""Tries in a row that found the database locked before it is called an error: a minute or more."""


class Confirmations:
    """Remembers what was confirmed, and deletes it when it is due."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic, interval_s: float = _INTERVAL_S) -> None:
        self._monotonic = monotonic
        self._interval_s = interval_s
        self._due_s = 0.0
        self._wanted = 0
        self._done = 0
        self._busy = 0

    def start(self, confirmed: int) -> None:
        """Begin with what the database says was confirmed before."""
        self._wanted = self._done = confirmed
        self._busy = 0

    def add(self, position: Position) -> None:
        """Note that everything up to here may go."""
        self._wanted = max(self._wanted, position)

    def clear(self, connection: sqlite3.Connection, *, now: bool = False) -> None:
        """Delete what may go, where it is time to, or at once.

        Gives way silently where the database is locked, and raises that error only after many tries.
        """
        if self._wanted == self._done or not (now or self._monotonic() >= self._due_s):
            return
        self._due_s = self._monotonic() + self._interval_s
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        try:
            while self._slice(connection):
                pass
            self._busy = 0
        except sqlite3.OperationalError as error:
            self._busy += 1
            if primary_code(error) != sqlite3.SQLITE_BUSY or self._busy >= _BUSY_MAX:
                raise
        finally:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    def _slice(self, connection: sqlite3.Connection) -> bool:
        """Delete one slice; gives whether another is left."""
        wanted = self._wanted
        found = connection.execute(
            f"SELECT seq FROM {JOURNAL} WHERE seq <= ? ORDER BY seq LIMIT 1 OFFSET ?", (wanted, _SLICE_ROWS)
        ).fetchone()
        upto = wanted if found is None else found[0]
        with transaction(connection):
            connection.execute(f"DELETE FROM {JOURNAL} WHERE seq <= ?", (upto,))
            set_meta(connection, "confirmed", upto)
        self._done = upto
        return found is not None
