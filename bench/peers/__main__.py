"""Admin-Sync beside PostgreSQL's own logical replication: `make bench-peers`, or `python -m bench.peers`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers import report, workloads
from bench.peers.catchup import Course, Result
from bench.peers.measure import load
from bench.peers.native import Native
from bench.peers.ours import Ours
from bench.peers.servers import NATIVE, OURS, SOURCE, Servers, two_servers
from bench.peers.system import System
from sync.demo.programs import Crew

QUICK = os.environ.get("BENCH", "full") == "quick"
EPILOG = """examples:
  make bench-peers                                      all, three rounds
  BENCH=quick make bench-peers                          a tenth of the rows, one round
  make bench-peers ARGS="--only ins100,upd1 --rounds 1 --ours-only"
  make bench-peers ARGS="--only ins1 --ours-only --profile /tmp/profiles"
      then: python -m pstats /tmp/profiles/ins1-secondary.prof   (sort tottime, stats 30)
"""


@dataclass
class Run:
    """What was asked for, and what was measured."""

    options: argparse.Namespace
    results: list[Result] = field(default_factory=list)
    latencies: list[object] = field(default_factory=list)

    def do(self, servers: Servers, folder: Path, crew: Crew) -> None:
        """Measure everything that was asked for."""
        options = self.options
        chosen = [w for w in workloads.workloads(options.scale) if not options.only or w.name in options.only]
        systems = _systems(options, servers, folder, crew)
        course = Course(servers, systems)
        for round_ in range(options.rounds):
            for workload in chosen:
                for system in systems:
                    if isinstance(system, Ours):
                        system.title = f"{workload.name}-{round_}"
                for result in course.run(workload, round_):
                    self.results.append(result)
                    rate = f"{result.rows / result.seconds:9,.0f} rows/s"
                    _tell(f"round {round_ + 1}  {workload.name:8} {result.system:11} {rate}")
        names = [system.name for system in systems]
        self._show(report.catching_up(self.results, chosen, names))
        self._show(report.processes(self.results, chosen, names))
        settings = {"settings": servers.source.settings, "options": {k: str(v) for k, v in vars(options).items()}}
        _tell(f"saved: {report.save(settings, self.results, self.latencies, 'quick' if QUICK else 'full')}")

    def _show(self, lines: list[str]) -> None:
        sys.stdout.write("\n".join(["", *lines, ""]))


def main() -> None:
    """Parse, run, show."""
    options = _options()
    run = Run(options)
    with two_servers() as servers, tempfile.TemporaryDirectory(prefix="peers-") as folder, Crew() as crew:
        _lay_out(servers, options)
        run.do(servers, Path(folder), crew)
    _tell(f"load now: {load():.1f}")


def _lay_out(servers: Servers, options: argparse.Namespace) -> None:
    """Tables everywhere, and on the source the rows that the backlogs are made of."""
    for server, database in ((servers.source, SOURCE), (servers.target, NATIVE), (servers.target, OURS)):
        with server.connect(database) as session:
            session.execute(workloads.SCHEMA)
    with servers.source.connect(SOURCE) as session:
        workloads.fill(session, max(w.rows for w in workloads.workloads(options.scale)))


def _systems(options: argparse.Namespace, servers: Servers, folder: Path, crew: Crew) -> list[System]:
    if options.profile is not None:
        options.profile.mkdir(parents=True, exist_ok=True)
    ours = Ours(servers, folder, crew, options.profile)
    return [ours] if options.ours_only else [Native(servers), ours]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench.peers",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [w.name for w in workloads.workloads(1)]
    parser.add_argument("--only", type=lambda text: text.split(","), help=f"some of {','.join(names)}")
    parser.add_argument("--rounds", type=int, default=1 if QUICK else 3)
    parser.add_argument("--scale", type=float, default=0.1 if QUICK else 1.0, help="share of the full number of rows")
    parser.add_argument("--ours-only", action="store_true", help="without native replication")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="store profiles of both nodes for each workload")
    return parser.parse_args()


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
