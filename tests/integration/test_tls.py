"""Hostile and broken peers against a listening secondary: invariant 8 (authenticated), and 5 and 6 behind it.

Whoever may not connect is refused with a reason that a person understands, the node stays up, and then serves the
true peer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sync.errors import AdminSyncError, PeerRefused, PeerUnreachable, ProtocolError
from sync.model.notice import CallDataRefused, ConnectionRefused, SessionClosed
from sync.model.position import Position
from sync.ops.identity import Identity
from sync.receiver.receiver import Receiver
from sync.transport import listen
from sync.transport.dial import dial
from sync.transport.tls import client_context
from sync.wire.arrivals import Welcomed
from sync.wire.frame import encode_frame
from sync.wire.messages import RefusalCode
from sync.wire.session import SessionLimits
from sync.wire.state import MessageKind
from tests.integration import world
from tests.integration.world import Secondary, eventually, true_hello, users

Attack = Callable[[Secondary, Path], Awaitable[None]]
HANDSHAKE_S = 0.5


@contextlib.contextmanager
def short_deadlines(patch: pytest.MonkeyPatch, attack: Attack) -> Iterator[None]:
    """Where an attack is about time alone, do not wait as long as a node does; all others meet the real deadlines."""
    with patch.context() as patched:
        if attack in {silence, a_handshake_that_stops, nothing_said, slow_loris}:
            patched.setattr(listen, "HANDSHAKE_TIMEOUT_S", HANDSHAKE_S)
            limits = SessionLimits(handshake_timeout_s=HANDSHAKE_S)
            patched.setattr("sync.node.secondary.session_limits", lambda _: limits)
        yield


async def _tls(secondary: Secondary, context: ssl.SSLContext) -> None:
    """Connect with this context and wait for the end."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", secondary.port, ssl=context)
        try:
            await reader.read()
        finally:
            writer.transport.abort()


async def _plain(secondary: Secondary, said: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", secondary.port)
    writer.write(said)
    with contextlib.suppress(OSError):
        await reader.read()
    writer.transport.abort()


async def no_certificate(secondary: Secondary, _: Path) -> None:
    await _tls(secondary, world.stranger())


async def self_made_certificate(secondary: Secondary, place: Path, name: str = "mallory") -> None:
    mallory = Identity.of(place / name)
    mallory.create(name)
    context = world.stranger()
    context.load_cert_chain(mallory.certificate, mallory.key)
    await _tls(secondary, context)


async def the_peers_name_on_another_key(secondary: Secondary, place: Path) -> None:
    await self_made_certificate(secondary, place / "false", "cms-east")


async def the_secondarys_own_certificate(secondary: Secondary, place: Path) -> None:
    west = Identity.of(place / "west")
    context = world.stranger()
    context.load_cert_chain(west.certificate, west.key)
    await _tls(secondary, context)


async def tls_1_2(secondary: Secondary, _: Path) -> None:
    context = client_context(secondary.east)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    await _tls(secondary, context)


async def plaintext(secondary: Secondary, _: Path) -> None:
    await _plain(secondary, b"HELLO, is anybody there?\n" * 10)


async def http(secondary: Secondary, _: Path) -> None:
    await _plain(secondary, b"GET / HTTP/1.1\r\nHost: west\r\n\r\n")


async def silence(secondary: Secondary, _: Path) -> None:
    await _plain(secondary, b"")


async def a_handshake_that_stops(secondary: Secondary, _: Path) -> None:
    await _plain(secondary, bytes.fromhex("1603010200"))


STRANGERS: list[tuple[Attack, str]] = [
    (no_certificate, "no client certificate was shown"),
    (self_made_certificate, "certificate is not the paired one"),
    (the_peers_name_on_another_key, "certificate is not the paired one"),
    (the_secondarys_own_certificate, "certificate is not the paired one"),
    (tls_1_2, "does not speak TLS 1.3"),
    (plaintext, "plaintext instead of TLS"),
    (http, "plain HTTP instead of TLS"),
    (silence, "no TLS handshake within"),
    (a_handshake_that_stops, "no TLS handshake within"),
]


@pytest.mark.parametrize(("attack", "reason"), STRANGERS, ids=[attack.__name__ for attack, _ in STRANGERS])
def test_a_stranger_is_refused_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: Attack, reason: str
) -> None:
    """Invariant 8: TLS 1.3 and the one pinned certificate, or nothing."""

    async def story() -> None:
        async with world.secondary(tmp_path) as secondary:
            await eventually(lambda: secondary.notices.of(ConnectionRefused), "the probe at the start is over")
            before = len(secondary.notices.of(ConnectionRefused))
            with short_deadlines(monkeypatch, attack):
                await asyncio.wait_for(attack(secondary, tmp_path), world.DEADLINE_S)
            await eventually(lambda: len(secondary.notices.of(ConnectionRefused)) > before, "the refusal")
            refused = secondary.notices.of(ConnectionRefused)[before:]
            assert [notice for notice in refused if reason not in notice.reason] == []
            assert secondary.notices.of(SessionClosed) == []
            await secondary.serves_the_true_peer()

    asyncio.run(story())


