"""What both halves of a session have in common: its state, what goes out, and the judging of what comes in.

The rule it keeps: nothing that breaks the protocol reaches the owner. The steps stand in `sync.wire.state`, the
fields in `sync.wire.messages`, order and credit in `sync.wire.flow`, the times in `sync.wire.beats`; this module
joins them. `sync.wire.session` adds what an owner may ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sync.model.position import START, Position
from sync.wire import coding, messages
from sync.wire.arrivals import (
    AckArrived,
    AnswerArrived,
    Arrival,
    BatchArrived,
    BeatArrived,
    GoodbyeArrived,
    PeerHello,
    Refused,
    RequestArrived,
    ResultsArrived,
    Welcomed,
)
from sync.wire.beats import Beats
from sync.wire.checks import malformed
from sync.wire.flow import Flow
from sync.wire.frame import HEADER_BYTES, Frame, FrameDecoder, FrameLimit, encode_frame
from sync.wire.messages import BeatAnswer, Hello, Refusal, RefusalCode, Resume
from sync.wire.results import RESULTS_BYTES_MAX, read_results
from sync.wire.state import HEARS, SENDS, Half, MessageKind, State

SMALL_BYTES_MAX: Final = 65_536
"""Head of a message that has no limit of its own."""
LAST_WORDS: Final = frozenset((MessageKind.ACK, MessageKind.RESULTS, MessageKind.GOODBYE, MessageKind.REFUSE))
"""What is still listened to after our own goodbye."""


class LocalMisuse(RuntimeError):
    """The owner asked for what the session does not allow: a defect of ours, never the peer's fault."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    in_flight_batches_max: int = 8
    payload_bytes_max: int = 64 << 20
    hello_bytes_max: int = 512 << 10
    request_bytes_max: int = 256 << 10
    requests_max: int = 16
    """Requests of one half that are not finally answered."""
    handshake_timeout_s: float = 10.0
    beat_interval_s: float = 20.0
    beats_missed_max: int = 3

    def frames(self) -> dict[int, FrameLimit]:
        """What each kind of frame may carry."""
        kinds: dict[int, FrameLimit] = {int(kind): FrameLimit(SMALL_BYTES_MAX) for kind in MessageKind}
        kinds[MessageKind.HELLO] = FrameLimit(self.hello_bytes_max)
        # A welcome's warnings may name many tables.
        kinds[MessageKind.WELCOME] = FrameLimit(self.hello_bytes_max)
        kinds[MessageKind.BATCH] = FrameLimit(SMALL_BYTES_MAX, self.payload_bytes_max)
        kinds[MessageKind.RESULTS] = FrameLimit(RESULTS_BYTES_MAX)
        kinds[MessageKind.REQUEST] = kinds[MessageKind.ANSWER] = FrameLimit(self.request_bytes_max)
        return kinds


