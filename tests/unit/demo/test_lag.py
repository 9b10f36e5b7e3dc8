"""The demo's lag is honest (invariant 10): every step counts once, and what is set apart is counted too."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sync.demo.lag import Sight, Watcher, caught_up_ns, lags, oldest_unseen_ns
from sync.demo.site import create
from sync.demo.sqlite import SqliteDatabase
from sync.demo.workload import Writer

MS = 1_000_000


def sight(number: int, written_ms: int, seen_ms: int) -> Sight:
    return Sight(number, written_ms * MS, seen_ms * MS)


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[int], list[Sight]]:
    """Steps with rising times, and sights of some of them, each after what it shows was written."""
    gaps = draw(st.lists(st.integers(1, 50), min_size=1, max_size=40))
    written = [sum(gaps[: place + 1]) for place in range(len(gaps))]
    numbers = sorted(draw(st.sets(st.integers(1, len(written)), min_size=1)))
    seen, sights = 0, []
    for number in numbers:
        seen = max(seen, written[number - 1]) + draw(st.integers(0, 100))
        sights.append(Sight(number, written[number - 1], seen))
    return written, sights


@given(runs(), st.integers(0, 3000), st.integers(0, 3000))
def test_every_step_up_to_the_last_sight_is_measured_or_set_apart(
    run: tuple[list[int], list[Sight]], killed: int, length: int
) -> None:
    written, sights = run
    found = lags(written, sights, (killed, killed + length))
    assert len(found.steady) + found.apart == sights[-1].number
    assert all(value >= 0 for value in found.steady)


@given(runs())
def test_a_step_that_nobody_saw_alone_is_older_than_the_one_it_came_with(run: tuple[list[int], list[Sight]]) -> None:
    written, sights = run
    found = lags(written, sights, None)
    assert min(found.steady) == min(seen.seen_ns - seen.written_ns for seen in sights)
    assert found.apart == 0


def test_percentiles_are_values_that_were_measured() -> None:
    written = [number * MS for number in range(1, 101)]
    sights = [sight(number, number, 2 * number) for number in range(1, 101)]
    found = lags(written, sights, None)
    assert (found.ms(0.5), found.ms(0.99), found.ms(1.0)) == (51.0, 100.0, 100.0)
    assert lags([], [], None).ms(0.5) is None


def test_caught_up_means_as_close_behind_as_before() -> None:
    """The first step after the restart is not enough: those that queued behind it are as late as it is."""
    before = [sight(1, 100, 105), sight(2, 120, 128)]
    late = [sight(9, 450, 2000), sight(12, 600, 2100)]
    close = [sight(40, 2200, 2208), sight(41, 2220, 2223)]
    times = (300 * MS, 400 * MS)
    assert caught_up_ns([*before, *late, *close], *times) == 2208 * MS
    assert caught_up_ns([*before, *late], *times) is None
    assert caught_up_ns([*before, *late], *times, last=12) == 2100 * MS
    assert caught_up_ns([*before, *late], *times, last=13) is None
    assert caught_up_ns([], *times) is None


def test_the_oldest_unseen_step_gives_the_age() -> None:
    assert oldest_unseen_ns([10, 20], 50) == 40
    assert oldest_unseen_ns([], 50) == 0


def until(reached: object, limit_s: float = 10.0) -> None:
    assert callable(reached)
    end_s = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < end_s, "the watcher did not see it"


def test_the_watcher_sees_steps_in_order_with_their_times(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    create(SqliteDatabase(path), "small", seed=1)
    with Writer(SqliteDatabase(path), seed=1, rate_per_s=10) as writer, Watcher(SqliteDatabase(path)) as watcher:
        for number in (1, 2, 5):
            writer.probe(number, 100 * number)
            until(lambda number=number: watcher.number == number)
    assert [(seen.number, seen.written_ns) for seen in watcher.sights] == [(1, 100), (2, 200), (5, 500)]
    assert watcher.failure is None


def test_a_watcher_that_can_not_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE empty (n)")
    with Watcher(SqliteDatabase(path)) as watcher:
        until(lambda: watcher.failure is not None)
    assert watcher.number == 0
