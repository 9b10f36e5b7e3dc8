"""From the return of COMMIT on the source until a reader of the target sees the row, at a steady rate.

The rules it keeps: transactions begin when their time has come, whether or not the ones before have ended (pgbench's
schedule), each inserts one row and waits for the disk; the reader is a session of its own that looks about a thousand
times a second, which is in every figure. One system follows at a time.

pgbench writes down when each transaction ended; the rows of one of its clients become visible in their order.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import psycopg

from bench.peers.catchup import Course
from bench.peers.measure import Mark, Usage, load
from bench.peers.noise import Noise
from bench.peers.pgbench import Writer
from bench.peers.system import System

LOOK_S = 0.0005
WARM_UP_S = 1.0
LATE_S = 60.0
_NEWEST = """
SELECT c, (SELECT value FROM synonyms WHERE acd_no = c AND item_type = %s ORDER BY value DESC LIMIT 1)
  FROM unnest(%s::smallint[]) c
"""
_WRITE = """\\set n :n + 1
INSERT INTO synonyms VALUES (:client_id + 1, :kind, 'split Key accounts ' || :n, lpad((:n)::text, 9, '0'),
  'moved from the old site', 1);
"""


@dataclass(frozen=True)
class Latency:
    """One rate through one system for some seconds."""

    system: str
    rate: int
    round: int
    noise_rows_per_s: int
    transactions: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    seconds: float
    sent_bytes: int | None
    parts: Mapping[str, Usage]
    load: float


@dataclass
class Trial:
    """Measures latencies in the databases of a course, whose systems are all attached before and after."""

    course: Course
    folder: Path
    seconds: float

    def run(self, system: System, rate: int, round_: int, noise: Noise | None = None) -> Latency:
        """Measure one rate through one system while the others are detached."""
        self.course.settle()
        others = [other for other in self.course.systems if other is not system]
        for other in others:
            other.detach()
        try:
            return self._measured(system, rate, round_, noise)
        finally:
            for other in others:
                other.attach()

    def _measured(self, system: System, rate: int, round_: int, noise: Noise | None) -> Latency:
        clients = 2 if rate <= 500 else 8
        kind = f"r{next(self.course.numbers)}"
        script = self.folder / "latency.sql"
        script.write_text(_WRITE, "utf-8")
        busy, sent = load(), system.sent_bytes()
        parts = system.parts()
        mark = Mark.of(pid for pids in parts.values() for pid in pids)
        start = time.perf_counter()
        writer = Writer(self.course.servers.source, script, rate, clients, self.seconds, self.folder, {"kind": kind})
        with self.course.servers.target.connect(system.database) as reader:
            if noise is not None:
                noise.start(self.seconds)
            seen = _watch(reader, kind, clients, writer)
        if noise is not None:
            noise.end()
        seconds = time.perf_counter() - start
        delays = taken(writer.committed(), seen)
        percent = quantiles(delays, n=100, method="inclusive")
        now = system.sent_bytes()
        return Latency(
            system=system.name,
            rate=rate,
            round=round_,
            noise_rows_per_s=noise.rows_per_s if noise else 0,
            transactions=len(delays),
            p50_ms=percent[49] * 1000,
            p95_ms=percent[94] * 1000,
            p99_ms=percent[98] * 1000,
            max_ms=max(delays) * 1000,
            seconds=seconds,
            sent_bytes=None if sent is None or now is None else now - sent,
            parts={name: mark.usage(pids) for name, pids in parts.items()},
            load=busy,
        )


def _watch(
    reader: psycopg.Connection[tuple[Any, ...]], kind: str, clients: int, writer: Writer
) -> dict[tuple[int, int], float]:
    """When each row was first seen, by client and number; ends when all that was written is seen."""
    seen: dict[tuple[int, int], float] = {}
    newest = dict.fromkeys(range(clients), 0)
    wanted: Mapping[int, int] | None = None
    late = time.monotonic() + writer.seconds + LATE_S
    while wanted is None or any(newest[client] < number for client, number in wanted.items()):
        found = reader.execute(_NEWEST, (kind, [client + 1 for client in newest])).fetchall()
        now = time.time()
        for key, value in found:
            number = int(value or 0)
            seen.update(dict.fromkeys(((key - 1, one) for one in range(newest[key - 1] + 1, number + 1)), now))
            newest[key - 1] = number
        if wanted is None:
            wanted = writer.written()
        if time.monotonic() > late:
            raise TimeoutError(f"rows did not come: {newest} of {wanted}")
        time.sleep(LOOK_S)
    return seen


def taken(committed: Mapping[tuple[int, int], float], seen: Mapping[tuple[int, int], float]) -> Sequence[float]:
    """Seconds from commit to visible, behind the warm-up. A row can be seen before its writer is told."""
    begun = min(committed.values())
    return [max(0.0, seen[row] - at) for row, at in committed.items() if at > begun + WARM_UP_S]
