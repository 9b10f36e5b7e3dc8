"""What all benchmarks share: one way to measure a stage beside its raw limit.

The rules it keeps: a stage and its raw limit (the least that the same bytes or rows can cost here) take turns, so that
a busy machine slows both; a rate is the median of the rounds, and its noise half of the span between their quartiles.
Everything that is shown is also in the JSON, under `extra_info`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

from bench.report import Line

QUICK = os.environ.get("BENCH", "full") == "quick"
lines_of_this_run: list[Line] = []


@dataclass(frozen=True)
class Size:
    """How much a round moves, and how many there are."""

    rows: int
    rounds: int


SIZE = Size(20_000, 5) if QUICK else Size(100_000, 15)


@dataclass
class Stage:
    """Measures one stage. `work` and `raw` get what `before` made, which is not timed."""

    benchmark: BenchmarkFixture

    def __call__(
        self,
        name: str,
        work: Callable[[Any], object],
        raw: Callable[[Any], object] | None = None,
        *,
        limit: str = "",
        before: Callable[[], object] = lambda: None,
        changes: int = 0,
        bytes_: int = 0,
        rounds: int = 0,
    ) -> None:
        raw_s: list[float] = []
        timer = self.benchmark._timer

        def both() -> tuple[tuple[object], dict[str, object]]:
            if raw is not None:
                given = before()
                start = timer()
                raw(given)
                raw_s.append(timer() - start)
            return (before(),), {}

        _pedantic(self.benchmark)(work, setup=both, rounds=rounds or SIZE.rounds, warmup_rounds=0)
        stats = self.benchmark.stats
        assert stats is not None
        self.note(name, list(stats.stats.data), raw_s, limit=limit, changes=changes, bytes_=bytes_)

    def note(
        self, name: str, seconds: list[float], raw_s: list[float], *, limit: str = "", changes: int = 0, bytes_: int = 0
    ) -> None:
        """Take the rounds of a stage into the table."""
        took = median(seconds)
        ratios = [limit_s / s for limit_s, s in zip(raw_s, seconds, strict=True)] if raw_s else []
        line = Line(
            stage=name,
            changes_per_s=changes / took if changes else None,
            mb_per_s=bytes_ / took / 1e6 if bytes_ else None,
            bytes_per_change=bytes_ / changes if changes and bytes_ else None,
            limit=limit,
            ratio=median(ratios) if ratios else None,
            noise=spread(ratios or [s / took for s in seconds]),
        )
        self.keep(line)

    def figure(self, name: str, value: float, unit: str, goal: str = "", noise: float = 0.0) -> None:
        """Take one measured figure into the table: what is no rate."""
        self.keep(Line(stage=name, value=value, unit=unit, limit=goal, noise=noise))

    def keep(self, line: Line) -> None:
        lines_of_this_run.append(line)
        self.benchmark.extra_info.setdefault("lines", []).append(asdict(line))

    def once(self) -> None:
        """Tell the plugin that a benchmark took place whose rounds were timed elsewhere."""
        _pedantic(self.benchmark)(lambda: None, rounds=1)


def _pedantic(benchmark: BenchmarkFixture) -> Callable[..., object]:
    made: Callable[..., object] = benchmark.pedantic  # the plugin does not type it
    return made


def spread(values: list[float]) -> float:
    """Half the span between the quartiles, as a share of the median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / middle if middle else 0.0
