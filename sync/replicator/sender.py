"""The sender: what the primary says in one session. Sans-I/O; it runs wherever the session runs.

It decides where in the spool a peer resumes, whether the peer needs a snapshot first, and keeps the peer's credit
filled. The rule it keeps: the spool releases only what the peer's target has made durable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sync.core.progress import Progress
from sync.errors import PeerRefused, PeerUnreachable, SpoolCorrupt, SpoolError
from sync.model.batch import ChunkResult, Encoded
from sync.model.notice import Acknowledged, BatchSent, BeatPassed, CallDataRefused, SessionOpened, Warned
from sync.model.position import START, Position
from sync.ports import Clock, Observer
from sync.replicator.wall import Wall
from sync.spool.log import SegmentedSpool
from sync.spool.reader import Reader
from sync.wire.arrivals import (
    AckArrived,
    Arrival,
    BeatArrived,
    GoodbyeArrived,
    PeerHello,
    RequestArrived,
    ResultsArrived,
    Welcomed,
)
from sync.wire.match import Expected, refusal_of
from sync.wire.messages import BeatAnswer
from sync.wire.session import Session


@dataclass(frozen=True, slots=True)
class Reply:
    """Answers one request of the peer; quiet once the session is leaving."""

    session: Session
    number: int

    def progress(self, body: Mapping[str, Any]) -> None:
        """Say how far it is; more will follow."""
        self.session.answer(self.number, ok=True, body=body, final=False)

    def done(self, body: Mapping[str, Any]) -> None:
        """Give the result."""
        self.session.answer(self.number, ok=True, body=body, final=True)

    def no(self, why: str, remedy: str = "") -> None:
        """Say that it can not be done."""
        self.session.answer(self.number, ok=False, body={"why": why, "remedy": remedy}, final=True)


class Pace(Protocol):
    """What the sender needs from the capture side; every call may come from the event loop."""

    def connected(self) -> None:
        """A session is open: chunks will be answered."""
        ...

    def disconnected(self) -> None:
        """The session is gone."""
        ...

    def need_snapshot(self, reason: str, noted: Callable[[], None]) -> None:
        """The peer's target can not be brought up from the spool alone.

        `noted` is called, from the event loop, when no restart can forget that any more.
        """
        ...

    def jump(self, position: Position, reason: str) -> None:
        """The peer has seen positions that this server's history lost: go on after `position`, and copy all."""
        ...

    def durable(self, position: Position) -> None:
        """The peer keeps everything up to `position` through a crash: the spool may forget it."""
        ...

    def waiting(self, why: str) -> None:
        """The peer's target can not go on, and why; empty: it can again."""
        ...

    def superseded(self, position: Position) -> None:
        """A copy of everything is noted durably and begins behind `position`: what is spooled may be forgotten."""
        ...

    def answered(self, results: Sequence[ChunkResult]) -> None:
        """The peer settled chunks."""
        ...

    def requested(self, kind: str, body: Mapping[str, Any], reply: Reply) -> None:
        """The peer asks for something; `reply` from the event loop."""
        ...

    def beat_answer(self) -> BeatAnswer:
        """Measure how capture is right now."""
        ...


