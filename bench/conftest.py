"""Shows one table at the end of a run, whichever stages it measured."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.measure import QUICK, Stage, lines_of_this_run
from bench.report import table


@pytest.fixture
def stage(benchmark: BenchmarkFixture) -> Stage:
    return Stage(benchmark)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not lines_of_this_run:
        return
    terminalreporter.section("speed" + (" (quick: sizes too small to quote)" if QUICK else ""))
    for line in table(lines_of_this_run):
        terminalreporter.write_line(line)
