"""Crashes of nodes and of PostgreSQL servers under load: invariants 1 (no loss), 2 (atomic), 3 (ordered), 9 (durable).

The servers write to their disks as in production. `CRASH_ROUNDS` sets how many rounds are run, `CRASH_SEED` repeats
their choices.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.e2e import load
from tests.e2e.harness import NodeAt, alive, eventually, set_up_pair
from tests.e2e.servers import Servers, durable_server, kill, stop_immediately

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "3"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or Random().randrange(1, 2**31)
ROUND_S = 60
LOSSES_TRIED_MAX = 10

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(180 + ROUNDS * ROUND_S),
    pytest.mark.skipif(sys.platform != "linux", reason="a server's processes are found in /proc"),
]


@pytest.fixture
def unstarted(tmp_path: Path) -> Iterator[Servers]:
    """A pair set up. The secondary's server keeps commits that nobody waits for in its memory as long as it may."""
    east, west = durable_server(), durable_server(wal_writer_delay="10s")
    primary, secondary = (
        NodeAt(tmp_path / name, Path(), f"cms-{name}", url=server.create(name))
        for name, server in (("east", east), ("west", west))
    )
    for node in (primary, secondary):
        load.create(node.url, with_rows=node is primary)
    made = Servers(
        primary, secondary, load.REPLICATED, set_up_pair(primary, secondary, load.TABLES), east=east, west=west
    )
    try:
        with alive(made):
            yield made
    finally:
        east.stop()
        west.stop()


@pytest.fixture
def pair(unstarted: Servers) -> Servers:
    """The pair at work, its first copy on the secondary's disk: a reader sees a copy that comes again in parts."""
    unstarted.start()
    unstarted.until_streaming()
    unstarted.west.execute("CHECKPOINT")
    return unstarted


def troubles(pair: Servers, chance: Random) -> list[tuple[Callable[[], None], Callable[[], None]]]:
    """What may go down in a round, with what brings it back."""
    found: list[tuple[Callable[[], None], Callable[[], None]]] = [(node.kill, node.start) for node in pair.nodes]
    servers = (pair.east, pair.west)
    found += [(partial(chance.choice((kill, stop_immediately)), server), server.launch) for server in servers]
    return chance.sample(found, chance.choice((1, 1, 2, 3)))


def unharmed(pair: Servers, work: load.Load, *readers: load.Reader) -> None:
    """All that was committed is there, once, and nobody had to copy a table again to get there."""
    work.end()
    pair.until_equal(ROUND_S)
    for reader in readers:
        reader.end()
    assert pair.applied_step() == work.steps
    assert pair.primary.run_cli("verify").returncode == 0
    assert "copying all tables again" not in pair.primary.log.read_text()
    assert [code for node in pair.nodes if (code := node.stop()) != 0] == []


def test_random_kills_of_nodes_and_servers_lose_nothing_and_tear_nothing(pair: Servers) -> None:
    """Invariants 1 to 4 and 9, whoever goes down, in whatever company, and when."""
    print(f"CRASH_SEED={SEED}")  # noqa: T201  shown where the test fails
    chance = Random(SEED)
    work, reader = load.Load(pair.primary.url, SEED), load.Reader(pair.secondary.url)
    work.start()
    reader.start()
    pair.passes(work, 5)
    for _ in range(ROUNDS):
        # Some troubles meet what is still recovering from the ones before.
        aim = work.steps + chance.randrange(1, 60)
        eventually(lambda aim=aim: work.failure or work.steps >= aim, f"step {aim}", ROUND_S)  # type: ignore[misc]
        down = troubles(pair, chance)
        for go_down, _ in down:
            go_down()
        for _, come_back in chance.sample(down, len(down)):
            come_back()
        if chance.random() < 0.7:
            pair.passes(work, 3)
    unharmed(pair, work, reader)


def test_commits_that_a_crashed_secondary_had_only_in_memory_come_again(pair: Servers) -> None:
    """Invariants 1 and 9: what was shown and not yet flushed is gone with the server, and the primary still has it."""
    work, reader = load.Load(pair.primary.url, SEED), load.Reader(pair.secondary.url)
    work.start()
    reader.start()

    def loses() -> bool:
        pair.passes(work, 3)
        shown, left = crash_of_the_secondary(pair)
        return left < shown

    # The server's own writer may have been faster.
    assert any(loses() for _ in range(LOSSES_TRIED_MAX)), "no commit was lost"
    pair.passes(work, 3)
    unharmed(pair, work, reader)


def test_a_first_copy_that_a_crashed_secondary_had_only_in_memory_comes_again(unstarted: Servers) -> None:
    """Invariants 1 and 9: with the copy its checkpoint is gone, and the primary still has all of it in its spool."""
    pair = unstarted
    work = load.Load(pair.primary.url, SEED)
    # So that the secondary is never idle, where it would flush.
    work.start()
    pair.start()
    eventually(lambda: work.failure or pair.applied_step() >= 0, "the first copy", ROUND_S)
    # Whether it lost all of the copy or the last steps of it: nothing may be missed.
    crash_of_the_secondary(pair)
    pair.passes(work, 3)
    unharmed(pair, work)


def crash_of_the_secondary(pair: Servers) -> tuple[int, int]:
    """Kill its server under a node that stands still until it is back; gives the steps shown before and after."""
    pair.secondary.signal(signal.SIGSTOP)
    shown = pair.applied_step()
    kill(pair.west)
    pair.west.launch()
    left = pair.applied_step()
    pair.secondary.signal(signal.SIGCONT)
    return shown, left
