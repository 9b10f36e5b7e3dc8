"""How long to wait before trying again: longer each time, and never in step with others.

Intuition: whatever failed, ten clients that come back at the same moment make it fail again. So only the ceiling
doubles; the wait itself is drawn anywhere below it (full jitter), which spreads any crowd in a few rounds.

The rule it keeps: chance is injected, the ceiling never exceeds `limit_s`, and success resets it.
"""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """The waits between attempts at one thing."""

    def __init__(self, first_s: float = 0.1, limit_s: float = 15.0, *, random: Callable[[], float]) -> None:
        """`random` gives numbers from 0 (inclusive) to 1 (exclusive)."""
        assert 0 < first_s <= limit_s
        self._first_s = first_s
        self._limit_s = limit_s
        self._random = random
        self._ceiling_s = first_s

    @property
    def ceiling_s(self) -> float:
        """The longest that the next wait can be."""
        return self._ceiling_s

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        wait_s = self._random() * self._ceiling_s
        self._ceiling_s = min(self._limit_s, self._ceiling_s * 2)
        return wait_s

    def reset(self) -> None:
        """It worked: the next failure starts small again."""
        self._ceiling_s = self._first_s
