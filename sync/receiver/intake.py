"""The intake: what the secondary does with what came in one session, decided without waiting for anything.

It is a course of steps: each names what must be done elsewhere (a call on the target's thread, a pause, the next
arrival), and goes on with what came of it. Whoever performs the steps, the event loop or a simulation, decides nothing.
The rule it keeps: an acknowledgement says what the database said, never what arrived.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.core.backoff import Backoff
from sync.errors import AdminSyncError, DatabaseBusy, DatabaseError, PeerError, PeerRefused
from sync.model.batch import Checkpoint, Encoded
from sync.model.notice import Applied, ApplyFailed, SessionOpened
from sync.model.position import START, Position
from sync.ports import Observer
from sync.receiver.applier import Applier, Outcome
from sync.receiver.notebook import Paused
from sync.wire.arrivals import BatchArrived, GoodbyeArrived, PeerHello
from sync.wire.match import Expected, Reason, refusal_of
from sync.wire.messages import Hello, RefusalCode, Resume
from sync.wire.session import Session
from sync.wire.state import State

GROUP_BYTES_MAX = 4 * 1024 * 1024
"""Decompressed bytes that one target transaction may gather (whole batches)."""
RETRY_BYTES_MAX = 4 * 1024 * 1024
"""Encoded bytes that it may gather while the database refuses it."""
GROUP_ROWS_MAX = 10_000
"""Changes that it may gather: beyond, a row gets no cheaper, and a reader waits longer for the first."""
FLUSH_INTERVAL_S = 0.1
"""How long the durable position may stay behind the applied one under load."""
LOOK_INTERVAL_S = 20.0
"""How often the database is asked whether it is still there, while nothing else is asked of it."""
RESUME_INTERVAL_S = 5.0
"""How often it is found out whether a paused table could go on."""
PAUSED_TOLD_MAX = 100


@dataclass(frozen=True, slots=True)
class Work:
    """Call this on the target's thread, and go on with what it gives or raises."""

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Await:
    """Go on as soon as something is in `arrived`, or after the timeout; None waits for ever."""

    timeout_s: float | None


Step = Work | Pause | Await
Course = Generator[Step, Any, None]
Arrived = PeerHello | BatchArrived | GoodbyeArrived