class Conversation:
    """The shared half of `Session`. The `hear_` methods belong to the table below the class, not to the owner."""

    def __init__(self, half: Half, hello: Hello, limits: SessionLimits, now: float) -> None:
        if hello.role is not half:
            raise LocalMisuse(f"a {half.value} says hello as {hello.role.value}")
        self.half = half
        self.protocol = 0
        self.peer: Hello | None = None
        self.beat_answer: Callable[[], BeatAnswer] = lambda: BeatAnswer(newest=hello.newest)
        """Measures what a beat is answered with."""
        self.bytes_sent = 0
        self.bytes_received = 0
        self.last_beat: float | None = None
        """When the last beat (sender) or answer to one (receiver) came."""
        self._hello = hello
        self._limits = limits
        self._opened = now
        self._greeted = now
        """When the peer's hello came."""
        self._state = State.GREETING
        self._orderly = False
        self._ended = False
        self._frames = limits.frames()
        self._decoder = FrameDecoder(self._frames)
        self._out: list[bytes] = []
        self._beats = Beats(limits.beat_interval_s, limits.beats_missed_max, now)
        self._flow = Flow(hello.epoch, 0, START, START)
        self._asked: dict[int, str] = {}
        self._asked_of_us: set[int] = set()
        self._requests = 0
        self._requests_of_peer = 0

    def refuse(self, code: RefusalCode, what: str, why: str = "", remedy: str = "") -> None:
        """Say no, and why; the session is over. Nothing happens where it already is."""
        if self._state is not State.CLOSED:
            self._refuse(Refusal(code, what, why, remedy))

    def _refuse(self, refusal: Refusal) -> list[Arrival]:
        self._orderly = True
        self._send(MessageKind.REFUSE, coding.pack_refusal(refusal))
        return [Refused(refusal)]

    def _send(self, kind: MessageKind, head: bytes, payload: bytes = b"") -> None:
        after = SENDS.get((self.half, self._state), {}).get(kind)
        if after is None:
            raise LocalMisuse(f"a {self.half.value} can not send {kind.name} while {self._state.value}")
        limit = self._frames[kind]
        if len(head) > limit.head_bytes_max or len(payload) > limit.payload_bytes_max:
            raise LocalMisuse(f"{kind.name} of {len(head)} + {len(payload)} bytes is beyond its limit")
        self._state = after
        self._out += encode_frame(kind, head, payload)
        self.bytes_sent += HEADER_BYTES + len(head) + len(payload)

    def _hear(self, frame: Frame, now: float, wall_us: int) -> list[Arrival]:
        kind = MessageKind(frame.kind)
        before = self._state
        if before is State.CLOSED:
            return []
        after = HEARS.get((self.half, before), {}).get(kind)
        if after is None:
            malformed(f"session with a {self.half.other.value}", f"{kind.name} is not allowed while {before.value}")
        self._state = after
        if before is State.LEAVING and kind not in LAST_WORDS:
            return []
        return _READERS[kind](self, frame, now, wall_us)

    def hear_hello(self, frame: Frame, now: float, wall_us: int) -> list[Arrival]:
        peer = coding.read_hello(frame.head)
        protocol = messages.highest_common(self._hello.protocol_versions, peer.protocol_versions)
        if protocol is None:
            return self._refuse(messages.no_common_version(self._hello.protocol_versions, peer.protocol_versions))
        if peer.role is not self.half.other:
            return self._refuse(messages.wrong_role(self.half))
        self.peer, self.protocol, self._greeted = peer, protocol, now
        skew_s = (peer.wall_us - wall_us) / 1_000_000
        if self.half is Half.RECEIVER:
            self._send(MessageKind.HELLO, coding.pack_hello(self._hello, wall_us))
        else:
            # The peer's clock was read about half a round trip ago.
            skew_s += (now - self._opened) / 2
        return [PeerHello(peer, protocol, skew_s)]

    def hear_welcome(self, frame: Frame, _now: float, _wall_us: int) -> list[Arrival]:
        resume, protocol, interval_ms = coding.read_welcome(frame.head)
        if protocol != self.protocol:
            malformed("WELCOME.protocol", f"it is {protocol}, agreed was {self.protocol}")
        base = self._begin(resume)
        if resume.durable > base:
            malformed("WELCOME.durable", f"position {resume.durable} is beyond the checkpoint {base}")
        self._beats.interval_s = max(self._limits.beat_interval_s, interval_ms / 1000)
        return [Welcomed(resume, protocol)]

    def _begin(self, resume: Resume) -> Position:
        """Set up order and credit; gives the receiver's position in this history."""
        sender = self._hello if self.half is Half.SENDER else self.peer
        if sender is None:
            raise LocalMisuse("nobody said hello yet")
        checkpoint = resume.checkpoint
        base = checkpoint.position if checkpoint is not None and checkpoint.origin == sender.origin else START
        credit = min(resume.credit, self._limits.in_flight_batches_max)
        self._flow = Flow(sender.epoch, credit, base, min(base, resume.durable))
        return base

    def hear_batch(self, frame: Frame, _now: float, _wall_us: int) -> list[Arrival]:
        sequence, epoch, encoded = coding.read_batch(frame.head, frame.payload)
        problem = self._flow.batch_problem(sequence, epoch, encoded)
        if problem:
            malformed(f"batch {sequence}", problem)
        self._flow.pass_batch(encoded)
        return [BatchArrived(sequence, epoch, encoded)]

    def hear_ack(self, frame: Frame, _now: float, _wall_us: int) -> list[Arrival]:
        ack = coding.read_ack(frame.head)
        problem = self._flow.ack_problem(ack)
        if problem:
            malformed("acknowledgement", problem)
        self._flow.ack = ack
        return [AckArrived(ack.received, ack.applied, ack.durable, ack.waits)]

    def hear_results(self, frame: Frame, _now: float, _wall_us: int) -> list[Arrival]:
        return [ResultsArrived(read_results(frame.head))]

    def hear_request(self, frame: Frame, _now: float, _wall_us: int) -> list[Arrival]:
        request = coding.read_request(frame.head)
        if request.number != self._requests_of_peer + 1:
            malformed("request", f"number {request.number} came after {self._requests_of_peer}")
        if len(self._asked_of_us) >= self._limits.requests_max:
            malformed("request", f"{len(self._asked_of_us)} wait for their answers already")
        self._requests_of_peer = request.number
        self._asked_of_us.add(request.number)
        return [RequestArrived(request)]

    def hear_answer(self, frame: Frame, _now: float, _wall_us: int) -> list[Arrival]:
        answer = coding.read_answer(frame.head)
        kind = self._asked.get(answer.number)
        if kind is None:
            malformed("answer", f"request {answer.number} does not wait for one")
        if answer.final:
            del self._asked[answer.number]
        return [AnswerArrived(kind, answer)]

    def hear_beat(self, frame: Frame, now: float, _wall_us: int) -> list[Arrival]:
        number, round_trip_us = coding.read_beat(frame.head)
        self.last_beat = now
        answer = self.beat_answer()
        if self._state is State.OPEN:
            self._send(MessageKind.BEAT_ANSWER, coding.pack_beat_answer(number, answer))
        return [BeatArrived(answer, round_trip_us / 1_000_000)]

    def hear_beat_answer(self, frame: Frame, now: float, _wall_us: int) -> list[Arrival]:
        number, answer = coding.read_beat_answer(frame.head)
        problem = self._beats.answer_problem(number)
        if problem:
            malformed("beat", problem)
        self.last_beat = now
        return [BeatArrived(answer, self._beats.answer(number, now))]

    def hear_goodbye(self, frame: Frame, _now: float, _wall_us: int) -> list[Arrival]:
        self._orderly = self._state is State.CLOSED
        return [GoodbyeArrived(coding.read_goodbye(frame.head))]

    def hear_refusal(self, frame: Frame, _now: float, _wall_us: int) -> list[Arrival]:
        self._orderly = True
        return [Refused(coding.read_refusal(frame.head))]


_Reader = Callable[[Conversation, Frame, float, int], list[Arrival]]
_READERS: Final[dict[MessageKind, _Reader]] = {
    MessageKind.HELLO: Conversation.hear_hello,
    MessageKind.WELCOME: Conversation.hear_welcome,
    MessageKind.REFUSE: Conversation.hear_refusal,
    MessageKind.BATCH: Conversation.hear_batch,
    MessageKind.ACK: Conversation.hear_ack,
    MessageKind.RESULTS: Conversation.hear_results,
    MessageKind.REQUEST: Conversation.hear_request,
    MessageKind.ANSWER: Conversation.hear_answer,
    MessageKind.BEAT: Conversation.hear_beat,
    MessageKind.BEAT_ANSWER: Conversation.hear_beat_answer,
    MessageKind.GOODBYE: Conversation.hear_goodbye,
}
