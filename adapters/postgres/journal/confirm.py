"""Clearing the journal of what is durable elsewhere.

The rule it keeps: exactly the notes that a confirmed cut held are deleted, and no others, whatever their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic as _monotonic

from adapters.postgres.connection import Connection, transaction
from adapters.postgres.journal.notes import JOURNAL
from adapters.postgres.journal.snapshot import NOTHING, Snapshot
from adapters.postgres.schema import set_meta
from sync.model.position import Position


class Confirmations:
    """Remembers which cut ended where, and clears what was confirmed when it is due."""

    def __init__(self, *, monotonic: Callable[[], float] = _monotonic, interval_s: float = 1.0) -> None:
        self._monotonic = monotonic
        self._interval_s = interval_s
        self._due_s = 0.0
        self._cuts: deque[tuple[int, Snapshot]] = deque()
        self._cleared = NOTHING
        self._wanted: tuple[int, Snapshot] | None = None

    def start(self) -> None:
        """Begin anew: nothing of what the journal holds was given yet."""
        self._cuts.clear()
        self._cleared, self._wanted = NOTHING, None

    def given(self, position: int, snapshot: Snapshot) -> None:
        """Note that the cut at this position held all that the snapshot shows."""
        self._cuts.append((position, snapshot))

    def add(self, position: Position) -> None:
        """Note that everything up to here may go."""
        while self._cuts and self._cuts[0][0] <= position:
            self._wanted = self._cuts.popleft()

    def clear(self, connection: Connection, *, now: bool = False) -> None:
        """Delete what may go, where it is time to, or at once."""
        if self._wanted is None or not (now or self._monotonic() >= self._due_s):
            return
        self._due_s = self._monotonic() + self._interval_s
        position, snapshot = self._wanted
        with transaction(connection):
            connection.execute(f"DELETE FROM {JOURNAL} WHERE {self._cleared.hidden} AND {snapshot.shown}".encode())
            set_meta(connection, "confirmed", str(position))
        self._cleared, self._wanted = snapshot, None
