"""Ears: a session of its own that hears of commits, for the server tells only sessions that are in no transaction.

The rule it keeps: hearing is only quicker than asking. Nothing depends on it: where a pooler or a setting swallows the
word, the source asks as often as `POLL_S` says.
"""

from __future__ import annotations

import os
import select
import weakref
from contextlib import suppress
from typing import Final

from adapters.postgres.connection import Connection
from adapters.postgres.journal.notes import CHANNEL, PREPARES

_POLL_S: Final = 0.25
_POLL_DEAF_S: Final = 0.02
"""Where the triggers say nothing."""
_FLUSH: Final = "SELECT pg_logical_emit_message(true, 'admin_sync.flush', '')"


class Bell:
    """Ends a wait from another thread."""

    def __init__(self) -> None:
        self.end, self._rope = os.pipe()
        for end in (self.end, self._rope):
            os.set_blocking(end, False)
            weakref.finalize(self, os.close, end)

    def ring(self) -> None:
        """Let a running wait, or else the next one, end soon."""
        # Where so many calls wait to be noticed, one more changes nothing.
        with suppress(BlockingIOError):
            os.write(self._rope, b"\0")

    def was_rung(self) -> bool:
        """Whether it was, since the last ask."""
        try:
            return bool(os.read(self.end, 4096))
        except BlockingIOError:
            return False


class Ears:
    """Listens from when it is made. Owns the connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection.execute("SET synchronous_commit = local")
        connection.execute(f"LISTEN {CHANNEL}".encode())
        row = connection.execute(f"SELECT {PREPARES}".encode()).fetchone()
        self.poll_s = _POLL_DEAF_S if row is not None and row[0] else _POLL_S
        """After how long without a word it is time to ask."""

    def wait(self, timeout_s: float, bell: Bell) -> None:
        """Return when something was said, the bell was rung, or the time is over."""
        if not self._said():
            select.select([self._connection.fileno(), bell.end], [], [], max(0.0, timeout_s))

    def flush(self) -> None:
        """Return when all that was committed before is on the server's disk."""
        self._connection.execute(_FLUSH.encode())

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()

    def _said(self) -> bool:
        """Take what has come. Raises where the connection is broken."""
        session = self._connection.pgconn
        session.consume_input()
        said = False
        while session.notifies() is not None:
            said = True
        return said
