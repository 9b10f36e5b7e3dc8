"""Fixtures: makers of primaries that are captured by triggers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.unit.adapters.postgres.primary import Primary


@pytest.fixture
def journalled(url: str) -> Iterator[Callable[..., Primary]]:
    """Makes a primary from DDL."""
    made: list[Primary] = []

    def make(ddl: str, *local: str, part_rows_max: int = 20_000, user: str = "") -> Primary:
        made.append(Primary(url, ddl, *local, part_rows_max=part_rows_max, capture="journal", user=user))
        return made[-1]

    yield make
    for each in made:
        each.close()
