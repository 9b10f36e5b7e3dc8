"""Pairing across real sockets: one success, and every way of failing ends in an error of ours."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sync.errors import PeerRefused, PeerUnreachable, ProtocolError, UsageError
from sync.ops.clock import SystemClock
from sync.ops.identity import Identity
from sync.ops.pairing import ATTEMPTS_MAX, Offer, Party
from sync.ops.pairing_io import Acceptor, dial

CODE = "1234-5678"
HERE = "127.0.0.1"


class Side:
    """A node that can be paired."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.identity = Identity.of(directory / name)
        self.identity.create(name)

    @property
    def party(self) -> Party:
        return Party(self.name, self.identity.own())

    def pin(self, party: Party) -> None:
        self.identity.pin(party.certificate, expected=None, own_name=self.name)


@pytest.fixture
def east(tmp_path: Path) -> Side:
    return Side(tmp_path, "cms-east")


@pytest.fixture
def west(tmp_path: Path) -> Side:
    return Side(tmp_path, "cms-west")


def acceptor(side: Side, said: list[str] | None = None) -> Acceptor:
    clock = SystemClock()
    say = said.append if said is not None else lambda _: None
    return Acceptor(side.party, Offer(CODE, clock.monotonic()), side.pin, clock, say)


async def listening(accepting: Acceptor) -> asyncio.Task[Party]:
    """Start it on a free port."""
    ready = asyncio.Event()
    task = asyncio.create_task(accepting.run((HERE, 0), ready.set))
    await ready.wait()
    return task


def test_both_state_directories_hold_the_others_certificate(east: Side, west: Side) -> None:
    async def scene() -> None:
        accepting = acceptor(west)
        waiting = await listening(accepting)
        # A port where nobody listens comes first: a dual-IP peer is tried in order.
        party = await dial([(HERE, 1), (HERE, accepting.port)], east.party, CODE, east.pin)
        assert party.name == "cms-west"
        assert (await waiting).name == "cms-east"

    asyncio.run(scene())
    assert east.identity.paired() == west.identity.own()
    assert west.identity.paired() == east.identity.own()


def test_three_wrong_codes_kill_the_code_even_for_who_knows_it(east: Side, west: Side) -> None:
    said: list[str] = []

    async def scene() -> None:
        accepting = acceptor(west, said)
        waiting = await listening(accepting)
        address = [(HERE, accepting.port)]
        for _ in range(ATTEMPTS_MAX):
            with pytest.raises(PeerRefused, match="the code is wrong"):
                await dial(address, east.party, "0000-0000", east.pin)
        with pytest.raises((PeerRefused, PeerUnreachable)):
            await dial(address, east.party, CODE, east.pin)
        with pytest.raises(PeerRefused, match="nobody paired"):
            await waiting

    asyncio.run(scene())
    assert len(said) == ATTEMPTS_MAX
    assert east.identity.paired() is None
    assert west.identity.paired() is None


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\x00\x00\x00\x01\xc1", b""])
def test_strangers_cost_no_attempt(east: Side, west: Side, garbage: bytes) -> None:
    async def scene() -> None:
        accepting = acceptor(west)
        waiting = await listening(accepting)
        _, writer = await asyncio.open_connection(HERE, accepting.port)
        writer.write(garbage)
        writer.close()
        await writer.wait_closed()
        await dial([(HERE, accepting.port)], east.party, CODE, east.pin)
        await waiting

    asyncio.run(scene())
    assert west.identity.paired() == east.identity.own()


def test_what_answers_in_another_protocol_is_a_protocol_error(east: Side) -> None:
    async def scene() -> None:
        async def other(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(other, HERE, 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises((ProtocolError, PeerUnreachable)):
                await dial([(HERE, port)], east.party, CODE, east.pin)

    asyncio.run(scene())


def test_nobody_there_names_every_address(east: Side) -> None:
    with pytest.raises(PeerUnreachable, match=r"127\.0\.0\.1:1: .*; 127\.0\.0\.1:2: "):
        asyncio.run(dial([(HERE, 1), (HERE, 2)], east.party, CODE, east.pin))


def test_an_address_in_use_says_what_to_do(west: Side) -> None:
    async def scene() -> None:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), HERE, 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(UsageError, match="Stop the running node first"):
                await acceptor(west).run((HERE, port))

    asyncio.run(scene())


def test_a_pin_that_fails_is_told_on_both_sides(east: Side, west: Side) -> None:
    def full(_: Party) -> None:
        raise UsageError("can not write", "no space left")

    async def scene() -> None:
        clock = SystemClock()
        accepting = Acceptor(west.party, Offer(CODE, clock.monotonic()), full, clock)
        waiting = await listening(accepting)
        with pytest.raises(PeerUnreachable, match="hung up"):
            await dial([(HERE, accepting.port)], east.party, CODE, east.pin)
        with pytest.raises(UsageError, match="no space left"):
            await waiting

    asyncio.run(scene())
    assert east.identity.paired() is None
