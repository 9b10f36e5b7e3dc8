"""Dialling and listening name what went wrong, and leave nothing open (invariants 7 and 8)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sync.errors import AdminSyncError, PeerRefused, PeerUnreachable, UsageError
from sync.model.notice import Notice
from sync.ops.identity import Identity
from sync.transport import dial as dialling
from sync.transport.dial import dial
from sync.transport.listen import Listener
from sync.transport.tls import TlsMaterial

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Told(list[Notice]):
    def notice(self, notice: Notice) -> None:
        self.append(notice)


@pytest.fixture
def materials(tmp_path: Path) -> tuple[TlsMaterial, TlsMaterial]:
    east, west = Identity.of(tmp_path / "east"), Identity.of(tmp_path / "west")
    for identity, name in ((east, "cms-east"), (west, "cms-west")):
        identity.create(name)
    east.pin(west.own(), expected=None, own_name="cms-east")
    west.pin(east.own(), expected=None, own_name="cms-west")
    return (
        TlsMaterial(east.certificate, east.key, east.peer_certificate, "cms-west"),
        TlsMaterial(west.certificate, west.key, west.peer_certificate, "cms-east"),
    )


async def hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def speaks_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n" * 10)


async def says_nothing(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    pass


@pytest.mark.parametrize(
    ("serve", "kind", "says"),
    [
        (hangs_up, PeerUnreachable, "could not connect"),
        (speaks_plainly, PeerRefused, "did not agree on TLS 1.3"),
        (says_nothing, PeerUnreachable, "no answer within 0.2 s"),
    ],
)
def test_dialling_what_is_no_node(
    materials: tuple[TlsMaterial, TlsMaterial],
    monkeypatch: pytest.MonkeyPatch,
    serve: Serve,
    kind: type[AdminSyncError],
    says: str,
) -> None:
    monkeypatch.setattr(dialling, "CONNECT_TIMEOUT_S", 0.2)

    async def story() -> None:
        writers: list[asyncio.StreamWriter] = []

        async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await serve(reader, writer)

        server = await asyncio.start_server(serving, "127.0.0.1", 0)
        try:
            with pytest.raises(kind) as failure:
                await dial("127.0.0.1", server.sockets[0].getsockname()[1], materials[0])
            assert says in str(failure.value)
            assert failure.value.remedy
        finally:
            server.close()
            for writer in writers:
                writer.transport.abort()

    asyncio.run(story())


def test_dialling_where_nobody_listens(materials: tuple[TlsMaterial, TlsMaterial]) -> None:
    async def story() -> None:
        server = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        for host in ("127.0.0.1", "no-such-host.invalid"):
            with pytest.raises(PeerUnreachable):
                await dial(host, port, materials[0])

    asyncio.run(story())


def test_an_address_that_is_taken_is_the_users_to_mend(materials: tuple[TlsMaterial, TlsMaterial]) -> None:
    async def story() -> None:
        server = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def serve(*_: object) -> None:
            """Never called."""

        listener = Listener("127.0.0.1", port, materials[1], Told(), serve)
        with pytest.raises(UsageError, match="could not listen"):
            await listener.open()
        await listener.close()
        server.close()

    asyncio.run(story())


def test_closing_the_listener_ends_its_connections(materials: tuple[TlsMaterial, TlsMaterial]) -> None:
    """Nothing that was accepted outlives the listener, whatever it waits for."""

    async def story() -> None:
        probe = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
        port = probe.sockets[0].getsockname()[1]
        probe.close()
        await probe.wait_closed()
        served, told = asyncio.Event(), Told()

        async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: str) -> None:
            served.set()
            await reader.read()

        listener = Listener("127.0.0.1", port, materials[1], told, serve)
        await listener.open()
        reader, writer = await dial("127.0.0.1", port, materials[0])
        half, half_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.wait_for(served.wait(), 5)
        await asyncio.wait_for(listener.close(), 5)
        for stream in (reader, half):
            try:
                assert await asyncio.wait_for(stream.read(), 5) == b""
            except ConnectionResetError:
                continue
        writer.transport.abort()
        half_writer.transport.abort()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())
