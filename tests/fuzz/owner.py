"""An owner for a session under attack: does what a node does with each arrival, and looks whether the session is sane.

The rule it keeps: the only thing that `receive` may raise is `ProtocolError`, and then the session is closed.
Whatever the session says must be readable by another one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from sync.errors import AdminSyncError, ProtocolError
from sync.model.batch import Checkpoint, ChunkResult
from sync.model.position import START, Position
from sync.wire import coding
from sync.wire.arrivals import (
    AckArrived,
    AnswerArrived,
    Arrival,
    BatchArrived,
    GoodbyeArrived,
    PeerHello,
    RequestArrived,
    Welcomed,
)
from sync.wire.frame import FrameDecoder
from sync.wire.messages import Resume
from sync.wire.results import read_results
from sync.wire.session import LocalMisuse, Session, SessionLimits
from sync.wire.state import Half, MessageKind, State
from tests.unit.wire.pair import EPOCH, ORIGIN, RECEIVER_HELLO, SENDER_HELLO, WALL_US, encoded

LIMITS = SessionLimits()
STANDS_AT = 5
READERS: dict[int, Callable[[bytes], object]] = {
    MessageKind.HELLO: coding.read_hello,
    MessageKind.WELCOME: coding.read_welcome,
    MessageKind.REFUSE: coding.read_refusal,
    MessageKind.BATCH: lambda head: coding.read_batch(head, b""),
    MessageKind.ACK: coding.read_ack,
    MessageKind.RESULTS: read_results,
    MessageKind.REQUEST: coding.read_request,
    MessageKind.ANSWER: coding.read_answer,
    MessageKind.BEAT: coding.read_beat,
    MessageKind.BEAT_ANSWER: coding.read_beat_answer,
    MessageKind.GOODBYE: coding.read_goodbye,
}


def explained(error: AdminSyncError) -> None:
    """Every refusal says what happened and why."""
    assert error.what
    assert error.why


RESULT = ChunkResult(1, 0, "users", equal=True, rows=3)


class Owner:
    """One half with its owner."""

    def __init__(self, half: Half) -> None:
        self.half = half
        hello = SENDER_HELLO if half is Half.SENDER else RECEIVER_HELLO
        self.now = 100.0
        self.session = Session(half, hello, LIMITS, self.now)
        self.session.start()
        self.error: ProtocolError | None = None
        self._received = 0
        self._sent = 10
        self._ack = (0, START, START)
        self._decoder = FrameDecoder(LIMITS.frames())
        self._unsaid = b""

    def hear(self, piece: bytes) -> None:
        """Give the session bytes, and answer as an honest node would."""
        was_closed = self.session.state is State.CLOSED
        try:
            arrivals = self.session.receive(piece, self.now, WALL_US)
        except ProtocolError as error:
            explained(error)
            assert not was_closed
            assert self.session.state is State.CLOSED
            self.error = error
            self._unsaid += self.speak()
            return
        assert not (was_closed and arrivals)
        for arrival in arrivals:
            self._answer(arrival)
        self.now += 0.01
        self._unsaid += self.speak()

    def act(self, number: int) -> None:
        """Do something unasked; the session may say that it is not the moment."""
        session = self.session
        acts: list[Callable[[], Any]] = [
            self._send_batch,
            lambda: session.request("verify", {"run": number}),
            lambda: session.results([RESULT]),
            lambda: session.goodbye("enough"),
            self._beat,
            session.receive_eof,
        ]
        with contextlib.suppress(LocalMisuse):
            acts[number % len(acts)]()
        self._unsaid += self.speak()

    def take(self) -> bytes:
        """What was said since the last call."""
        said, self._unsaid = self._unsaid + self.speak(), b""
        return said

    def speak(self) -> bytes:
        """Take what the session says and make sure that a peer can read it."""
        said = b"".join(self.session.data_to_send())
        for frame in self._decoder.receive(said):
            READERS[frame.kind](frame.head)
        assert self._decoder.idle
        assert len(self.session._asked_of_us) <= LIMITS.requests_max
        assert 0 <= self.session.credit <= LIMITS.in_flight_batches_max
        return said

    def _answer(self, arrival: Arrival) -> None:
        session = self.session
        match arrival:
            case PeerHello() if self.half is Half.RECEIVER and session.state is State.JUDGING:
                stands = Checkpoint(ORIGIN, EPOCH, Position(STANDS_AT))
                session.accept(Resume(stands, Position(STANDS_AT) if arrival.hello.origin == ORIGIN else START))
            case Welcomed():
                for _ in range(3):
                    self._send_batch()
            case BatchArrived():
                self._take(arrival)
            case RequestArrived(request):
                session.answer(request.number, True, {"rows": 1}, final=request.number % 2 == 0)
            case AckArrived(received, applied, durable):
                assert (received, applied, durable) >= self._ack
                self._ack = (received, applied, durable)
            case GoodbyeArrived():
                session.goodbye("you too")
            case AnswerArrived():
                assert arrival.request_kind == "verify"

    def _take(self, arrival: BatchArrived) -> None:
        assert arrival.sequence == self._received + 1
        self._received += 1
        batch = arrival.encoded
        if batch.last and batch.position > STANDS_AT and self.session.state is not State.CLOSED:
            self.session.acknowledge(self._received, batch.position, batch.position)

    def _send_batch(self) -> None:
        if self.session.credit:
            self._sent += 1
            self.session.send_batch(encoded(self._sent), EPOCH)

    def _beat(self) -> None:
        self.now += LIMITS.beat_interval_s
        self.session.tick(self.now, WALL_US)
