"""Waiting for somebody to write to a database's files, where the system can tell (Linux, by inotify).

The rule it keeps: it is a hint, never a proof. SQLite writes a commit to its log before other connections can see it,
and a file system may not report at all; who waits here looks at the database all the same, only less often.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import sys
import threading
from typing import Self

_IN_MODIFY = 0x2
_READ_BYTES = 1 << 16


class FileEvents:
    """Watches files until `close`. One thread waits; any may `wake`."""

    def __init__(self, notices: int, bell: int) -> None:
        self._notices, self._bell = notices, bell
        self._poll = select.poll()
        self._poll.register(notices, select.POLLIN)
        self._poll.register(bell, select.POLLIN)
        self._closing = threading.Lock()

    @classmethod
    def of(cls, paths: list[str]) -> Self | None:
        """Watch those of the files that exist; None where that can not be done here."""
        if sys.platform != "linux":
            return None
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            notices = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError):
            return None
        if notices < 0:
            return None
        watched = [libc.inotify_add_watch(notices, os.fsencode(path), _IN_MODIFY) for path in paths]
        if max(watched) < 0:
            os.close(notices)
            return None
        return cls(notices, os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))

    def wait(self, timeout_s: float) -> bool:
        """Whether a file was written to before the timeout or `wake`."""
        ready = [number for number, _ in self._poll.poll(max(0.0, timeout_s) * 1000)]
        for number in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(number, _READ_BYTES)
        return self._notices in ready

    def wake(self) -> None:
        """Let a running wait, or else the next one, return soon."""
        with self._closing:
            if self._bell >= 0:
                os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Stop watching; safe twice."""
        with self._closing:
            if self._bell >= 0:
                os.close(self._notices)
                os.close(self._bell)
                self._notices = self._bell = -1
