"""Crashes and stalls of real processes under load: invariants 1 (no loss), 2 (atomic), 3 (ordered), 4 (idempotent).

`CRASH_ROUNDS` sets how many rounds of random kills are run, `CRASH_SEED` repeats a run.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.e2e import load
from tests.e2e.harness import NodeAt, Pair, alive, change, eventually, locked, make_pair, no_file_longer_than, select

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "6"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or Random().randrange(1, 2**31)
ROUND_S = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + ROUNDS * ROUND_S)]


@pytest.fixture
def resting(tmp_path: Path) -> Iterator[Pair]:
    """A pair that was never started: the secondary is empty."""
    databases = (tmp_path / "east.db", tmp_path / "west.db")
    load.create(databases[0], with_rows=True)
    load.create(databases[1], with_rows=False)
    with alive(make_pair(tmp_path, databases, load.REPLICATED, load.TABLES)) as made:
        yield made


@pytest.fixture
def pair(resting: Pair) -> Pair:
    """A pair at work: connected, copied, with nothing to do yet."""
    resting.start()
    resting.until_streaming()
    return resting


def applied_step(pair: Pair) -> int:
    return int(select(pair.secondary.database, "SELECT number FROM step")[0][0])


def passes(pair: Pair, work: load.Load, steps: int) -> None:
    """Until the secondary shows a step that was made that many after this moment."""
    aim = work.steps + steps
    eventually(lambda: work.failure or applied_step(pair) >= aim, f"step {aim} on the secondary")


def victims(pair: Pair, chance: Random) -> list[NodeAt]:
    """Either node, or both in either order."""
    return chance.sample(pair.nodes, chance.choice((1, 1, 2)))


def test_random_kills_lose_nothing_tear_nothing_and_repeat_nothing(pair: Pair) -> None:
    """Invariants 1 to 4, whoever is killed, and when."""
    print(f"CRASH_SEED={SEED}")  # noqa: T201  shown where the test fails
    chance = Random(SEED)
    work, reader = load.Load(pair.primary.database, SEED), load.Reader(pair.secondary.database)
    work.start()
    reader.start()
    passes(pair, work, 5)
    for _ in range(ROUNDS):
        # Some kills meet a node that is starting, some one in full run.
        aim = work.steps + chance.randrange(1, 120)
        eventually(lambda aim=aim: work.failure or work.steps >= aim, f"step {aim}")  # type: ignore[misc]
        killed = victims(pair, chance)
        for node in killed:
            node.kill()
        for node in chance.sample(killed, len(killed)):
            node.start()
        if chance.random() < 0.7:
            passes(pair, work, 3)
    work.end()
    pair.until_equal()
    reader.end()
    assert applied_step(pair) == work.steps
    assert [code for node in pair.nodes if (code := node.stop()) != 0] == []


@contextmanager
def frozen(node: NodeAt) -> Iterator[None]:
    node.signal(signal.SIGSTOP)
    yield
    node.signal(signal.SIGCONT)


def full(node: NodeAt) -> AbstractContextManager[None]:
    return no_file_longer_than(node, 4096)


@pytest.mark.skipif(sys.platform != "linux", reason="a full disk is made with prlimit")
def test_random_stalls_locks_and_full_disks_lose_nothing_and_tear_nothing(pair: Pair) -> None:
    """Invariants 1 to 4, with kills in between."""
    print(f"CRASH_SEED={SEED}")  # noqa: T201  shown where the test fails
    chance = Random(SEED)
    work, reader = load.Load(pair.primary.database, SEED), load.Reader(pair.secondary.database)
    work.start()
    reader.start()
    passes(pair, work, 5)
    for number in range(ROUNDS):
        node = chance.choice(pair.nodes)
        # The applications' own database is not locked under them: they would stand still, not the node.
        troubles = (frozen, full, locked) if node is pair.secondary else (frozen, full)
        aim = work.steps + chance.randrange(5, 60)
        with troubles[number % len(troubles)](node):
            eventually(lambda aim=aim: work.failure or work.steps >= aim, f"step {aim}")  # type: ignore[misc]
        if chance.random() < 0.3:
            node.kill()
            node.start()
        passes(pair, work, 3)
    work.end()
    pair.until_equal()
    reader.end()
    assert applied_step(pair) == work.steps


def test_a_first_copy_goes_on_after_its_nodes_were_killed(resting: Pair) -> None:
    """Invariant 1: every range of every table comes, also the last one that a killed node had not answered for."""
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
    note = "'a row that was there before'"
    change(
        resting.primary.database,
        f"INSERT INTO child {counting} SELECT 1000 + i % 7, i, {note} FROM n",
        f"INSERT INTO line {counting} SELECT -1 - i % 1000, {note} FROM n",
    )
    resting.start()

    def copied() -> int:
        rows = "SELECT (SELECT count(*) FROM child) + (SELECT count(*) FROM line)"
        return int(select(resting.secondary.database, rows)[0][0])

    for node in (resting.secondary, resting.primary, resting.secondary):
        before = copied()
        eventually(lambda before=before: copied() > before or copied() >= 18_000, "more rows")  # type: ignore[misc]
        node.kill()
        node.start()
    resting.until_equal()
    assert resting.primary.run_cli("verify").returncode == 0


@pytest.mark.parametrize("side", [0, 1], ids=["primary", "secondary"])
def test_a_stopped_process_is_noticed_and_goes_on_where_it_stood(pair: Pair, side: int) -> None:
    """Invariants 1 and 10: a peer that hangs never shows as connected, and what waited comes when it goes on."""
    hanging, other = pair.nodes[side], pair.nodes[1 - side]
    work, reader = load.Load(pair.primary.database, 7, pause_s=0.002), load.Reader(pair.secondary.database)
    work.start()
    reader.start()
    passes(pair, work, 5)
    hanging.signal(signal.SIGSTOP)
    eventually(lambda: other.status()["peer"]["connected"] is False, f"{other.name} notices the silence")
    hanging.signal(signal.SIGCONT)
    passes(pair, work, 10)
    work.end()
    pair.until_equal()
    reader.end()


def test_a_secondary_full_of_backlog_that_hangs_is_noticed(pair: Pair) -> None:
    """Invariant 10, with more under way than the connection's buffers hold: a writer that waits must still listen."""
    pair.secondary.signal(signal.SIGSTOP)
    noise = "INSERT INTO line WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    for _ in range(3):
        change(pair.primary.database, f"{noise} SELECT -i, randomblob(2000) FROM n")
    eventually(lambda: not pair.primary.status()["peer"]["connected"], "the primary notices the silence", 15)
    pair.secondary.signal(signal.SIGCONT)
    pair.until_equal()


