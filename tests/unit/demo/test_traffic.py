"""The pace of the traffic: what was asked for, with call data at ten times the rows, and an end that says so."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from sync.demo.site import create
from sync.demo.sqlite import SqliteDatabase
from sync.demo.traffic import CALL_ROWS_MAX, Step, paced
from sync.demo.workload import Writer


class Time:
    """A clock that sleeping moves, and a little by itself at every look."""

    def __init__(self, look_s: float) -> None:
        self.now_s = 100.0
        self.look_s = look_s

    def now(self) -> float:
        self.now_s += self.look_s
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now_s += seconds


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.db"
    create(SqliteDatabase(path), "small", seed=1)
    return path


def steps_of(site: Path, seconds: float, rate_per_s: float, look_s: float = 0.0001) -> list[Step]:
    clock = Time(look_s)
    with Writer(SqliteDatabase(site), seed=1, rate_per_s=rate_per_s, now_ns=lambda: int(clock.now_s)) as writer:
        return list(paced(writer, lambda: int(clock.now_s), seconds, clock.now, clock.sleep))


def test_steps_come_at_the_rate_and_are_numbered_from_one(site: Path) -> None:
    *steps, end = steps_of(site, 3, 20)
    assert len(steps) == pytest.approx(60, abs=3)
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert end.number == 0


def test_ten_rows_of_call_data_for_each_row_of_administration(site: Path) -> None:
    *steps, end = steps_of(site, 3, 20)
    assert end.calls == 10 * sum(step.rows for step in steps)


def test_a_slow_machine_still_writes_call_data_between_the_steps(site: Path) -> None:
    """No step is made up for: at most one batch of call data lies between two steps, and never none."""
    *steps, end = steps_of(site, 3, 1000, look_s=0.02)
    assert 10 < len(steps) < 100
    between = [later.calls - earlier.calls for earlier, later in pairwise(steps)]
    assert all(0 < calls <= 2 * CALL_ROWS_MAX for calls in between)
    assert end.calls == 10 * sum(step.rows for step in steps)


def test_as_a_program_it_says_what_it_wrote(site: Path) -> None:
    line = [sys.executable, "-m", "sync.demo.traffic", SqliteDatabase(site).url, "1", "0.5", "20"]
    said = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout
    *steps, end = [Step(**json.loads(line)) for line in said.splitlines()]
    assert steps
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert end.number == 0
    with Writer(SqliteDatabase(site), seed=2, rate_per_s=1) as writer:
        [(action,)] = writer._session.rows("SELECT action FROM shortcuts WHERE user_id = '__probe'")
    assert action == f"{steps[-1].number}:{steps[-1].written_ns}"
