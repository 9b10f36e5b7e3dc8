"""A first copy onto a secondary that already has rows, and has them wrong.

That is the usual state of two servers that were kept alike by hand. Defends invariant 1: the copy, and the changes
beside it, get through by themselves.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from adapters.sqlite.site import SqliteSite
from adapters.sqlite.source import SqliteSource
from adapters.sqlite.target import SqliteTarget
from sync.core.backoff import Backoff
from sync.core.filter import Filter, Selection
from sync.errors import RowRefused
from sync.model.batch import Encoded
from sync.model.position import START
from sync.receiver.applier import Applier
from sync.receiver.guard import Guard
from sync.replicator.capture import Capture
from sync.replicator.desk import Desk
from sync.replicator.surveyor import Surveyor
from sync.replicator.turns import CaptureTurns
from sync.replicator.wall import Wall
from sync.spool.disk import LocalDisk
from sync.spool.log import SegmentedSpool
from sync.wire.codec import Codec
from tests.integration.meeting import Notices
from tests.integration.world import SystemClock

DDL = """CREATE TABLE synonyms (acd_no SMALLINT NOT NULL, value CHAR(40) NOT NULL, item_name CHAR(100) NOT NULL,
         own TEXT DEFAULT 'mine', PRIMARY KEY (acd_no, value))"""
UNIQUE = "CREATE UNIQUE INDEX ix_syn_name ON synonyms (acd_no, item_name)"


Named = tuple[int, str, str]
"""Number, value and name."""


class Pair:
    """A real source and target of SQLite with the real halves between them, taken by hand, one row a chunk."""

    def __init__(self, folder: Path, ours: list[Named], theirs: list[Named], **rows: str) -> None:
        self.databases = []
        for name, content in (("east", ours), ("west", theirs)):
            database = sqlite3.connect(folder / f"{name}.db", isolation_level=None)
            database.execute(DDL)
            database.execute(UNIQUE)
            database.executemany("INSERT INTO synonyms (acd_no, value, item_name) VALUES (?, ?, ?)", content)
            self.databases.append(database)
        self.rules = Filter(Selection(rows=rows, local_columns={"synonyms": ("own",)}))
        sites = [SqliteSite(str(folder / f"{name}.db")) for name in ("east", "west")]
        self.captured = self.rules.captured(sites[0].catalog())
        sites[0].install_capture(self.captured)
        sites[1].install_guard(self.captured, "east")
        for site in sites:
            site.close()
        notices, clock, codec = Notices(), SystemClock(), Codec()
        source = SqliteSource(str(folder / "east.db"))
        self.spool = SegmentedSpool(LocalDisk(folder / "spool"), origin=source.origin, bytes_max=1 << 24)
        self.spool.open()
        surveyor = Surveyor(lambda: SqliteSite(str(folder / "east.db")), self.rules, notices)
        capture = Capture(source, self.rules, surveyor, codec, self.spool, notices, Wall(self.rules, codec), 1, 1 << 20)
        self.desk = Desk(notices, clock, chunk_rows=1)
        self.turns = CaptureTurns(capture, self.desk, notices, clock, Backoff(random=lambda: 0.5))
        self.applier = Applier(
            SqliteTarget(str(folder / "west.db")), Codec(), Guard(self.rules, notices), notices, clock
        )
        self.applier.target.open()
        self.applier.restart(source.origin, 1)
        self.reader = self.spool.read(START)

    def spooled(self) -> list[Encoded]:
        """Take a turn of capture, and give what it put into the spool."""
        self.turns.turn()
        return list(iter(self.reader.next, None))

    def settle(self) -> None:
        """Go on until the copy is done and nothing is under way."""
        self.desk.connected()
        for _ in range(50):
            for result in self.applier.apply(self.spooled()).results:
                self.desk.answered(result)
            if not self.desk.copying():
                return
        pytest.fail("the copy does not end")

    def rows(self, at: int) -> list[Named]:
        return self.databases[at].execute("SELECT acd_no, value, item_name FROM synonyms ORDER BY 1, 2").fetchall()


OURS = [(1, "a", "Sales"), (1, "b", "Service"), (1, "c", "Claims")]
SWAPPED = [(1, "a", "Service"), (1, "b", "Claims"), (1, "c", "Sales"), (1, "d", "Gone")]


def test_a_copy_gets_past_names_that_rows_of_later_chunks_still_hold(tmp_path: Path) -> None:
    pair = Pair(tmp_path, OURS, SWAPPED)
    pair.settle()
    assert pair.rows(1) == OURS


def test_so_does_a_change_that_comes_before_its_table_is_copied(tmp_path: Path) -> None:
    pair = Pair(tmp_path, OURS, SWAPPED)
    pair.databases[0].execute("UPDATE synonyms SET item_name = 'Gone' WHERE value = 'a'")
    pair.applier.apply(pair.spooled())  # nobody is connected yet: no chunk is read, the change goes alone
    pair.settle()
    assert pair.rows(1) == pair.rows(0)


def test_after_the_copy_a_row_that_is_in_the_way_is_shown_and_not_put_aside(tmp_path: Path) -> None:
    pair = Pair(tmp_path, OURS, [])
    pair.settle()
    west = pair.databases[1]
    west.execute("BEGIN IMMEDIATE")
    west.execute("UPDATE admin_sync_guard SET applying = 1")
    west.execute("INSERT INTO synonyms (acd_no, value, item_name) VALUES (1, 'z', 'Taken')")
    west.execute("UPDATE admin_sync_guard SET applying = 0")
    west.execute("COMMIT")
    pair.databases[0].execute("UPDATE synonyms SET item_name = 'Taken' WHERE value = 'b'")
    with pytest.raises(RowRefused, match="synonyms"):
        pair.applier.apply(pair.spooled())
    assert (1, "z", "Taken") in pair.rows(1)


def test_rows_outside_of_the_row_rule_are_never_put_aside(tmp_path: Path) -> None:
    rule = "value < 'm'"
    pair = Pair(tmp_path, OURS, [(1, "x", "Sales")], synonyms=rule)
    with pytest.raises(RowRefused, match="synonyms"):
        pair.settle()
    assert pair.rows(1) == [(1, "x", "Sales")]
