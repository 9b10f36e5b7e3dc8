"""The status board shows what was measured, and nothing else (invariant 10)."""

from __future__ import annotations

from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import DatabaseBusy, DatabaseRefused, PeerUnreachable
from sync.model import notice as seen
from sync.model.batch import Encoded
from sync.model.position import Position
from sync.ops.backlog import ENTRIES_MAX, Backlog
from sync.ops.latency import BOUNDS_S, Latency
from sync.ops.status import RUNS_SHOWN_MAX, StatusBoard

WEST = (("10.0.0.2", 7443), ("fd00::2", 7443))


class MovedByHand(Protocol):
    now_us: int

    def monotonic(self) -> float: ...
    def wall_us(self) -> int: ...
    def pass_s(self, seconds: float) -> None: ...


@pytest.fixture
def primary(clock: MovedByHand) -> StatusBoard:
    return StatusBoard("cms-east", "primary", "cms-west", WEST, clock)


@pytest.fixture
def secondary(clock: MovedByHand) -> StatusBoard:
    return StatusBoard("cms-west", "secondary", "cms-east", (), clock)


def captured(position: int, committed_at_us: int, transactions: int = 1, size: int = 10) -> seen.Captured:
    at = Position(position)
    return seen.Captured(Encoded(b"x" * size, at, at, 0, True, transactions, 3, 2 * size, committed_at_us), ("a",))


def applied(position: int, committed_at_us: int, applied_at_us: int, transactions: int = 1) -> seen.Applied:
    return seen.Applied(Position(position), transactions, 3, 10, committed_at_us, applied_at_us)


def acknowledged(position: int) -> seen.Acknowledged:
    return seen.Acknowledged(Position(position), Position(position))


OPENED = seen.SessionOpened("cms-west", "10.0.0.2:7443", 1, 4, 0.25)
CLOSED = seen.SessionClosed("cms-west", "10.0.0.2:7443", PeerUnreachable("lost", "reset", "wait"), 1.5)
RUNNING = seen.CaptureRunning("journal", Position(0))
FAILED = seen.CaptureFailed(DatabaseBusy("locked", "busy", "wait"), 0.5)

STABLE: dict[str, set[str]] = {
    "peer": {"name", "connected", "last_beat_age_s", "addresses"},
    "capture": {"mode", "position", "healthy", "lag_s"},
    "spool": {"bytes", "oldest_position", "newest_position"},
    "apply": {"position", "lag_s", "lag_transactions", "lag_bytes"},
    "counters": {
        "transactions", "changes", "batches", "bytes_raw", "bytes_wire", "duplicates", "repairs",
        "refused_call_data", "quarantined",
    },
}  # fmt: skip


def test_the_stable_fields_are_there_before_anything_happened(primary: StatusBoard, secondary: StatusBoard) -> None:
    for board in (primary, secondary):
        report = board.report()
        assert {"node", "role", "state", "epoch", "last_error", *STABLE} <= report.keys()
        for part, names in STABLE.items():
            assert names <= report[part].keys()


def test_nothing_is_claimed_before_it_was_measured(primary: StatusBoard, secondary: StatusBoard) -> None:
    for board in (primary, secondary):
        report = board.report()
        assert report["peer"]["connected"] is False
        assert report["peer"]["last_beat_age_s"] is None
        assert report["capture"]["healthy"] is None
        for field in ("position", "lag_s", "lag_transactions", "lag_bytes"):
            assert report["apply"][field] is None
        assert not board.ready()[0]


def test_a_failed_capture_shows_until_it_runs_again(primary: StatusBoard, clock: MovedByHand) -> None:
    primary.notice(OPENED)
    primary.notice(RUNNING)
    assert primary.ready() == (True, "streaming")
    primary.notice(FAILED)
    clock.pass_s(30)
    report = primary.report()
    assert (report["state"], report["capture"]["healthy"]) == ("capture_failed", False)
    assert report["capture"]["lag_s"] == pytest.approx(30)
    assert not primary.ready()[0]
    assert report["last_error"]["what"] == "locked"
    assert report["last_error"]["at_us"] == clock.now_us - 30_000_000
    primary.notice(RUNNING)
    assert primary.ready() == (True, "streaming")
    assert primary.report()["last_error"] is not None


