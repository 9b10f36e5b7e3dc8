"""The desk: runs in their order, one at a time, surviving sessions and restarts (invariant 1)."""

from __future__ import annotations

import pytest

from sync.errors import UsageError
from sync.model.batch import Chunk, ChunkRequest, ChunkResult, Purpose
from sync.model.notice import Notice, SnapshotMoved, Warned
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.replicator.desk import QUEUE_MAX, Desk


class Clock:
    def __init__(self, now_us: int) -> None:
        self._now_us = now_us

    def monotonic(self) -> float:
        return 0.0

    def wall_us(self) -> int:
        return self._now_us


class Told(list[Notice]):
    def notice(self, notice: Notice) -> None:
        self.append(notice)


class Bench:
    """A desk with everything that it said and stored."""

    def __init__(self, state: bytes = b"", now_us: int = 0) -> None:
        self.told = Told()
        self.reports: list[dict[str, object]] = []
        self.state = state
        self.desk = Desk(self.told, Clock(now_us), self._store, self.reports.append, chunk_rows=2)
        self.desk.restore(state)

    def _store(self, state: bytes) -> None:
        self.state = state

    def spool(self, upto: int | None) -> ChunkRequest:
        """Read the next range; it ends at `upto`."""
        request = self.desk.next_request()
        assert request is not None
        schema = TableSchema(request.table, (Column("id", Type(Kind.INT64)),), (0,))
        end = None if upto is None else (upto,)
        chunk = Chunk(request.run, request.number, schema, request.purpose, request.after, end, ([1],), 1, b"")
        self.desk.spooled(chunk)
        return request

    def answer(self, request: ChunkRequest, *, equal: bool = True) -> None:
        self.desk.answered(ChunkResult(request.run, request.number, request.table, equal, 1))


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.desk.connected()
    return made


def test_nothing_is_asked_for_while_nobody_listens(bench: Bench) -> None:
    bench.desk.disconnected()
    bench.desk.start("snapshot", ["users"])
    assert bench.desk.next_request() is None
    bench.desk.connected()
    assert bench.desk.next_request() is not None


def test_a_run_ends_when_everything_was_answered(bench: Bench) -> None:
    number = bench.desk.start("snapshot", ["users", "lines"])
    requests = [bench.spool(5), bench.spool(None), bench.spool(None)]
    assert [(r.table, r.after) for r in requests] == [("users", None), ("users", (5,)), ("lines", None)]
    assert bench.desk.next_request() is None
    for request in requests:
        assert bench.desk.copying()
        bench.answer(request)
    assert not bench.desk.copying()
    assert bench.reports[-1]["finished"] is True
    moved = [notice for notice in bench.told if isinstance(notice, SnapshotMoved)]
    assert [(n.run, n.rows, n.finished) for n in moved][-1] == (number, 3, True)


def test_runs_wait_for_each_other(bench: Bench) -> None:
    first, second = bench.desk.start("verify", ["users"]), bench.desk.start("verify", ["users"])
    request = bench.spool(None)
    assert request.run == first
    assert bench.desk.next_request() is None
    bench.answer(request)
    assert bench.spool(None).run == second


def test_a_snapshot_that_is_asked_for_twice_is_made_once(bench: Bench) -> None:
    """Each session of a peer without a checkpoint asks for it again."""
    first = bench.desk.start("snapshot", ["users", "lines"])
    assert bench.desk.start("snapshot", ["users"]) == first
    bench.spool(None)
    assert bench.desk.start("snapshot", ["users"]) != first, "what was read already may be too old"


def test_what_a_lost_session_did_not_answer_is_asked_for_again(bench: Bench) -> None:
    """Invariant 1."""
    bench.desk.start("snapshot", ["users"])
    first, _ = bench.spool(5), bench.spool(None)
    bench.answer(first)
    bench.desk.disconnected()
    bench.desk.connected()
    again = bench.spool(None)
    assert (again.table, again.after, again.upto) == ("users", (5,), None)
    bench.answer(again)
    assert bench.reports[-1]["finished"] is True