def test_the_pinned_certificate_does_not_outlive_its_date(tmp_path: Path) -> None:
    """Invariant 8: pinned is not enough, it also has to be valid."""

    async def story() -> None:
        async with world.secondary(tmp_path, east_made=datetime(2000, 1, 1, tzinfo=UTC)) as secondary:
            await _tls(secondary, client_context(secondary.east))
            await eventually(lambda: "expired" in secondary.notices.of(ConnectionRefused)[-1].reason, "the refusal")

    asyncio.run(story())


async def nothing_said(secondary: Secondary, _: Path) -> None:
    client = await secondary.client()
    await client.closed()


async def slow_loris(secondary: Secondary, _: Path) -> None:
    """One byte after the other: each alone is no sign of life that would extend the handshake."""
    client = await secondary.client()
    with contextlib.suppress(OSError):
        for byte in b"".join(client.session.data_to_send()):
            client.writer.write(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(HANDSHAKE_S / 20)
            if client.reader.at_eof():
                break
    await client.closed()


async def _say(secondary: Secondary, said: bytes, *, welcomed: bool = False) -> None:
    client = await secondary.client()
    if welcomed:
        await client.until(Welcomed)
    client.writer.write(said)
    await client.closed()


async def garbage(secondary: Secondary, _: Path) -> None:
    await _say(secondary, os.urandom(5000))


async def an_oversized_frame(secondary: Secondary, _: Path) -> None:
    await _say(secondary, b"AS\x01\x00" + b"\xff" * 12)


async def a_damaged_frame(secondary: Secondary, _: Path) -> None:
    frame = b"".join(encode_frame(MessageKind.HELLO, b"\x80" * 40))
    await _say(secondary, frame[:-1] + b"\x00")


async def a_truncated_frame(secondary: Secondary, _: Path) -> None:
    client = await secondary.client()
    client.writer.write(b"".join(client.session.data_to_send())[:-3])
    await client.flush()
    client.hang_up()


async def a_replayed_hello(secondary: Secondary, _: Path) -> None:
    client = await secondary.client()
    hello = b"".join(client.session.data_to_send())
    client.writer.write(hello)
    await client.until(Welcomed)
    client.writer.write(hello)
    await client.closed()


async def a_batch_before_the_welcome(secondary: Secondary, _: Path) -> None:
    await _say(secondary, b"".join(encode_frame(MessageKind.BATCH, b"\x80")))


async def a_batch_that_is_none(secondary: Secondary, _: Path) -> None:
    client = await secondary.client()
    await client.until(Welcomed)
    sound = users(1, ("a", "b"))
    client.session.send_batch(replace(sound, payload=b"no batch"), world.EPOCH)
    await client.refused()


async def a_batch_other_than_announced(secondary: Secondary, _: Path) -> None:
    """Its payload reaches further than its head says."""
    client = await secondary.client()
    await client.until(Welcomed)
    client.session.send_batch(replace(users(1), payload=users(900, ("a", "b")).payload), world.EPOCH)
    await client.flush()
    await client.closed()


async def a_batch_of_call_data(secondary: Secondary, _: Path) -> None:
    client = await secondary.client()
    await client.until(Welcomed)
    client.session.send_batch(users(1, ("1", "2"), schema=world.CALLS), world.EPOCH)
    assert (await client.refused()).refusal.code is RefusalCode.CALL_DATA
    assert secondary.notices.of(CallDataRefused)[0].wall == "inbound"


async def a_batch_of_another_origin(secondary: Secondary, _: Path) -> None:
    client = await secondary.client()
    await client.until(Welcomed)
    client.session.send_batch(users(1, ("a", "b"), origin="elsewhere-1"), world.EPOCH)
    await client.refused()


async def _greet(secondary: Secondary, code: RefusalCode, **hello: object) -> None:
    client = await secondary.client(true_hello(**hello))
    assert (await client.refused()).refusal.code is code


async def a_lower_epoch(secondary: Secondary, _: Path) -> None:
    await _greet(secondary, RefusalCode.LOWER_EPOCH, epoch=world.EPOCH - 1)


async def another_release(secondary: Secondary, _: Path) -> None:
    await _greet(secondary, RefusalCode.RELEASE_MISMATCH, release="20.0")


async def another_base_load(secondary: Secondary, _: Path) -> None:
    await _greet(secondary, RefusalCode.BASE_LOAD_MISMATCH, base_load="21.0.0.1")


async def another_name(secondary: Secondary, _: Path) -> None:
    await _greet(secondary, RefusalCode.UNKNOWN_PEER, node="cms-north")


async def a_protocol_from_the_future(secondary: Secondary, _: Path) -> None:
    await _greet(secondary, RefusalCode.PROTOCOL_VERSION, protocol_versions=(99,))


async def gone_in_the_greeting(secondary: Secondary, _: Path) -> None:
    client = await secondary.client()
    await client.flush()
    client.hang_up()


PEERS: list[tuple[Attack, type[AdminSyncError | None], str]] = [
    (nothing_said, PeerUnreachable, "silent"),
    (slow_loris, PeerUnreachable, "silent"),
    (garbage, ProtocolError, "does not start as a frame"),
    (an_oversized_frame, ProtocolError, "bytes are more than"),
    (a_damaged_frame, ProtocolError, "checksum"),
    (a_truncated_frame, PeerUnreachable, "closed the connection"),
    (a_replayed_hello, ProtocolError, "HELLO is not allowed"),
    (a_batch_before_the_welcome, ProtocolError, "BATCH is not allowed"),
    (a_batch_that_is_none, ProtocolError, ""),
    (a_batch_other_than_announced, ProtocolError, "it announced"),
    (a_batch_of_call_data, PeerRefused, "refused a batch that holds hsplit"),
    (a_batch_of_another_origin, ProtocolError, "another origin"),
    (a_lower_epoch, PeerRefused, "is fenced"),
    (another_release, PeerRefused, "differ in release"),
    (another_base_load, PeerRefused, "differ in base load"),
    (another_name, PeerRefused, "calls itself"),
    (a_protocol_from_the_future, PeerRefused, "no protocol version in common"),
    (gone_in_the_greeting, AdminSyncError, ""),
]


@pytest.mark.parametrize(("attack", "kind", "says"), PEERS, ids=[attack.__name__ for attack, _, _ in PEERS])
def test_a_paired_peer_that_misbehaves_ends_its_session_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: Attack, kind: type[AdminSyncError | None], says: str
) -> None:
    """Invariants 5, 6 and 8: the right key is no licence; nothing of what it sent is applied."""

    async def story() -> None:
        async with world.secondary(tmp_path) as secondary:
            with short_deadlines(monkeypatch, attack):
                await asyncio.wait_for(attack(secondary, tmp_path), world.DEADLINE_S)
            await eventually(lambda: secondary.notices.of(SessionClosed), "the end of the session")
            error = secondary.notices.of(SessionClosed)[0].error
            assert isinstance(error, kind), error
            assert says in str(error)
            assert [secondary.database.rows(table) for table in ("users", "hsplit")] == [[], []]
            await secondary.serves_the_true_peer()

    asyncio.run(story())


