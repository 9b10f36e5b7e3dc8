"""`python -m tests.sim`: plays many seeds, or one with its story."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from multiprocessing import Pool

from tests.sim.play import Outcome, play
from tests.sim.postgres import PostgresWorld
from tests.sim.world import World


def main() -> int:
    """Play, and print one command for each seed that failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Seeded worlds of two nodes.")
    parser.add_argument("--seed", type=int, help="play this one")
    parser.add_argument("--story", action="store_true", help="print what happened, step by step")
    parser.add_argument("--seeds", type=int, default=1000, help="play so many")
    parser.add_argument("--first", type=int, default=0, help="from this one on")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--postgres", action="store_true", help="source, target or both in a real PostgreSQL server")
    given = parser.parse_args()
    world_type = PostgresWorld if given.postgres else World
    if given.seed is not None:
        outcome = play(given.seed, told=given.story, world_type=world_type)
        sys.stdout.write("".join(f"{line}\n" for line in outcome.story))
        _show(outcome)
        return 1 if outcome.failure else 0
    return _many(range(given.first, given.first + given.seeds), given.jobs, world_type)


def _many(seeds: range, jobs: int, world_type: type[World]) -> int:
    one = partial(play, world_type=world_type)
    started = time.perf_counter()
    steps = failed = 0
    with Pool(jobs) as pool:
        for outcome in pool.imap_unordered(one, seeds, chunksize=8) if jobs > 1 else map(one, seeds):
            steps += outcome.steps
            if outcome.failure:
                failed += 1
                _show(outcome)
    seconds = time.perf_counter() - started
    sys.stdout.write(
        f"{len(seeds)} seeds, {steps} steps, {failed} failed, {seconds:.1f} s ({len(seeds) / seconds:.1f} seeds/s)\n"
    )
    return 1 if failed else 0


def _show(outcome: Outcome) -> None:
    if outcome.failure:
        sys.stdout.write(f"seed {outcome.seed}: {outcome.failure}\n  {outcome.replay}\n")
    else:
        sys.stdout.write(f"seed {outcome.seed}: all held, {outcome.steps} steps, {outcome.commits} target commits\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
