"""How long commits took to arrive, in fixed buckets: constant memory, quantiles good to a bucket's width.

Bounds grow by a third, from 0.1 ms to beyond an hour, so that a quantile is off by 15 % at most.
"""

from __future__ import annotations

from bisect import bisect_left

BOUNDS_S = tuple(round(0.0001 * (4 / 3) ** step, 7) for step in range(62))


class Latency:
    """A histogram of seconds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one measurement; a negative one (clocks differ) counts as 0."""
        seconds = max(0.0, seconds)
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    @property
    def count(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Upper bound in seconds of the bucket that holds this share of all measurements; None without any."""
        wanted = share * self.count
        seen = 0
        for index, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return BOUNDS_S[min(index, len(BOUNDS_S) - 1)]
        return None
