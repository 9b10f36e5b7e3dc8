"""Faults under real processes: what a node says that can not start, disks without room, and what waiting costs.

Invariants 1 (nothing is lost by waiting) and 10 (what stands still never looks as if it ran).
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import NodeAt, Pair, alive, change, eventually, make_pair, no_file_longer_than

ROOM = "CREATE TABLE room (id INTEGER PRIMARY KEY, name TEXT, size INTEGER)"
TABLES = ('profile = "none"', 'include = ["room"]')
BLOB = "INSERT INTO room SELECT max(id) + 1, hex(randomblob(200000)), 0 FROM room"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of a running process are set with prlimit")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    databases = (tmp_path / "east.db", tmp_path / "west.db")
    for path in databases:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(f"PRAGMA journal_mode = WAL; {ROOM};")
    change(databases[0], "INSERT INTO room VALUES (1, 'reception', 4)")
    with alive(make_pair(tmp_path, databases, {"room": "id, name, size"}, TABLES)) as made:
        yield made


def shown(node: NodeAt) -> dict[str, Any]:
    """What `status --json` prints."""
    ran = node.run_cli("status", "--json")
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def spent_s(node: NodeAt) -> float:
    """Processor time of the node so far."""
    assert node.process is not None
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_disks_without_room_are_waited_for(pair: Pair) -> None:
    """Invariants 1 and 9, first under the secondary's database, then under the primary's spool."""
    pair.start()
    pair.until_streaming()
    with no_file_longer_than(pair.secondary, 65536):
        change(pair.primary.database, BLOB)
        eventually(lambda: pair.secondary.status()["state"] == "apply_failed", "the secondary stands still")
        assert "disk" in pair.secondary.status()["last_error"]["remedy"]
        eventually(lambda: pair.primary.status()["apply"]["lag_s"] > 0.2, "a growing lag")
    pair.until_equal()
    with no_file_longer_than(pair.primary, 4096):
        change(pair.primary.database, BLOB)
        eventually(lambda: pair.primary.status()["state"] == "capture_failed", "the primary stands still")
        assert pair.primary.status()["capture"]["healthy"] is False
        assert "disk" in pair.primary.status()["last_error"]["remedy"]
    pair.until_equal()
    assert [node.stop() for node in pair.nodes] == [0, 0]


def test_a_refused_row_shows_in_status_and_costs_nothing_while_it_waits(pair: Pair) -> None:
    """Invariant 10: for people and for scripts; SIGTERM is obeyed, and the log is not filled."""
    pair.start()
    pair.until_streaming()
    trigger = "CREATE TRIGGER theirs BEFORE INSERT ON room BEGIN SELECT RAISE(ABORT, 'not on Sundays'); END"
    change(pair.secondary.database, trigger)
    change(pair.primary.database, "INSERT INTO room VALUES (2, 'hall', 40)")
    eventually(lambda: pair.secondary.status()["counters"]["apply_failures"] > 3, "some tries")
    report = shown(pair.secondary)
    assert report["state"] == "apply_failed"
    error = report["last_error"]
    assert (error["table"], error["key"], error["why"]) == ("room", "(id=2)", "not on Sundays")
    assert error["remedy"]
    began, before = time.monotonic(), spent_s(pair.secondary)
    eventually(lambda: pair.secondary.status()["apply"]["lag_s"] > 3, "a growing lag")
    share = (spent_s(pair.secondary) - before) / (time.monotonic() - began)
    assert share < 0.3, f"a waiting node takes {share:.0%} of a processor"
    assert pair.secondary.errors.count("not on Sundays") == 1
    began = time.monotonic()
    assert pair.secondary.stop() == 0
    assert time.monotonic() - began < 3
    change(pair.secondary.database, "DROP TRIGGER theirs")
    pair.secondary.start()
    pair.until_equal()


def test_a_node_that_can_not_start_says_why(pair: Pair) -> None:
    """Wrong usage or a damaged state directory: one message with a remedy, no traceback, exit code 2 or 70."""
    node = pair.primary
    state = node.state / "node.json"
    state.write_bytes(b'{"role"')
    ran = node.run_cli("run")
    assert ran.returncode == 2
    assert "could not read the node state node.json" in ran.stderr
    assert "from a backup" in ran.stderr
    assert "Traceback" not in ran.stderr
    state.unlink()
    (node.state / "spool").write_bytes(b"not a directory")
    ran = node.run_cli("run")
    assert ran.returncode == 70
    assert f"could not use the directory {node.state / 'spool'}" in ran.stderr
    assert "Check `node.state_dir`" in ran.stderr
    assert "Traceback" not in ran.stderr