@dataclass(slots=True)
class Intake:
    """One session's course. `arrived` is filled by the owner; its length is bounded by the session's credit."""

    session: Session
    applier: Applier
    observer: Observer
    expected: Expected
    epoch: int
    backoff: Backoff
    kick: Callable[[], None]
    """Wakes the link's writer."""
    fail: Callable[[Exception], None]
    """Ends the link with an error."""
    address: str = ""
    arrived: deque[Arrived] = field(default_factory=deque)
    _received: int = 0
    _counted: int = 0
    """Batches of the group under way that count as received already."""
    _waits: str = ""
    """Why the database can not go on, as the peer was told."""
    _applied: Position = START
    _durable: Position = START
    _flushed_s: float = 0.0
    """When the durable position was last asked for."""
    _looked_at_s: float = 0.0
    _told: Mapping[str, Paused] | None = None
    """What the primary knows of paused tables."""
    _telling: int = 0
    _asking: int = 0
    """The last requests for each, where there were any."""

    def run(self) -> Course:
        """Judge the hello, then apply until the goodbye; an error ends the link."""
        try:
            while True:
                if not self.arrived:
                    yield Await(self._idle_s())
                arrived = self.arrived.popleft() if self.arrived else None
                match arrived:
                    case PeerHello():
                        yield from self._greet(arrived)
                    case GoodbyeArrived():
                        yield from self.leave("everything received is applied")
                        return
                    case None if self._durable != self._applied:
                        yield from self._flush()
                    case None:
                        yield from self._look()
                    case _:
                        yield from self._apply(arrived)
                yield from self._mind_paused()
        except AdminSyncError as error:
            self._refuse(error)
            self.fail(error)

    def _idle_s(self) -> float | None:
        """How long nothing may come; None before the session is open, where only the peer can go on."""
        if self._durable != self._applied:
            return FLUSH_INTERVAL_S
        if self.session.state is not State.OPEN:
            return None
        return RESUME_INTERVAL_S if self.applier.tables.paused else LOOK_INTERVAL_S

    def _look(self) -> Course:
        """Make sure that an idle database is alive and where it was: a dead one must not pass for one at rest."""
        # A large transaction that waits for its next part holds the connection; its commit will tell.
        if self.session.state is State.OPEN and not self.applier.mid_transaction:
            self._check((yield Work(self.applier.unmoved)))

    def _mind_paused(self) -> Course:
        """Tell the primary which tables are paused, and ask it for a copy of those that could go on."""
        paused = self.applier.tables.paused
        if self.session.state is not State.OPEN or not (paused or self._told or self._told is None):
            return
        if paused != self._told and not self.session.awaits_answer(self._telling):
            self._told = paused
            listed = [[n, p.difference, p.remedy, p.since_us] for n, p in sorted(paused.items())[:PAUSED_TOLD_MAX]]
            self._telling = self._ask("paused", {"tables": listed})
        now_s = self.applier.clock.monotonic()
        due = now_s - self._looked_at_s >= RESUME_INTERVAL_S and not self.session.awaits_answer(self._asking)
        if paused and due and not self.applier.mid_transaction:
            self._looked_at_s = now_s
            try:
                resumable: list[str] = yield Work(self.applier.tables.resumable)
            except DatabaseError:
                return  # the next thing that is asked of the database says so
            if resumable and self.session.state is State.OPEN:
                # What the primary refuses now is asked for again.
                self._asking = self._ask("snapshot", {"tables": resumable[:PAUSED_TOLD_MAX]})

    def _ask(self, kind: str, body: Mapping[str, object]) -> int:
        number = self.session.request(kind, body)
        self.kick()
        return number

    def leave(self, reason: str) -> Course:
        """Make durable what was applied, acknowledge it, and say goodbye."""
        yield from self._flush()
        self.session.goodbye(reason)
        self.kick()

    def _greet(self, arrival: PeerHello) -> Course:
        hello = arrival.hello
        refusal = refusal_of(hello, self.expected) or self._fenced(hello, self.epoch)
        if refusal is not None:
            self._turn_away(hello, refusal)
            return
        checkpoint, refusal = yield Work(lambda: self._prepare(hello))
        if refusal is not None:
            self._turn_away(hello, refusal)
            return
        if self.session.state is not State.JUDGING:
            return  # the peer hung up while the database was asked
        if checkpoint is not None:
            self._applied = self._durable = checkpoint.position
            self.observer.notice(Applied(checkpoint.position, 0, 0, 0, 0, self.applier.clock.wall_us()))
        self.session.accept(Resume(checkpoint, self._durable))
        self.observer.notice(
            SessionOpened(hello.node, self.address, arrival.protocol, hello.epoch, arrival.clock_skew_s)
        )
        self.kick()

    def _turn_away(self, hello: Hello, refusal: Reason) -> None:
        code, what, why, remedy = refusal
        self.session.refuse(*refusal)
        self.kick()
        self.fail(PeerRefused(code.value, f"refused {hello.node}: {what}", why, remedy))

    @staticmethod
    def _fenced(hello: Hello, seen: int) -> Reason | None:
        if hello.epoch >= seen:
            return None
        why = f"its epoch is {hello.epoch}, {seen} was seen here"
        return RefusalCode.LOWER_EPOCH, f"{hello.node} is fenced", why, "Another node was promoted since."

    def _prepare(self, hello: Hello) -> tuple[Checkpoint | None, Reason | None]:
        """On the target's thread: open it, and look where it stands."""
        self.applier.target.close()
        self.applier.target.open()
        refusal = self._fenced(hello, self.applier.target.epoch())
        if refusal is not None:
            return None, refusal
        checkpoint = self.applier.restart(hello.origin, hello.epoch)
        # What was committed before a crash of this process may be in the system's memory only.
        self.applier.target.flush()
        return checkpoint, None

    def _apply(self, first: BatchArrived) -> Course:
        group = [first.encoded]
        self._gather(group)
        yield from self._apply_until_done(group)
        self._acknowledge()
        if self.applier.clock.monotonic() - self._flushed_s >= FLUSH_INTERVAL_S:
            yield from self._look_back()

    def _gather(self, group: list[Encoded]) -> None:
        """Take what has arrived into the group, as far as it pays."""
        size = sum(encoded.bytes_raw for encoded in group)
        rows = sum(encoded.changes for encoded in group)
        while self.arrived and isinstance(self.arrived[0], BatchArrived):
            encoded = self.arrived[0].encoded
            size += encoded.bytes_raw
            rows += encoded.changes
            if size > GROUP_BYTES_MAX or rows > GROUP_ROWS_MAX:
                return
            group.append(encoded)
            self.arrived.popleft()

    def _apply_until_done(self, group: list[Encoded]) -> Course:
        """Apply, and where the database refuses, try again until a person has mended it: the stream waits."""
        while True:
            mid_transaction = self.applier.mid_transaction
            try:
                outcome: Outcome = yield Work(lambda: self.applier.apply(group))
            except PeerError:
                raise
            except AdminSyncError as error:
                yield from self._wait_out(error)
                if mid_transaction:
                    # The parts before these are rolled back with it: only a new session brings them again.
                    raise
                yield from self._reopen()
                self._gather_on(group)
            else:
                self.backoff.reset()
                self._waits = ""
                self._received += len(group) - self._counted
                self._counted = 0
                self._applied = max(self._applied, outcome.applied)
                if outcome.results:
                    self.session.results(outcome.results)
                return

    def _gather_on(self, group: list[Encoded]) -> None:
        """Take in what arrived meanwhile: the row that is refused may be corrected by it, and then never written.

        What is taken is acknowledged as received, or the correction could wait behind the credit for ever.
        """
        size = sum(len(encoded.payload) for encoded in group)
        while size < RETRY_BYTES_MAX and self.arrived and isinstance(self.arrived[0], BatchArrived):
            group.append(self.arrived[0].encoded)
            size += len(group[-1].payload)
            self.arrived.popleft()
        self._received += len(group) - self._counted
        self._counted = len(group)
        self._acknowledge()

    def _reopen(self) -> Course:
        """Connect again, however long it takes, and make sure that nothing was lost or done unnoticed."""
        while True:
            try:
                unmoved: bool = yield Work(self.applier.reopen)
            except AdminSyncError as error:
                yield from self._wait_out(error)
            else:
                self._check(unmoved)
                return

    @staticmethod
    def _check(unmoved: bool) -> None:  # noqa: FBT001  what the database answered
        if not unmoved:
            what = "the database's progress changed under the session"
            why = "its server was restarted or put back, or the answer to a commit was lost"
            raise DatabaseBusy(what, why, "The session starts again from the checkpoint.")

    def _wait_out(self, error: AdminSyncError) -> Course:
        retry_s = self.backoff.next_s()
        self.observer.notice(ApplyFailed(error, retry_s))
        self._waits = str(error)
        self._acknowledge()
        yield Pause(retry_s)

    def _flush(self) -> Course:
        if self._durable == self._applied:
            return
        applied = self._applied
        yield Work(self.applier.target.flush)
        self._durable = applied
        self._acknowledge()

    def _look_back(self) -> Course:
        """See how far what was applied has become durable; nothing waits for the disk while more is to be applied."""
        applied = self._applied
        durable: Position = yield Work(lambda: self.applier.target.durable(applied))
        self._flushed_s = self.applier.clock.monotonic()
        if durable > self._durable:
            self._durable = durable
            self._acknowledge()

    def _acknowledge(self) -> None:
        self.session.acknowledge(self._received, self._applied, self._durable, self._waits)
        self.kick()

    def _refuse(self, error: AdminSyncError) -> None:
        """Tell the peer why the session ends: its own fault, or this side's database."""
        code = RefusalCode.MALFORMED
        if isinstance(error, PeerRefused):
            code = next((known for known in RefusalCode if known.value == error.code), code)
        elif not isinstance(error, PeerError):
            code = RefusalCode.BUSY if isinstance(error, DatabaseBusy) else RefusalCode.NOT_INSTALLED
            self.observer.notice(ApplyFailed(error, 0.0))
        self.session.refuse(code, error.what, error.why, error.remedy)
        self.kick()
