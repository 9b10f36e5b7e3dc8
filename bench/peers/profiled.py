"""Runs `admin-sync` with every thread under cProfile: `python -m bench.peers.profiled FILE run -c …`.

The clock is each thread's own CPU time: waiting costs nothing, and what runs is charged to the thread that runs it.
SIGUSR1 begins, SIGUSR2 stores in FILE what all threads together did since. Read it with `python -m pstats FILE`.
"""

from __future__ import annotations

import cProfile
import marshal
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BEGIN, END = signal.SIGUSR1, signal.SIGUSR2
Counts = dict[tuple[str, int, str], list[float]]
"""Calls, calls that were not recursive, own seconds, seconds with what was called; by function."""

_run = threading.Thread.run


class Threads:
    """The profiles of all threads of this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._profiles: list[cProfile.Profile] = []
        self._begun: Counts = {}

    def under(self, run: Callable[[], object]) -> None:
        """Run in this thread, profiled."""
        profile = cProfile.Profile(time.thread_time)
        self._profiles.append(profile)
        profile.enable()
        try:
            run()
        finally:
            profile.disable()

    def begin(self, *_: object) -> None:
        self._begun = self._counts()

    def store(self, *_: object) -> None:
        stats: dict[Any, Any] = {}
        for function, now in self._counts().items():
            before = self._begun.get(function, [0, 0, 0.0, 0.0])
            calls = [one - other for one, other in zip(now, before, strict=True)]
            if calls[0]:
                stats[function] = (int(calls[1]), int(calls[0]), calls[2], calls[3], {})
        aside = self._path.with_suffix(".part")
        aside.write_bytes(marshal.dumps(stats))
        aside.rename(self._path)

    def _counts(self) -> Counts:
        total: Counts = {}
        for profile in self._profiles:
            for entry in profile.getstats():
                into = total.setdefault(_label(entry.code), [0, 0, 0.0, 0.0])
                once = entry.callcount - entry.reccallcount
                for place, value in enumerate((entry.callcount, once, entry.inlinetime, entry.totaltime)):
                    into[place] += value
        return total


def _label(code: Any) -> tuple[str, int, str]:  # noqa: ANN401
    """As pstats names functions."""
    return ("~", 0, code) if isinstance(code, str) else (code.co_filename, code.co_firstlineno, code.co_name)


def main() -> None:
    """Profile `admin-sync` with the arguments behind the first."""
    from sync.cli import main as admin_sync  # noqa: PLC0415  whoever imports the names above needs no CLI

    threads = Threads(Path(sys.argv.pop(1)))
    signal.signal(BEGIN, threads.begin)
    signal.signal(END, threads.store)

    def run(self: threading.Thread) -> None:
        threads.under(lambda: _run(self))

    threading.Thread.run = run  # type: ignore[method-assign]
    threads.under(admin_sync)


if __name__ == "__main__":
    main()