def test_a_second_failure_does_not_restart_the_age_of_the_first(primary: StatusBoard, clock: MovedByHand) -> None:
    primary.notice(FAILED)
    clock.pass_s(10)
    primary.notice(FAILED)
    clock.pass_s(10)
    assert primary.report()["capture"]["lag_s"] == pytest.approx(20)


def test_a_lost_peer_shows_at_once_and_its_last_beat_ages(primary: StatusBoard, clock: MovedByHand) -> None:
    primary.notice(RUNNING)
    primary.notice(OPENED)
    primary.notice(seen.BeatPassed(Position(0), True, 0.002))
    report = primary.report()
    assert (report["epoch"], report["peer"]["clock_skew_s"]) == (4, 0.25)
    assert report["peer"]["addresses"] == ["10.0.0.2:7443", "[fd00::2]:7443"]
    clock.pass_s(7)
    primary.notice(CLOSED)
    report = primary.report()
    assert (report["state"], report["peer"]["connected"]) == ("waiting_for_peer", False)
    assert report["peer"]["last_beat_age_s"] == pytest.approx(7)
    assert report["last_error"]["why"] == "reset"


def test_lag_is_the_age_of_the_oldest_commit_not_applied(primary: StatusBoard, clock: MovedByHand) -> None:
    primary.notice(RUNNING)
    primary.notice(acknowledged(0))
    primary.notice(captured(1, clock.now_us))
    clock.pass_s(2)
    primary.notice(captured(2, clock.now_us, transactions=4, size=7))
    clock.pass_s(3)
    lag = primary.report()["apply"]
    assert (lag["lag_s"], lag["lag_transactions"], lag["lag_bytes"]) == (pytest.approx(5), 5, 17)
    primary.notice(acknowledged(1))
    lag = primary.report()["apply"]
    assert (lag["lag_s"], lag["lag_transactions"], lag["lag_bytes"]) == (pytest.approx(3), 4, 7)
    primary.notice(acknowledged(2))
    clock.pass_s(60)
    lag = primary.report()["apply"]
    assert (lag["lag_s"], lag["lag_transactions"], lag["lag_bytes"]) == (0, 0, 0)


def test_work_from_before_this_process_makes_the_lag_unknown_until_it_is_applied(
    primary: StatusBoard, clock: MovedByHand
) -> None:
    primary.notice(seen.CaptureRunning("journal", Position(50)))
    primary.notice(captured(51, clock.now_us))
    primary.notice(acknowledged(40))
    assert primary.report()["apply"]["lag_s"] is None
    primary.notice(acknowledged(50))
    clock.pass_s(1)
    assert primary.report()["apply"]["lag_s"] == pytest.approx(1)


def test_a_secondary_without_its_peer_does_not_claim_to_be_level(secondary: StatusBoard, clock: MovedByHand) -> None:
    secondary.notice(OPENED)
    secondary.notice(applied(7, clock.now_us - 1000, clock.now_us))
    secondary.notice(seen.BeatPassed(Position(7), True, 0.001, clock.now_us))
    assert secondary.report()["apply"]["lag_s"] == 0
    assert secondary.report()["capture"]["healthy"] is True
    secondary.notice(CLOSED)
    report = secondary.report()
    assert report["apply"]["lag_s"] is None
    assert report["apply"]["lag_transactions"] is None
    assert report["capture"]["healthy"] is None
    assert not secondary.ready()[0]


def test_a_secondary_knows_that_it_is_behind_what_was_announced(secondary: StatusBoard, clock: MovedByHand) -> None:
    secondary.notice(OPENED)
    secondary.notice(applied(7, clock.now_us, clock.now_us))
    secondary.notice(seen.BeatPassed(Position(9), True, 0.001, clock.now_us))
    clock.pass_s(4)
    lag = secondary.report()["apply"]
    assert (lag["lag_s"], lag["lag_transactions"]) == (pytest.approx(4), None)
    secondary.notice(CLOSED)
    assert secondary.report()["apply"]["lag_s"] == pytest.approx(4)
    secondary.notice(OPENED)
    secondary.notice(applied(9, clock.now_us, clock.now_us))
    assert secondary.report()["apply"]["lag_s"] == 0


def test_a_failed_apply_shows_until_something_was_applied(secondary: StatusBoard, clock: MovedByHand) -> None:
    secondary.notice(OPENED)
    secondary.notice(seen.ApplyFailed(DatabaseRefused("disk full", "no space", "make room"), 2.0))
    assert secondary.report()["state"] == "apply_failed"
    assert not secondary.ready()[0]
    secondary.notice(applied(1, clock.now_us, clock.now_us))
    assert secondary.ready() == (True, "streaming")


