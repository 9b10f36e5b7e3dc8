"""A pair of nodes as real processes on the sample site, with what is needed to measure them from outside.

The rule it keeps: only what an operator could see is measured: rows in the secondary's file, and what the kernel counts
for the two processes. Nothing outlives the measurement.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync.demo.programs import Crew, Program
from sync.demo.sqlite import SqliteDatabase
from sync.demo.stage import Place, set_up
from sync.ops.client import ControlClient

TIMEOUT_S = 120.0
UPSERT = (
    "INSERT INTO user_split VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user_id, acd, split) DO UPDATE SET"
    " rd_perm = excluded.rd_perm, wr_perm = excluded.wr_perm, ex_perm = excluded.ex_perm"
)
Rows = Sequence[tuple[Any, ...]]


@dataclass
class Node:
    """One running node."""

    place: Place
    program: Program

    @property
    def pid(self) -> int:
        return self.program._child.pid

    def connect(self) -> sqlite3.Connection:
        """A connection to its database, as an application has one."""
        assert isinstance(self.place.database, SqliteDatabase)
        connection = sqlite3.connect(self.place.database.path, timeout=20, isolation_level=None)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def status(self) -> dict[str, Any]:
        return ControlClient(self.place.state_dir).status()

    def cpu_s(self) -> float:
        """CPU seconds of all threads so far, in nanosecond steps."""
        return sum(int(_task(self.pid, task, "schedstat").split()[0]) for task in _tasks(self.pid)) / 1e9

    def wakeups(self) -> int:
        """How often any of its threads has slept and come back."""
        return sum(int(_field(_task(self.pid, task, "status"), "voluntary_ctxt_switches")) for task in _tasks(self.pid))

    def peak_mb(self) -> float:
        """The most memory that it ever had resident, in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        return int(_field(status, "VmHWM").split()[0]) / 1024

    def reset_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", "ascii")


@dataclass
class Pair:
    """Both nodes, streaming."""

    primary: Node
    secondary: Node

    def write(self, rows: Rows, group: int) -> None:
        """Upsert on the primary, `group` rows a transaction, as an application would: through the triggers."""
        with closing(self.primary.connect()) as connection:
            for start in range(0, len(rows), group):
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(UPSERT, rows[start : start + group])
                connection.execute("COMMIT")

    def caught_up(self, probe: sqlite3.Connection, row: tuple[Any, ...]) -> bool:
        found = probe.execute(
            "SELECT 1 FROM user_split WHERE user_id = ? AND acd = ? AND split = ? AND rd_perm = ?", row[:4]
        )
        return found.fetchone() is not None

    def until_visible(self, row: tuple[Any, ...]) -> None:
        """Wait until the secondary shows this row."""
        with closing(self.secondary.connect()) as probe:
            eventually(lambda: self.caught_up(probe, row), "the row on the secondary")

    def settle(self) -> None:
        """Wait until nothing is under way: the spool is applied and the journal cleared."""

        def idle() -> bool:
            if self.primary.status()["apply"]["lag_transactions"]:
                return False
            with closing(self.primary.connect()) as connection:
                return not connection.execute("SELECT 1 FROM admin_sync_journal WHERE tbl <> 0 LIMIT 1").fetchone()

        eventually(idle, "both nodes idle", 0.1)

    @contextmanager
    def primary_paused(self) -> Iterator[None]:
        """Stop the primary's process where it stands; the caller goes on with `resume`, at the latest at the end."""
        os.kill(self.primary.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            self.resume()

    def resume(self) -> None:
        os.kill(self.primary.pid, signal.SIGCONT)


@contextmanager
def running_pair() -> Iterator[Pair]:
    """Make both nodes on a small sample site, start them, and wait for the first copy."""
    with tempfile.TemporaryDirectory(prefix="admin-sync-bench-") as name, Crew() as crew:
        nodes = []
        stage = set_up(Path(name), lambda side: SqliteDatabase(side / "site.db"), "small", seed=1)
        for place in (stage.secondary, stage.primary):
            run = ["-m", "sync.cli", "run", "-c", str(place.config), "--log", "json"]
            nodes.append(Node(place, crew.start(place.name, run, place.log)))
        secondary, primary = nodes
        pair = Pair(primary, secondary)
        eventually(lambda: _copied(pair), "the first copy", 0.1)
        pair.settle()
        yield pair
        for node in nodes:
            node.program.need()


def eventually(condition: Callable[[], bool], what: str, look_s: float = 0.001) -> None:
    """Wait until `condition` gives true."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"did not come within {TIMEOUT_S:g} s: {what}"
        time.sleep(look_s)


def plain(path: Path) -> sqlite3.Connection:
    """A database of the same table with nothing of ours in it: what the same upserts cost by themselves."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE user_split (user_id CHAR(32) NOT NULL, acd SMALLINT NOT NULL, split SMALLINT NOT NULL,"
        " rd_perm CHAR(1), wr_perm CHAR(1), ex_perm CHAR(1), PRIMARY KEY (user_id, acd, split))"
    )
    return connection


def json_bytes(names: Sequence[str], rows: Rows) -> int:
    """What the same rows take as JSON objects."""
    return len(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))


def _copied(pair: Pair) -> bool:
    for node in (pair.primary, pair.secondary):
        node.program.need()
    try:
        if not pair.primary.status()["peer"]["connected"]:
            return False
    except Exception:  # noqa: BLE001  it is still starting
        return False
    counts = []
    for node in (pair.primary, pair.secondary):
        with closing(node.connect()) as connection:
            counts.append([connection.execute(f"SELECT count(*) FROM {t}").fetchone() for t in ("users", "rep_defs")])
    return counts[0] == counts[1]


def _tasks(pid: int) -> list[str]:
    return [task.name for task in Path(f"/proc/{pid}/task").iterdir()]


def _task(pid: int, task: str, name: str) -> str:
    return Path(f"/proc/{pid}/task/{task}/{name}").read_text("ascii")


def _field(text: str, name: str) -> str:
    return text.partition(f"\n{name}:")[2].partition("\n")[0].strip()
