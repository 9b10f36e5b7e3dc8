"""What the tests of sync.cli share: a way to run a command in this process, and small nodes on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from sync import cli

SCHEMA = """
CREATE TABLE synonyms (
    acd_no SMALLINT NOT NULL, item_type CHAR(20) NOT NULL, item_name CHAR(100) NOT NULL, value CHAR(40) NOT NULL,
    PRIMARY KEY (acd_no, item_type, value));
CREATE TABLE agroups (acd_no SMALLINT NOT NULL, item_name CHAR(20) NOT NULL, PRIMARY KEY (acd_no, item_name));
CREATE TABLE hsplit (row_date DATE NOT NULL, starttime SMALLINT, split SMALLINT, acdcalls INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `admin-sync …` in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = cli.execute([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return run


def make_database(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA)
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with two tables to replicate and one of call data."""
    return make_database(tmp_path / "east.db")


@pytest.fixture
def east(tmp_path: Path, database: Path, command: Command) -> Path:
    """The configuration of a primary."""
    where = tmp_path / "east"
    url = f"sqlite:///{database}"
    assert command("init", where, "--name", "cms-east", "--database", url, "--peer", "127.0.0.1:1").code == 0
    return where / "node.toml"


@pytest.fixture
def west(tmp_path: Path, command: Command) -> Path:
    """The configuration of a secondary."""
    where = tmp_path / "west"
    url = f"sqlite:///{make_database(tmp_path / 'west.db')}"
    arguments = ("--name", "cms-west", "--role", "secondary", "--database", url, "--listen", "127.0.0.1:7443")
    assert command("init", where, *arguments).code == 0
    return where / "node.toml"