def test_a_defect_while_applying_ends_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 10: where the applying half stops, whatever stopped it, the session does not go on as if it ran."""

    async def defective(_: Receiver) -> None:
        raise RuntimeError("a defect of ours")

    async def story() -> None:
        async with world.secondary(tmp_path) as secondary:
            with monkeypatch.context() as patched:
                patched.setattr(Receiver, "run", defective)
                await (await secondary.client()).closed()
                await eventually(lambda: secondary.notices.of(SessionClosed), "the end of the session")
            assert "a defect of ours" in str(secondary.notices.of(SessionClosed)[0].error)
            await secondary.serves_the_true_peer()

    asyncio.run(story())


def test_a_bad_peer_leaves_nothing_behind(tmp_path: Path) -> None:
    """Invariant 7: after 200 bad connections no descriptor, no task and no thread is left."""
    attacks = (no_certificate, tls_1_2, plaintext, http, garbage, a_truncated_frame, a_lower_epoch, a_replayed_hello)

    def held() -> tuple[int, int]:
        return sum(1 for _ in Path("/proc/self/fd").iterdir()), len(asyncio.all_tasks())

    async def story() -> None:
        async with world.secondary(tmp_path) as secondary:
            await secondary.serves_the_true_peer()
            for attack in attacks:
                await attack(secondary, tmp_path)
            await secondary.serves_the_true_peer()
            before = held()
            for _ in range(25):
                await asyncio.gather(*(attack(secondary, tmp_path) for attack in attacks[:4]))
                for attack in attacks[4:]:
                    await attack(secondary, tmp_path)
            await secondary.serves_the_true_peer()
            await eventually(lambda: held() <= before, f"no more than {before} descriptors and tasks")

    asyncio.run(story())


def test_many_who_say_nothing_do_not_keep_the_peer_out_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 7: a bounded number of handshakes at once, each with a deadline."""

    async def story() -> None:
        async with world.secondary(tmp_path) as secondary:
            count = 2 * listen.HANDSHAKES_MAX

            def turned_away() -> bool:
                return any("under way already" in n.reason for n in secondary.notices.of(ConnectionRefused))

            with short_deadlines(monkeypatch, silence):
                held = [await asyncio.open_connection("127.0.0.1", secondary.port) for _ in range(count)]
                await eventually(turned_away, "a connection too many")
            for reader, _ in held:
                with contextlib.suppress(OSError):
                    await reader.read()
            await secondary.serves_the_true_peer()
            for _, writer in held:
                writer.transport.abort()

    asyncio.run(story())


def test_a_primary_does_not_talk_to_another_secondary(tmp_path: Path) -> None:
    """Invariant 8, from the dialling side: the error says what it means and what to do."""

    async def story() -> None:
        async with world.secondary(tmp_path) as secondary:
            other, _ = world.identities(tmp_path / "other")
            with pytest.raises(PeerRefused, match="not cms-west's"):
                await dial("127.0.0.1", secondary.port, other)
            with pytest.raises(PeerUnreachable, match="could not connect"):
                await dial("127.0.0.1", world.free_port(), secondary.east)
            assert Position(0) == max((c.position for c in secondary.database.state.checkpoints.values()), default=0)

    asyncio.run(story())


def test_the_newer_connection_of_the_peer_wins(tmp_path: Path) -> None:
    """A primary that dials again is not kept out by the connection that it lost."""

    async def story() -> None:
        async with world.secondary(tmp_path) as secondary:
            lost = await secondary.client()
            await lost.until(Welcomed)
            await secondary.serves_the_true_peer()
            await lost.closed()
            assert isinstance(secondary.notices.of(SessionClosed)[0].error, PeerRefused)

    asyncio.run(story())
