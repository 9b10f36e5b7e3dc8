"""End to end, with two real processes: catching up, latency, one huge transaction, and doing nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest

from bench.admin import rows
from bench.measure import QUICK, Stage, spread
from bench.pair import UPSERT, Node, Pair, plain, running_pair

BACKLOG = 20_000 if QUICK else 200_000
ROUNDS = 3 if QUICK else 7
RATE = 200
LATENCY_S = 2 if QUICK else 15
HUGE = 50_000 if QUICK else 1_000_000
IDLE_S = 2 if QUICK else 20


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as made:
        yield made


def _marked(base: list[tuple[Any, ...]], mark: str) -> list[tuple[Any, ...]]:
    return [(*row[:3], mark, *row[4:]) for row in base]


def test_idle(stage: Stage, pair: Pair) -> None:
    """First of all: nothing has happened yet that could still be worked on."""
    time.sleep(1)
    nodes = (pair.primary, pair.secondary)
    before = [(node.cpu_s(), node.wakeups()) for node in nodes]
    start = time.perf_counter()
    time.sleep(IDLE_S)
    took = time.perf_counter() - start
    stage.once()
    for node, (cpu_s, wakeups) in zip(nodes, before, strict=True):
        role = node.place.role
        stage.figure(f"idle {role}", (node.cpu_s() - cpu_s) / took * 100, "% of a core", "under 1")
        stage.figure(f"idle {role}, wakeups", (node.wakeups() - wakeups) / took, "a second")


def test_backlog(stage: Stage, pair: Pair, tmp_path: Path) -> None:
    """A backlog waits in the journal; timed from the moment the primary goes on until the last row is visible."""
    base = rows("user_split", BACKLOG)
    beside = plain(tmp_path / "plain.db")
    seconds, raw_s, cpu_s = [], [], []
    for number in range(ROUNDS):
        changed = _marked(base, "abcdefghijklm"[number])
        pair.settle()
        with pair.primary_paused():
            pair.write(changed, 100)
            raw_s.append(_plain(beside, changed))
            before = pair.primary.cpu_s() + pair.secondary.cpu_s()
            start = time.perf_counter()
            pair.resume()
            pair.until_visible(changed[-1])
            seconds.append(time.perf_counter() - start)
            cpu_s.append(pair.primary.cpu_s() + pair.secondary.cpu_s() - before)
    stage.once()
    bytes_ = _wire_bytes(pair)
    stage.note(f"catch up {BACKLOG:,} changes", seconds, raw_s, limit="plain executemany (goal 0.5)", changes=BACKLOG)
    cpu_us = median(cpu_s) / BACKLOG * 1e6
    stage.figure("catch up, CPU of both nodes", cpu_us, "µs a change", noise=spread(cpu_s))
    stage.figure("catch up, wire", bytes_, "bytes a change")


def _plain(connection: sqlite3.Connection, changed: list[tuple[Any, ...]]) -> float:
    start = time.perf_counter()
    connection.execute("BEGIN")
    connection.executemany(UPSERT, changed)
    connection.execute("COMMIT")
    return time.perf_counter() - start


def _wire_bytes(pair: Pair) -> float:
    counters = pair.primary.status()["counters"]
    return float(counters["bytes_wire"] / max(1, counters["changes"]))


def test_latency(stage: Stage, pair: Pair) -> None:
    """From the return of COMMIT on the primary until a reader of the secondary sees the row."""
    pair.settle()
    key = ("latency", 1, 1)
    taken: list[float] = []
    with closing(pair.primary.connect()) as writer, closing(pair.secondary.connect()) as reader:
        writer.execute("PRAGMA synchronous = NORMAL")
        committed: dict[int, float] = {}
        seen = count = 0
        start = time.perf_counter()
        while seen < RATE * LATENCY_S:
            now = time.perf_counter()
            if count < RATE * LATENCY_S and now >= start + count / RATE:
                count += 1
                writer.execute("INSERT OR REPLACE INTO user_split VALUES (?, ?, ?, 'y', 'n', ?)", (*key, str(count)))
                committed[count] = time.perf_counter()
            found = reader.execute("SELECT ex_perm FROM user_split WHERE user_id = 'latency'").fetchone()
            now = time.perf_counter()
            latest = int(found[0]) if found else 0
            taken += [now - committed.pop(number) for number in range(seen + 1, latest + 1)]
            seen = max(seen, latest)
            assert now < start + LATENCY_S + 60, "the last change did not come"
            time.sleep(0.0005)
    stage.once()
    fifth = len(taken) // 5
    pieces = [_percentiles(taken[start : start + fifth]) for start in range(0, fifth * 5, fifth)]
    for place, (name, goal) in enumerate((("p50", "under 10"), ("p99", "under 40"))):
        noise = spread([piece[place] for piece in pieces])
        stage.figure(f"commit to visible at {RATE}/s, {name}", _percentiles(taken)[place], "ms", goal, noise)


def _percentiles(seconds: list[float]) -> tuple[float, float]:
    percent = quantiles(seconds, n=100, method="inclusive")
    return percent[49] * 1000, percent[98] * 1000


def test_huge_transaction(stage: Stage, pair: Pair) -> None:
    """One transaction of a million rows: the memory that both processes ever need."""
    changed = _marked(rows("user_split", HUGE), "z")
    pair.settle()
    nodes: tuple[Node, ...] = (pair.primary, pair.secondary)
    for node in nodes:
        node.reset_peak()
    start = time.perf_counter()
    pair.write(changed, HUGE)
    written = time.perf_counter()
    pair.until_visible(changed[-1])
    took = time.perf_counter() - written
    stage.once()
    stage.figure(f"one transaction of {HUGE:,} rows: written", written - start, "s")
    stage.figure(f"one transaction of {HUGE:,} rows: then visible", took, "s")
    for node in nodes:
        stage.figure(f"one transaction of {HUGE:,} rows: {node.place.role}", node.peak_mb(), "MB peak", "under 200")
