"""A standby that takes over with the slot goes on where its primary stopped; one that lacks something is a loss."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from adapters.postgres.connection import connect
from adapters.postgres.source import PostgresSource
from sync.errors import DatabaseBusy, PositionLost
from sync.model.position import Position
from tests.postgres import Cluster, installation, major, standby, start
from tests.unit.adapters.postgres.primary import Primary

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(major() < 17, reason="a server before PostgreSQL 17 does not hand slots on to its standbys"),
]
SLOT = "SELECT failover, synced, temporary FROM pg_replication_slots WHERE slot_type = 'logical'"


@dataclass
class Site:
    """A primary with a standby, and capture from whichever of the two takes writes."""

    primary: Cluster
    standby: Cluster
    made: Primary

    def hand_on(self) -> None:
        """Have the standby's own worker take over the slot."""
        until = time.monotonic() + 60
        while self.standby.execute(SLOT) != [(True, True, False)]:
            # That is done once the slot has passed what the standby's own horizon was when it began.
            self.made.run("INSERT INTO t VALUES (0, '') ON CONFLICT (id) DO UPDATE SET v = excluded.v")
            self.primary.execute("SELECT pg_log_standby_snapshot()")
            self.made.read()
            self.made.source.confirm(self.made.position)
            assert time.monotonic() < until, "the standby does not take over the slot"
            time.sleep(0.05)

    def fail_over(self) -> None:
        """The primary's machine is gone, the standby is promoted, and capture goes there."""
        self.made.app.close()
        self.made.source.close()
        self.primary.stop()
        self.standby.execute("SELECT pg_promote()")
        self.made.url = self.standby.url("site")
        self.made.app = psycopg.connect(self.made.url, autocommit=True)


@pytest.fixture
def site() -> Iterator[Site]:
    install = installation()
    assert install is not None
    if not (install / "bin/pg_basebackup").exists():
        pytest.skip("this installation has no pg_basebackup")
    primary = start(install)
    primary.execute("CREATE DATABASE site")
    second = standby(install, primary, "second")
    made = Primary(primary.url("site"), "CREATE TABLE t (id int PRIMARY KEY, v text)")
    yield Site(primary, second, made)
    made.close()
    primary.stop()
    second.stop()


def test_a_standby_that_took_over_goes_on(site: Site) -> None:
    """Invariant 1, without copying anything again."""
    made = site.made
    site.hand_on()
    made.run("INSERT INTO t VALUES (1, 'given')")
    made.changes()
    made.run("INSERT INTO t VALUES (2, 'not yet given')", "UPDATE t SET v = 'moved' WHERE id = 1")
    _await_standby(site)
    with pytest.raises(DatabaseBusy, match="standby"):
        PostgresSource(site.standby.url("site")).open(made.tables, made.position)
    with pytest.raises(DatabaseBusy, match="takes writes"):
        connect(f"{site.standby.url('site')}&target_session_attrs=read-write")
    site.fail_over()
    made.run("INSERT INTO t VALUES (3, 'behind')")
    made.reopen()
    assert [row for _, _, row in made.changes()] == [(2, "not yet given"), (1, "moved"), (3, "behind")]
    made.source.confirm(made.position)
    made.reopen()
    assert made.changes() == []


def test_a_standby_that_lacks_what_was_read_is_a_loss(site: Site) -> None:
    made = site.made
    site.hand_on()
    _await_standby(site)
    site.standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
    site.standby.execute("SELECT pg_reload_conf()")
    _await_no_receiver(site)
    made.run("INSERT INTO t VALUES (1, 'only there')")
    assert len(made.changes()) == 1
    site.fail_over()
    for _ in range(2):
        with pytest.raises(PositionLost, match="lacks what was read") as lost:
            made.reopen()
    made.reopen(Position(max(lost.value.resume, made.position)), anew=False)
    made.run("INSERT INTO t VALUES (2, 'behind')")
    assert [row for _, _, row in made.changes()] == [(2, "behind")]
    made.source.confirm(made.position)
    made.reopen()


def _await_no_receiver(site: Site) -> None:
    until = time.monotonic() + 60
    while site.standby.execute("SELECT pid FROM pg_stat_wal_receiver"):
        assert time.monotonic() < until, "the standby does not let go of its primary"
        time.sleep(0.01)


def _await_standby(site: Site) -> None:
    """Until everything that is written has come."""
    ((written,),) = site.primary.execute("SELECT pg_current_wal_flush_lsn()::text")
    until = time.monotonic() + 60
    while site.standby.execute(f"SELECT pg_last_wal_receive_lsn() >= '{written}'::pg_lsn") != [(True,)]:
        assert time.monotonic() < until, "the standby does not follow"
        time.sleep(0.01)
