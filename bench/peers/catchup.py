"""The six workloads: one backlog each, built while nobody is attached, then followed by one system after the other.

The rules it keeps: both read the same stretch of the same log and write the same rows, taking turns in who is first;
the clock runs from the moment the slot is active until the last row is visible; a figure counts only where both
targets end equal to the source.

Before a backlog is built the source logs which transactions run, twice, and a marker passes through both systems:
without that a walsender begins by decoding again whatever came since the last such record (every 15 s).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from bench.peers import workloads
from bench.peers.measure import Mark, Usage, load
from bench.peers.servers import SOURCE, Servers, eventually
from bench.peers.system import System, shared_parts
from bench.peers.workloads import Workload

LOOK_S = 0.004
REREAD_BYTES_MAX = 1 << 20
"""How much of the log a walsender may decode again on attaching."""


class Unequal(Exception):
    """A system ended with other rows than the source: its figures are worth nothing."""


@dataclass(frozen=True)
class Result:
    """One workload through one system."""

    workload: str
    system: str
    round: int
    rows: int
    seconds: float
    sent_bytes: int | None
    parts: Mapping[str, Usage]
    load: float
    """When it began."""


@dataclass
class Course:
    """Runs workloads through systems on these servers. Everybody is attached before and after each."""

    servers: Servers
    systems: Sequence[System]
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self._source = self.servers.source.connect(SOURCE)
        self._targets = {system.name: self.servers.target.connect(system.database) for system in self.systems}

    def run(self, workload: Workload, round_: int, *, check: bool = True) -> list[Result]:
        """Build the backlog, and time each system on it."""
        if workload.is_insert:
            self._source.execute(f"TRUNCATE {workloads.TABLE}")
        self.settle()
        for system in self.systems:
            system.detach()
        workload.build(self._source, f"round {round_}")
        last = next(self.numbers)
        workloads.put_sentinel(self._source, last)
        wanted = workloads.fingerprint(self._source) if check else None
        turn = round_ % len(self.systems)
        results = []
        for system in (*self.systems[turn:], *self.systems[:turn]):
            results.append(self._time(system, workload, round_, last))
            if check and workloads.fingerprint(self._targets[system.name]) != wanted:
                raise Unequal(f"{system.name} differs from the source after {workload.title}")
            system.detach()
        for system in self.systems:
            system.attach()
        return results

    def settle(self) -> None:
        """Bring everybody to the same point, with nothing behind it that would be decoded again."""
        for session in (self._source, *self._targets.values()):
            session.execute(f"VACUUM ANALYZE {workloads.TABLE}")
        for server in (self.servers.source, self.servers.target):
            with server.connect("postgres") as session:
                session.execute("CHECKPOINT")
        until = time.monotonic() + 60
        while True:
            self._note_running()
            self._pass_marker()
            rereads = {system.name: system.slot.reread_bytes() for system in self.systems}
            if max(rereads.values()) < REREAD_BYTES_MAX:
                return
            if time.monotonic() > until:
                raise TimeoutError(f"a slot would decode much again: {rereads}")

    def _note_running(self) -> None:
        """Have the source log twice which transactions run; making a logical slot does that."""
        for _ in range(2):
            self._source.execute("SELECT pg_create_logical_replication_slot('bench_passing', 'pgoutput', true)")
            self._source.execute("SELECT pg_drop_replication_slot('bench_passing')")

    def _pass_marker(self) -> None:
        number = next(self.numbers)
        found = self._source.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        assert found is not None
        workloads.put_sentinel(self._source, number)
        for system in self.systems:
            session = self._targets[system.name]
            eventually(lambda s=session: workloads.has_sentinel(s, number), f"a marker through {system.name}")  # type: ignore[misc]
            eventually(lambda s=system: s.slot.confirmed(found[0]), f"{system.name} confirming a marker")  # type: ignore[misc]

    def _time(self, system: System, workload: Workload, round_: int, last: int) -> Result:
        session = self._targets[system.name]
        with self.servers.target.connect("postgres") as other:
            other.execute("CHECKPOINT")
        busy = load()
        before = self._pids(system)
        mark = Mark.of(pid for pids in before.values() for pid in pids)
        system.attach()
        start = time.perf_counter()
        sent = system.sent_bytes()
        started = Mark.of(pid for pids in system.parts().values() for pid in pids)
        while not workloads.has_sentinel(session, last):
            if time.perf_counter() - start > workload.rows / 1000 + 60:
                raise TimeoutError(f"{system.name} did not catch up with {workload.title}")
            time.sleep(LOOK_S)
        seconds = time.perf_counter() - start
        parts = {
            # What a node took to start is not counted, as the clock does not; a server process begins with the slot.
            name: (started if name.endswith("node") else mark).usage(pids)
            for name, pids in self._pids(system).items()
        }
        now = system.sent_bytes()
        sent_bytes = None if sent is None or now is None else now - sent
        return Result(workload.name, system.name, round_, workload.rows, seconds, sent_bytes, parts, busy)

    def _pids(self, system: System) -> dict[str, Sequence[int]]:
        return {**system.parts(), **shared_parts(self.servers)}
