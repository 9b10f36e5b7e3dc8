"""Fixtures: makers of twins and of single database files, closed after the test."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.adapters.sqlite.twin import Twin


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Callable[..., Twin]]:
    """Makes twins from DDL."""
    made: list[Twin] = []

    def make(ddl: str, *, ddl_secondary: str = "") -> Twin:
        made.append(Twin(tmp_path, ddl, ddl_secondary=ddl_secondary))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Callable[[str], sqlite3.Connection]]:
    """Makes one database file from DDL."""
    made: list[sqlite3.Connection] = []

    def make(ddl: str) -> sqlite3.Connection:
        made.append(sqlite3.connect(tmp_path / "one.db", isolation_level=None))
        made[-1].executescript(ddl)
        return made[-1]

    yield make
    for each in made:
        each.close()
