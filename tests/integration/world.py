"""A listening secondary in this process, and peers that speak to it byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from adapters.memory import MemoryDatabase, MemorySite, MemorySource, MemoryTarget
from sync.core.filter import Selection
from sync.model.batch import Batch, Commit, Encoded
from sync.model.change import Block, Op
from sync.model.notice import Notice
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.node.service import Node
from sync.node.settings import NodeSettings
from sync.node.state import NodeState, store
from sync.ops.identity import Identity
from sync.spool.disk import LocalDisk
from sync.transport.dial import dial
from sync.transport.tls import TlsMaterial
from sync.wire.arrivals import AckArrived, Arrival, Refused, Welcomed
from sync.wire.codec import Codec
from sync.wire.messages import Hello
from sync.wire.session import Session, SessionLimits
from sync.wire.state import Half

EPOCH = 5
ORIGIN = "cms-east-1"
DEADLINE_S = 20.0
USERS = TableSchema(
    "users", (Column("user_id", Type(Kind.TEXT), nullable=False), Column("room", Type(Kind.TEXT))), (0,)
)
CALLS = TableSchema("hsplit", (Column("split", Type(Kind.INT64)), Column("acdcalls", Type(Kind.INT64))))
SELECTION = Selection()
N = TypeVar("N")


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def wall_us(self) -> int:
        return time.time_ns() // 1000


class Notices:
    """Keeps every notice; may be told from any thread."""

    def __init__(self) -> None:
        self.all: list[Notice] = []
        self._lock = threading.Lock()

    def notice(self, notice: Notice) -> None:
        with self._lock:
            self.all.append(notice)

    def of(self, kind: type[N]) -> list[N]:
        with self._lock:
            return [notice for notice in self.all if isinstance(notice, kind)]


async def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` gives something true."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"did not come: {what}"
        await asyncio.sleep(0.005)


def users(position: int, *rows: tuple[str, str], schema: TableSchema = USERS, **fields: Any) -> Encoded:  # noqa: ANN401  what replace takes
    """A batch of one transaction."""
    block = Block.of(schema, [(Op.UPSERT, row) for row in rows])
    commit = Commit(Position(position), 1_700_000_000_000_000, len(rows))
    batch = Batch(ORIGIN, EPOCH, (commit,), (block,))
    return Codec().encode(replace(batch, **fields))


def identities(place: Path, east_made: datetime | None = None) -> tuple[TlsMaterial, TlsMaterial]:
    """What the primary and the secondary of a pair prove themselves with."""
    east, west = Identity.of(place / "east"), Identity.of(place / "west")
    east.create("cms-east", east_made or datetime.now(UTC))
    west.create("cms-west")
    east.pin(west.own(), expected=None, own_name="cms-east")
    west.pin(east.own(), expected=None, own_name="cms-west")
    return material(east, "cms-west"), material(west, "cms-east")


def material(identity: Identity, peer: str) -> TlsMaterial:
    return TlsMaterial(identity.certificate, identity.key, identity.peer_certificate, peer)


@dataclass
class Secondary:
    """A running secondary with everything that it said."""

    port: int
    east: TlsMaterial
    database: MemoryDatabase
    notices: Notices
    clients: list[Client] = field(default_factory=list)

    async def client(self, hello: Hello | None = None) -> Client:
        """Connect as the true peer, and open a session where the hello is accepted."""
        reader, writer = await dial("127.0.0.1", self.port, self.east)
        client = Client(reader, writer, hello or true_hello())
        self.clients.append(client)
        return client

    async def serves_the_true_peer(self) -> None:
        """A batch goes through to the end."""
        client = await self.client()
        await client.until(Welcomed)
        at = max((stored.position for stored in self.database.state.checkpoints.values()), default=0) + 1
        client.session.send_batch(users(at, ("proof", str(at))), EPOCH)
        await client.until(AckArrived)
        assert ("proof", str(at)) in self.database.rows("users")
        client.hang_up()


def true_hello(**other: Any) -> Hello:  # noqa: ANN401  what replace takes
    hello = Hello("cms-east", Half.SENDER, EPOCH, "21.0", "21.0.0.0", ORIGIN, {"users": USERS.fingerprint})
    return replace(hello, **other)


class Client:
    """The sending end of one connection, driven step by step."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hello: Hello) -> None:
        self.reader, self.writer = reader, writer
        self.session = Session(Half.SENDER, hello, SessionLimits(), time.monotonic())
        self.session.start()

    async def until(self, kind: type[N]) -> N:
        """Pump until something of this kind arrives."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                await self.flush()
                piece = await self.reader.read(65536)
                assert piece, f"the connection ended before {kind.__name__}"
                found = [a for a in self._receive(piece) if isinstance(a, kind)]
                if found:
                    return found[0]

    async def refused(self) -> Refused:
        return await self.until(Refused)

    async def flush(self) -> None:
        for piece in self.session.data_to_send():
            self.writer.write(piece)
        await self.writer.drain()

    async def closed(self) -> None:
        """Wait until the other side ends the connection."""
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(OSError):
                while await self.reader.read(65536):
                    pass
        self.hang_up()

    def hang_up(self) -> None:
        self.writer.transport.abort()

    def _receive(self, piece: bytes) -> list[Arrival]:
        return self.session.receive(piece, time.monotonic(), time.time_ns() // 1000)


@asynccontextmanager
async def secondary(place: Path, *, east_made: datetime | None = None) -> AsyncIterator[Secondary]:
    """Run a secondary; at the end it must still be there, and end in good order."""
    east, west = identities(place, east_made)
    database = MemoryDatabase([USERS, CALLS], name="west")
    database.installed = True
    notices = Notices()
    port = free_port()
    settings = NodeSettings(
        "cms-west", "secondary", place / "state", "cms-east", (), ("127.0.0.1", port), SELECTION, "21.0", "21.0.0.0"
    )
    store(LocalDisk(settings.state_dir), NodeState("secondary", EPOCH))
    node = Node(
        settings,
        lambda: MemorySource(database),
        lambda: MemoryTarget(database),
        lambda: MemorySite(database),
        west,
        notices,
        SystemClock(),
    )
    stopping, abort = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(node.run(stopping, abort))
    try:
        await eventually(lambda: running.done() or can_connect(port), "the secondary listens")
        made = Secondary(port, east, database, notices)
        yield made
        assert not running.done(), running
        for client in made.clients:
            client.hang_up()
    finally:
        stopping.set()
        await asyncio.wait_for(running, DEADLINE_S)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def stranger() -> ssl.SSLContext:
    """A client's context without a certificate, which takes any server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