@dataclass(slots=True)
class Sender:
    """One session's sending half. `feed` after every arrival and whenever the spool grew."""

    session: Session
    spool: SegmentedSpool
    wall: Wall
    pace: Pace
    observer: Observer
    clock: Clock
    expected: Expected
    epoch: int
    origin: str
    checked_after: Position
    """What the spool holds up to here was spooled by an earlier process: it is checked again before it leaves."""
    address: str = ""
    progress: Progress = field(default_factory=lambda: Progress(1))
    _reader: Reader | None = None
    _peer: str = ""
    _clock_skew_s: float = 0.0
    _welcomed: bool = False
    _closed: bool = False

    def __post_init__(self) -> None:
        """Let beats be answered with how capture is then."""
        self.session.beat_answer = self.pace.beat_answer

    def arrival(self, arrival: Arrival) -> None:
        """Act on what came; raises an error where the session can not go on."""
        match arrival:
            case PeerHello():
                self._judge(arrival)
            case Welcomed():
                self._resume(arrival)
            case AckArrived():
                self._acknowledged(arrival)
            case ResultsArrived():
                self.pace.answered(arrival.results)
            case RequestArrived():
                self._requested(arrival)
            case BeatArrived():
                answer = arrival.answer
                passed = BeatPassed(answer.newest, answer.capture_healthy, arrival.round_trip_s, answer.committed_at_us)
                self.observer.notice(passed)
            case GoodbyeArrived():
                self.session.goodbye("the peer is leaving")
            case _:
                pass

    @property
    def welcomed(self) -> bool:
        """Whether the peer ever let this session in."""
        return self._welcomed

    def feed(self) -> None:
        """Send from the spool as long as there is credit."""
        reader = self._reader
        if reader is None or self._closed:
            return
        while self.session.credit > 0:
            encoded = self._next(reader)
            if encoded is None:
                return
            if encoded.position <= self.checked_after:
                encoded = self._check_again(encoded)
            sequence = self.session.send_batch(encoded, self.epoch)
            self.progress.sent(sequence, encoded)
            self.observer.notice(BatchSent(encoded))

    def _next(self, reader: Reader) -> Encoded | None:
        try:
            return reader.next()
        except SpoolCorrupt as error:
            # What is behind the damage can be sent no more, in no session: history goes on behind all of it.
            self.pace.jump(Position(self.spool.newest + 1), str(error))
            raise

    def close(self) -> None:
        """Let go of the spool."""
        if self._closed:
            return
        self._closed = True
        if self._reader is not None:
            self._reader.close()
        if self._welcomed:
            self.pace.disconnected()

    def _judge(self, arrival: PeerHello) -> None:
        self._peer = arrival.hello.node
        self._clock_skew_s = arrival.clock_skew_s
        refusal = refusal_of(arrival.hello, self.expected)
        if refusal is not None:
            code, what, why, remedy = refusal
            self.session.refuse(code, what, why, remedy)
            raise PeerRefused(code.value, what, why, remedy)

    def _resume(self, welcome: Welcomed) -> None:
        if not self.spool.is_open:
            # Its positions say nothing now: a peer that has everything would look as if it had too much.
            what = "could not resume: the spool is not open"
            why = "its disk failed, or it is being put in order"
            raise SpoolError(what, why, "It is opened with capture, and then the session.")
        resume = welcome.resume
        checkpoint = resume.checkpoint
        reason = ""
        if checkpoint is None or checkpoint.origin != self.origin:
            reason = "the peer's database has none of this history yet"
        elif checkpoint.position < self.spool.oldest:
            reason = f"the peer stands at {checkpoint.position}, but the spool begins after {self.spool.oldest}"
        elif checkpoint.position > self.spool.newest:
            why = f"the peer stands at {checkpoint.position}, this server's history ends at {self.spool.newest}"
            self.pace.jump(checkpoint.position, why)
            what = "the session starts again"
            raise PeerUnreachable(what, why, "This server lost its last commits; all tables are copied again.")
        self._welcomed = True
        if reason or checkpoint is None:
            self.progress.resumed(START, START)
        else:
            self.progress.resumed(checkpoint.position, resume.durable)
            self._reader = self.spool.read(checkpoint.position)
        # A peer that has everything acknowledges nothing more, and a full spool would wait for that for ever.
        self.pace.durable(self.progress.durable)
        warnings = resume.warnings
        self.observer.notice(
            SessionOpened(self._peer, self.address, welcome.protocol, self.epoch, self._clock_skew_s, warnings)
        )
        self.observer.notice(Acknowledged(self.progress.applied, self.progress.durable))
        if reason:
            self.observer.notice(Warned(f"copying all tables: {reason}"))
            self.pace.need_snapshot(reason, self._copy_noted)
        else:
            self.pace.connected()

    def _copy_noted(self) -> None:
        """Begin behind what is spooled: the copy brings all of that, and what follows is marked as part of it."""
        if not self._closed:
            start = self.spool.newest
            self._reader = self.spool.read(start)
            # A spool that is full of what nobody will ask for again would leave no room for the copy.
            self.pace.superseded(start)
            # Only now: a chunk that is spooled before this would never be sent.
            self.pace.connected()

    def _acknowledged(self, ack: AckArrived) -> None:
        self.progress.acknowledged(ack.received, ack.applied, ack.durable)
        self.pace.durable(self.progress.durable)
        self.pace.waiting(ack.waits)
        self.observer.notice(Acknowledged(self.progress.applied, self.progress.durable))

    def _requested(self, request: RequestArrived) -> None:
        asked = request.request
        self.pace.requested(asked.kind, asked.body, Reply(self.session, asked.number))

    def _check_again(self, encoded: Encoded) -> Encoded:
        violation = self.wall.check(encoded.payload)
        if violation is None:
            return encoded
        self.observer.notice(CallDataRefused("outbound", *violation))
        return self.wall.strip(encoded)
