"""What shall go wrong on purpose, said beforehand by a test.

A fault waits at a point of the session's way until a statement with its text comes there for the nth time, and happens
once. `Hold` needs no clock: the session waits until the test lets it go.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import Enum, auto

from tests.drda.engine import Refused


class Point(Enum):
    """Where a session looks for faults. A statement's text, or what the driver asked for, is matched there."""

    ACCESS = auto()
    PREPARE = auto()
    EXECUTE = auto()
    EXECUTED = auto()
    FETCH = auto()
    COMMIT = auto()
    COMMITTED = auto()
    ROLLBACK = auto()


class ConnectionCut(Exception):
    """The client's connection ends here, without a reply."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The statement, or the commit, fails."""

    sqlcode: int
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """No reply until `Faults.release`, or until the server closes."""


@dataclass(frozen=True, slots=True)
class Slow:
    """The reply comes late."""

    seconds: float


Action = Cut | Refuse | Hold | Slow


@dataclass(slots=True)
class _Fault:
    point: Point
    text: str
    left: int
    action: Action


class Faults:
    """The faults to come, shared by all sessions of a server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Fault] = []
        self._held = threading.Event()
        self._released = threading.Event()

    def at(self, point: Point, text: str, action: Action, nth: int) -> None:
        with self._lock:
            self._waiting.append(_Fault(point, text.lower(), nth, action))
            if isinstance(action, Hold):
                self._held.clear()
                self._released.clear()

    def reach(self, point: Point, text: str = "") -> None:
        """Called by a session. Raise `ConnectionCut` or `Refused` where that is what is due."""
        with self._lock:
            due = None
            for fault in self._waiting:
                if fault.point is point and fault.text in text.lower():
                    fault.left -= 1
                    due = due or (fault if fault.left <= 0 else None)
            if due:
                self._waiting.remove(due)
        if due:
            self._act(due.action)

    def _act(self, action: Action) -> None:
        match action:
            case Cut():
                raise ConnectionCut
            case Refuse(sqlcode, tokens):
                raise Refused(sqlcode, *tokens)
            case Slow(seconds):
                time.sleep(seconds)
            case Hold():
                self._held.set()
                self._released.wait()

    def held(self, timeout_s: float) -> bool:
        """Wait until a session is held."""
        return self._held.wait(timeout_s)

    def release(self) -> None:
        self._released.set()

    def left(self) -> int:
        """How many have not happened: a test that means to meet one checks that this is zero."""
        with self._lock:
            return len(self._waiting)
