"""The process that the servers live in, and how a test reaches them.

Not a thread of the test: the driver keeps Python's lock while it asks the server for an error's text, so a server
behind the same lock would never answer. One process serves all tests of a test process. It begins with the first of
them, and ends when the pipe to it does, however its owner ended.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

from tests.drda.assumptions import Assumptions
from tests.drda.engine import Engine
from tests.drda.faults import Action, Point
from tests.drda.server import Entry, Server

_ROOT = Path(__file__).parents[2]
_HELD_S = 20
_END_S = 20


class DoubleFailed(Exception):
    """The double itself did something wrong, or met a request that it does not know."""


@dataclass(frozen=True, slots=True)
class Double:
    """A server, as a test sees it."""

    host: Host
    number: int
    port: int

    def fault(self, point: Point, text: str = "", *, do: Action, nth: int = 1) -> None:
        """Let `do` happen when the point is reached for the `nth` time with `text` in the statement, in any case."""
        self.host.ask("faults.at", self.number, point, text, do, nth)

    def faults_left(self) -> int:
        return cast("int", self.host.ask("faults.left", self.number))

    def wait_held(self) -> None:
        if not self.host.ask("faults.held", self.number, _HELD_S):
            raise DoubleFailed(f"no session came to a Hold within {_HELD_S} s")

    def wait_gone(self) -> None:
        """Until every client has gone, and the engine has heard of it."""
        if not self.host.ask("gone", self.number, _END_S):
            raise DoubleFailed(f"a session is still open after {_END_S} s")

    def release(self) -> None:
        self.host.ask("faults.release", self.number)

    def came_in(self, *commands: str) -> list[Entry]:
        """The requests so far, only of these commands if any are named."""
        entries = cast("list[Entry]", self.host.ask("came_in", self.number))
        return [entry for entry in entries if not commands or entry.command in commands]

    def cut_all(self) -> None:
        """Cut every connection, whatever it is doing; new ones are welcome."""
        self.host.ask("cut_all", self.number)

    def engine(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - the engine is the test's own
        """Call a method of the engine, there where it lives; arguments and result are pickled."""
        return self.host.ask(f"engine.{method}", self.number, *arguments)


class Host:
    """The owner's end of the pipe. One question at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(_ROOT), os.environ.get("PYTHONPATH", "")))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.drda.host", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            cwd=_ROOT,
        )
        theirs.close()
        self._pipe = Connection(ours.detach())
        self._lock = threading.Lock()

    def ask(self, method: str, number: int, *arguments: object) -> object:
        with self._lock:
            self._pipe.send((method, number, arguments))
            answer, failure = self._pipe.recv()
        if failure:
            raise DoubleFailed(failure)
        return answer

    def end(self) -> None:
        self._pipe.close()
        self._process.wait(_END_S)


@cache
def _host() -> Host:
    host = Host()
    atexit.register(host.end)
    return host


@contextmanager
def serving(engine: Engine, assumptions: Assumptions | None = None, *, port: int = 0) -> Iterator[Double]:
    """A server for the block. What the double itself did wrong is raised behind it."""
    host = _host()
    number, bound = cast("tuple[int, int]", host.ask("open", 0, engine, assumptions or Assumptions(), port))
    try:
        yield Double(host, number, bound)
    finally:
        failures = cast("list[str]", host.ask("close", number))
    if failures:
        raise DoubleFailed("\n".join(failures))


class _Servers:
    """The servers of this process, and the questions about them."""

    def __init__(self) -> None:
        self._servers: dict[int, tuple[Server, Engine]] = {}

    def answer(self, method: str, number: int, arguments: tuple[object, ...]) -> object:
        if method == "open":
            engine, assumptions, port = cast("tuple[Engine, Assumptions, int]", arguments)
            server = Server(engine, assumptions, port)
            number = len(self._servers) + 1
            self._servers[number] = server, engine
            return number, server.port
        server, engine = self._servers[number]
        target: object = server
        *path, name = method.split(".")
        for step in path:
            target = engine if step == "engine" else getattr(target, step)
        return getattr(target, name)(*arguments)


def main(descriptor: int) -> None:
    pipe, servers = Connection(descriptor), _Servers()
    while True:
        try:
            method, number, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = servers.answer(method, number, arguments), ""
        except Exception as failure:  # noqa: BLE001 - it is raised where it was asked
            answer = None, f"{method}: {failure!r}"
        pipe.send(answer)


if __name__ == "__main__":
    main(int(sys.argv[1]))
