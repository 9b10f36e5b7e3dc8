"""The primary's server fails over to its standby under load: invariants 1 (no loss), 2 (atomic), 3 (ordered).

And 10 (honest): where the standby lacks something, that is said. The node knows both servers by one
URL, and follows whichever takes writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e import load
from tests.e2e.harness import NodeAt, alive, eventually, set_up_pair
from tests.e2e.servers import Servers, kill
from tests.postgres import Cluster, cluster, installation, major, standby, start

WAIT_S = 60
SEED = 1
SLOT = "SELECT failover, synced, temporary FROM pg_replication_slots WHERE slot_type = 'logical'"

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(major() < 17, reason="a server before PostgreSQL 17 does not hand slots on to its standbys"),
]


@dataclass(kw_only=True)
class Failing(Servers):
    """A pair whose primary has a standby."""

    second: Cluster

    def until_handed_on(self) -> None:
        """Until the standby has taken over the slot too, which waits until that has passed the standby's horizon."""

        def handed_on() -> bool:
            self.east.execute("SELECT pg_log_standby_snapshot()")
            return self.second.execute(SLOT) == [(True, True, False)]

        eventually(handed_on, "the slot on the standby", WAIT_S)

    def cut_off(self) -> None:
        """Let the standby hear nothing more, and the primary not wait for it."""
        self.second.execute("ALTER SYSTEM SET primary_conninfo = ''")
        self.second.execute("SELECT pg_reload_conf()")
        eventually(lambda: not self.second.execute("SELECT pid FROM pg_stat_wal_receiver"), "a standby alone", WAIT_S)
        waits_for_standby(self.east, "")

    def fail_over(self) -> None:
        """The primary's machine is gone, and its standby takes over when the node has noticed."""
        kill(self.east)
        eventually(lambda: not self.primary.status()["capture"]["healthy"], "a capture that says it stopped", WAIT_S)
        self.second.execute("SELECT pg_promote()")


def waits_for_standby(server: Cluster, slot: str) -> None:
    """Have the server send nothing to us before the standby behind this slot has it."""
    server.execute(f"ALTER SYSTEM SET synchronized_standby_slots = '{slot}'")
    server.execute("SELECT pg_reload_conf()")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Failing]:
    """A pair at work."""
    install = installation()
    assert install is not None
    if not (install / "bin/pg_basebackup").exists():
        pytest.skip("this installation has no pg_basebackup")
    # Its machine never comes back, so it need not write to its disk.
    east = start(install)
    east.execute("CREATE DATABASE site")
    second = standby(install, east, "second")
    waits_for_standby(east, "second")
    hosts = ",".join(quote(str(server.directory), safe="") for server in (east, second))
    url = f"postgresql://postgres@/site?host={hosts}&target_session_attrs=read-write"
    with cluster().database("west") as west_url:
        primary = NodeAt(tmp_path / "east", Path(), "cms-east", url=url)
        secondary = NodeAt(tmp_path / "west", Path(), "cms-west", url=west_url)
        for node in (primary, secondary):
            load.create(node.url, with_rows=node is primary)
        port = set_up_pair(primary, secondary, load.TABLES)
        made = Failing(primary, secondary, load.REPLICATED, port, east=east, west=cluster(), second=second)
        try:
            with alive(made):
                made.start()
                made.until_streaming()
                yield made
        finally:
            east.stop()
            second.stop()


def test_a_standby_that_has_the_slot_goes_on_and_nothing_is_copied_again(pair: Failing) -> None:
    """Invariants 1 to 3: what the secondary shows never goes back, as the primary waits for its standby."""
    work, reader = load.Load(pair.primary.url, SEED), load.Reader(pair.secondary.url)
    work.start()
    reader.start()
    pair.until_handed_on()
    pair.passes(work, 20)
    pair.fail_over()
    pair.passes(work, 20)
    work.end()
    pair.until_equal(WAIT_S)
    reader.end()
    assert reader.setbacks == 0
    ends_well(pair)
    assert "copying all tables again" not in pair.primary.log.read_text()


def test_a_standby_that_lacks_something_is_named_and_all_is_copied_again(pair: Failing) -> None:
    """Invariants 1 and 10: what only the lost server had is gone from the secondary too."""
    work = load.Load(pair.primary.url, SEED)
    work.start()
    pair.until_handed_on()
    pair.passes(work, 20)
    pair.cut_off()
    pair.passes(work, 20)
    assert int(str(pair.second.execute("SELECT number FROM step", "site")[0][0])) < pair.applied_step()
    pair.fail_over()
    pair.passes(work, 20)
    work.end()
    pair.until_equal(WAIT_S)
    ends_well(pair)
    log = pair.primary.log.read_text()
    assert "lacks what was read" in log
    assert "copying all tables again" in log


def ends_well(pair: Failing) -> None:
    assert pair.primary.run_cli("verify").returncode == 0
    assert [code for node in pair.nodes if (code := node.stop()) != 0] == []
