"""Measures the lag from outside: how old a change is when a reader of the secondary first sees it.

The rule it keeps: every step counts, also one that nobody saw alone because a later one became visible with it. Its
lag ends at the same sight. What happened around the kill is set apart and counted, not dropped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, Self

from sync.demo.database import Database
from sync.demo.workload import PROBE_KEY

LOOK_S: Final = 0.001
NS_PER_MS: Final = 1_000_000
_PROBE: Final = "SELECT action FROM shortcuts WHERE user_id = ? AND sc_name = ? AND seq = ?"


class Sight(NamedTuple):
    """When all steps up to `number` were first seen on the secondary."""

    number: int
    written_ns: int
    seen_ns: int


class Watcher:
    """A reader of the secondary: looks at the probe row all the time, on a thread of its own."""

    def __init__(self, database: Database) -> None:
        self.sights: Final[list[Sight]] = []
        """Grows while the thread runs; each number is higher than the one before."""
        self.failure: Exception | None = None
        self._database = database
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watcher", daemon=True)

    @property
    def number(self) -> int:
        """The newest step that was seen."""
        return self.sights[-1].number if self.sights else 0

    def _look(self) -> None:
        try:
            with closing(self._database.session(reading=True)) as session:
                while not self._ended.wait(LOOK_S):
                    found = session.rows(_PROBE, *PROBE_KEY)
                    seen_ns = time.time_ns()
                    if found:
                        self._take(found[0][0], seen_ns)
        except self._database.failure as error:
            self.failure = error

    def _take(self, action: str, seen_ns: int) -> None:
        number, written_ns = map(int, action.split(":"))
        if number > self.number:
            self.sights.append(Sight(number, written_ns, seen_ns))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()


@dataclass(frozen=True, slots=True)
class Lags:
    """Lags in nanoseconds, one for each step that was seen."""

    steady: Sequence[int]
    """Sorted."""
    apart: int
    """Steps first seen between the kill and the end of the catch-up; not among the steady ones."""

    def ms(self, share: float) -> float | None:
        """The lag in milliseconds that this share of the steady steps did not exceed; None where there are none."""
        if not self.steady:
            return None
        place = min(len(self.steady) - 1, int(share * len(self.steady)))
        return round(self.steady[place] / NS_PER_MS, 2)


def lags(written_ns: Sequence[int], sights: Sequence[Sight], apart_ns: tuple[int, int] | None) -> Lags:
    """Measure every step. `written_ns` has one time for each step, from step 1 on; `apart_ns` is kill and catch-up."""
    steady: list[int] = []
    apart = done = 0
    for number, _, seen_ns in sights:
        if apart_ns is not None and apart_ns[0] <= seen_ns <= apart_ns[1]:
            apart += number - done
        else:
            steady += [seen_ns - moment for moment in written_ns[done:number]]
        done = number
    return Lags(sorted(steady), apart)


def caught_up_ns(sights: Sequence[Sight], killed_ns: int, restarted_ns: int, last: int = 0) -> int | None:
    """When the secondary was as close behind again as before the kill; None where it was not seen.

    That is the first sight of a step written after the restart with a lag no longer than the worst one before the kill;
    where the traffic ended earlier, the sight of its `last` step.
    """
    worst_ns = max((sight.seen_ns - sight.written_ns for sight in sights if sight.seen_ns < killed_ns), default=0)
    for sight in sights:
        if sight.written_ns >= restarted_ns and sight.seen_ns - sight.written_ns <= worst_ns:
            return sight.seen_ns
    return sights[-1].seen_ns if sights and sights[-1].number == last else None


def oldest_unseen_ns(unseen_ns: Sequence[int], now_ns: int) -> int:
    """Age of the oldest of the steps that were not seen yet, given their times in order; 0 where there are none."""
    return max(0, now_ns - unseen_ns[0]) if unseen_ns else 0
