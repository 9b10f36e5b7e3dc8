"""What a session tells its owner: one record for each thing that came from the peer, or that failed to come."""

from __future__ import annotations

from dataclasses import dataclass

from sync.model.batch import ChunkResult, Encoded
from sync.model.position import Position
from sync.wire.messages import Answer, BeatAnswer, Hello, Refusal, Request, Resume


@dataclass(frozen=True, slots=True)
class PeerHello:
    """The peer introduced itself. A receiver's owner now calls `accept` or `refuse`; a sender's may refuse."""

    hello: Hello
    protocol: int
    clock_skew_s: float
    """How much the peer's wall clock is ahead of ours; off by as much as the hello took to come."""


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The receiver accepted: batches may go, from its checkpoint on."""

    resume: Resume
    protocol: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The session is over: the peer said no, or this side did when it read the peer's hello."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class BatchArrived:
    """A batch in sequence. The announced fields are checked for order, not yet against the payload."""

    sequence: int
    epoch: int
    encoded: Encoded


@dataclass(frozen=True, slots=True)
class AckArrived:
    """The receiver took over `received` batches in all; its target stands at these positions."""

    received: int
    applied: Position
    durable: Position
    waits: str = ""
    """Why it can not go on; empty while it can."""


@dataclass(frozen=True, slots=True)
class ResultsArrived:
    results: tuple[ChunkResult, ...]


@dataclass(frozen=True, slots=True)
class RequestArrived:
    request: Request


@dataclass(frozen=True, slots=True)
class AnswerArrived:
    """To a request of ours; its number is free again when the answer is final."""

    request_kind: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class BeatArrived:
    """A beat made its way.

    On the receiver: its answer, with the time it took. On the sender: a beat came and `answer` was given; the time is
    what the receiver measured last (0 before its first).
    """

    answer: BeatAnswer
    round_trip_s: float


@dataclass(frozen=True, slots=True)
class GoodbyeArrived:
    reason: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The stream ended. `orderly` tells whether both had said goodbye, or one had refused."""

    orderly: bool


@dataclass(frozen=True, slots=True)
class PeerSilent:
    """Nothing at all came for so long that the session is given up."""

    silent_s: float
    during: str
    """`handshake` or `session`."""


Arrival = (
    PeerHello
    | Welcomed
    | Refused
    | BatchArrived
    | AckArrived
    | ResultsArrived
    | RequestArrived
    | AnswerArrived
    | BeatArrived
    | GoodbyeArrived
    | Disconnected
    | PeerSilent
)
