"""One session between a sender and a receiver, without a socket: bytes and the time in, bytes and arrivals out.

The rule it keeps: an owner can not break the protocol either; what it may not do now raises `LocalMisuse`. Who may
connect, and what is applied, is the owner's decision.

    session = Session(Half.SENDER, hello, SessionLimits(), now)
    session.start()
    write(session.data_to_send())
    for arrival in session.receive(piece, now, wall_us): ...
    for arrival in session.tick(now, wall_us): ...          # at the latest after session.due(now) seconds
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sync.errors import ProtocolError
from sync.model.batch import ChunkResult, Encoded
from sync.model.position import Position
from sync.wire import coding
from sync.wire.arrivals import Arrival, Disconnected, PeerSilent
from sync.wire.conversation import Conversation, LocalMisuse, SessionLimits
from sync.wire.messages import Ack, Answer, BeatAnswer, Hello, Refusal, RefusalCode, Request, Resume
from sync.wire.results import pack_results
from sync.wire.state import Half, MessageKind, State

__all__ = [
    "BeatAnswer", "Half", "Hello", "LocalMisuse", "Refusal", "RefusalCode", "Resume", "Session", "SessionLimits",
    "State",
]  # fmt: skip

HANDSHAKE: Final = frozenset((State.GREETING, State.WAITING))
NEVER: Final = float("inf")


class Session(Conversation):
    """One half of one connection. Not thread-safe; `now` is monotonic seconds, `wall_us` microseconds since 1970."""

    @property
    def state(self) -> State:
        return self._state

    @property
    def credit(self) -> int:
        """Batches that may be sent now; 0 outside of an open session."""
        return max(0, self._flow.credit) if self._state is State.OPEN and self.half is Half.SENDER else 0

    @property
    def round_trip_s(self) -> float:
        """Of the last beat; 0.0 before the first answer."""
        return self._beats.round_trip_s

    def start(self) -> None:
        """Open the conversation: a sender says hello, a receiver waits for it."""
        if self.half is Half.SENDER:
            self._send(MessageKind.HELLO, coding.pack_hello(self._hello, self._hello.wall_us))

    def receive(self, piece: bytes, now: float, wall_us: int) -> list[Arrival]:
        """Take bytes from the peer. On `ProtocolError` send what `data_to_send` gives, then close."""
        if self._state is State.CLOSED:
            return []
        self.bytes_received += len(piece)
        self._beats.hear(now)
        arrivals: list[Arrival] = []
        try:
            for frame in self._decoder.receive(piece):
                arrivals += self._hear(frame, now, wall_us)
        except ProtocolError as error:
            self.refuse(RefusalCode.MALFORMED, error.what, error.why, error.remedy)
            self._orderly = False
            raise
        return arrivals

    def receive_eof(self) -> list[Arrival]:
        """The stream ended."""
        if self._ended:
            return []
        self._ended = True
        orderly = self._orderly and self._decoder.idle
        self._state = State.CLOSED
        return [Disconnected(orderly)]

    def data_to_send(self) -> list[bytes]:
        """Give, once, what is to be written, in this order; a payload is the very object given to `send_batch`."""
        pieces, self._out = self._out, []
        return pieces

    def due(self, now: float) -> float:
        """Seconds until `tick` has something to do; infinite where only the peer or the owner can go on."""
        return max(0.0, self._deadline() - now)

    def tick(self, now: float, wall_us: int) -> list[Arrival]:  # noqa: ARG002  # beats of a later version carry it
        """Do what is due: send a beat, or give the peer up."""
        if self._state is State.OPEN and self.half is Half.RECEIVER and now >= self._beats.beat_at:
            round_trip_us = int(self._beats.round_trip_s * 1_000_000)
            self._send(MessageKind.BEAT, coding.pack_beat(self._beats.beat(now), round_trip_us))
        if now < self._silence_at():
            return []
        during = "handshake" if self._state in HANDSHAKE else "session"
        self._state = State.CLOSED
        return [PeerSilent(self._beats.silent_s(now), during)]

    def accept(self, resume: Resume) -> None:
        """Let the sender in, and tell it where to go on. Receiver only, after `PeerHello`."""
        limit = self._limits.in_flight_batches_max
        resume = replace(resume, credit=min(resume.credit or limit, limit))
        base = self._begin(resume)
        if resume.durable > base:
            raise LocalMisuse(f"position {resume.durable} can not be durable where only {base} is applied")
        interval_ms = max(1, int(self._limits.beat_interval_s * 1000))
        self._send(MessageKind.WELCOME, coding.pack_welcome(resume, self.protocol, interval_ms))

    def goodbye(self, reason: str) -> None:
        """Leave in order. A receiver may still acknowledge; nothing happens where we left already."""
        if self._state in {State.OPEN, State.LEFT}:
            self._orderly = self._state is State.LEFT
            self._send(MessageKind.GOODBYE, coding.pack_goodbye(reason))
        elif self._state not in {State.LEAVING, State.CLOSED}:
            self.refuse(RefusalCode.SHUTTING_DOWN, "the node is leaving", reason, "It will be back; try again later.")

    def send_batch(self, encoded: Encoded, epoch: int) -> int:
        """Send the next batch; gives its sequence number. Sender only, with `credit`."""
        sequence = self._flow.batches + 1
        problem = self._flow.batch_problem(sequence, epoch, encoded)
        if problem:
            raise LocalMisuse(problem)
        self._send(MessageKind.BATCH, coding.pack_batch(sequence, epoch, encoded), encoded.payload)
        self._flow.pass_batch(encoded)
        return sequence

    def acknowledge(self, received: int, applied: Position, durable: Position, waits: str = "") -> None:
        """Tell how many batches were taken over, where the target stands, and why it can not go on, where it can not.

        Receiver only; quiet when closed, and where nothing is new.
        """
        ack = Ack(received, applied, durable, waits)
        if self._state is State.CLOSED or ack == self._flow.ack:
            return
        problem = self._flow.ack_problem(ack)
        if problem:
            raise LocalMisuse(problem)
        self._send(MessageKind.ACK, coding.pack_ack(ack))
        self._flow.ack = ack

    def results(self, results: Sequence[ChunkResult]) -> None:
        """Tell what the target found in chunks. Receiver only; quiet when closed."""
        if self._state is State.CLOSED:
            return
        for head in pack_results(results):
            self._send(MessageKind.RESULTS, head)

    def request(self, kind: str, body: Mapping[str, Any]) -> int:
        """Ask the peer; gives the number that its answers carry. Lists in it have at most 1,024 items."""
        if len(self._asked) >= self._limits.requests_max:
            raise LocalMisuse(f"{len(self._asked)} requests wait for their answers")
        number = self._requests + 1
        head = coding.pack_request(Request(number, kind, body))
        _refuse_unreadable(head, coding.read_request)
        self._send(MessageKind.REQUEST, head)
        self._requests = number
        self._asked[number] = kind
        return number

    def awaits_answer(self, number: int) -> bool:
        """Whether a request of ours has not had its last answer."""
        return number in self._asked

    def answer(self, number: int, ok: bool, body: Mapping[str, Any], final: bool = True) -> None:  # noqa: FBT001, FBT002
        """Answer a request of the peer; several times, the last one final. Quiet once either half is leaving."""
        if self._state is not State.OPEN:
            return
        if number not in self._asked_of_us:
            raise LocalMisuse(f"request {number} does not wait for an answer")
        head = coding.pack_answer(Answer(number, ok, body, final))
        _refuse_unreadable(head, coding.read_answer)
        self._send(MessageKind.ANSWER, head)
        if final:
            self._asked_of_us.discard(number)

    def _deadline(self) -> float:
        beating = self._state is State.OPEN and self.half is Half.RECEIVER
        return min(self._silence_at(), self._beats.beat_at if beating else NEVER)

    def _silence_at(self) -> float:
        """When the peer is given up. Nobody is waited for while the next step is the owner's own."""
        if self._state is State.GREETING:
            return self._opened + self._limits.handshake_timeout_s
        if self._state is State.WAITING:
            return self._greeted + self._limits.handshake_timeout_s
        return self._beats.silence_at if self._state in {State.OPEN, State.LEAVING} else NEVER


def _refuse_unreadable(head: bytes, read: Callable[[bytes], object]) -> None:
    """Find out here, not at the peer, that a body has a list or map that no peer reads."""
    try:
        read(head)
    except ProtocolError as error:
        raise LocalMisuse(str(error)) from error
