"""A demo says yes only where everything was shown (invariant 10), and says what is missing where it says no."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sync.demo.result import Result
from sync.demo.show import applied_changes
from sync.demo.view import BARS, Figures, Lines, Screen, spark

GOOD = Result(
    admin_transactions=100,
    admin_changes=2000,
    applied=2000,
    call_rows_written=20_000,
    call_rows_crossed=0,
    lag_ms_p50=4.2,
    lag_ms_p99=20.0,
    lag_samples=80,
    lag_samples_apart=20,
    catch_up_s=1.5,
    bytes_raw=4096,
    bytes_wire=1024,
    copy_rows=80_000,
    copy_s=2.0,
    verify_equal=True,
    rows_different=0,
    equal=True,
)


def test_a_good_demo_has_nothing_to_complain_of() -> None:
    assert GOOD.good
    assert GOOD.complaints == ""
    assert ("bytes", "4 KiB of changes as 1 KiB, 75% saved") in GOOD.lines()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"verify_equal": False, "equal": False}, "verify found differences"),
        ({"rows_different": 3, "equal": False}, "3 rows stand on one side only"),
        ({"call_rows_crossed": 1}, "tables that stay home differ from before in 1 rows"),
        ({"applied": 0}, "nothing was shown"),
        ({"call_rows_written": 0}, "nothing was shown"),
    ],
)
def test_each_failure_is_a_no_with_its_reason(change: dict[str, int], complaint: str) -> None:
    bad = replace(GOOD, **change)  # type: ignore[arg-type]
    assert not bad.good
    assert complaint in bad.complaints


def test_what_was_not_measured_is_not_shown_as_a_number() -> None:
    bare = replace(GOOD, lag_ms_p50=None, lag_ms_p99=None, catch_up_s=None, bytes_raw=0, bytes_wire=0)
    text = "\n".join(text for _, text in bare.lines())
    assert text.count("not measured") == 3


def test_what_was_applied_is_counted_over_all_lives_of_the_node(tmp_path: Path) -> None:
    """The kill cuts a line: it counts as far as it can be read, and hides none behind it."""
    log = tmp_path / "node.log"
    lines = [
        json.dumps({"changes": 5, "event": "Applied"}),
        json.dumps({"changes": 99, "event": "Captured"}),
        '{"changes": 7, "event": "Applied", "lev',
        "no json at all",
        json.dumps({"changes": 3, "event": "Applied"}),
    ]
    log.write_text("\n".join(lines), "utf-8")
    assert applied_changes(log) == 8


def test_the_curve_shows_small_lags_and_an_outage() -> None:
    curve = spark(deque([0, 5, 50, 1000, 10_000, 10**9]))
    assert len(curve) == 6
    assert curve[0] == BARS[0]
    assert curve[-1] == curve[-2] == BARS[-1]
    assert list(curve) == sorted(curve)


def test_plain_lines_come_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    figures = Figures(lag_ms=1500, transactions=10, elapsed_s=2, call_rows=100, last="rename, 2 rows")
    with Lines() as view:
        view.phase("begins")
        view.update(figures)
        view._said_s -= 10
        view.update(figures)
        view.update(figures)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "begins"
    assert err.count("lag 1.5 s · 5 admin transactions/s") == 1


def test_the_screen_shows_every_figure_and_is_left_in_order() -> None:
    written = StringIO()
    console = Console(file=written, force_terminal=True, width=80, highlight=False)
    figures = Figures(phase="caught up", lag_ms=5, transactions=10, admin_rows=20, call_rows=4000, elapsed_s=2)
    figures.bytes_raw, figures.bytes_wire, figures.last = 4096, 1024, "swap names, 4 rows"
    figures.history_ms.extend([1.0] * 500)
    with Screen(console) as screen:
        screen.phase("begins")
        screen.update(figures)
    shown = written.getvalue()
    for text in (
        "begins",
        "5.0 ms",
        "5 transactions/s",
        "2,000 rows/s",
        "4,000 rows",
        "3 KiB (75%)",
        "swap names, 4 rows",
    ):
        assert text in shown
    assert max(len(line) for line in figures_of(shown)) <= 80
    assert shown.endswith("\x1b[?25h")  # the cursor is back


def figures_of(shown: str) -> list[str]:
    """The lines of the last picture, without the terminal's codes."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.replace("\r", "\n"))
    return plain.rpartition("Admin-Sync")[2].splitlines()
