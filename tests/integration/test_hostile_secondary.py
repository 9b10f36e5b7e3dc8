"""Secondaries that lie to a running primary: invariants 8 and 9 from the sender's side.

Whatever the peer says, the primary stays up, keeps what no peer has made durable, and then serves the true peer.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from adapters import open_site, open_source, open_target
from sync.core.filter import Filter
from sync.errors import AdminSyncError, PeerRefused, PeerUnreachable, ProtocolError
from sync.model.batch import Checkpoint
from sync.model.notice import Acknowledged, SessionClosed, SessionOpened
from sync.model.position import Position
from sync.node.service import Node
from sync.node.settings import NodeSettings
from sync.transport.tls import TlsMaterial, server_context
from sync.wire import coding
from sync.wire.arrivals import Arrival, BatchArrived, PeerHello
from sync.wire.frame import encode_frame
from sync.wire.messages import Ack, Hello, RefusalCode, Resume
from sync.wire.session import Session, SessionLimits
from sync.wire.state import Half, MessageKind
from tests.integration import world
from tests.integration.world import eventually

FAR = 10**12


class Peer:
    """The receiving end of one connection, driven step by step."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        hello = Hello("cms-west", Half.RECEIVER, 1)
        self.session = Session(Half.RECEIVER, hello, SessionLimits(), time.monotonic())
        self.origin = ""

    async def until(self, kind: type[Arrival]) -> Arrival:
        while True:
            await self.flush()
            piece = await self.reader.read(65536)
            if not piece:
                raise ConnectionResetError
            for arrival in self.session.receive(piece, time.monotonic(), 0):
                if isinstance(arrival, PeerHello):
                    self.origin = arrival.hello.origin
                if isinstance(arrival, kind):
                    return arrival

    async def welcome(self) -> None:
        await self.until(PeerHello)
        self.session.accept(Resume(None))
        await self.flush()

    async def flush(self) -> None:
        for piece in self.session.data_to_send():
            self.writer.write(piece)
        await self.writer.drain()

    async def say(self, kind: MessageKind, head: bytes) -> None:
        """Put a frame on the wire that the session would not send."""
        await self.flush()
        self.writer.write(b"".join(encode_frame(kind, head)))
        with contextlib.suppress(OSError):
            while await self.reader.read(65536):
                pass


Script = Callable[[Peer], Awaitable[None]]


async def true_peer(peer: Peer) -> None:
    """Acknowledge everything, as long as it comes."""
    await peer.welcome()
    while True:
        arrived = await peer.until(BatchArrived)
        assert isinstance(arrived, BatchArrived)
        peer.session.acknowledge(arrived.sequence, arrived.encoded.position, arrived.encoded.position)


async def ack_of_a_position_never_sent(peer: Peer) -> None:
    await peer.welcome()
    await peer.until(BatchArrived)
    await peer.say(MessageKind.ACK, coding.pack_ack(Ack(1, Position(FAR), Position(FAR))))


async def ack_of_a_batch_never_sent(peer: Peer) -> None:
    await peer.welcome()
    await peer.say(MessageKind.ACK, coding.pack_ack(Ack(1000, Position(0), Position(0))))


async def durable_beyond_applied(peer: Peer) -> None:
    await peer.welcome()
    arrived = await peer.until(BatchArrived)
    assert isinstance(arrived, BatchArrived)
    position = arrived.encoded.position
    await peer.say(MessageKind.ACK, coding.pack_ack(Ack(1, Position(0), position)))


async def an_ack_before_the_welcome(peer: Peer) -> None:
    await peer.until(PeerHello)
    await peer.say(MessageKind.ACK, coding.pack_ack(Ack(0, Position(0), Position(0))))


async def results_that_are_garbage(peer: Peer) -> None:
    await peer.welcome()
    await peer.say(MessageKind.RESULTS, b"\xc1")


async def a_request_of_the_wrong_shape(peer: Peer) -> None:
    await peer.welcome()
    await peer.say(MessageKind.REQUEST, coding.pack_goodbye("no request"))


async def garbage(peer: Peer) -> None:
    await peer.say(MessageKind.ACK, b"\xff" * 10)


async def a_batch_from_the_receiver(peer: Peer) -> None:
    await peer.welcome()
    await peer.say(MessageKind.BATCH, b"\x80")


async def hangs_up(peer: Peer) -> None:
    peer.writer.transport.abort()


async def another_release(peer: Peer) -> None:
    peer.session = Session(
        Half.RECEIVER, Hello("cms-west", Half.RECEIVER, 1, release="20.0"), SessionLimits(), time.monotonic()
    )
    await peer.until(PeerHello)
    await peer.flush()
    with contextlib.suppress(OSError):
        await peer.reader.read()


