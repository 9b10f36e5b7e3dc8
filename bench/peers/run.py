"""One run: rounds in which every backlog and every trial comes once for each system, then the tables.

The rule it keeps: rounds are interleaved, so that whatever else the machine does meets both systems alike.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers import noise, report, workloads
from bench.peers.catchup import Course, Result
from bench.peers.latency import Latency, Trial
from bench.peers.measure import load
from bench.peers.native import Native
from bench.peers.noise import Ear, Noise, Proof
from bench.peers.ours import Ours
from bench.peers.servers import SOURCE, Servers
from bench.peers.system import System
from sync.demo.programs import Crew

RATES = (200, 2000)
NOISY_RATE = 200
NOISE_FACTOR = 100
NOISE = "noise"


def trial_names() -> list[str]:
    """As `--only` takes them."""
    return [*(f"lat{rate}" for rate in RATES), NOISE]


@dataclass
class Run:
    """What was asked for, and what was measured."""

    servers: Servers
    folder: Path
    crew: Crew
    options: argparse.Namespace
    results: list[Result] = field(default_factory=list)
    measured: list[Latency] = field(default_factory=list)
    proof: Proof | None = None

    def __post_init__(self) -> None:
        profiles = self.options.profile
        if profiles is not None:
            profiles.mkdir(parents=True, exist_ok=True)
        self._ours = Ours(self.servers, self.folder, self.crew, profiles)
        self._systems: list[System] = [self._ours] if self.options.ours_only else [Native(self.servers), self._ours]
        self._course = Course(self.servers, self._systems)
        self._trial = Trial(self._course, self.folder, self.options.seconds)
        self._chosen = [w for w in workloads.workloads(self.options.scale) if w.name in self.options.only]

    def do(self) -> None:
        """Measure, show, save."""
        for round_ in range(1, self.options.rounds + 1):
            for workload in self._chosen:
                self._ours.title = f"{workload.name}-{round_}"
                for result in self._course.run(workload, round_):
                    self.results.append(result)
                    rate = f"{result.rows / result.seconds:9,.0f} rows/s"
                    _tell(f"round {round_}  {workload.name:8} {result.system:11} {rate}")
            self._ours.title = ""
            self._latencies(round_)
        self._show()

    def _latencies(self, round_: int) -> None:
        turn = round_ % len(self._systems)
        systems = [*self._systems[turn:], *self._systems[:turn]]
        for rate in RATES:
            if f"lat{rate}" in self.options.only:
                for system in systems:
                    self._note(self._tried(system, rate, round_))
        if NOISE in self.options.only:
            for system in systems:
                self._noisy(system, round_)

    def _noisy(self, system: System, round_: int) -> None:
        made = Noise(self.servers.source, self.folder, NOISY_RATE * NOISE_FACTOR)
        last = system is self._ours and round_ == self.options.rounds
        with self.servers.source.connect(SOURCE) as session:
            ear = Ear(session) if last else None
            self._note(self._tried(system, NOISY_RATE, round_, made))
            if ear is not None:
                messages, tainted = ear.heard()
                in_spool = noise.in_spool(self._ours.spool, self._ours.origin, self.folder / "spool")
                refused = self._ours.status("primary")["counters"]["refused_call_data"]
                self.proof = Proof(messages, tainted, *in_spool, refused)
            session.execute("TRUNCATE call_rec")

    def _tried(self, system: System, rate: int, round_: int, made: Noise | None = None) -> Latency:
        if system is not self._ours:
            return self._trial.run(system, rate, round_, made)
        self._ours.begin_profiles()
        try:
            return self._trial.run(system, rate, round_, made)
        finally:
            self._ours.end_profiles(f"{NOISE if made else f'lat{rate}'}-{round_}")

    def _note(self, latency: Latency) -> None:
        self.measured.append(latency)
        beside = f" beside {latency.noise_rows_per_s:,} call records/s" if latency.noise_rows_per_s else ""
        points = f"p50 {latency.p50_ms:.1f} ms, p99 {latency.p99_ms:.1f} ms"
        _tell(f"round {latency.round}  {latency.rate}/s{beside}  {latency.system:11} {points}")

    def _show(self) -> None:
        names = [system.name for system in self._systems]
        lines = []
        if self.results:
            lines += ["", *report.catching_up(self.results, self._chosen, names)]
            lines += ["", *report.processes(self.results, self._chosen, names)]
        if self.measured:
            lines += report.latencies(self.measured, names)
        if self.proof is not None:
            lines += ["", report.words(self.proof)]
        settings = {
            "settings": self.servers.source.settings,
            "options": {name: str(value) for name, value in vars(self.options).items()},
        }
        path = report.save(self.options.name, settings, self.results, self.measured, self.proof)
        lines += ["", f"load {load():.1f}; saved: {path}", ""]
        sys.stdout.write("\n".join(lines))


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
