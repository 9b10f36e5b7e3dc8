"""The listener: takes TCP connections, lets only the paired peer through TLS, and keeps count of the others.

Strangers cost little: a bounded number of handshakes at once, each with a deadline, and nothing is read from a
connection before its certificate was checked.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable

from sync.errors import PeerRefused, UsageError
from sync.model.notice import ConnectionRefused
from sync.ports import Observer
from sync.transport.dial import set_no_delay
from sync.transport.inbox import Inbox
from sync.transport.tls import TlsMaterial, check_pinned, server_context

HANDSHAKE_TIMEOUT_S = 5.0
HANDSHAKES_MAX = 32
HANDSHAKES_A_HOST_MAX = 8
"""So that one host that connects and says nothing does not keep the peer out."""
Serve = Callable[[Inbox, asyncio.StreamWriter, str], Awaitable[None]]


class Listener:
    """Listens on one address and hands authenticated streams to `serve`."""

    def __init__(self, host: str, port: int, material: TlsMaterial, observer: Observer, serve: Serve) -> None:
        self._host, self._port = host, port
        self._material = material
        self._context = server_context(material)
        self._observer = observer
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._closing = False
        self._handshakes: Counter[str] = Counter()
        """Under way, by the host that they come from."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Bind; raises `UsageError` where the address can not be had."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._protocol, self._host, self._port, backlog=64)
        except OSError as error:
            what = f"could not listen on {self._host}:{self._port}"
            raise UsageError(what, str(error), "Change [listen] address, or stop what uses the port.") from error

    async def close(self) -> None:
        """Stop listening and end the connections."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        inbox = Inbox()
        return asyncio.StreamReaderProtocol(inbox, lambda _, writer: self._connected(inbox, writer))

    def _connected(self, inbox: Inbox, writer: asyncio.StreamWriter) -> None:
        if self._closing:
            writer.transport.abort()
            return
        # Tasks of our own: those that asyncio would make complain when `close` cancels them.
        task = asyncio.create_task(self._accept(inbox, writer), name="connection")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        # Not left to the task: one that is cancelled before it began has done nothing.
        task.add_done_callback(lambda _: writer.transport.abort())

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a connection ended with a defect", "exception": defect, "task": task}
            )

    async def _accept(self, inbox: Inbox, writer: asyncio.StreamWriter) -> None:
        host, port = (writer.get_extra_info("peername") or ("?", 0))[:2]
        address = f"{host}:{port}"
        if await self._authenticate(writer, address):
            await self._serve(inbox, writer, address)

    async def _authenticate(self, writer: asyncio.StreamWriter, address: str) -> bool:
        host = address.rpartition(":")[0]
        if self._handshakes[host] >= HANDSHAKES_A_HOST_MAX or self._handshakes.total() >= HANDSHAKES_MAX:
            self._observer.notice(ConnectionRefused(address, "too many handshakes are under way already"))
            return False
        self._handshakes[host] += 1
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await writer.start_tls(self._context, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S)
            set_no_delay(writer)
            check_pinned(writer.get_extra_info("ssl_object"), self._material)
        except PeerRefused as error:
            self._observer.notice(ConnectionRefused(address, str(error)))
            return False
        except TimeoutError:
            self._observer.notice(ConnectionRefused(address, f"no TLS handshake within {HANDSHAKE_TIMEOUT_S:g} s"))
            return False
        except ssl.SSLError as error:
            self._observer.notice(ConnectionRefused(address, _reason(error)))
            return False
        except OSError as error:
            self._observer.notice(ConnectionRefused(address, f"the connection broke in the handshake: {error}"))
            return False
        finally:
            self._handshakes -= Counter((host,))
        return True


def _reason(error: ssl.SSLError) -> str:
    """Say what a failed handshake most likely means."""
    reason = error.reason or str(error)
    meanings = {
        "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no client certificate was shown",
        "CERTIFICATE_VERIFY_FAILED": "the client's certificate is not the paired one",
        "UNSUPPORTED_PROTOCOL": "the client does not speak TLS 1.3",
        "HTTP_REQUEST": "plain HTTP instead of TLS",
        "WRONG_VERSION_NUMBER": "plaintext instead of TLS",
    }
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{meanings['CERTIFICATE_VERIFY_FAILED']}: {error.verify_message}"
    return meanings.get(reason, reason)
