"""A link ends for every reason that there is, in bounded time, with the reason as an error (invariants 7 and 10)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from sync.errors import AdminSyncError, PeerRefused, PeerUnreachable, ProtocolError
from sync.model.batch import Encoded
from sync.model.position import Position
from sync.transport import link as module
from sync.transport.inbox import Inbox
from sync.transport.link import Link
from sync.wire.arrivals import Arrival, BatchArrived, Disconnected, PeerHello, PeerSilent, Welcomed
from sync.wire.messages import RefusalCode
from sync.wire.session import Session
from sync.wire.state import Half
from tests.unit.transport.streams import RealClock, Writer, session, welcome

DEADLINE_S = 5.0


class Stage:
    """A link of a sender, and the peer's session."""

    def __init__(self) -> None:
        self.reader, self.writer = Inbox(), Writer()
        self.peer = session(Half.RECEIVER)
        self.link = Link(session(Half.SENDER), self.reader, cast("asyncio.StreamWriter", self.writer), RealClock())
        self.arrived: list[Arrival] = []
        self.link.on_arrival = self.arrived.append
        self.running = asyncio.ensure_future(self.link.run())

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110  what it waits for has no event
                await asyncio.sleep(0)

    async def opened(self) -> None:
        await self.until(lambda: self.writer.written)
        self.reader.feed_data(welcome(self.peer, self.writer.taken()))
        await self.until(lambda: any(isinstance(arrival, Welcomed) for arrival in self.arrived))

    async def ends(self) -> AdminSyncError | None:
        """Wait for the end; what it raised."""
        try:
            await asyncio.wait_for(self.running, DEADLINE_S)
        except AdminSyncError as error:
            return error
        return None


Story = Callable[[Stage], Awaitable[None]]


def play(story: Story) -> None:
    async def staged() -> None:
        stage = Stage()
        try:
            await story(stage)
        finally:
            stage.running.cancel()
            await asyncio.gather(stage.running, return_exceptions=True)
        assert stage.writer.transport.aborted
        assert asyncio.all_tasks() == {asyncio.current_task()}, "no task is left"

    asyncio.run(staged())


def test_both_saying_goodbye_is_an_orderly_end() -> None:
    async def story(stage: Stage) -> None:
        await stage.opened()
        stage.link.session.goodbye("leaving")
        stage.link.kick()
        await stage.until(lambda: stage.writer.written)
        stage.peer.receive(stage.writer.taken(), 0.0, 0)
        stage.peer.goodbye("so do I")
        stage.reader.feed_data(b"".join(stage.peer.data_to_send()))
        stage.reader.feed_eof()
        assert await stage.ends() is None

    play(story)


def test_garbage_is_answered_with_a_refusal() -> None:
    async def story(stage: Stage) -> None:
        await stage.opened()
        stage.reader.feed_data(b"GET / HTTP/1.1\r\n\r\n")
        assert isinstance(await stage.ends(), ProtocolError)
        peer_hears = stage.peer.receive(stage.writer.taken(), 0.0, 0)
        assert [type(arrival).__name__ for arrival in peer_hears] == ["Refused"]

    play(story)


def test_a_refusal_of_the_peer_keeps_its_reason() -> None:
    async def story(stage: Stage) -> None:
        await stage.until(lambda: stage.writer.written)
        stage.peer.receive(stage.writer.taken(), 0.0, 0)
        stage.peer.refuse(RefusalCode.NOT_INSTALLED, "nothing here", "no checkpoint table", "Install it.")
        stage.reader.feed_data(b"".join(stage.peer.data_to_send()))
        error = await stage.ends()
        assert isinstance(error, PeerRefused)
        assert (error.code, error.what, error.remedy) == ("not_installed", "nothing here", "Install it.")

    play(story)


@pytest.mark.parametrize("opened", [True, False])
def test_a_connection_that_ends_is_an_error(opened: bool) -> None:
    async def story(stage: Stage) -> None:
        if opened:
            await stage.opened()
        stage.reader.feed_eof()
        error = await stage.ends()
        assert isinstance(error, PeerUnreachable)
        assert "closed the connection" in str(error)

    play(story)


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("takes", [True, False])
def test_a_silent_peer_is_given_up_also_where_it_takes_nothing(opened: bool, takes: bool) -> None:
    """Invariant 10: who waits for room to write still notices the silence."""

    async def story(stage: Stage) -> None:
        if opened:
            await stage.opened()
        if not takes:
            stage.writer.takes.clear()
            stage.link.session._out.append(b"more than the connection holds")
            stage.link.kick()
        error = await stage.ends()
        assert isinstance(error, PeerUnreachable)
        assert "silent" in str(error)

    play(story)