def test_counters_count(secondary: StatusBoard, primary: StatusBoard, clock: MovedByHand) -> None:
    secondary.notice(applied(5, clock.now_us, clock.now_us, transactions=2))
    secondary.notice(seen.Applied(Position(5), 0, 0, 0, 0, clock.now_us))
    secondary.notice(seen.DuplicateSkipped(3, Position(5)))
    secondary.notice(seen.CallDataRefused("inbound", "hsplit", ("row_date",), "call data"))
    counters: dict[str, Any] = secondary.report()["counters"]
    assert (counters["transactions"], counters["changes"], counters["batches"]) == (2, 3, 1)
    assert (counters["bytes_wire"], counters["bytes_raw"]) == (10, None)
    assert (counters["duplicates"], counters["refused_call_data"]) == (3, 1)
    primary.notice(captured(1, clock.now_us))
    counters = primary.report()["counters"]
    assert (counters["bytes_wire"], counters["bytes_raw"]) == (10, 20)


def test_the_spool_is_shown_as_it_was_synced(primary: StatusBoard) -> None:
    primary.notice(seen.SpoolSynced(Position(9), 4096, Position(3)))
    assert primary.report()["spool"] == {"bytes": 4096, "oldest_position": 3, "newest_position": 9}


def test_runs_are_shown_and_old_ones_make_room(primary: StatusBoard) -> None:
    for run in range(10):
        primary.notice(seen.SnapshotMoved(run, "snapshot", "a", 1, 2, 100, finished=run % 2 == 0))
    shown = [one["run"] for one in primary.report()["snapshots"]]
    assert shown == [6, 7, 8, 9]
    assert len(shown) == RUNS_SHOWN_MAX


def test_a_node_that_ends_is_not_ready(primary: StatusBoard) -> None:
    primary.notice(RUNNING)
    primary.stopping()
    assert primary.ready() == (False, "stopping")


def test_latency_is_measured_from_commit_to_commit(secondary: StatusBoard, clock: MovedByHand) -> None:
    for delay_us in [10_000] * 98 + [2_000_000] * 2:
        secondary.notice(applied(1, clock.now_us, clock.now_us + delay_us))
    report = secondary.report()["apply"]
    assert 0.010 <= report["latency_p50_s"] <= 0.0134
    assert 2.0 <= report["latency_p99_s"] <= 2.7


@given(st.lists(st.floats(-1, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_the_bound_of_the_bucket_that_holds_it(values: list[float], share: float) -> None:
    latency = Latency()
    for value in values:
        latency.add(value)
    found = latency.quantile(share)
    assert found is not None
    below = sum(max(0.0, value) <= found for value in values)
    assert below >= share * len(values) or found == BOUNDS_S[-1]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 300)), max_size=60))
def test_the_backlog_agrees_with_a_plain_list(steps: list[tuple[bool, int]]) -> None:
    """Invariant 10: lag figures are those of the work that was announced and not applied."""
    backlog, open_work, newest, done = Backlog(), list[tuple[int, int]](), 0, 0
    backlog.applied(0)
    for now, (announce, step) in enumerate(steps):
        if announce:
            newest += step
            backlog.announced(newest, now, 1, step)
            open_work.append((newest, step))
        else:
            done = max(done, min(newest, done + step))
            backlog.applied(done)
            open_work = [work for work in open_work if work[0] > done]
        assert backlog.lag_transactions == len(open_work)
        assert backlog.lag_bytes == sum(size for _, size in open_work)
        assert (backlog.lag_s(10**9) == 0) == (not open_work)


def test_the_backlog_stays_bounded_and_never_understates() -> None:
    """Invariant 7: memory has a limit, whatever gathers for a peer that is away."""
    backlog = Backlog()
    backlog.applied(0)
    count = 3 * ENTRIES_MAX
    for position in range(1, count + 1):
        backlog.announced(position, position * 1_000_000, 1, 2)
    assert len(backlog._entries) <= ENTRIES_MAX
    assert (backlog.lag_transactions, backlog.lag_bytes) == (count, 2 * count)
    now_us = (count + 1) * 1_000_000
    for position in range(0, count, 1000):
        backlog.applied(position)
        lag_s = backlog.lag_s(now_us)
        assert lag_s is not None
        assert lag_s >= count - position
