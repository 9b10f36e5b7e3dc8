"""Fixtures: a server and a pair of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.pair import Pair
from tests.contract.servers import KINDS, Server


@pytest.fixture(params=sorted(KINDS))
def make(request: pytest.FixtureRequest) -> Callable[[Path], Server]:
    """Makes a server of each kind."""
    return KINDS[request.param]


@pytest.fixture
def pair(make: Callable[[Path], Server], tmp_path: Path) -> Iterator[Pair]:
    """A pair of each kind."""
    with Pair(make, tmp_path) as made:
        yield made
