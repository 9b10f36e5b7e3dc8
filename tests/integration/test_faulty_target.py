"""A secondary's database with a fault: the stream waits, status says for what, and mended it goes on by itself.

Invariants 1 (nothing is lost by waiting) and 10 (what stands still never looks as if it ran).
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters import open_site
from sync.errors import PeerRefused
from sync.model.notice import ApplyFailed
from sync.node import operations
from tests.integration.faulty import Site, eventually, moved_away, pair

ROOM = "CREATE TABLE room (id INTEGER PRIMARY KEY, name TEXT, size INTEGER)"
A_ROW = ("INSERT INTO room VALUES (1, 'reception', 4)", "INSERT INTO agent VALUES (7, 1)")


@dataclass(frozen=True)
class Misfit:
    """A secondary whose `room` does not take the primary's row."""

    name: str
    broken: tuple[str, ...]
    mended: tuple[str, ...]
    key: str
    column: str
    why: str
    remedy: str = "the constraint on this database"


def other(name: str, definition: str, key: str, column: str, why: str, remedy: str = "the constraint") -> Misfit:
    """A secondary with another definition of the table."""
    return Misfit(name, ("DROP TABLE room", definition), ("DROP TABLE room", ROOM), key, column, why, remedy)


SCHEMA_REMEDY = "to the primary's definition"
MISFITS = (
    Misfit("no table", ("DROP TABLE room",), (ROOM,), "", "", "the table does not exist", SCHEMA_REMEDY),
    Misfit(
        "no column",
        ("ALTER TABLE room DROP COLUMN size",),
        ("ALTER TABLE room ADD COLUMN size INTEGER",),
        "",
        "size",
        "the column does not exist",
        SCHEMA_REMEDY,
    ),
    other(
        "narrower",
        "CREATE TABLE room (id INTEGER PRIMARY KEY, name TEXT CHECK (length(name) <= 5), size INTEGER)",
        "(id=1)",
        "name",
        "length(name) <= 5",
    ),
    other(
        "another type",
        "CREATE TABLE room (id INTEGER PRIMARY KEY, name INTEGER, size INTEGER) STRICT",
        "(id=1)",
        "name",
        "cannot store TEXT value in INTEGER column",
    ),
    other(
        "a column of its own",
        "CREATE TABLE room (id INTEGER PRIMARY KEY, name TEXT, size INTEGER, owner TEXT NOT NULL)",
        "(id=1)",
        "owner",
        "NOT NULL constraint failed",
    ),
    Misfit(
        "a trigger",
        ("CREATE TRIGGER theirs BEFORE INSERT ON room BEGIN SELECT RAISE(ABORT, 'not on Sundays'); END",),
        ("DROP TRIGGER theirs",),
        "(id=1)",
        "",
        "not on Sundays",
        "drop the trigger",
    ),
    Misfit(
        "a row in the way",
        ("CREATE UNIQUE INDEX names ON room (name)", "INSERT INTO room VALUES (99, 'reception', 0)"),
        ("DELETE FROM room WHERE id = 99",),
        "(id=1)",
        "name",
        "UNIQUE constraint failed",
        "Another row of this database holds the value",
    ),
    Misfit(
        "a row in the way of two columns",
        ("CREATE UNIQUE INDEX pairs ON room (name, size)", "INSERT INTO room VALUES (99, 'reception', 4)"),
        ("DELETE FROM room WHERE id = 99",),
        "(id=1)",
        "name, size",
        "UNIQUE constraint failed",
        "Another row of this database holds the value",
    ),
)


