"""The gauge answers beats with what capture last reported (invariant 10)."""

from __future__ import annotations

from sync.errors import DatabaseRefused
from sync.model.notice import CaptureFailed, CaptureRunning, Notice
from sync.model.position import Position
from sync.replicator.gauge import NOTE_CHARS_MAX, Gauge
from tests.unit.replicator.bench import Bench


class Told(list[Notice]):
    def notice(self, notice: Notice) -> None:
        self.append(notice)


def test_a_capture_that_was_never_seen_running_is_not_healthy() -> None:
    """Invariant 10."""
    bench = Bench()
    gauge = Gauge(Told())
    assert gauge.beat_answer(bench.spool).capture_healthy is False


def test_health_follows_what_capture_said_last() -> None:
    """Invariant 10: a failure shows with its reason until capture was seen running again."""
    bench, told = Bench(), Told()
    gauge = Gauge(told)
    running, failed = CaptureRunning("log", Position(1)), CaptureFailed(DatabaseRefused("no", "x" * 5000), 1.0)
    for notice, healthy in ((running, True), (failed, False), (running, True)):
        gauge.notice(notice)
        answer = gauge.beat_answer(bench.spool)
        assert answer.capture_healthy is healthy
        assert bool(answer.note) is not healthy
        assert len(answer.note) <= NOTE_CHARS_MAX
    assert told == [running, failed, running], "everything is handed on"


def test_the_spools_ends_are_measured_when_asked() -> None:
    bench = Bench()
    bench.capture.open()
    bench.write((1, "a"))
    bench.capture.step()
    answer = Gauge(Told()).beat_answer(bench.spool)
    assert (answer.oldest, answer.newest, answer.spool_bytes) == (0, 1, bench.spool.bytes)
