"""Noticing commits: SQLite tells nobody, but a connection can ask cheaply whether another one has committed.

The rule it keeps: a commit is never overlooked (the version is noted before a snapshot is taken, so at worst the same
news is looked at twice), and waiting costs next to nothing: nothing while nobody writes to the files, else one pragma
each few milliseconds.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

from adapters.sqlite.file_events import FileEvents

_POLL_S = 0.004
_POLL_BUSY_S = 0.001
_BUSY_S = 0.25
"""For so long after news the next is looked for sooner: changes come in company."""
_PROMPT_S = 0.02
_STIRRED_S = 0.25
"""For so long after a file was written to, the commit is looked for: it shows a moment later, or after a sync."""


class Watch:
    """Waits for commits of other connections."""

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._monotonic = monotonic
        self._pause = pause
        self._version = -1
        self._woken = False
        self._busy_until_s = self._stirred_until_s = 0.0
        self._events: FileEvents | None = None

    def watch(self, path: str) -> None:
        """Have the system tell when this database's files are written to, where it can."""
        self.close()
        self._events = FileEvents.of([path, f"{path}-wal"])

    def close(self) -> None:
        """Let go of the files; waiting goes on by asking."""
        events, self._events = self._events, None
        if events is not None:
            events.close()

    def forget(self) -> None:
        """Look at the next opportunity, whatever happened before: the connection is a new one."""
        self._version = -1

    def seen(self, connection: sqlite3.Connection) -> None:
        """Note that everything committed until now will be looked at next."""
        self._version = _version(connection)

    def wake(self) -> None:
        """Let a running wait, or else the next one, return soon."""
        # Assigning a flag is atomic, and a wait that is not asleep looks at it each few milliseconds.
        self._woken = True
        events = self._events
        if events is not None:
            events.wake()

    def wait(self, connection: sqlite3.Connection, timeout_s: float, has_news: Callable[[], bool]) -> bool:
        """Whether there is news before the timeout or `wake`; `has_news` is only asked after a commit."""
        now = self._monotonic()
        deadline = now + timeout_s
        while True:
            version = _version(connection)
            if version != self._version:
                self._version = version
                if has_news():
                    self._busy_until_s = now + _BUSY_S
                    return True
            if self._woken:
                self._woken = False
                return False
            if now >= deadline:
                return False
            self._sleep(now, deadline)
            now = self._monotonic()

    def _sleep(self, now: float, deadline: float) -> None:
        """Pause until the next look is due."""
        if self._events is None or now < self._stirred_until_s:
            self._pause(min(_POLL_BUSY_S if now < self._busy_until_s else _POLL_S, deadline - now))
        elif self._events.wait(deadline - now):
            now = self._monotonic()
            self._busy_until_s, self._stirred_until_s = now + _PROMPT_S, now + _STIRRED_S


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
