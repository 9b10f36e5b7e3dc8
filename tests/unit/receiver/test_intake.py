"""The intake's acknowledgements say what the database said (invariants 9 and 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from sync.core.backoff import Backoff
from sync.receiver.intake import FLUSH_INTERVAL_S, Await, Intake, Work
from sync.wire.arrivals import BatchArrived
from sync.wire.match import Expected
from sync.wire.session import Session
from sync.wire.state import State
from tests.unit.receiver.stage import EPOCH, Stage, of, users


@dataclass
class Said:
    """A session that only listens."""

    state: State = State.OPEN
    acknowledged: list[tuple[int, int, int]] = field(default_factory=list)

    def acknowledge(self, received: int, applied: int, durable: int, waits: str) -> None:
        assert not waits
        self.acknowledged.append((received, applied, durable))

    def request(self, kind: str, body: Mapping[str, object]) -> int:
        assert (kind, body) == ("paused", {"tables": []})
        return 1

    def awaits_answer(self, number: int) -> bool:
        return number == 1


@dataclass
class Clock:
    now_s: float = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def wall_us(self) -> int:
        return 0


def test_what_is_applied_becomes_durable_though_the_stream_never_rests() -> None:
    stage, said, clock = Stage(), Said(), Clock()
    stage.applier.clock = clock
    expected = Expected("east", "", "")
    backoff = Backoff(random=lambda: 0.0)
    session = cast("Session", said)
    intake = Intake(session, stage.applier, stage, expected, EPOCH, backoff, lambda: None, lambda _: None)
    course, number, answer = intake.run(), 0, None
    step = next(course)
    while number < 100:
        match step:
            case Await():
                number += 1
                clock.now_s += FLUSH_INTERVAL_S / 10
                intake.arrived.append(BatchArrived(number, EPOCH, of((number, [users((1, f"{number}"))]))))
                answer = None
            case Work(call):
                answer = call()
        step = course.send(answer)
    durable = [durable for _, _, durable in said.acknowledged]
    assert durable == sorted(durable)
    assert 80 <= durable[-1] < number
    assert len(set(durable)) < 15
