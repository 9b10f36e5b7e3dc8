"""The receiver: what the secondary says in one session, and the loop that applies what came.

The session lives on the event loop, the target on its own thread. Batches wait in between, bounded by the credit
that the session gives; an acknowledgement is sent for what the database says, never for what arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.core.backoff import Backoff
from sync.errors import AdminSyncError, DatabaseBusy, PeerError, PeerRefused
from sync.model.batch import Checkpoint
from sync.model.notice import ApplyFailed, BeatPassed, SessionOpened
from sync.model.position import START, Position
from sync.ports import Clock, Observer
from sync.receiver.applier import Applier
from sync.transport.worker import Worker
from sync.wire.arrivals import AnswerArrived, Arrival, BatchArrived, BeatArrived, GoodbyeArrived, PeerHello
from sync.wire.match import Expected, Reason, refusal_of
from sync.wire.messages import Hello, RefusalCode, Resume
from sync.wire.session import Session
from sync.wire.state import State

GROUP_BYTES_MAX = 4 * 1024 * 1024
"""Encoded bytes that one target transaction may gather (whole batches)."""
FLUSH_INTERVAL_S = 0.1
"""How long the durable position may stay behind the applied one under load."""
WARNINGS_MAX = 32


@dataclass(slots=True)
class Receiver:
    """One session's receiving half."""

    session: Session
    applier: Applier
    worker: Worker
    observer: Observer
    clock: Clock
    expected: Expected
    epoch: int
    backoff: Backoff
    kick: Callable[[], None]
    """Wakes the link's writer."""
    fail: Callable[[Exception], None]
    """Ends the link with an error."""
    address: str = ""
    _arrived: asyncio.Queue[BatchArrived | PeerHello | GoodbyeArrived] = field(default_factory=asyncio.Queue)
    _answers: dict[int, asyncio.Queue[AnswerArrived]] = field(default_factory=dict)
    _received: int = 0
    _applied: Position = START
    _durable: Position = START

    def arrival(self, arrival: Arrival) -> None:
        """Take what came; nothing here waits."""
        match arrival:
            case PeerHello() | BatchArrived() | GoodbyeArrived():
                self._arrived.put_nowait(arrival)
            case AnswerArrived():
                waiting = self._answers.get(arrival.answer.number)
                if waiting is not None:
                    waiting.put_nowait(arrival)
            case BeatArrived():
                answer = arrival.answer
                passed = BeatPassed(answer.newest, answer.capture_healthy, arrival.round_trip_s, answer.committed_at_us)
                self.observer.notice(passed)
            case _:
                pass

    async def run(self) -> None:
        """Judge the hello, then apply until the goodbye; an error ends the link."""
        try:
            while True:
                arrived = await self._next()
                match arrived:
                    case PeerHello():
                        await self._greet(arrived)
                    case GoodbyeArrived():
                        await self._flush()
                        self.session.goodbye("everything received is applied")
                        self.kick()
                        return
                    case None:
                        await self._flush()
                    case _:
                        await self._apply(arrived)
        except AdminSyncError as error:
            self._refuse(error)
            self.fail(error)

    @property
    def open(self) -> bool:
        """Whether the session is past its greeting."""
        return self.session.state is State.OPEN

    async def leave(self) -> None:
        """Make durable what was applied, acknowledge it, and say goodbye."""
        await self._flush()
        self.session.goodbye("this node is stopping")
        self.kick()

    async def ask(self, kind: str, body: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Ask the primary; yields the bodies of its answers until the final one. Raises `PeerError` for a no."""
        number = self.session.request(kind, dict(body))
        self._answers[number] = asyncio.Queue()
        self.kick()
        try:
            while True:
                answer = (await self._answers[number].get()).answer
                if not answer.ok:
                    what = f"the primary did not {kind}"
                    raise PeerError(what, str(answer.body.get("why", "")), str(answer.body.get("remedy", "")))
                yield answer.body
                if answer.final:
                    return
        finally:
            self._answers.pop(number, None)

    async def _next(self) -> BatchArrived | PeerHello | GoodbyeArrived | None:
        """Wait for work; None where it is time to flush."""
        if self._durable == self._applied:
            return await self._arrived.get()
        try:
            async with asyncio.timeout(FLUSH_INTERVAL_S):
                return await self._arrived.get()
        except TimeoutError:
            return None

    async def _greet(self, arrival: PeerHello) -> None:
        hello = arrival.hello
        refusal = refusal_of(hello, self.expected) or self._fenced(hello, self.epoch)
        if refusal is not None:
            self._turn_away(hello, refusal)
            return
        checkpoint, warnings, refusal = await self.worker.call(self._prepare, hello)
        if refusal is not None:
            self._turn_away(hello, refusal)
            return
        if checkpoint is not None:
            self._applied = self._durable = checkpoint.position
        self.session.accept(Resume(checkpoint, self._durable, warnings=warnings))
        self.observer.notice(
            SessionOpened(hello.node, self.address, arrival.protocol, hello.epoch, arrival.clock_skew_s, warnings)
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

    def _prepare(self, hello: Hello) -> tuple[Checkpoint | None, tuple[str, ...], Reason | None]:
        """On the target's thread: open it, look where it stands and whether its tables fit."""
        self.applier.target.close()
        self.applier.target.open()
        refusal = self._fenced(hello, self.applier.target.epoch())
        if refusal is not None:
            return None, (), refusal
        checkpoint = self.applier.restart(hello.origin, hello.epoch)
        # What was committed before a crash of this process may be in the system's memory only.
        self.applier.target.flush()
        mine = self.applier.target.tables()
        warnings = [f"table {name} is missing on the secondary" for name in hello.fingerprints if name not in mine]
        return checkpoint, tuple(sorted(warnings)[:WARNINGS_MAX]), None

    async def _apply(self, first: BatchArrived) -> None:
        group = [first]
        size = len(first.encoded.payload)
        while size < GROUP_BYTES_MAX and not self._arrived.empty():
            more = self._arrived.get_nowait()
            if not isinstance(more, BatchArrived):
                self._arrived.put_nowait(more)
                break
            group.append(more)
            size += len(more.encoded.payload)
        await self._apply_until_done([arrived.encoded.payload for arrived in group])
        self._received += len(group)
        self.session.acknowledge(self._received, self._applied, self._durable)
        self.kick()

    async def _apply_until_done(self, payloads: list[bytes]) -> None:
        """Apply, and where the database refuses, try again until a person has mended it: the stream waits."""
        while True:
            mid_transaction = self.applier.mid_transaction
            try:
                outcome = await self.worker.call(self.applier.apply, payloads)
            except PeerError:
                raise
            except AdminSyncError as error:
                retry_s = self.backoff.next_s()
                self.observer.notice(ApplyFailed(error, retry_s))
                await asyncio.sleep(retry_s)
                if mid_transaction:
                    # The parts before these are rolled back with it: only a new session brings them again.
                    raise
                await self._reopen()
            else:
                self.backoff.reset()
                self._applied = max(self._applied, outcome.applied)
                if outcome.results:
                    self.session.results(outcome.results)
                return

    async def _reopen(self) -> None:
        def again() -> None:
            target = self.applier.target
            target.close()
            target.open()

        try:
            await self.worker.call(again)
        except AdminSyncError:
            return  # the next attempt to apply meets the same error and reports it

    async def _flush(self) -> None:
        if self._durable == self._applied:
            return
        applied = self._applied
        await self.worker.call(self.applier.target.flush)
        self._durable = applied
        self.session.acknowledge(self._received, self._applied, self._durable)
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
