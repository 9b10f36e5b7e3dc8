"""Admin-Sync beside PostgreSQL's own logical replication: `make bench-peers`, or `python -m bench.peers`.

Everything runs on this machine: two servers from the wheel, and on them both systems, taking turns.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from bench.peers import workloads
from bench.peers.run import Run, trial_names
from bench.peers.servers import NATIVE, OURS, SOURCE, Servers, two_servers
from sync.demo.programs import Crew

QUICK = os.environ.get("BENCH", "full") == "quick"
EPILOG = """examples:
  make bench-peers                                      all of it, three rounds
  BENCH=quick make bench-peers                          a tenth of the rows, one round, short trials
  make bench-peers ARGS="--only ins100,upd1 --rounds 1 --ours-only"
  make bench-peers ARGS="--only ins1 --rounds 1 --ours-only --profile /tmp/profiles"
      then: python -m pstats /tmp/profiles/ins1-1-secondary.prof    (sort tottime, stats 30)
      CPU seconds of all threads of that node meanwhile; the rates of such a run mean nothing
"""


def main() -> None:
    """Parse, run, show."""
    options = _options()
    with two_servers() as servers, tempfile.TemporaryDirectory(prefix="peers-") as folder, Crew() as crew:
        _lay_out(servers, options.scale)
        Run(servers, Path(folder), crew, options).do()


def _lay_out(servers: Servers, scale: float) -> None:
    """Tables everywhere, and on the source the rows that the backlogs are made of."""
    for server, database in ((servers.source, SOURCE), (servers.target, NATIVE), (servers.target, OURS)):
        with server.connect(database) as session:
            session.execute(workloads.SCHEMA)
    with servers.source.connect(SOURCE) as session:
        workloads.fill(session, max(w.rows for w in workloads.workloads(scale)))


def _options() -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m bench.peers", description=__doc__, epilog=EPILOG, formatter_class=form)
    names = [*(w.name for w in workloads.workloads(1)), *trial_names()]
    parser.add_argument("--only", type=lambda text: text.split(","), default=names, help=f"some of {','.join(names)}")
    parser.add_argument("--rounds", type=int, default=1 if QUICK else 3)
    parser.add_argument("--scale", type=float, default=0.1 if QUICK else 1.0, help="share of the full number of rows")
    parser.add_argument("--seconds", type=float, default=4 if QUICK else 10, help="of each latency trial")
    parser.add_argument("--ours-only", action="store_true", help="without native replication")
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="store profiles of both nodes for each backlog and trial"
    )
    options = parser.parse_args()
    if unknown := set(options.only) - set(names):
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(names)}")
    options.name = "quick" if QUICK else "full"
    return options


if __name__ == "__main__":
    main()