def test_an_owners_error_ends_a_link_whose_peer_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 7: the next session must not wait for this one for ever."""
    monkeypatch.setattr(module, "GOODBYE_TIMEOUT_S", 0.05)
    # Nothing is due any more: only the owner knows that this is over.
    monkeypatch.setattr(Session, "due", lambda *_: float("inf"))

    async def story(stage: Stage) -> None:
        await stage.opened()
        stage.writer.takes.clear()
        stage.link.session._out.append(b"more than the connection holds")
        stage.link.kick()
        await stage.until(lambda: stage.writer.written)
        stage.link.fail(PeerRefused("busy", "the peer made a new connection"))
        assert isinstance(await stage.ends(), PeerRefused)

    play(story)


def test_what_was_queued_before_a_failure_is_still_sent() -> None:
    async def story(stage: Stage) -> None:
        await stage.opened()
        stage.link.session.refuse(RefusalCode.CALL_DATA, "no", "call data", "Mend it.")
        stage.link.fail(PeerRefused("call_data", "no"))
        assert isinstance(await stage.ends(), PeerRefused)
        assert b"call data" in stage.writer.written

    play(story)


def test_a_connection_that_breaks_in_the_goodbye_keeps_the_first_reason() -> None:
    """An operating system's error is no answer: it would end the node as a defect."""

    async def story(stage: Stage) -> None:
        await stage.opened()
        stage.writer.failure = ConnectionResetError("reset")
        stage.reader.feed_data(b"garbage that is refused")
        assert isinstance(await stage.ends(), ProtocolError)

    play(story)


def alert() -> ssl.SSLError:
    """As OpenSSL raises it where the peer refused this node's certificate."""
    error = ssl.SSLError(1, "alert")
    error.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    return error


@pytest.mark.parametrize(
    ("failure", "kind", "says"),
    [
        (ConnectionResetError("reset by peer"), PeerUnreachable, "reset by peer"),
        (BrokenPipeError(), PeerUnreachable, "BrokenPipeError"),
        (alert(), PeerRefused, "CERTIFICATE_REQUIRED"),
    ],
)
@pytest.mark.parametrize("side", ["read", "write"])
def test_failures_of_the_connection_have_a_name(
    failure: Exception, kind: type[AdminSyncError], says: str, side: str
) -> None:
    async def story(stage: Stage) -> None:
        await stage.opened()
        if side == "read":
            stage.reader.set_exception(failure)
        else:
            stage.writer.failure = failure
            stage.link.session._out.append(b"anything")
            stage.link.kick()
        error = await stage.ends()
        assert isinstance(error, kind)
        assert says in str(error)
        assert error.remedy

    play(story)


def test_a_cancelled_link_ends_although_it_was_just_kicked() -> None:
    """The node's end must not get lost where a kick and the cancellation meet."""

    async def story(stage: Stage) -> None:
        await stage.opened()
        for _ in range(3):  # let the writer come to its wait
            await asyncio.sleep(0)
        stage.link.kick()
        stage.running.cancel()
        done, _ = await asyncio.wait((stage.running,), timeout=DEADLINE_S)
        assert done

    for _ in range(20):
        play(story)


def test_arrivals_are_handed_on_and_ends_are_not() -> None:
    async def story(stage: Stage) -> None:
        await stage.opened()
        stage.reader.feed_eof()
        await stage.ends()
        assert [type(arrival) for arrival in stage.arrived] == [PeerHello, Welcomed]
        assert not any(isinstance(arrival, Disconnected | PeerSilent) for arrival in stage.arrived)

    play(story)


def test_the_feed_runs_before_each_write_and_its_errors_end_the_link() -> None:
    async def story(stage: Stage) -> None:
        await stage.opened()

        def failing() -> None:
            raise ProtocolError("the spool was rewound")

        stage.link.feed = failing
        stage.link.kick()
        error = await stage.ends()
        assert "rewound" in str(error)

    play(story)


def test_a_small_batch_leaves_in_one_write_and_a_large_one_is_not_copied() -> None:
    """Each write is a TLS record, a call of the system and a wake-up of the peer."""

    async def story(stage: Stage) -> None:
        await stage.opened()
        heard: list[Arrival] = []
        for number, size in enumerate((100, module.JOINED_BYTES_MAX), 1):
            stage.writer.writes.clear()
            at = Position(number)
            encoded = Encoded(
                b"x" * size, at, at, 0, last=True, transactions=1, changes=1, bytes_raw=9, committed_at_us=1
            )
            stage.link.session.send_batch(encoded, 1)
            stage.link.kick()
            await stage.until(lambda: stage.writer.writes)
            assert len(stage.writer.writes) == number
            heard += stage.peer.receive(stage.writer.taken(), 0.0, 0)
        assert [arrival.encoded.position for arrival in heard if isinstance(arrival, BatchArrived)] == [1, 2]

    play(story)