@pytest.mark.parametrize("misfit", MISFITS, ids=lambda misfit: misfit.name)
def test_a_row_that_does_not_fit_is_named_and_goes_in_when_it_does(tmp_path: Path, misfit: Misfit) -> None:
    """Invariants 1, 2 and 10: table, key, column, reason and remedy; nothing of its transaction before."""

    async def story() -> None:
        async with pair(tmp_path) as site:
            site.west.past_the_guard(*misfit.broken)
            site.east.run(*A_ROW)
            error = await site.until_west_fails(misfit.why)
            assert error["kind"] == "RowRefused"
            assert (error["table"], error["key"], error["column"]) == ("room", misfit.key, misfit.column)
            assert misfit.remedy in error["remedy"]
            assert site.west.select("SELECT * FROM agent") == []
            await site.lag_grows()
            site.west.past_the_guard(*misfit.mended)
            await site.until_equal()
            assert site.west.status["apply"]["healthy"] is True

    asyncio.run(story())


def test_who_asks_for_a_verification_is_told_at_once_what_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 10: the reason comes with the first report, and no answer is pretended to be on its way."""
    monkeypatch.setattr(operations, "REFUSED_S", 0.2)

    async def story() -> None:
        async with pair(tmp_path) as site:
            site.west.past_the_guard(*NARROW.broken)
            site.east.run(*A_ROW)
            await site.until_west_fails(NARROW.why)
            assert site.east.node is not None
            reports = site.east.node.verify((), False)
            assert NARROW.why in str((await anext(reports))["waits"])
            with pytest.raises(PeerRefused, match=r"the secondary can not apply: could not apply room \(id=1\)"):
                [report async for report in reports]
            site.west.past_the_guard(*NARROW.mended)
            await site.until_equal()
            *_, last = [report async for report in site.east.node.verify((), False)]
            assert (last["final"], last["equal"]) == (True, True)

    asyncio.run(story())


NARROW = next(misfit for misfit in MISFITS if misfit.name == "narrower")


@pytest.mark.parametrize("correction", ["UPDATE room SET name = 'desk'", "DELETE FROM room"])
def test_a_row_that_is_corrected_on_the_primary_goes_in_without_a_hand_on_the_secondary(
    tmp_path: Path, correction: str
) -> None:
    """Invariant 1; the refused transaction is never shown, and what came behind it is not kept from view."""

    async def story() -> None:
        async with pair(tmp_path) as site:
            site.west.past_the_guard(*NARROW.broken)
            site.east.run(*A_ROW)
            await site.until_west_fails(NARROW.why)
            for number in range(30):  # more than the credit lets through
                before = site.east.status["capture"]["position"]
                site.east.run(f"INSERT INTO agent VALUES ({100 + number}, 1)")
                await eventually(lambda was=before: site.east.status["capture"]["position"] > was, "capture")  # type: ignore[misc]
            site.east.run(correction)
            await site.until_equal()

    asyncio.run(story())


Fault = Callable[[Site], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def locked(site: Site) -> AsyncIterator[None]:
    with closing(sqlite3.connect(site.west.path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@asynccontextmanager
async def moved(site: Site) -> AsyncIterator[None]:
    with moved_away(site.west):
        yield


@asynccontextmanager
async def read_only(site: Site) -> AsyncIterator[None]:
    site.west.pragmas = ("query_only = ON",)
    yield
    site.west.pragmas = ()


@asynccontextmanager
async def full(site: Site) -> AsyncIterator[None]:
    site.west.pragmas = ("max_page_count = 1",)  # SQLite takes the size that it has
    yield
    site.west.pragmas = ()


@asynccontextmanager
async def uninstalled(site: Site) -> AsyncIterator[None]:
    with closing(open_site(f"sqlite:///{site.west.path}")) as there:
        there.uninstall()
    yield
    site.west.install()


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (locked, "DatabaseBusy", "find out which program holds the database locked"),
        (moved, "DatabaseRefused", "Check that the file exists"),
        (read_only, "DatabaseRefused", "Make the database file and its directory writable"),
        (full, "DatabaseRefused", "Free space on the database's disk"),
        (uninstalled, "DatabaseRefused", "Run `admin-sync install`"),
    ],
)
def test_a_database_that_fails_under_way_is_waited_for(tmp_path: Path, fault: Fault, kind: str, says: str) -> None:
    """Invariants 1 and 10."""

    async def story() -> None:
        async with pair(tmp_path, rows=A_ROW) as site:
            async with fault(site):
                site.east.run("INSERT INTO room VALUES (2, hex(randomblob(20000)), 0)")
                error = await site.until_west_fails(says)
                assert error["kind"] == kind
                await site.lag_grows()
                assert site.west.status["peer"]["connected"]
                assert site.west.status["apply"]["lag_s"] > 0
            await site.until_equal()

    asyncio.run(story())


def overwritten(site: Site) -> Callable[[], object]:
    whole = site.west.path.read_bytes()
    site.west.path.write_bytes(b"no database" * 1000)
    return lambda: site.west.path.write_bytes(whole)


def damaged(site: Site) -> Callable[[], object]:
    whole = site.west.path.read_bytes()
    site.west.path.write_bytes(whole[:4096] + bytes(byte ^ 0x5A for byte in whole[4096:]))
    return lambda: site.west.path.write_bytes(whole)


def missing(site: Site) -> Callable[[], object]:
    away = site.west.path.rename(site.west.place / "away.db")
    return lambda: away.rename(site.west.path)


@pytest.mark.parametrize(
    ("fault", "says"),
    [(missing, "Check that the file exists"), (overwritten, "is not a SQLite database"), (damaged, "SQLITE_CORRUPT")],
)
def test_a_database_that_is_not_there_at_the_start_is_waited_for(
    tmp_path: Path, fault: Callable[[Site], Callable[[], object]], says: str
) -> None:
    """Invariants 1 and 10: the secondary says why, and so does the primary, which is turned away."""

    async def story() -> None:
        async with pair(tmp_path, rows=A_ROW) as site:
            await site.west.stop()
            mend = fault(site)
            site.east.run("INSERT INTO room VALUES (2, 'hall', 40)")
            site.west.start(site.port)
            await site.until_west_fails(says)
            await eventually(lambda: site.east.error.get("kind") == "PeerRefused", lambda: repr(site.east.error))
            assert says in repr(site.east.error)
            assert site.east.status["peer"]["connected"] is False
            await site.lag_grows()
            mend()
            await site.until_equal()

    asyncio.run(story())


def test_a_stream_that_waits_costs_nothing_and_ends_at_once(tmp_path: Path) -> None:
    """Invariant 10, and an orderly stop: beats pass, tries get rarer, SIGTERM is obeyed, a new start goes on."""

    async def story() -> None:
        async with pair(tmp_path) as site:
            site.west.past_the_guard("DROP TABLE room")
            site.east.run(*A_ROW)
            await site.until_west_fails("the table does not exist")
            began_s, spent_s = time.monotonic(), time.process_time()
            beats = [notice for half in site.halves for notice in half.beats()]
            await eventually(lambda: len(site.west.notices.of(ApplyFailed)) > 4, "some tries")
            await eventually(lambda: len([b for half in site.halves for b in half.beats()]) >= len(beats) + 4, "beats")
            share = (time.process_time() - spent_s) / (time.monotonic() - began_s)
            assert share < 0.4, f"two waiting nodes take {share:.0%} of a processor"
            tries = len(site.west.notices.of(ApplyFailed))
            assert tries < 20, f"{tries} tries in {time.monotonic() - began_s:.1f} s"
            assert await site.west.stop() < 2
            site.west.run(ROOM)
            site.west.start(site.port)
            await site.until_equal()

    asyncio.run(story())


def test_an_older_copy_of_the_secondary_is_brought_up_again(tmp_path: Path) -> None:
    """Invariant 1: its checkpoint went back with its rows."""

    async def story() -> None:
        async with pair(tmp_path, rows=A_ROW) as site:
            await site.west.stop()
            backup = site.west.path.read_bytes()
            site.west.start(site.port)
            for number in range(2, 5):
                site.east.run(f"INSERT INTO room VALUES ({number}, 'more', 1)", "DELETE FROM agent")
                await site.until_equal()
            await site.west.stop()
            site.west.path.write_bytes(backup)
            site.west.start(site.port)
            await site.until_equal()

    asyncio.run(story())
