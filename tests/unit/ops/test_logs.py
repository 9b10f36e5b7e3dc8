"""Logs hold no values, do not repeat themselves, and never reach back into the engine."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
import structlog

from sync.errors import DatabaseBusy, DatabaseRefused
from sync.model import notice as seen
from sync.model.batch import ChunkDifference, ChunkResult, Encoded
from sync.model.position import Position
from sync.ops.logs import REPEAT_S, LogObserver, Observers, set_up_logs


class MovedByHand(Protocol):
    def monotonic(self) -> float: ...
    def wall_us(self) -> int: ...
    def pass_s(self, seconds: float) -> None: ...


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """A stream that logs go to; both logging systems are put back afterwards."""
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn")
    before = root.handlers[:], root.level, uvicorn.level
    stream = io.StringIO()
    yield stream
    structlog.reset_defaults()
    for found in root.handlers[:]:
        root.removeHandler(found)
    for found in before[0]:
        root.addHandler(found)
    root.setLevel(before[1])
    uvicorn.setLevel(before[2])


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def encoded() -> Encoded:
    return Encoded(b"top secret", Position(1), Position(1), 0, True, 1, 1, 10, 0)


def test_batches_are_debug_and_their_payload_is_never_written(lines: io.StringIO, clock: MovedByHand) -> None:
    set_up_logs("json", "info", lines)
    LogObserver("a", clock).notice(seen.Captured(encoded(), ("t",)))
    assert lines.getvalue() == ""
    set_up_logs("json", "debug", lines)
    LogObserver("a", clock).notice(seen.Captured(encoded(), ("t",)))
    (line,) = written(lines)
    assert (line["event"], line["position"], line["level"], line["node"]) == ("Captured", 1, "debug", "a")
    assert "secret" not in lines.getvalue()


def test_rows_of_a_comparison_are_not_written(lines: io.StringIO, clock: MovedByHand) -> None:
    set_up_logs("json", "debug", lines)
    difference = ChunkDifference("t", ("secret",), "missing")
    LogObserver("a", clock).notice(seen.ChunkCompared(ChunkResult(1, 1, "t", False, 3, (difference,), 1)))
    assert written(lines)[0]["rows"] == 3
    assert "secret" not in lines.getvalue()


def test_a_repeated_failure_is_written_once_a_minute_with_its_count(lines: io.StringIO, clock: MovedByHand) -> None:
    set_up_logs("json", "info", lines)
    observer = LogObserver("a", clock)
    for retry in range(5):
        observer.notice(seen.CaptureFailed(DatabaseBusy("locked", "busy"), float(retry)))
    observer.notice(seen.CaptureFailed(DatabaseRefused("read-only"), 1.0))
    clock.pass_s(REPEAT_S)
    observer.notice(seen.CaptureFailed(DatabaseBusy("locked", "busy"), 9.0))
    first, other, again = written(lines)
    assert (first["level"], first["error"]) == ("error", "locked: busy")
    assert other["error"] == "read-only"
    assert again["repeated"] == 4


def test_a_listener_that_fails_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def notice(self, notice: seen.Notice) -> None:
            raise RuntimeError("broken")

    class Counting:
        count = 0

        def notice(self, notice: seen.Notice) -> None:
            self.count += 1

    counting = Counting()
    observers = Observers([Broken(), counting])
    for _ in range(3):
        observers.notice(seen.Warned("x"))
    assert counting.count == 3
    assert len(caplog.records) == 1


def test_every_notice_can_be_written(lines: io.StringIO, clock: MovedByHand) -> None:
    set_up_logs("json", "debug", lines)
    observer = LogObserver("a", clock)
    at, error = Position(1), DatabaseBusy("locked")
    for notice in (
        seen.SpoolSynced(at, 1, at),
        seen.CaptureRunning("journal", at),
        seen.SessionOpened("b", "h:1", 1, 1, 0.0, ("skew",)),
        seen.SessionClosed("b", "h:1", error, 1.0),
        seen.ConnectionRefused("1.2.3.4:5", "no certificate"),
        seen.BeatPassed(at, True, 0.1),
        seen.BatchSent(encoded()),
        seen.Acknowledged(at, at),
        seen.Applied(at, 1, 1, 1, 1, 1),
        seen.DuplicateSkipped(1, at),
        seen.ApplyFailed(error, 1.0),
        seen.CallDataRefused("inbound", "hsplit", ("row_date",), "call data"),
        seen.RowsBlocked("t", 1),
        seen.SnapshotMoved(1, "snapshot", "t", 0, 1, 5),
        seen.SnapshotMoved(1, "snapshot", "t", 1, 1, 5, finished=True),
        seen.Warned("look"),
    ):
        observer.notice(notice)
    assert len(written(lines)) == 16
