"""SQLite: what capture costs the writers, reading the journal, and applying, beside plain statements."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

import adapters
from adapters.sqlite.target import SqliteTarget
from bench.admin import plain_copy, rows, schemas
from bench.measure import SIZE, Stage
from bench.pair import UPSERT
from sync.core.net import net
from sync.model.batch import Checkpoint
from sync.model.change import Block, Op
from sync.model.position import START, Position

# These wait for nothing: what else the machine does is left out.
pytestmark = pytest.mark.benchmark(timer=time.process_time)

ROWS = rows("user_split", SIZE.rows)
GROUP = 100


def _write(connection: sqlite3.Connection, group: int = GROUP) -> None:
    for start in range(0, len(ROWS), group):
        connection.execute("BEGIN")
        connection.executemany(UPSERT, ROWS[start : start + group])
        connection.execute("COMMIT")


def _captured(path: Path) -> sqlite3.Connection:
    connection = plain_copy(path)
    with closing(adapters.open_site(f"sqlite:///{path}")) as site:
        site.install_capture(schemas())
    return connection


def test_writers(stage: Stage, tmp_path: Path) -> None:
    """100 rows a transaction, the first round inserting and the others updating, as in every stage here."""
    plain, captured = plain_copy(tmp_path / "plain.db"), _captured(tmp_path / "captured.db")
    stage(
        "writing a captured table",
        lambda _: _write(captured),
        lambda _: _write(plain),
        limit="the same without triggers",
        changes=len(ROWS),
    )


def test_read_journal(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "captured.db"
    connection = _captured(path)
    _write(connection)
    source = adapters.open_source(f"sqlite:///{path}")

    def opened() -> object:
        source.open(schemas(), START)
        return source

    def read(_: object) -> None:
        for _part in source.read():
            pass

    stage(
        "read the journal and its rows",
        read,
        lambda _: connection.execute("SELECT * FROM user_split").fetchall(),
        limit="SELECT of the rows",
        before=opened,
        changes=len(ROWS),
    )
    source.close()


def test_apply(stage: Stage, tmp_path: Path) -> None:
    plain = plain_copy(tmp_path / "plain.db")
    path = tmp_path / "target.db"
    plain_copy(path).close()
    with closing(adapters.open_site(f"sqlite:///{path}")) as site:
        site.install_guard(schemas(), "east")
    target = SqliteTarget(str(path))
    target.open()
    schema = schemas()["user_split"]
    ordered = sorted(ROWS)
    columns = tuple(list(column) for column in zip(*ordered, strict=True))
    block = Block(schema, bytes((Op.UPSERT,)) * len(ROWS), columns, range(len(ROWS)))
    positions = iter(range(1, 10**6))

    def apply(_: object) -> None:
        target.begin()
        target.write(net([block]))
        target.commit(Checkpoint("bench", 1, Position(next(positions))))

    stage(
        "net effect and apply",
        apply,
        lambda _: _write(plain, len(ROWS)),
        limit="plain executemany",
        changes=len(ROWS),
    )
    target.close()
