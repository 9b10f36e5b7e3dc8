"""Brings the messages of sync.ops.pairing across TCP: each with its length before it, a limit and a deadline.

Rule: strangers cost little. One attempt at a time, few waiting, and silence ends a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from sync.errors import AdminSyncError, PeerRefused, PeerUnreachable, ProtocolError, UsageError
from sync.ops.address import show_address
from sync.ops.pairing import MESSAGE_BYTES_MAX, Handshake, Offer, Party, read_code, refusal
from sync.ports import Clock

MESSAGE_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
LOOK_S = 0.5
WAITING_MAX = 4
LENGTH_BYTES = 4
Pin = Callable[[Party], None]
Say = Callable[[str], None]


async def dial(addresses: Sequence[tuple[str, int]], own: Party, code: str, pin: Pin) -> Party:
    """Pair with the first address that answers; calls `pin` when both sides have proved the code.

    Raises `PeerUnreachable`, `PeerRefused`, `ProtocolError`, and what `pin` raises.
    """
    digits = read_code(code)
    reader, writer = await _connect(addresses)
    handshake = Handshake(own, digits, dialling=True)
    try:
        for message in handshake.open():
            await _send(writer, message)
        while not handshake.done:
            for message in handshake.receive(await _receive(reader)):
                await _send(writer, message)
        assert handshake.peer is not None
        pin(handshake.peer)
    except PeerRefused as error:
        with contextlib.suppress(AdminSyncError):
            await _send(writer, refusal(error.code))
        raise
    else:
        return handshake.peer
    finally:
        await _hang_up(writer)


class Acceptor:
    """The side that shows the code and waits on its listen address."""

    def __init__(self, own: Party, offer: Offer, pin: Pin, clock: Clock, say: Say = lambda _: None) -> None:
        self._own = own
        self._offer = offer
        self._pin = pin
        self._clock = clock
        self._say = say
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._paired: asyncio.Future[Party] | None = None
        self.port = 0

    async def run(self, address: tuple[str, int], listening: Callable[[], None] = lambda: None) -> Party:
        """Wait for the other node; gives it once paired.

        Raises `PeerRefused` when the code died, `UsageError` where the address can not be had.
        """
        self._paired = asyncio.get_running_loop().create_future()
        try:
            server = await asyncio.start_server(self._serve, *address)
        except OSError as error:
            remedy = "Stop the running node first, or what else uses the address."
            why = error.strerror or str(error)
            raise UsageError(f"can not listen on {show_address(*address)}", why, remedy) from error
        self.port = server.sockets[0].getsockname()[1]
        listening()
        try:
            while self._offer.alive(self._clock.monotonic()) and not self._paired.done():
                await asyncio.wait({self._paired}, timeout=LOOK_S)
        finally:
            server.close()
        async with self._turn:
            if self._paired.done():
                return self._paired.result()
        remedy = "Start again with `admin-sync pair --accept`."
        raise PeerRefused("dead_code", "nobody paired", "the code is used up or too old", remedy)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._waiting < WAITING_MAX:
                self._waiting += 1
                try:
                    async with self._turn:
                        await self._attempt(reader, writer)
                finally:
                    self._waiting -= 1
        finally:
            await _hang_up(writer)

    async def _attempt(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._paired is not None
        if not self._offer.alive(self._clock.monotonic()) or self._paired.done():
            await _send(writer, refusal("dead_code"))
            return
        handshake = Handshake(self._own, read_code(self._offer.code), dialling=False)
        try:
            while not self._paired.done():
                answers = handshake.receive(await _receive(reader))
                if handshake.done:
                    assert handshake.peer is not None
                    self._pin(handshake.peer)
                    self._offer.used()
                    self._paired.set_result(handshake.peer)
                for message in answers:
                    await _send(writer, message)
        except PeerRefused as error:
            if error.code == "wrong_code":
                self._offer.failed()
            self._say(f"{error}; {self._offer.attempts_left} attempts left")
            await _send(writer, refusal(error.code))
        except UsageError as error:
            # Pinning failed on our own disk: no attempt will fare better.
            self._paired.set_exception(error)
        except AdminSyncError as error:
            self._say(str(error))


async def _connect(addresses: Sequence[tuple[str, int]]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reasons = []
    for host, port in addresses:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await asyncio.open_connection(host, port)
        except OSError as error:
            reasons.append(f"{show_address(host, port)}: {error.strerror or type(error).__name__}")
    remedy = "Run `admin-sync pair --accept` there first, and check the address and firewalls."
    raise PeerUnreachable("no node waits to be paired", "; ".join(reasons), remedy)


async def _receive(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(MESSAGE_TIMEOUT_S):
            length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
            if length > MESSAGE_BYTES_MAX:
                remedy = "The other node must run `admin-sync pair`, not `admin-sync run`."
                raise ProtocolError("pairing failed", "this is not the pairing protocol", remedy)
            return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise PeerUnreachable("pairing failed", "the other side hung up", "Try again.") from error
    except OSError as error:
        raise PeerUnreachable("pairing failed", error.strerror or "the other side is silent", "Try again.") from error


async def _send(writer: asyncio.StreamWriter, message: bytes) -> None:
    try:
        writer.write(len(message).to_bytes(LENGTH_BYTES, "big") + message)
        async with asyncio.timeout(MESSAGE_TIMEOUT_S):
            await writer.drain()
    except OSError as error:
        raise PeerUnreachable("pairing failed", error.strerror or "the other side hung up", "Try again.") from error


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
