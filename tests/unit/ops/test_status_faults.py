"""What status says while something stands still (invariant 10)."""

from __future__ import annotations

from typing import Protocol

import pytest

from sync.errors import AdminSyncError, DatabaseBusy, PeerUnreachable, RowRefused, SpoolFull
from sync.model import notice as seen
from sync.model.position import Position
from sync.ops.status import WARNINGS_SHOWN_MAX, StatusBoard

GONE = seen.SessionClosed("peer", "10.0.0.2:7443", PeerUnreachable("the peer is gone"), 1.0)
OPENED = seen.SessionOpened("peer", "10.0.0.2:7443", 1, 1, 0.0)
ROW = RowRefused("room", "(id=1)", "name", "too long", "Shorten it")


class MovedByHand(Protocol):
    def monotonic(self) -> float: ...
    def wall_us(self) -> int: ...
    def pass_s(self, seconds: float) -> None: ...


def board(role: str, clock: MovedByHand) -> StatusBoard:
    return StatusBoard("node", role, "peer", (), clock)


def stood(position: int) -> seen.Applied:
    return seen.Applied(Position(position), 0, 0, 0, 0, 0)


def beat(newest: int, committed_at_us: int) -> seen.BeatPassed:
    return seen.BeatPassed(
        Position(newest), capture_healthy=True, round_trip_s=0.01, newest_committed_at_us=committed_at_us
    )


@pytest.mark.parametrize(
    ("error", "place"), [(ROW, ("room", "(id=1)", "name")), (DatabaseBusy("locked"), (None, None, None))]
)
def test_a_refused_row_is_named_field_by_field(
    clock: MovedByHand, error: AdminSyncError, place: tuple[str | None, ...]
) -> None:
    secondary = board("secondary", clock)
    secondary.notice(seen.ApplyFailed(error, 0.5))
    shown = secondary.report()["last_error"]
    assert (shown["table"], shown["key"], shown["column"]) == place
    assert (shown["what"], shown["why"], shown["remedy"]) == (error.what, error.why, error.remedy)


@pytest.mark.parametrize(
    ("role", "failed"),
    [("secondary", seen.ApplyFailed(ROW, 0.5)), ("primary", seen.CaptureFailed(SpoolFull("the spool is full"), 0.5))],
)
def test_what_stands_still_is_not_hidden_by_a_lost_peer(clock: MovedByHand, role: str, failed: seen.Notice) -> None:
    node = board(role, clock)
    node.notice(OPENED)
    node.notice(failed)
    node.notice(GONE)
    assert node.report()["last_error"]["what"] != "the peer is gone"
    assert node.report()["peer"]["connected"] is False
    node.notice(seen.CaptureRunning("journal", Position(1)) if role == "primary" else stood(1))
    node.notice(GONE)
    assert node.report()["last_error"]["what"] == "the peer is gone"


def test_a_lag_is_shown_before_a_beat_tells_of_it(clock: MovedByHand) -> None:
    """The refused batch came, but nothing was announced: neither is 0 s, nor 0 transactions, what was measured."""
    secondary = board("secondary", clock)
    secondary.notice(OPENED)
    secondary.notice(stood(5))
    secondary.notice(seen.ApplyFailed(ROW, 0.5))
    clock.pass_s(7)
    secondary.notice(seen.ApplyFailed(ROW, 0.5))
    apply = secondary.report()["apply"]
    assert (apply["lag_s"], apply["lag_transactions"], apply["lag_bytes"]) == (7.0, None, None)
    secondary.notice(stood(6))
    assert secondary.report()["apply"]["lag_s"] == 0.0


def test_a_beat_without_a_commit_time_gives_no_lag(clock: MovedByHand) -> None:
    """A primary that was just started knows its spool's end, and not when that was committed."""
    secondary = board("secondary", clock)
    secondary.notice(OPENED)
    secondary.notice(stood(5))
    secondary.notice(beat(9, 0))
    assert secondary.report()["apply"]["lag_s"] is None
    secondary.notice(stood(9))
    assert secondary.report()["apply"]["lag_s"] == 0.0


def test_the_last_warnings_are_kept(clock: MovedByHand) -> None:
    node = board("primary", clock)
    for number in range(WARNINGS_SHOWN_MAX + 3):
        node.notice(seen.Warned(f"warning {number}"))
    kept = [warning["what"] for warning in node.report()["warnings"]]
    assert kept == [f"warning {number}" for number in range(3, WARNINGS_SHOWN_MAX + 3)]


def test_positions_of_a_new_history_are_not_held_against_the_old(clock: MovedByHand) -> None:
    primary = board("primary", clock)
    primary.notice(seen.CaptureRunning("journal", Position(900)))
    primary.notice(seen.Acknowledged(Position(900), Position(900)))
    primary.notice(seen.CaptureRunning("journal", Position(0)))
    report = primary.report()
    assert (report["capture"]["position"], report["apply"]["position"]) == (0, None)