async def a_refusal(peer: Peer) -> None:
    await peer.until(PeerHello)
    peer.session.refuse(RefusalCode.NOT_INSTALLED, "nothing is installed here", "", "Install it.")
    await peer.flush()


async def a_checkpoint_from_the_future(peer: Peer) -> None:
    """The peer has seen more than this server remembers: it jumps behind that, and copies everything (invariant 1)."""
    await peer.until(PeerHello)
    peer.session.accept(Resume(Checkpoint(peer.origin, 1, Position(FAR)), Position(FAR)))
    await peer.flush()
    with contextlib.suppress(OSError):
        await peer.reader.read()


LIES: list[tuple[Script, type[AdminSyncError], str]] = [
    (ack_of_a_position_never_sent, ProtocolError, "was the last one sent whole"),
    (ack_of_a_batch_never_sent, ProtocolError, "1000 batches are acknowledged"),
    (durable_beyond_applied, ProtocolError, "is called durable"),
    (an_ack_before_the_welcome, ProtocolError, "ACK is not allowed"),
    (results_that_are_garbage, ProtocolError, "RESULTS"),
    (a_request_of_the_wrong_shape, ProtocolError, "REQUEST"),
    (garbage, ProtocolError, ""),
    (a_batch_from_the_receiver, ProtocolError, "BATCH is not allowed"),
    (hangs_up, PeerUnreachable, ""),
    (another_release, PeerRefused, "differ in release"),
    (a_refusal, PeerRefused, "nothing is installed here"),
    (a_checkpoint_from_the_future, PeerUnreachable, "history ends at"),
]


class Scripted:
    """A listener that plays one script a connection, the last one for ever."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self.scripts = list(scripts)
        self.failures: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        task = asyncio.ensure_future(self._play(script, Peer(reader, writer)))
        self._tasks.add(task)
        await asyncio.wait((task,))
        writer.transport.abort()

    async def _play(self, script: Script, peer: Peer) -> None:
        try:
            await script(peer)
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001  shown at the end of the test
            self.failures.append(error)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def primary(place: Path, scripts: Sequence[Script]) -> AsyncIterator[world.Notices]:
    """Run a primary on a small SQLite database against these scripts."""
    east, west = world.identities(place)
    path = place / "east.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE users (user_id TEXT NOT NULL PRIMARY KEY, room TEXT)")
    url = f"sqlite:///{path}"
    site = open_site(url)
    site.install_capture(Filter(world.SELECTION).captured(site.catalog()))
    site.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO users VALUES (?, ?)", [(f"u{i}", "r") for i in range(50)])
    scripted = Scripted(scripts)
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0, ssl=server_context(west))
    port = server.sockets[0].getsockname()[1]
    settings = NodeSettings(
        "cms-east", "primary", place / "state", "cms-west", (("127.0.0.1", port),), None, world.SELECTION
    )
    notices = world.Notices()
    stopping, abort = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(_node(settings, url, east, notices).run(stopping, abort))
    try:
        yield notices
        assert not running.done(), running
        assert scripted.failures == []
    finally:
        stopping.set()
        abort.set()
        await asyncio.wait_for(running, world.DEADLINE_S)
        server.close()
        await scripted.end()


def _node(settings: NodeSettings, url: str, tls: TlsMaterial, notices: world.Notices) -> Node:
    return Node(
        settings,
        lambda: open_source(url),
        lambda: open_target(url),
        lambda: open_site(url),
        tls,
        notices,
        world.SystemClock(),
    )


@pytest.mark.parametrize(("lie", "kind", "says"), LIES, ids=[lie.__name__ for lie, _, _ in LIES])
def test_a_lying_secondary_ends_its_session_alone(
    tmp_path: Path, lie: Script, kind: type[AdminSyncError], says: str
) -> None:
    """Invariant 9: nothing is released for a lie; the next honest session gets everything."""

    async def story() -> None:
        async with primary(tmp_path, [lie, true_peer]) as notices:
            await eventually(lambda: notices.of(SessionClosed), "the end of the session")
            error = notices.of(SessionClosed)[0].error
            assert isinstance(error, kind), error
            assert says in str(error)
            assert all(a.durable < FAR for a in notices.of(Acknowledged))
            await eventually(lambda: any(a.durable > 0 for a in notices.of(Acknowledged)), "the true peer is served")
            assert len(notices.of(SessionOpened)) >= 1

    asyncio.run(story())
