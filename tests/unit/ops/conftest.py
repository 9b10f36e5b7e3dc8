"""What the tests of sync.ops share: a clock that stands still until it is told to move."""

from __future__ import annotations

import pytest


class FakeClock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.now_us = 1_700_000_000_000_000

    def monotonic(self) -> float:
        return self.now_s

    def wall_us(self) -> int:
        return self.now_us

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        self.now_us += int(seconds * 1_000_000)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
