"""The sender: where a peer resumes, and that nothing is released that it has not made durable (invariants 1, 5, 9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sync.core.filter import Filter, Selection
from sync.errors import PeerRefused, PeerUnreachable
from sync.model.batch import Checkpoint
from sync.model.notice import Acknowledged, BatchSent, CallDataRefused, SessionOpened
from sync.model.position import START, Position
from sync.replicator.sender import Sender
from sync.replicator.wall import Wall
from sync.wire.arrivals import AnswerArrived, Arrival, BatchArrived
from sync.wire.codec import Codec
from sync.wire.match import Expected
from sync.wire.messages import BeatAnswer, Hello, Resume
from sync.wire.session import Session, SessionLimits
from sync.wire.state import Half
from tests.unit.replicator.bench import Bench
from tests.unit.sample import LINES, StoppedClock


class Pace:
    """The capture side as the sender sees it; keeps every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def connected(self) -> None:
        self.calls.append(("connected",))

    def disconnected(self) -> None:
        self.calls.append(("disconnected",))

    def need_snapshot(self, reason: str, noted: Callable[[], None]) -> None:
        self.calls.append(("need_snapshot",))
        noted()

    def jump(self, position: Position, reason: str) -> None:
        self.calls.append(("jump", position))

    def durable(self, position: Position) -> None:
        self.calls.append(("durable", position))

    def waiting(self, why: str) -> None:
        self.calls.append(("waiting", why))

    def superseded(self, position: Position) -> None:
        self.calls.append(("superseded", position))

    def answered(self, results: object) -> None:
        self.calls.append(("answered", results))

    def requested(self, kind: str, body: object, reply: Any) -> None:  # noqa: ANN401  as it comes
        self.calls.append(("requested", kind, body))
        reply.done({"run": 1})

    def beat_answer(self) -> BeatAnswer:
        return BeatAnswer()

    def names(self) -> set[str]:
        return {call[0] for call in self.calls}

    def released(self) -> Position:
        return max((call[1] for call in self.calls if call[0] == "durable"), default=START)


class Talk:
    """A sender on a spool, and the receiver's session at the other end of a wire without a network."""

    def __init__(self, bench: Bench, *, release: str = "", credit: int = 8, wall: Wall | None = None) -> None:
        self.bench, self.pace = bench, Pace()
        origin = bench.source.origin
        limits = SessionLimits(in_flight_batches_max=credit)
        session = Session(Half.SENDER, Hello("east", Half.SENDER, 1, origin=origin), limits, 0.0)
        self.peer = Session(Half.RECEIVER, Hello("west", Half.RECEIVER, 1, release=release), limits, 0.0)
        self.sender = Sender(
            session, bench.spool, wall or bench.wall, self.pace, bench, StoppedClock(), Expected("west", "", ""), 1,
            origin, bench.spool.newest if wall else START,
        )  # fmt: skip
        session.start()

    def carry(self) -> list[Arrival]:
        """Bring everything across, both ways, once."""
        self.sender.feed()
        arrived = self.peer.receive(b"".join(self.sender.session.data_to_send()), 0.0, 0)
        for arrival in self.sender.session.receive(b"".join(self.peer.data_to_send()), 0.0, 0):
            self.sender.arrival(arrival)
        return arrived

    def resume(self, position: int | None, origin: str = "") -> list[int]:
        """Shake hands with a peer that stands there; gives the positions that come."""
        self.carry()
        checkpoint = None
        if position is not None:
            checkpoint = Checkpoint(origin or self.bench.source.origin, 1, Position(position))
        durable = Position(position if position is not None and not origin else 0)
        self.peer.accept(Resume(checkpoint, durable))
        return self.batches()

    def batches(self) -> list[int]:
        return [a.encoded.position for _ in range(3) for a in self.carry() if isinstance(a, BatchArrived)]


@pytest.fixture
def bench() -> Bench:
    """A spool with the positions 1 to 5, of which 1 and 2 may be gone."""
    made = Bench()
    made.capture.open()
    for number in range(1, 6):
        made.write((number, f"r{number}"))
        made.capture.step()
    made.spool.sync()
    return made


@pytest.mark.parametrize(("stands", "comes"), [(0, [1, 2, 3, 4, 5]), (3, [4, 5]), (5, [])])
def test_a_peer_inside_the_spool_goes_on_where_it_stands(bench: Bench, stands: int, comes: list[int]) -> None:
    """Invariants 1 and 4: nothing too little, and no copy where none is needed."""
    talk = Talk(bench)
    assert talk.resume(stands) == comes
    assert "need_snapshot" not in talk.pace.names()
    assert talk.pace.released() == stands
    assert talk.sender.welcomed
    assert [notice.peer for notice in bench.notices if isinstance(notice, SessionOpened)] == ["west"]