def test_a_locked_secondary_waits_and_says_so(pair: Pair) -> None:
    """Invariants 1 and 10: another writer holds the database; apply fails, shows it, and goes on by itself."""
    work, reader = load.Load(pair.primary.database, 8), load.Reader(pair.secondary.database)
    work.start()
    reader.start()
    with locked(pair.secondary):
        eventually(lambda: pair.secondary.status()["apply"]["healthy"] is False, "the failure shows")
        assert pair.secondary.status()["last_error"]["kind"] == "DatabaseBusy"
    passes(pair, work, 5)
    assert pair.secondary.status()["apply"]["healthy"] is True
    work.end()
    pair.until_equal()
    reader.end()


def test_a_locked_secondary_still_ends_on_a_signal(pair: Pair) -> None:
    """Invariant 1: what waited comes after the restart; and an orderly end does not look like a defect."""
    with locked(pair.secondary):
        change(pair.primary.database, "UPDATE step SET number = 17")
        eventually(lambda: pair.secondary.status()["apply"]["healthy"] is False, "the failure shows")
        assert pair.secondary.stop(15) == 0
    assert "Traceback" not in pair.secondary.log.read_text()
    pair.secondary.start()
    pair.until_equal()


@pytest.mark.parametrize("side", [0, 1], ids=["primary", "secondary"])
def test_a_large_transaction_killed_in_its_middle_comes_whole_or_not_at_all(pair: Pair, side: int) -> None:
    """Invariants 2 and 4: 100,000 rows travel in parts; a table without a key would show a part that came twice."""
    rows = 50_000
    counting = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
    seen: set[int] = {0}
    before = pair.nodes[side].status()["counters"]["batches"]
    change(
        pair.primary.database,
        f"INSERT INTO line {counting} SELECT -1 - i % 1000, 'a line of the large transaction' FROM n",
        f"INSERT INTO child {counting} SELECT 1000 + i % 7, i, 'a child of the large transaction' FROM n",
    )

    def look() -> int:
        lines = "SELECT count(*) FROM line WHERE step < 0"
        children = "SELECT count(*) FROM child WHERE parent >= 1000"
        sql = f"SELECT ({lines}), ({children})"
        seen.update(select(pair.secondary.database, sql)[0])
        return max(seen)

    def under_way() -> bool:
        spooled = pair.primary.status().get("spool", {}).get("bytes") or 0
        counted = pair.nodes[side].status().get("counters", {}).get("batches", before)
        return spooled > 500_000 or counted > before or look() > 0

    eventually(under_way, "parts of the transaction")
    pair.nodes[side].kill()
    look()
    pair.nodes[side].start()
    eventually(lambda: look() == rows, "the large transaction")
    pair.until_equal()
    assert seen == {0, rows}
