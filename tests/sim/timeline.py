"""Virtual time: a heap of what is to happen, and a clock that moves only when it does.

The rule it keeps: the same seed gives the same order, to the last call, and nothing of a node that crashed goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

WALL_START_US = 1_700_000_000_000_000


class Crash(BaseException):
    """The node that runs now has lost its process: nothing of it may go on, whatever it catches."""


class Life:
    """One process of a node, from its start to its end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True


class Timeline:
    """Implements `ports.Clock`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.jumped_us = 0
        """How far the wall clock was set forward (or back)."""
        self.steps = 0
        self.on_crash: Callable[[Life], None] = lambda _: None
        self._heap: list[tuple[float, int, Life | None, Callable[[], None]]] = []
        self._number = 0

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment."""
        return 1000.0 + self.now

    def wall_us(self) -> int:
        """Microseconds since 1970 UTC, as the clock shows them."""
        return WALL_START_US + int(self.now * 1_000_000) + self.jumped_us

    def at(self, delay_s: float, call: Callable[[], None], life: Life | None = None) -> None:
        """Have `call` happen after a while, if the process that asked still lives then."""
        self._number += 1
        heappush(self._heap, (self.now + delay_s, self._number, life, call))

    def step(self) -> bool:
        """Let the next thing happen; False where nothing is left."""
        if not self._heap:
            return False
        self.now, _, life, call = heappop(self._heap)
        if life is not None and not life.alive:
            return True
        self.steps += 1
        try:
            call()
        except Crash:
            if life is None:
                raise
            self.on_crash(life)
        return True

    def run_until(self, moment_s: float) -> None:
        """Let everything happen that is due before a moment."""
        while self._heap and self._heap[0][0] < moment_s:
            self.step()
        self.now = max(self.now, moment_s)
