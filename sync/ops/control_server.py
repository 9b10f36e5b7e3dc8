"""Serves the control API inside the node's event loop: on the control socket, and on TCP where configured.

Rules: signals and logs stay the node's; the socket has mode 0600 from its first moment; idle costs nothing (no
ticking); an open stream never delays the end.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from sync.errors import UsageError
from sync.ops.address import show_address
from sync.ops.control import Control

SOCKET_NAME = "control.sock"
PATH_BYTES_MAX = 100
"""The kernel's limit is 108 for the whole name; longer ones go through the directory's descriptor."""
BACKLOG = 64
CONNECTIONS_MAX = 64
GRACE_S = 2
IDLE_CONNECTION_S = 15


class _Server(uvicorn.Server):
    """uvicorn without signals and without its ten ticks a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.end = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.end.wait()


class ControlServer:
    """Holds the listening sockets from construction on, so that a taken address shows before the node starts."""

    def __init__(self, control: Control, state_dir: Path, http: tuple[str, int] | None) -> None:
        self._control = control
        self._path = state_dir / SOCKET_NAME
        listening = [(control.socket_app(), _unix_socket(self._path))]
        try:
            if http is not None:
                listening.append((control.public_app(), _tcp_socket(http)))
        except UsageError:
            listening[0][1].close()
            self._path.unlink(missing_ok=True)
            raise
        self._listening = listening
        self.http_port: int | None = listening[1][1].getsockname()[1] if http is not None else None

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping` is set."""
        servers = [(_Server(_settings(app)), listener) for app, listener in self._listening]
        try:
            async with asyncio.TaskGroup() as group:
                for server, listener in servers:
                    group.create_task(server.serve([listener]))
                await stopping.wait()
                self._control.close()
                for server, _ in servers:
                    server.end.set()
        finally:
            self.close()

    def close(self) -> None:
        """Close the sockets; safe twice, and without `run`."""
        for _, listener in self._listening:
            listener.close()
        self._path.unlink(missing_ok=True)


def _settings(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        loop="none",
        interface="asgi3",
        http="h11",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=IDLE_CONNECTION_S,
        timeout_graceful_shutdown=GRACE_S,
    )


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """Give a name for `path` that fits into a socket address, however deep the directory lies."""
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield str(path)
        return
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def _unix_socket(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Only the owner of the state directory's lock comes here: a socket file that lies there is a dead one's.
        if path.exists() and stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
        # The mode of a bound socket is that of its descriptor before the bind: no moment in which others may connect.
        os.fchmod(listener.fileno(), 0o600)
        with socket_address(path) as address:
            listener.bind(address)
        path.chmod(0o600)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(f"can not open the control socket {path}", error.strerror or str(error)) from error
    listener.settimeout(0)
    return listener


def _tcp_socket(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        why = error.strerror or str(error)
        raise UsageError(f"can not listen on {show_address(*address)}", why, "Change http.address.") from error
    listener.settimeout(0)
    return listener
