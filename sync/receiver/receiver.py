"""The receiver: performs the steps of one session's intake on the event loop.

The session lives on the event loop, the target on its own thread. Batches wait in between, bounded by the credit
that the session gives. Everything that is decided here is decided in `sync.receiver.intake`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.errors import PeerError
from sync.model.notice import BeatPassed
from sync.receiver.intake import Await, Course, Intake, Pause, Step, Work
from sync.transport.worker import Worker
from sync.wire.arrivals import AnswerArrived, Arrival, BatchArrived, BeatArrived, GoodbyeArrived, PeerHello
from sync.wire.state import State


@dataclass(slots=True)
class Receiver:
    """One session's receiving half."""

    intake: Intake
    worker: Worker
    """The target's thread."""
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _answers: dict[int, asyncio.Queue[AnswerArrived]] = field(default_factory=dict)

    def arrival(self, arrival: Arrival) -> None:
        """Take what came; nothing here waits."""
        match arrival:
            case PeerHello() | BatchArrived() | GoodbyeArrived():
                if isinstance(arrival, BatchArrived) and self.intake.applier.ahead is not None:
                    self.intake.applier.ahead.offer(arrival.encoded)
                self.intake.arrived.append(arrival)
                self._came.set()
            case AnswerArrived():
                waiting = self._answers.get(arrival.answer.number)
                if waiting is not None:
                    waiting.put_nowait(arrival)
            case BeatArrived():
                answer = arrival.answer
                passed = BeatPassed(answer.newest, answer.capture_healthy, arrival.round_trip_s, answer.committed_at_us)
                self.intake.observer.notice(passed)
            case _:
                pass

    async def run(self) -> None:
        """Judge the hello, then apply until the goodbye; an error ends the link."""
        await self._perform(self.intake.run())

    @property
    def open(self) -> bool:
        """Whether the session is past its greeting."""
        return self.intake.session.state is State.OPEN

    async def leave(self) -> None:
        """Make durable what was applied, acknowledge it, and say goodbye."""
        await self._perform(self.intake.leave("this node is stopping"))

    async def ask(self, kind: str, body: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Ask the primary; yields the bodies of its answers until the final one. Raises `PeerError` for a no."""
        number = self.intake.session.request(kind, dict(body))
        self._answers[number] = asyncio.Queue()
        self.intake.kick()
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

    async def _perform(self, course: Course) -> None:
        """Do what each step of a course says, and tell it what came of it."""
        try:
            step = next(course)
            while True:
                try:
                    came_of_it = await self._do(step)
                except Exception as error:  # noqa: BLE001  the course decides what an error means
                    step = course.throw(error)
                else:
                    step = course.send(came_of_it)
        except StopIteration:
            return
        finally:
            course.close()

    async def _do(self, step: Step) -> Any:  # noqa: ANN401  whatever the work gives
        match step:
            case Work():
                return await self.worker.call(step.call)
            case Pause():
                await asyncio.sleep(step.seconds)
            case Await():
                await self._wait(step.timeout_s)
        return None

    async def _wait(self, timeout_s: float | None) -> None:
        self._came.clear()
        if self.intake.arrived:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._came.wait()
        except TimeoutError:
            return
