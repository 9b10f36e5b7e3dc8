"""Tells from silence whether the peer is alive.

Intuition: the peer says something every `interval_s`. One missed beat is weather: a packet lost, a busy machine. A few
in a row are not. So the answer has three values: ALIVE while the last word is younger than one interval and a half,
SUSPECT from then on (worth showing, worth trying another address, not worth acting on), DOWN when `missed_max` beats
in a row stayed away. Half an interval is granted each time, because the beat that is on its way is not missed.

Silence is all there is to judge by. A peer that is DOWN may be well behind a cut cable, and may even be acting: who
promotes on this verdict needs an epoch to fence it with.

The rule it keeps: time is an argument, monotonic seconds, and never goes back inside; whoever was never heard is judged
from the first call on. A verdict of DOWN holds until the peer is heard again.
"""

from __future__ import annotations

from enum import Enum

_GRACE = 0.5
"""Intervals that a beat may be late before it counts as missed."""


class Verdict(Enum):
    """What silence says of the peer."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    DOWN = "down"


class Detector:
    """Judges one peer. Starts at the first call that brings the time."""

    def __init__(self, interval_s: float, missed_max: int) -> None:
        assert interval_s > 0
        assert missed_max >= 1
        self._interval_s = interval_s
        self._missed_max = missed_max
        self._heard_s: float | None = None

    def heard(self, now: float) -> None:
        """The peer said something; anything at all counts."""
        self._heard_s = now if self._heard_s is None else max(now, self._heard_s)

    def silence_s(self, now: float) -> float:
        """Seconds since the peer was last heard, or since the first call."""
        if self._heard_s is None:
            self._heard_s = now
        return max(0.0, now - self._heard_s)

    def judge(self, now: float) -> Verdict:
        """Say what the silence up to `now` means."""
        if now >= self._missed_at(self._missed_max, now):
            return Verdict.DOWN
        return Verdict.SUSPECT if now >= self._missed_at(1, now) else Verdict.ALIVE

    def due(self, now: float) -> float | None:
        """When the verdict changes next if the silence goes on, in the time of `now`; None once it is DOWN."""
        verdict = self.judge(now)
        if verdict is Verdict.DOWN:
            return None
        return self._missed_at(self._missed_max if verdict is Verdict.SUSPECT else 1, now)

    def _missed_at(self, beats: int, now: float) -> float:
        if self._heard_s is None:
            self._heard_s = now
        return self._heard_s + (beats + _GRACE) * self._interval_s
