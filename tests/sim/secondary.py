"""The secondary node of a world: the real intake, applier and guard, in shells that make the real ones' calls."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from sync.core.backoff import Backoff
from sync.errors import AdminSyncError, PeerRefused
from sync.model.notice import BeatPassed, SessionClosed
from sync.receiver.applier import Applier
from sync.receiver.intake import Await, Course, Intake, Pause, Work
from sync.wire.arrivals import Arrival, BatchArrived, BeatArrived, GoodbyeArrived, PeerHello
from sync.wire.codec import Codec
from sync.wire.match import Expected
from sync.wire.messages import Hello
from sync.wire.session import Session
from sync.wire.state import Half
from tests.sim.databases import Server, SimTarget
from tests.sim.link import SimLink
from tests.sim.network import End
from tests.sim.tables import FILTER
from tests.sim.timeline import Life

if TYPE_CHECKING:
    from tests.sim.world import World

_CODEC = Codec()
RETRY_LIMIT_S = 2.0


class TargetThread:
    """The one thread of the target's connection: calls one after the other, each with its time."""

    def __init__(self, world: World, life: Life) -> None:
        self._world, self._life = world, life
        self._busy_until = 0.0

    def call(self, work: Callable[[], Any], then: Callable[[Any, Exception | None], None]) -> None:
        """Do `work` in its turn, and hand on what came of it; also where nobody waits for it any more."""
        now = self._world.timeline.now
        self._busy_until = max(self._busy_until, now) + self._world.target_call_s()

        def do() -> None:
            given: Any = None
            failure: Exception | None = None
            try:
                given = work()
            except AdminSyncError as error:
                failure = error
            then(given, failure)

        self._world.timeline.at(self._busy_until - now, do, self._life)


class Performer:
    """Performs one course, as `Receiver` does on the event loop."""

    def __init__(self, world: World, life: Life, thread: TargetThread, intake: Intake, course: Course) -> None:
        self._world, self._life, self._thread, self._intake = world, life, thread, intake
        self._course = course
        self._awaits = 0
        self._waiting = False
        self.over = False

    def start(self) -> None:
        """Take the first step."""
        self._go(lambda: next(self._course))

    def came(self) -> None:
        """Something arrived."""
        if self._waiting:
            self._waiting = False
            self._awaits += 1
            self._world.timeline.at(0.0, lambda: self._go(lambda: self._course.send(None)), self._life)

    def cancel(self) -> None:
        """Stop at the step under way; a call on the target's thread goes on to its end."""
        self.over = True
        self._course.close()

    def _go(self, resume: Callable[[], Any]) -> None:
        if self.over:
            return
        try:
            step = resume()
        except StopIteration:
            self.over = True
            return
        match step:
            case Work():
                self._thread.call(step.call, self._worked)
            case Pause():
                self._world.timeline.at(step.seconds, lambda: self._go(lambda: self._course.send(None)), self._life)
            case Await():
                self._wait(step.timeout_s)

    def _worked(self, given: Any, failure: Exception | None) -> None:  # noqa: ANN401  whatever the work gives
        if failure is not None:
            self._go(lambda: self._course.throw(failure))
        else:
            self._go(lambda: self._course.send(given))

    def _wait(self, timeout_s: float | None) -> None:
        self._waiting = True
        number = self._awaits
        if self._intake.arrived:
            self.came()
        elif timeout_s is not None:

            def late() -> None:
                if self._waiting and self._awaits == number:
                    self.came()

            self._world.timeline.at(timeout_s, late, self._life)


class SecondaryNode:
    """From boot to crash, and again."""

    name = "west"

    def __init__(self, world: World, server: Server, random: Random) -> None:
        self.world, self.server, self.random = world, server, random
        self.life = Life(self.name)
        self.life.alive = False
        self._applier: Applier | None = None
        self._thread: TargetThread | None = None
        self._link: SimLink | None = None
        self._busy = False
        self._queue: list[End] = []

    def boot(self) -> None:
        """Start the process."""
        world = self.world
        self.life = Life(self.name)
        target = SimTarget(self.server, world.target_committed, world.target_flushed)
        self._applier = world.applier_type(target, _CODEC, world.guard_type(FILTER, world), world, world.timeline)
        self._thread = TargetThread(world, self.life)
        self._link, self._busy, self._queue = None, False, []

    def crash(self) -> None:
        """Kill the process."""
        self.life.alive = False
        self._link = None
        self.server.disconnect()

    def serve(self, end: End) -> None:
        """Take a connection; an older one of the same peer is dead, though this side may not have noticed."""
        if not self.life.alive:
            return
        if self._link is not None:
            self._link.fail(PeerRefused("busy", "the peer made a new connection"))
        self._queue.append(end)
        self._next_session()

    def _next_session(self) -> None:
        if self._busy or not self._queue:
            return
        self._busy = True
        end = self._queue.pop(0)
        applier, thread, world = self._applier, self._thread, self.world
        assert applier is not None
        assert thread is not None
        clock = world.timeline
        hello = Hello(self.name, Half.RECEIVER, 1, "21.0", "21.0.0", wall_us=clock.wall_us())
        session = Session(Half.RECEIVER, hello, world.shape.session_limits, clock.monotonic())
        link = SimLink(clock, self.life, session, end)
        intake = Intake(
            session,
            applier,
            world,
            Expected("east", "21.0", "21.0.0"),
            1,
            Backoff(limit_s=RETRY_LIMIT_S, random=self.random.random),
            link.kick,
            link.fail,
            f"c{end.number}",
        )
        performer = Performer(world, self.life, thread, intake, intake.run())
        link.on_arrival = lambda arrival: self._arrival(intake, performer, arrival)
        link.on_end = lambda error: self._ended(performer, error)
        self._link = link
        link.start()
        performer.start()

    def _arrival(self, intake: Intake, performer: Performer, arrival: Arrival) -> None:
        match arrival:
            case PeerHello() | BatchArrived() | GoodbyeArrived():
                intake.arrived.append(arrival)
                performer.came()
            case BeatArrived():
                answer = arrival.answer
                self.world.notice(
                    BeatPassed(answer.newest, answer.capture_healthy, arrival.round_trip_s, answer.committed_at_us)
                )
            case _:
                pass

    def _ended(self, performer: Performer, error: AdminSyncError | None) -> None:
        self._link = None
        performer.cancel()
        self.world.notice(SessionClosed("east", "", error))
        assert self._applier is not None
        assert self._thread is not None
        # Whatever the database still does for this session ends before the next one may begin.
        self._thread.call(self._applier.target.rollback, self._freed)

    def _freed(self, _given: object, _failure: Exception | None) -> None:
        self._busy = False
        self._next_session()
