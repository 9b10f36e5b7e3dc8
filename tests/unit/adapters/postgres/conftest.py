"""Fixtures: an empty database, and makers of primaries and secondaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from adapters.postgres import apply
from tests.postgres import cluster
from tests.unit.adapters.postgres.primary import Primary
from tests.unit.adapters.postgres.secondary import ARRAY_ROWS_MAX, Secondary


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of an empty database."""
    with cluster().database() as made:
        yield made


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the target take the way of many rows for fewer."""
    monkeypatch.setattr(apply, "ARRAY_ROWS_MAX", ARRAY_ROWS_MAX)


@pytest.fixture
def secondary(url: str) -> Iterator[Callable[..., Secondary]]:
    """Makes a secondary from DDL."""
    made: list[Secondary] = []

    def make(ddl: str, user: str = "") -> Secondary:
        made.append(Secondary(url, ddl, user))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def primary(url: str) -> Iterator[Callable[..., Primary]]:
    """Makes a primary from DDL."""
    made: list[Primary] = []

    def make(ddl: str, *local: str, part_rows_max: int = 20_000) -> Primary:
        made.append(Primary(url, ddl, *local, part_rows_max=part_rows_max))
        return made[-1]

    yield make
    for each in made:
        each.close()
