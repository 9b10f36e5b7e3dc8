"""A primary's database or spool with a fault: capture waits and says why, and mended it goes on by itself.

Invariants 1 (what can not be followed any more is copied again), 7 (a full disk stops capture, not the applications)
and 10 (what stands still never looks as if it ran).
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from adapters import open_site
from sync.receiver import intake
from sync.replicator import turns
from sync.spool.disk import LocalFile
from tests.integration.faulty import SELECTION, Site, eventually, moved_away, pair

ROOM = "CREATE TABLE room (id INTEGER PRIMARY KEY, name TEXT, size INTEGER)"
ROWS = (
    "INSERT INTO room VALUES (1, 'reception', 4), (2, 'hall', 40), (3, 'attic', 0)",
    "INSERT INTO agent VALUES (7, 1)",
)
MORE = ("INSERT INTO room (id, name) VALUES (50, 'more')", "DELETE FROM room WHERE id = 3", "UPDATE agent SET room = 2")

Story = Callable[[Site], Awaitable[None]]


def play(place: Path, story: Story) -> None:
    """Run a story with a pair that holds rows, and see that both sides come to be equal."""

    async def whole() -> None:
        async with pair(place, rows=ROWS) as site:
            await story(site)
            await site.until_equal()

    asyncio.run(whole())


@pytest.fixture
def surveyed_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the catalog several times a second, so that no test waits half a minute."""
    monkeypatch.setattr(turns, "SURVEY_INTERVAL_S", 0.2)


def put_back(backup: Path, path: Path) -> None:
    """Restore a database as an administrator does."""
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    backup.rename(path)


# The database.