def test_a_peer_without_history_gets_a_copy_and_what_follows(bench: Bench) -> None:
    """What is spooled already was not marked as part of a copy, and the copy brings all of it."""
    for stands, origin, follows in ((None, "", 6), (3, "elsewhere-7", 7)):
        talk = Talk(bench)
        assert talk.resume(stands, origin) == []
        bench.write((follows, "later"))
        bench.capture.step()
        assert talk.batches() == [follows]
        assert "need_snapshot" in talk.pace.names()
        assert talk.pace.released() == START, "a position of another history releases nothing (invariant 9)"


def test_a_peer_behind_the_spool_gets_a_copy(bench: Bench) -> None:
    """Invariant 1: a gap is never jumped over silently."""
    bench.spool.restart(Position(10))
    talk = Talk(bench)
    assert talk.resume(3) == []
    assert "need_snapshot" in talk.pace.names()


def test_a_peer_ahead_of_this_history_makes_it_jump(bench: Bench) -> None:
    """Invariant 1: this server lost its last commits; positions must not be given twice."""
    talk = Talk(bench)
    with pytest.raises(PeerUnreachable, match="history ends at 5"):
        talk.resume(900)
    assert ("jump", 900) in talk.pace.calls
    assert not talk.sender.welcomed


def test_nothing_is_sent_before_the_need_of_a_copy_is_noted(bench: Bench) -> None:
    """Invariant 1: the first batch makes the peer's checkpoint, and then nothing tells of the need any more."""
    talk = Talk(bench)
    held: list[Callable[[], None]] = []
    talk.pace.need_snapshot = lambda reason, noted: held.append(noted)  # type: ignore[method-assign]
    assert talk.resume(None) == []
    bench.write((6, "before"))
    bench.capture.step()
    assert talk.batches() == []
    held[0]()
    bench.write((7, "after"))
    bench.capture.step()
    assert talk.batches() == [7]


def test_credit_bounds_what_is_under_way(bench: Bench) -> None:
    """Invariant 7."""
    talk = Talk(bench, credit=2)
    assert talk.resume(0) == [1, 2]
    assert talk.batches() == []
    talk.peer.acknowledge(1, Position(1), Position(0))
    assert talk.batches() == [3]
    assert len([notice for notice in bench.notices if isinstance(notice, BatchSent)]) == 3


def test_only_what_is_durable_there_is_released(bench: Bench) -> None:
    """Invariant 9: applied is not durable."""
    talk = Talk(bench)
    talk.resume(0)
    talk.peer.acknowledge(5, Position(5), Position(2))
    talk.carry()
    assert talk.pace.released() == 2
    assert [n for n in bench.notices if isinstance(n, Acknowledged)][-1] == Acknowledged(Position(5), Position(2))


def test_another_release_is_refused_and_told(bench: Bench) -> None:
    talk = Talk(bench, release="20.0")
    with pytest.raises(PeerRefused, match="differ in release"):
        talk.carry()
    assert not talk.sender.welcomed


def test_what_an_earlier_configuration_spooled_is_looked_at_again(bench: Bench) -> None:
    """Invariant 5: the second wall stands when a batch leaves, not when it was written."""
    bench.write((1, "line"), schema=LINES)
    bench.capture.step()
    narrow = Wall(Filter(Selection("none", include=("users",))), Codec())
    talk = Talk(bench, wall=narrow)
    talk.carry()
    talk.peer.accept(Resume(Checkpoint(bench.source.origin, 1, Position(4)), Position(4)))
    arrived = [a for _ in range(3) for a in talk.carry() if isinstance(a, BatchArrived)]
    assert [a.encoded.position for a in arrived] == [5, 6]
    assert Codec().decode(arrived[-1].encoded.payload).blocks == ()
    assert [notice.wall for notice in bench.notices if isinstance(notice, CallDataRefused)] == ["outbound"]


def test_requests_of_the_peer_are_passed_on_and_answered(bench: Bench) -> None:
    talk = Talk(bench)
    talk.resume(5)
    talk.peer.request("snapshot", {"tables": ["users"]})
    talk.carry()
    (answered,) = [a for a in talk.carry() if isinstance(a, AnswerArrived)]
    assert ("requested", "snapshot", {"tables": ["users"]}) in talk.pace.calls
    assert (answered.answer.ok, answered.answer.final, answered.answer.body) == (True, True, {"run": 1})


def test_the_end_of_a_session_lets_go_of_the_spool_once(bench: Bench) -> None:
    talk = Talk(bench)
    talk.resume(0)
    talk.sender.close()
    talk.sender.close()
    assert talk.pace.calls.count(("disconnected",)) == 1
    talk.sender.feed()
