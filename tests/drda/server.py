"""The server: a socket on the loopback interface, and a thread for each client.

Whatever goes wrong that no test asked for is kept, and `close` gives it back: the driver retries and rewords what it
meets, and would hide the reason.
"""

from __future__ import annotations

import socket
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

from tests.drda.assumptions import Assumptions
from tests.drda.engine import Engine
from tests.drda.faults import ConnectionCut, Faults
from tests.drda.framing import read_chain
from tests.drda.session import Session

HOST = "127.0.0.1"
_JOIN_S = 20
_BUFFER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Entry:
    """One request as it came in: the how-manieth client, the command's name, and its statement if it brings one."""

    client: int
    command: str
    sql: str


class ClientGone(Exception):
    """The client closed its connection."""


class Server:
    """Serves from its making until `close`. Every public method may be called by any thread."""

    def __init__(self, engine: Engine, assumptions: Assumptions, port: int) -> None:
        self._engine = engine
        self._assumptions = assumptions
        self._lock = threading.Lock()
        self._open: dict[int, socket.socket] = {}
        self._sessions: list[threading.Thread] = []
        self.faults = Faults()
        self.errors: list[Exception] = []
        self._entries: list[Entry] = []
        self._clients = 0
        self._listening = socket.create_server((HOST, port))
        self.port: int = self._listening.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="drda-accept", daemon=True)
        self._accepting.start()

    def came_in(self) -> list[Entry]:
        with self._lock:
            return list(self._entries)

    def cut_all(self) -> None:
        """Cut every connection, whatever it is doing; new ones are welcome."""
        with self._lock:
            for connected in self._open.values():
                with suppress(OSError):  # the client was faster
                    connected.shutdown(socket.SHUT_RDWR)

    def gone(self, timeout_s: float) -> bool:
        """Wait until no client is left, and what they left undone is rolled back."""
        for thread in list(self._sessions):
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._sessions)

    def close(self) -> list[str]:
        """End all sessions. What comes back are the double's own failures, with their traces."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join(_JOIN_S)
        self.faults.release()
        self.cut_all()
        for thread in self._sessions:
            thread.join(_JOIN_S)
            if thread.is_alive():
                self.errors.append(TimeoutError(f"{thread.name} is still at work after {_JOIN_S} s"))
        return ["".join(traceback.format_exception(error)) for error in self.errors]

    def _accept(self) -> None:
        while True:
            try:
                connected, _address = self._listening.accept()
            except OSError:
                return
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._clients += 1
                self._open[self._clients] = connected
            name = f"drda-client-{self._clients}"
            thread = threading.Thread(target=self._serve, args=(connected, self._clients), name=name, daemon=True)
            self._sessions.append(thread)
            thread.start()

    def _serve(self, connected: socket.socket, client: int) -> None:
        def log(command: str, sql: str) -> None:
            with self._lock:
                self._entries.append(Entry(client, command, sql))

        session = Session(self._engine, self._assumptions, self.faults, log)
        stream = cast("BinaryIO", connected.makefile("rb", _BUFFER_BYTES))
        try:
            while True:
                chain = read_chain(lambda size: _exactly(stream, size))
                connected.sendall(session.answer(chain))
        except (ClientGone, ConnectionCut, OSError):
            pass
        except Exception as wrong:  # noqa: BLE001 - this thread's failure is raised by the one that runs the test
            self.errors.append(wrong)
        finally:
            # First the transaction ends, then the client hears of it: a test may look at once.
            session.close()
            with self._lock:
                del self._open[client]
            stream.close()
            connected.close()


def _exactly(stream: BinaryIO, size: int) -> bytes:
    block = stream.read(size)
    if len(block) < size:
        raise ClientGone
    return block
