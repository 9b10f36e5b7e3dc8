"""The detector's verdicts; invariant 10 (honest): a silent peer never shows as running."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.detector import Detector, Verdict

_ORDER = [Verdict.ALIVE, Verdict.SUSPECT, Verdict.DOWN]
times = st.floats(0, 1e9)
intervals = st.floats(0.001, 3600)
misses = st.integers(1, 20)


@pytest.mark.parametrize(
    ("silence_s", "verdict"),
    [
        (0, Verdict.ALIVE),
        (20, Verdict.ALIVE),
        (29.9, Verdict.ALIVE),
        (30, Verdict.SUSPECT),
        (69.9, Verdict.SUSPECT),
        (70, Verdict.DOWN),
        (1e6, Verdict.DOWN),
    ],
)
def test_three_missed_beats_of_20_s_are_down(silence_s: float, verdict: Verdict) -> None:
    detector = Detector(interval_s=20, missed_max=3)
    detector.heard(1000)
    assert detector.judge(1000 + silence_s) is verdict


def test_a_peer_never_heard_is_judged_from_the_first_call() -> None:
    detector = Detector(interval_s=20, missed_max=3)
    assert detector.judge(500) is Verdict.ALIVE
    assert detector.judge(570) is Verdict.DOWN


def test_with_one_missed_beat_allowed_there_is_no_suspect() -> None:
    detector = Detector(interval_s=10, missed_max=1)
    detector.heard(0)
    assert [detector.judge(now) for now in (14.9, 15)] == [Verdict.ALIVE, Verdict.DOWN]


def test_hearing_revives() -> None:
    detector = Detector(interval_s=1, missed_max=2)
    detector.heard(0)
    assert detector.judge(100) is Verdict.DOWN
    detector.heard(100)
    assert detector.judge(100) is Verdict.ALIVE


def test_a_late_report_of_an_older_word_takes_nothing_back() -> None:
    detector = Detector(interval_s=10, missed_max=2)
    detector.heard(100)
    detector.heard(50)
    assert detector.silence_s(101) == 1


@given(times, intervals, misses, st.lists(st.floats(0, 1e5), min_size=2))
def test_silence_only_makes_it_worse(start: float, interval_s: float, missed_max: int, waits: list[float]) -> None:
    detector = Detector(interval_s, missed_max)
    detector.heard(start)
    verdicts = [_ORDER.index(detector.judge(start + wait)) for wait in sorted(waits)]
    assert verdicts == sorted(verdicts)


@given(times, intervals, misses)
def test_due_is_exactly_when_the_verdict_changes(start: float, interval_s: float, missed_max: int) -> None:
    """A timer armed with `due` never finds the verdict unchanged, and so never spins."""
    detector = Detector(interval_s, missed_max)
    detector.heard(start)
    now, verdict, rounds = start, detector.judge(start), 0
    while (due := detector.due(now)) is not None:
        assert due > now
        assert detector.judge((now + due) / 2) is verdict or (now + due) / 2 == due
        now = due
        assert detector.judge(now) is not verdict
        verdict, rounds = detector.judge(now), rounds + 1
    assert verdict is Verdict.DOWN
    assert rounds == (1 if missed_max == 1 else 2)
