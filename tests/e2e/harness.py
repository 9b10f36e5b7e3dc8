"""A pair of nodes as real processes, for tests that treat them as a user or a power failure would.

The rules it keeps: a test waits for a condition with a deadline and for nothing else, and no node outlives the test,
not even where the test's own process is killed.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sync.cli import execute as admin_sync
from sync.errors import AdminSyncError
from sync.ops.client import ControlClient
from sync.ops.identity import Identity

TIMEOUT_S = 30.0
LOOK_S = 0.02
BEATS = "interval_s = 20"
COMMAND = str(Path(sys.executable).with_name("admin-sync"))
# PR_SET_PDEATHSIG: the kernel kills the node when its test is gone, whatever ended it.
BOUND = "import ctypes; ctypes.CDLL(None).prctl(1, 9); from sync.cli import main; main()"
BOUND_TO_US = [sys.executable, "-c", BOUND] if sys.platform == "linux" else [COMMAND]


def eventually(condition: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Wait until `condition` gives something true; the only wait there is."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"did not come within {timeout_s:g} s: {what}"
        time.sleep(LOOK_S)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def select(path: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Read in a connection of its own."""
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        return connection.execute(sql, values).fetchall()


def change(path: Path, *statements: str) -> None:
    """Run statements in one transaction, as an application does."""
    with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)


@dataclass
class NodeAt:
    """One node's directory, database and process."""

    directory: Path
    database: Path
    name: str
    process: subprocess.Popen[bytes] | None = None
    url: str = ""
    """Of the database, where it is no file."""

    @property
    def config(self) -> Path:
        return self.directory / "node.toml"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def log(self) -> Path:
        return self.directory / "node.log"

    def start(self) -> None:
        assert self.process is None, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*BOUND_TO_US, "run", "-c", str(self.config), "--log", "json"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: nothing is written, said or closed any more."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(TIMEOUT_S)
            self.process = None

    def stop(self, timeout_s: float = TIMEOUT_S) -> int:
        """SIGTERM, and wait; gives the exit code."""
        self.signal(signal.SIGTERM)
        return self.ended(timeout_s)

    def ended(self, timeout_s: float = TIMEOUT_S) -> int:
        assert self.process is not None
        code = self.process.wait(timeout_s)
        self.process = None
        return code

    def status(self) -> dict[str, Any]:
        """status.json over the control socket; empty while the node does not answer."""
        try:
            return ControlClient(self.state).status()
        except AdminSyncError:
            return {}

    def run_cli(self, command: str, *arguments: str, timeout_s: float = TIMEOUT_S) -> subprocess.CompletedProcess[str]:
        """Run a command on this node in a process of its own."""
        return subprocess.run(
            [COMMAND, command, "-c", str(self.config), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    @property
    def errors(self) -> str:
        """The end of its log, for a failure's message."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


@dataclass
class Pair:
    """Primary and secondary; `replicated` maps each table to the columns that must become equal."""

    primary: NodeAt
    secondary: NodeAt
    replicated: Mapping[str, str]
    port: int
    others: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def nodes(self) -> tuple[NodeAt, NodeAt]:
        return self.primary, self.secondary

    def start(self) -> None:
        self.secondary.start()
        self.primary.start()

    def kill_all(self) -> None:
        for node in self.nodes:
            node.kill()
        for process in self.others:
            process.kill()
            process.communicate()

    def projection(self, node: NodeAt) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that must be equal, read in one transaction."""
        with closing(sqlite3.connect(node.database, timeout=20)) as connection:
            connection.execute("BEGIN")
            return {
                table: sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)
                for table, columns in self.replicated.items()
            }

    def equal(self) -> bool:
        return self.projection(self.primary) == self.projection(self.secondary)

    def until_equal(self, timeout_s: float = TIMEOUT_S) -> None:
        try:
            eventually(self.equal, "both sides equal", timeout_s)
        except AssertionError as error:
            one, other = (self.projection(node) for node in self.nodes)
            differing = {t: (len(one[t]), len(other[t])) for t in one if one[t] != other[t]}
            logs = "".join(f"\n--- {node.name}\n{node.errors}" for node in self.nodes)
            raise AssertionError(f"{error}: {differing}{logs}") from None

    def connected(self) -> bool:
        return all(node.status().get("peer", {}).get("connected") for node in self.nodes)

    def until_streaming(self) -> None:
        """Until a session is open and the first copy, where one was due, is over."""
        eventually(self.connected, "a session")
        self.until_equal()


def make_pair(
    directory: Path, databases: tuple[Path, Path], replicated: Mapping[str, str], tables: Sequence[str] = ()
) -> Pair:
    """Make both nodes, paired and installed, without starting them. `tables` are lines for [tables]."""
    east = NodeAt(directory / "east", databases[0], "cms-east")
    west = NodeAt(directory / "west", databases[1], "cms-west")
    return Pair(east, west, replicated, set_up_pair(east, west, tables))


def set_up_pair(east: NodeAt, west: NodeAt, tables: Sequence[str] = ()) -> int:
    """Init, pair and install two nodes; gives the port that the secondary listens on."""
    port = free_port()
    _in_process("init", str(east.directory), *_named(east), "--peer", f"127.0.0.1:{port}")
    _in_process("init", str(west.directory), *_named(west), "--role", "secondary", "--listen", f"127.0.0.1:{port}")
    for node, peer in ((east, west), (west, east)):
        Identity.of(node.state).pin(Identity.of(peer.state).own(), expected=peer.name, own_name=node.name)
        set_up(node.config, tables)
        _in_process("install", "-c", str(node.config))
    return port


def _named(node: NodeAt) -> list[str]:
    return ["--name", node.name, "--database", node.url or f"sqlite:///{node.database}"]


def _in_process(*arguments: str) -> None:
    """Run a command here: half a second cheaper than a process."""
    code = admin_sync(list(arguments))
    assert code == 0, f"admin-sync {' '.join(arguments)} ended with {code}"


def set_up(config: Path, tables: Sequence[str]) -> None:
    """Put lines into [tables], and make beats fast enough for a test to notice a silent peer."""
    text = config.read_text("utf-8")
    for line in tables:
        key = line.partition(" = ")[0]
        kept = [old for old in text.splitlines() if not old.startswith(f"{key} = ")]
        kept.insert(kept.index("[tables]") + 1, line)
        text = "\n".join(kept) + "\n"
    assert BEATS in text
    config.write_text(text.replace(BEATS, "interval_s = 0.5"), "utf-8")


@contextmanager
def locked(node: NodeAt) -> Iterator[None]:
    """Let another program hold the node's database for a while."""
    with closing(sqlite3.connect(node.database, isolation_level=None, timeout=20)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        yield
        locker.execute("ROLLBACK")


@contextmanager
def no_file_longer_than(node: NodeAt, size_bytes: int) -> Iterator[None]:
    """Let the system refuse every write beyond this offset, whatever the process writes to. Linux only."""
    assert node.process is not None
    soft, hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))
    yield
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def alive(pair: Pair) -> Iterator[Pair]:
    """End everything that the test started, whatever happens."""
    try:
        yield pair
    finally:
        pair.kill_all()
