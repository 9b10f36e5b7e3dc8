"""When to beat, when the peer is silent, and how long a beat takes.

The intuition: any byte from the peer proves that it lives, so only a complete silence counts. The receiver keeps
beating while a large batch is on its way, because the sender may hear nothing else from it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

OUTSTANDING_MAX: Final = 64
"""Beats whose start is remembered; older ones are answered without a measurement."""


class Beats:
    """Times of one session, all of the injected monotonic clock, in seconds."""

    def __init__(self, interval_s: float, missed_max: int, now: float) -> None:
        self.interval_s = interval_s
        self.round_trip_s = 0.0
        self._missed_max = missed_max
        self._heard = now
        self._next = now
        self._number = 0
        self._answered = 0
        self._outstanding: deque[tuple[int, float]] = deque(maxlen=OUTSTANDING_MAX)

    def hear(self, now: float) -> None:
        self._heard = max(self._heard, now)

    def silent_s(self, now: float) -> float:
        """For how long nothing came."""
        return max(0.0, now - self._heard)

    @property
    def silence_at(self) -> float:
        """When the peer counts as silent."""
        return self._heard + self.interval_s * self._missed_max

    @property
    def beat_at(self) -> float:
        return self._next

    def beat(self, now: float) -> int:
        """Give the number of the beat that goes out now."""
        self._number += 1
        self._outstanding.append((self._number, now))
        self._next = now + self.interval_s
        return self._number

    def answer_problem(self, number: int) -> str:
        """Why a peer can not be answering this beat."""
        if self._answered < number <= self._number:
            return ""
        return f"beat {number} is answered, {self._answered + 1} to {self._number} were to be"

    def answer(self, number: int, now: float) -> float:
        """Note the answer; gives the round trip in seconds (the last known, where it was not measured)."""
        self._answered = number
        while self._outstanding and self._outstanding[0][0] <= number:
            beaten, sent = self._outstanding.popleft()
            if beaten == number:
                self.round_trip_s = max(0.0, now - sent)
        return self.round_trip_s
