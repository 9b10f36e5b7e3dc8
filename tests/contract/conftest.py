"""Fixtures: a server and a pair of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.pair import Pair
from tests.contract.servers import KINDS, Server

MARKS = {"postgres": pytest.mark.postgres, "postgres journal": pytest.mark.postgres}


@pytest.fixture(params=[pytest.param(kind, marks=MARKS.get(kind, ())) for kind in sorted(KINDS)])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Server]]:
    """Makes a server of each kind."""
    made: list[Server] = []

    def one(place: Path) -> Server:
        made.append(KINDS[request.param](place))
        return made[-1]

    yield one
    for server in made:
        server.close()


@pytest.fixture
def pair(make: Callable[[Path], Server], tmp_path: Path) -> Iterator[Pair]:
    """A pair of each kind."""
    with Pair(make, tmp_path) as made:
        yield made
