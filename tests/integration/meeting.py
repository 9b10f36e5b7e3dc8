"""One session between a lying sender and a real intake with its applier, without a network or an event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sync.core.backoff import Backoff
from sync.core.filter import Filter, Selection
from sync.errors import AdminSyncError, ProtocolError
from sync.model.batch import Encoded
from sync.model.change import Row
from sync.model.notice import Notice
from sync.ports import Target
from sync.receiver.applier import Applier
from sync.receiver.guard import Guard
from sync.receiver.intake import FLUSH_INTERVAL_S, Await, Course, Intake, Pause, Step, Work
from sync.wire.arrivals import Arrival, BatchArrived, GoodbyeArrived, PeerHello
from sync.wire.codec import Codec
from sync.wire.coding import pack_batch
from sync.wire.frame import encode_frame
from sync.wire.match import Expected
from sync.wire.messages import Hello
from sync.wire.session import Session, SessionLimits
from sync.wire.state import Half, MessageKind
from tests.integration.world import SystemClock

ORIGIN, EPOCH = "cms-east-1", 5
RETRIES_MAX = 2
"""How often a refused batch is tried again before the meeting is broken off."""


class Notices:
    def __init__(self) -> None:
        self.all: list[Notice] = []

    def notice(self, notice: Notice) -> None:
        self.all.append(notice)


@dataclass
class Secondary:
    """A target with the applying half, and one session at a time."""

    target: Target
    rows: Callable[[str], list[Row]]
    notices: Notices = field(default_factory=Notices)

    def __post_init__(self) -> None:
        guard = Guard(Filter(Selection()), self.notices)
        self.applier = Applier(self.target, Codec(), guard, self.notices, SystemClock())

    def meet(self, said: list[tuple[Encoded, int]], **hello: Any) -> Meeting:  # noqa: ANN401  what replace takes
        """Let a peer say hello and then these batches, each with the epoch that it announces."""
        meeting = Meeting(self, said, replace(Hello("cms-east", Half.SENDER, EPOCH, origin=ORIGIN), **hello))
        meeting.run()
        self.target.rollback()
        return meeting


class Meeting:
    """One session. `heard` is what came back to the sender, `error` what ended the link, if anything did."""

    def __init__(self, secondary: Secondary, said: list[tuple[Encoded, int]], hello: Hello) -> None:
        self.heard: list[Arrival] = []
        self.error: Exception | None = None
        self._said = list(said)
        self._retries = 0
        self._peer = Session(Half.SENDER, hello, SessionLimits(), 0.0)
        self._own = Session(Half.RECEIVER, Hello("cms-west", Half.RECEIVER, 1), SessionLimits(), 0.0)
        self._intake = Intake(
            self._own,
            secondary.applier,
            secondary.notices,
            Expected("cms-east", "", ""),
            1,
            Backoff(limit_s=1.0, random=lambda: 0.5),
            lambda: None,
            self._fail,
        )

    def run(self) -> None:
        """Perform the intake's course until the link ends, nothing is left to say, or it only waits for a person."""
        self._peer.start()
        self._carry()
        course = self._intake.run()
        try:
            step = next(course)
            while self.error is None and self._retries <= RETRIES_MAX:
                step = self._perform(course, step)
        except StopIteration:
            pass
        finally:
            course.close()
        self._carry()

    def _perform(self, course: Course, step: Step) -> Step:
        match step:
            case Work():
                try:
                    given = step.call()
                except AdminSyncError as error:
                    return course.throw(error)
                return course.send(given)
            case Pause():
                self._retries += 1
            case Await():
                self._carry()
                if not self._intake.arrived and self._said:
                    self._send(*self._said.pop(0))
                elif not self._intake.arrived and (step.timeout_s is None or step.timeout_s > FLUSH_INTERVAL_S):
                    raise StopIteration
        return course.send(None)

    def _send(self, encoded: Encoded, epoch: int) -> None:
        """Put a batch on the wire that an honest session would perhaps not send."""
        flow = self._peer._flow
        flow.batches += 1
        flow._whole = max(flow._whole, encoded.position)
        self._peer._out += encode_frame(MessageKind.BATCH, pack_batch(flow.batches, epoch, encoded), encoded.payload)
        self._carry()

    def _carry(self) -> None:
        """Bring both ways what was said."""
        for _ in range(3):
            arrivals: list[Arrival] = []
            try:
                arrivals = self._own.receive(b"".join(self._peer.data_to_send()), 0.0, 0)
            except ProtocolError as error:
                self._fail(error)
            self._intake.arrived.extend(
                arrival for arrival in arrivals if isinstance(arrival, PeerHello | BatchArrived | GoodbyeArrived)
            )
            self.heard += self._peer.receive(b"".join(self._own.data_to_send()), 0.0, 0)

    def _fail(self, error: Exception) -> None:
        self.error = self.error or error