def test_a_range_whose_reading_failed_is_asked_for_again(bench: Bench) -> None:
    bench.desk.start("snapshot", ["users"])
    request = bench.desk.next_request()
    bench.desk.failed()
    assert bench.desk.next_request() == request


def test_a_restart_goes_on_with_what_is_left(bench: Bench) -> None:
    """Invariant 1: unfinished copies outlive the process; a question nobody waits for does not."""
    number = bench.desk.start("snapshot", ["users", "lines"])
    bench.desk.start("verify", ["users"])
    bench.desk.start("verify", ["lines"], repair=True)
    requests = [bench.spool(5), bench.spool(None)]
    bench.answer(requests[0])
    bench.desk.start("verify", ["users"])  # stores where all of them stand
    after = Bench(bench.state)
    after.desk.connected()
    again = after.spool(None)
    assert (again.table, again.after) == ("users", (5,))
    assert again.run > number, "answers to the old process's chunks must miss"
    after.answer(requests[1])
    following = after.spool(None)
    assert following.table == "lines"
    for request in (again, following):
        after.answer(request)
    repairing = after.spool(None)
    assert (repairing.table, repairing.purpose) == ("lines", Purpose.DIGEST)
    after.answer(repairing, equal=False)
    assert after.spool(None).purpose is Purpose.REPLACE


def test_run_numbers_never_come_twice(bench: Bench) -> None:
    numbers = {bench.desk.start("verify", ["users"]) for _ in range(3)}
    after = Bench(bench.state)
    assert after.desk.start("verify", ["users"]) not in numbers


@pytest.mark.parametrize("state", [b"\xc1", b"\x80", b"garbage", b"\x81\xa7numbers\xa1x"])
def test_a_damaged_state_is_reported_and_dropped(state: bytes) -> None:
    bench = Bench(state)
    assert [type(notice) for notice in bench.told] == [Warned]
    bench.desk.connected()
    assert bench.desk.next_request() is None
    assert bench.desk.start("snapshot", ["users"]) > 0


@pytest.mark.parametrize("state", [b"", b"damaged"])
def test_a_lost_state_gives_no_number_twice(bench: Bench, state: bytes) -> None:
    """Invariant 1: an answer to a chunk that was spooled before must not be taken for another range's."""
    given = {bench.desk.start("verify", ["users"]) for _ in range(5)}
    after = Bench(state, now_us=1_790_000_000_000_000)
    assert after.desk.start("snapshot", ["users"]) > max(given)
    again = Bench(state, now_us=1_790_000_002_000_000)
    assert again.desk.start("snapshot", ["users"]) > after.desk.start("verify", ["users"])


def test_a_table_that_is_no_longer_captured_does_not_stop_the_others(bench: Bench) -> None:
    """Invariant 1, after a change of the configuration in the middle of a copy."""
    bench.desk.start("snapshot", ["users", "lines"])
    bench.spool(5)
    after = Bench(bench.state)
    after.desk.connected()
    after.desk.next_request()
    after.desk.failed()
    after.desk.skip_missing(["lines"])
    request = after.spool(None)
    assert request.table == "lines"
    after.answer(request)
    assert after.reports[-1]["finished"] is True
    assert any("leaves users out" in str(notice) for notice in after.told)


def test_the_queue_has_a_limit_that_no_snapshot_pays_for(bench: Bench) -> None:
    """Invariant 7, and 1: a copy that is needed is never pushed out by questions."""
    bench.desk.start("snapshot", ["users"])
    for _ in range(QUEUE_MAX - 1):
        bench.desk.start("verify", ["users"])
    with pytest.raises(UsageError, match="wait already"):
        bench.desk.start("verify", ["users"])
    bench.desk.start("snapshot", ["lines"])
    assert bench.desk.copying()
    assert bench.spool(None).purpose is Purpose.REPLACE


def test_answers_of_other_runs_are_not_taken(bench: Bench) -> None:
    bench.desk.start("snapshot", ["users"])
    request = bench.spool(None)
    bench.desk.answered(ChunkResult(request.run + 5, request.number, "users", equal=True, rows=1))
    assert bench.desk.copying()