def test_a_lock_of_an_application_does_not_stop_capture(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        site.east.run(*MORE)
        with closing(sqlite3.connect(site.east.path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM agent")
            await site.until_equal()
            connection.commit()

    play(tmp_path, story)


def test_a_locked_database_is_waited_for_at_the_start(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        await site.east.stop()
        with closing(sqlite3.connect(site.east.path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM agent")
            site.east.start(site.port)
            error = await site.until_east_fails("find out which program holds the database locked")
            assert error["kind"] == "DatabaseBusy"
            connection.commit()

    play(tmp_path, story)


def test_a_database_that_is_moved_away_is_missed_at_once(tmp_path: Path) -> None:
    """Invariant 10: SQLite itself would go on with the file that it opened, and see nothing new for ever."""

    async def story(site: Site) -> None:
        with moved_away(site.east):
            await site.until_east_fails("Check that the file exists")
            await eventually(lambda: site.west.status["capture"]["healthy"] is False, "the peer hears of it")
        site.east.run(*MORE)

    play(tmp_path, story)


def test_a_database_that_is_missing_at_the_start_is_waited_for(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        await site.east.stop()
        with moved_away(site.east):
            site.east.start(site.port)
            await site.until_east_fails("Check that the file exists")
        site.east.run(*MORE)

    play(tmp_path, story)


@pytest.mark.parametrize("running", [False, True], ids=["down", "running"])
def test_a_primary_that_was_restored_is_noticed_and_copied(tmp_path: Path, running: bool) -> None:
    """Invariant 1: the same numbers stand for other changes now; nothing that was shipped since may stay."""

    async def story(site: Site) -> None:
        await site.east.stop()
        backup = site.east.place / "backup.db"
        shutil.copy(site.east.path, backup)
        site.east.start(site.port)
        site.east.run(*MORE)
        await site.until_equal()
        if not running:
            await site.east.stop()
        put_back(backup, site.east.path)
        site.east.run("INSERT INTO room VALUES (60, 'other', 1)")
        if not running:
            site.east.start(site.port)
        await eventually(lambda: "it was restored" in site.east.warnings, lambda: repr(site.east.status))

    play(tmp_path, story)


def test_a_capture_that_was_taken_out_waits_and_begins_anew(tmp_path: Path) -> None:
    """Invariant 1: what was changed without triggers is copied; the node itself goes on with the new origin."""

    async def story(site: Site) -> None:
        with closing(open_site(f"sqlite:///{site.east.path}")) as there:
            there.uninstall()
        site.east.run(*MORE)
        await site.until_east_fails("nothing is installed", "admin-sync install")
        site.east.install()
        await eventually(lambda: "everything begins anew" in site.east.warnings, lambda: repr(site.east.status))

    play(tmp_path, story)


# Its tables.


@pytest.mark.parametrize("running", [False, True], ids=["down", "running"])
def test_a_table_that_was_made_anew_is_copied_when_it_has_its_triggers_again(tmp_path: Path, running: bool) -> None:
    """Invariant 1: a dropped table takes its triggers along, and nothing notes what is written to its successor."""

    async def story(site: Site) -> None:
        if not running:
            await site.east.stop()
        site.east.run("DROP TABLE room", ROOM, "INSERT INTO room VALUES (9, 'new', 2)")
        if running:
            await site.until_east_fails("the triggers in it are not the ones that are needed", "admin-sync install")
        site.east.install()
        if not running:
            site.east.start(site.port)

    play(tmp_path, story)


def test_installing_again_copies_nothing_where_nothing_was_missed(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        runs = site.east.status["snapshots"]
        site.east.install()
        site.east.run(*MORE)
        await site.until_equal()
        assert site.east.status["snapshots"] == runs
        assert site.east.warnings.count("copying") == 1

    play(tmp_path, story)


@pytest.mark.usefixtures("surveyed_often")
def test_a_dropped_table_is_missed_and_comes_back(tmp_path: Path) -> None:
    """Invariant 10: what is not replicated any more is named."""

    async def story(site: Site) -> None:
        site.east.run("DROP TABLE room")
        await eventually(lambda: "table room is not replicated any more" in site.east.warnings, "a word about it")
        site.east.run(ROOM, "INSERT INTO room VALUES (9, 'new', 2)")

    play(tmp_path, story)


@pytest.mark.usefixtures("surveyed_often")
def test_an_added_column_is_taken_up_with_the_values_that_it_has(tmp_path: Path) -> None:
    """Invariant 1: values that came with the column itself were never noted by a trigger."""

    async def story(site: Site) -> None:
        site.east.run("ALTER TABLE room ADD COLUMN floor INTEGER DEFAULT 3")
        site.east.run("UPDATE room SET floor = 8 WHERE id = 2")
        await site.until_equal()
        assert (2, 8) in site.west.select("SELECT id, floor FROM room")
        site.west.install()
        site.east.install()
        site.east.run(*MORE)

    play(tmp_path, story)


def test_a_dropped_column_pauses_its_table_until_it_is_dropped_there_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariants 1 and 10: all other tables go on, and nobody takes the paused one for equal."""
    monkeypatch.setattr(intake, "RESUME_INTERVAL_S", 0.1)

    async def story(site: Site) -> None:
        site.east.run("ALTER TABLE room DROP COLUMN size")
        site.east.run(*MORE)
        for half in site.halves:
            await eventually(lambda: all(each.status["paused"] for each in site.halves), "the pause")
            (paused,) = half.status["paused"]
            assert (paused["table"], paused["difference"]) == ("room", "column size of room is gone on the primary")
            assert "Drop size from room on the secondary too" in paused["remedy"]
        await eventually(lambda: (7, 2) in site.west.select("SELECT id, room FROM agent"), "another table's change")
        assert ("hall", 40) in site.west.select("SELECT name, size FROM room")
        report = await site.verified()
        assert (report["equal"], report["tables"]["room"]["paused"]) == (False, True)
        site.west.run("ALTER TABLE room DROP COLUMN size")
        await site.until_equal()
        await eventually(lambda: not any(half.status["paused"] for half in site.halves), "the end of the pause")

    play(tmp_path, story)


def test_a_table_included_later_is_copied_with_the_rows_that_it_has(tmp_path: Path) -> None:
    """Invariant 1: capture adapts to it by itself."""

    async def story(site: Site) -> None:
        for half in site.halves:
            await half.stop()
            half.run("CREATE TABLE extra (id INTEGER PRIMARY KEY, note TEXT)")
            half.selection = replace(SELECTION, include=("room", "agent", "extra"))
        site.east.run("INSERT INTO extra VALUES (1, 'was'), (2, 'there')")
        site.west.install()
        for half in site.halves:
            half.start(site.port)

    play(tmp_path, story)


def test_rows_that_a_changed_rule_lets_in_are_copied(tmp_path: Path) -> None:
    """Invariant 1: nobody changed them, so only a copy can bring them."""

    async def story(site: Site) -> None:
        for rule in ("id > 1", "id > 0"):
            for half in site.halves:
                await half.stop()
                half.selection = replace(SELECTION, rows={"room": rule})
            for half in site.halves:
                half.start(site.port)
            site.east.run("UPDATE room SET size = size + 1")
            await eventually(lambda: site.east.status["snapshots"], "a copy")
            if rule == "id > 0":
                await site.until_equal()

    play(tmp_path, story)


# The spool and the state directory.


def test_a_full_spool_holds_capture_until_the_peer_is_back(tmp_path: Path) -> None:
    """Invariants 1 and 7: the journal keeps what the spool does not take."""

    async def story(site: Site) -> None:
        await site.west.stop()
        await site.east.stop()
        site.east.limits = {"spool_bytes_max": 65536}
        site.east.start(site.port)
        for number in range(10, 30):
            site.east.run(f"INSERT INTO room VALUES ({number}, hex(randomblob(4000)), 1)")
        error = await site.until_east_fails("the spool is full")
        assert error["kind"] == "SpoolFull"
        assert "capture goes on as it catches up" in error["remedy"]
        site.west.start(site.port)

    play(tmp_path, story)


def test_a_full_disk_under_the_spool_holds_capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariants 1, 7 and 9: nothing is forgotten by the source that the spool could not write."""

    async def story(site: Site) -> None:
        def refuse(self: LocalFile, piece: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as disk:
            disk.setattr(LocalFile, "write", refuse)
            site.east.run(*MORE)
            error = await site.until_east_fails("No space left on device")
            assert error["kind"] == "SpoolFull"
            assert "Make room on the disk" in error["remedy"]
            await eventually(lambda: site.west.status["capture"]["healthy"] is False, "the peer hears of it")

    play(tmp_path, story)


def flip(site: Site) -> None:
    """Turn one bit in what is synced."""
    newest = max((site.east.state / "spool").glob("*.spool"))
    content = bytearray(newest.read_bytes())
    content[max(700, len(content) // 16)] ^= 1
    newest.write_bytes(content)


def delete(site: Site) -> None:
    shutil.rmtree(site.east.state / "spool")


@pytest.mark.parametrize(
    ("damage", "says"), [(flip, "copying all tables again"), (delete, "are not in the journal (any more)")]
)
def test_a_spool_that_lost_something_is_noticed_and_everything_copied(
    tmp_path: Path, damage: Callable[[Site], None], says: str
) -> None:
    """Invariants 1 and 10."""

    async def story(site: Site) -> None:
        await site.west.stop()
        for number in range(10, 20):
            site.east.run(f"INSERT INTO room VALUES ({number}, 'spooled', 1)", "DELETE FROM room WHERE id = 1")
            await eventually(lambda: site.east.status["apply"]["lag_transactions"], "a batch in the spool")
        await site.east.stop()
        damage(site)
        for half in site.halves:
            half.start(site.port)
        await eventually(lambda: says in site.east.warnings, lambda: repr(site.east.status))
        assert "copying all tables" in site.east.warnings

    play(tmp_path, story)


def test_a_spool_damaged_under_way_is_given_up(tmp_path: Path) -> None:
    """Invariant 1: no session could ever send what stands behind the damage."""

    async def story(site: Site) -> None:
        await site.west.stop()
        # More than what the spool keeps in memory, so that the sender must read the file.
        for _ in range(2):
            before = site.east.status["counters"]["changes"]
            site.east.run("UPDATE room SET name = hex(randomblob(1600000))")
            await eventually(partial(_captured, site, before + 3), "large batches")
        flip(site)
        site.west.start(site.port)
        await eventually(lambda: "the spool is damaged" in site.east.warnings, lambda: repr(site.east.status))

    play(tmp_path, story)


def _captured(site: Site, changes: int) -> bool:
    return int(site.east.status["counters"]["changes"]) >= changes


def test_saved_runs_that_can_not_be_read_are_made_anew(tmp_path: Path) -> None:
    """Invariant 1: nobody knows what was to be copied, so everything is."""

    async def story(site: Site) -> None:
        await site.east.stop()
        (site.east.state / "runs.state").write_bytes(b"\xc1nonsense")
        site.west.past_the_guard("DELETE FROM room WHERE id = 1")
        site.east.start(site.port)
        await eventually(lambda: "could not read the saved snapshot runs" in site.east.warnings, "a word about it")

    play(tmp_path, story)
