"""The traffic as a program of its own, at a steady pace: python -m sync.demo.traffic URL SEED SECONDS RATE.

It is a process, so that neither the nodes nor whoever measures them share an interpreter with it. The rule it keeps:
one line for each administration step, printed after its commit, with the very time that its probe row carries.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

from sync.demo.database import database
from sync.demo.workload import CALL_ROWS_PER_ADMIN_STEP, Writer

CALL_ROWS_MAX: Final = 250
"""Call rows a transaction: on a real server, too, they come in batches and hold the database only for a moment."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line: an administration step; or, with number 0, the end, after which nothing was written."""

    number: int
    written_ns: int
    """Wall clock, as in the probe row."""
    kind: str
    rows: int
    calls: int
    """Call rows written so far, by all steps."""


def paced(
    writer: Writer,
    written_ns: Callable[[], int],
    seconds: float,
    now_s: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[Step]:
    """Work for so long: steps when they are due, call data at ten times their rows in between; then the end.

    `written_ns` gives the time that the writer put into its last probe row. Where the machine is too slow for the
    rate, steps follow each other without a pause and none is made up for.
    """
    end_s = now_s() + seconds
    due_s = now_s()
    owed = 0
    while now_s() < end_s:
        pause_s = due_s - now_s()
        if pause_s <= 0:
            kind, rows = writer.admin_step()
            owed += CALL_ROWS_PER_ADMIN_STEP * rows
            due_s = max(due_s + writer.interval_s, now_s())
            yield Step(writer.steps, written_ns(), kind, rows, writer.calls)
        elif not owed:
            sleep(max(0.0, min(pause_s, end_s - now_s())))
        if owed:
            owed -= writer.call_step(min(owed, CALL_ROWS_MAX))
    while owed:
        owed -= writer.call_step(min(owed, CALL_ROWS_MAX))
    yield Step(0, 0, "", 0, writer.calls)


class _Recorded:
    """A clock that remembers what it said last."""

    def __init__(self) -> None:
        self.last_ns = 0

    def __call__(self) -> int:
        self.last_ns = time.time_ns()
        return self.last_ns


def main() -> None:
    url, seed, seconds, rate_per_s = sys.argv[1:]
    clock = _Recorded()
    with Writer(database(url), int(seed), float(rate_per_s), now_ns=clock) as writer:
        for step in paced(writer, lambda: clock.last_ns, float(seconds), time.monotonic, time.sleep):
            sys.stdout.write(json.dumps(asdict(step)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
