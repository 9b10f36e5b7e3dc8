"""Tables altered and made under load, on SQLite, PostgreSQL and from one to the other: followed, or paused by name."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.harness import NodeAt, alive, eventually, free_port
from tests.e2e.test_postgres import Database, Mixed, Shell, prepare
from tests.postgres import cluster

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

TABLES = (
    "CREATE TABLE team (id INTEGER PRIMARY KEY, name VARCHAR(20), size INTEGER)",
    "CREATE TABLE desk (id INTEGER PRIMARY KEY, note TEXT)",
)
ROWS = (
    *(f"INSERT INTO team VALUES ({number}, 'team {number}', {number % 7})" for number in range(60)),
    "INSERT INTO desk VALUES (1, 'first')",
)
SELECTED = ("include = ['team', 'desk', 'extra_*']",)
KINDS = [("postgres", "postgres"), ("sqlite", "sqlite"), ("postgres", "sqlite"), ("sqlite", "postgres")]


class Changing(Mixed):
    """A pair whose tables change their form: what is compared is what the primary has now."""

    def projection(self, node: NodeAt) -> dict[str, list[tuple[Any, ...]]]:
        place = self.east if node is self.primary else self.west
        found = {}
        for table in self.replicated:
            try:
                found[table] = place.ask(f"SELECT {', '.join(columns(self.east, table))} FROM {table}")
            except (psycopg.Error, sqlite3.Error) as error:
                found[table] = [(str(error),)]
        return found

    def shows(self, query: str, row: tuple[str, ...]) -> bool:
        """Whether the secondary answers with this row; before a table is followed it does not answer at all."""
        try:
            return row in self.west.ask(query)
        except (psycopg.Error, sqlite3.Error):
            return False

    def paused(self) -> list[list[dict[str, Any]]]:
        return [node.status().get("paused", []) for node in self.nodes]


def columns(database: Database, table: str) -> list[str]:
    if database.path is not None:
        return [name for (name,) in database.ask(f"SELECT name FROM pragma_table_info('{table}')")]
    query = f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped"
    return [name for (name,) in database.ask(query)]


@contextmanager
def changing_pair(tmp_path: Path, kinds: tuple[str, str]) -> Iterator[Changing]:
    urls = [
        cluster().create(name) if kind == "postgres" else f"sqlite:///{tmp_path / name}.db"
        for kind, name in zip(kinds, ("east", "west"), strict=True)
    ]
    nodes = [NodeAt(tmp_path / name, tmp_path, f"cms-{name}") for name in ("east", "west")]
    made = Changing(nodes[0], nodes[1], dict.fromkeys(("team", "desk"), ""), free_port())
    made.east, made.west = map(Database, urls)
    made.east.change(*TABLES, *ROWS)
    made.west.change(*TABLES)
    with alive(made):
        yield made
    for each in (made.east, made.west):
        if each.path is None:
            cluster().drop(each.url)


@contextmanager
def load(database: Database) -> Iterator[None]:
    """Change rows of a table all the time."""
    ended = threading.Event()

    def work() -> None:
        number = 0
        while not ended.wait(0.01):
            number += 1
            database.change(
                f"UPDATE desk SET note = 'note {number}' WHERE id = 1",
                f"UPDATE team SET name = 'n{number}' WHERE id = 3",
            )

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


def follows_what_adds(pair: Changing) -> None:
    with load(pair.east):
        pair.east.change(
            "ALTER TABLE team ADD COLUMN floor INTEGER DEFAULT 7",
            "INSERT INTO team (id, name, size, floor) VALUES (100, 'high', 1, 9)",
            "UPDATE team SET floor = 8 WHERE id = 2",
        )
        eventually(lambda: pair.shows("SELECT id, floor FROM team", ("100", "9")), "a row with the new column")
        pair.east.change(
            "CREATE TABLE extra_one (id INTEGER PRIMARY KEY, v VARCHAR(9))", "INSERT INTO extra_one VALUES (1, 'a')"
        )
        pair.east.change("INSERT INTO extra_one VALUES (2, 'b')")
    pair.replicated = {**pair.replicated, "extra_one": ""}
    pair.until_equal()
    assert ("5", "7") in pair.west.ask("SELECT id, floor FROM team"), "the default of the rows that were there"
    with pytest.raises((psycopg.Error, sqlite3.Error), match="make the change on cms-east"):
        pair.west.change("UPDATE extra_one SET v = 'x'")


def follows_what_widens(pair: Changing) -> None:
    if pair.east.path is None:
        pair.east.change(
            "ALTER TABLE team ALTER name TYPE varchar(70)",
            "ALTER TABLE team ALTER size TYPE bigint",
            "UPDATE team SET name = repeat('wide ', 14), size = 1 + (1::bigint << 40) WHERE id = 4",
        )
        pair.until_equal()


def pauses_what_takes_away(pair: Changing, run: Shell) -> None:
    pair.east.change("ALTER TABLE team DROP COLUMN size", "UPDATE team SET name = 'after' WHERE id = 5")
    pair.east.change("UPDATE desk SET note = 'goes on'")
    eventually(lambda: all(pair.paused()), "both nodes say that a table is paused")
    for (paused,) in pair.paused():
        assert (paused["table"], paused["difference"]) == ("team", "column size of team is gone on the primary")
        assert "Drop size from team on the secondary too" in paused["remedy"]
    eventually(lambda: pair.west.ask("SELECT note FROM desk") == [("goes on",)], "the other tables")
    assert pair.west.ask("SELECT name FROM team WHERE id = 5") == [("team 5",)]
    found = json.loads(run("verify", "-c", pair.primary.config, "--json", code=1))
    assert [name for name, table in found["tables"].items() if table["paused"]] == ["team"]
    pair.secondary.kill()
    pair.secondary.start()
    eventually(lambda: all(pair.paused()), "it is still paused after a crash")
    pair.west.change("ALTER TABLE team DROP COLUMN size")
    pair.until_equal()
    eventually(lambda: not any(pair.paused()), "the end of the pause")
    assert json.loads(run("verify", "-c", pair.primary.config, "--json"))["equal"]


@pytest.mark.parametrize("kinds", KINDS, ids="-".join)
def test_tables_are_altered_and_made_under_load(
    kinds: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Invariants 1, 3, 10: what adds and widens is followed in order, the rest pauses one table until it is mended."""
    run = Shell(capsys)
    with changing_pair(tmp_path, kinds) as pair:
        prepare(pair, run, SELECTED)
        pair.start()
        pair.until_streaming()
        follows_what_adds(pair)
        follows_what_widens(pair)
        pauses_what_takes_away(pair, run)
        for node in pair.nodes:
            assert node.stop() == 0
            assert "Traceback" not in node.log.read_text()
