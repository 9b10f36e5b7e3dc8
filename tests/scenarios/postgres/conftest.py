"""Fixtures: a pair of nodes at two empty databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import cluster
from tests.scenarios.postgres.pair import Pair, make_pair


@pytest.fixture
def new_pair(tmp_path: Path) -> Iterator[Callable[..., Pair]]:
    """Makes pairs; at the end no node may have failed for good."""
    made: list[Pair] = []

    def make(**options: Any) -> Pair:  # noqa: ANN401  what make_pair takes
        made.append(make_pair(tmp_path / f"pair{len(made)}", **options))
        return made[-1]

    yield make
    try:
        for pair in made:
            pair.close()
    finally:
        for pair in made:
            for side in pair.sides:
                cluster().drop(side.url)


@pytest.fixture
def pair(new_pair: Callable[..., Pair]) -> Pair:
    """A pair that is still to be begun."""
    return new_pair()
