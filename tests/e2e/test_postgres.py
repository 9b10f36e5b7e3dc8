"""The README's story on PostgreSQL, and with SQLite at either end: real processes, real servers, one way of asking."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sync.cli import execute as admin_sync
from tests.e2e.harness import COMMAND, NodeAt, Pair, alive, change, eventually, free_port, select, set_up
from tests.postgres import cluster

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

REPLICATED = {
    "synonyms": "acd_no, item_type, item_name, value, descr, standard",
    "users": "user_id, user_type, login_acd, max_windows, room, phone, chg_dt",
    "rep_defs": "*",
}
ROWS = (
    "INSERT INTO users (user_id, login_acd, room, printer) VALUES ('ann', 1, 'r1', 'east'), ('bob', 2, 'r2', 'east')",
    "INSERT INTO users (user_id, room, printer, phone) VALUES ('cy', '', 'east', 'Zürich')",
    "INSERT INTO synonyms VALUES (1, 'split', 'Sales', '11', NULL, 0), (1, 'split', 'Service', '12', 'x', 1)",
    "INSERT INTO synonyms VALUES (1, 'split', 'Claims', '13', NULL, NULL), (2, 'vdn', 'Sales', '11', NULL, 0)",
    "INSERT INTO rep_defs (rep_id, rep_name, owner, chg_date, body) VALUES (1, 'daily', 'ann', '2026-01-31', 'a\\b\n')",
)
DRIFTED = (
    "INSERT INTO synonyms VALUES (1, 'split', 'Service', '11', NULL, 0), (1, 'split', 'Sales', '99', NULL, 0)",
    "INSERT INTO users (user_id, room, printer) VALUES ('gone', 'r9', 'west'), ('ann', 'r0', 'west')",
)
"""A secondary that was kept alike by hand, and badly."""
LIVE = (
    "INSERT INTO users (user_id, room) VALUES ('dee', 'r4')",
    "UPDATE users SET phone = NULL, room = 'moved' WHERE user_id = 'ann'",
    "DELETE FROM users WHERE user_id = 'bob'",
    "UPDATE users SET user_id = 'cyril' WHERE user_id = 'cy'",
    "UPDATE rep_defs SET body = 'ä€😀', chg_date = NULL",
    "INSERT INTO hsplit (acd, split) VALUES (1, 1)",
)
OURS = """
SELECT 'schema', nspname::text FROM pg_namespace WHERE nspname LIKE 'admin%'
UNION ALL SELECT 'publication', pubname::text FROM pg_publication
UNION ALL SELECT 'slot', slot_name::text FROM pg_replication_slots WHERE database = current_database()
UNION ALL SELECT 'trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'origin', roname::text FROM pg_replication_origin, pg_database
 WHERE datname = current_database() AND roname LIKE '%\\_' || pg_database.oid
"""


def swap(number: int) -> tuple[str, str, str]:
    """Two rows take each other's unique name, there and back with every number."""
    one, other = ("11", "12") if number % 2 else ("12", "11")
    rename = "UPDATE synonyms SET item_name = '{}' WHERE acd_no = 1 AND value = '{}'"
    names = (("between", one), ("Sales", other), ("Service", one))
    return tuple(rename.format(*each) for each in names)  # type: ignore[return-value]


@dataclass(frozen=True)
class Database:
    """A database of either kind, as an application sees it."""

    url: str

    @property
    def path(self) -> Path | None:
        return Path(self.url.removeprefix("sqlite:///")) if self.url.startswith("sqlite:") else None

    def change(self, *statements: str) -> None:
        """Run statements in one transaction."""
        if self.path is not None:
            return change(self.path, *statements)
        with closing(psycopg.connect(self.url)) as connection, connection:
            for statement in statements:
                connection.execute(statement.encode())
        return None

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Values as text, and fixed-length text without its blanks: what two databases can be compared by."""
        if self.path is not None:
            rows: list[tuple[Any, ...]] = select(self.path, query)
        else:
            with closing(psycopg.connect(self.url, autocommit=True)) as connection:
                rows = connection.execute(query.encode()).fetchall()
        return sorted((tuple(v if v is None else str(v).rstrip(" ") for v in row) for row in rows), key=repr)


class Mixed(Pair):
    """A pair whose databases are asked in their own languages."""

    east: Database
    west: Database

    def projection(self, node: NodeAt) -> dict[str, list[tuple[Any, ...]]]:
        place = self.east if node is self.primary else self.west
        return {table: place.ask(f"SELECT {columns} FROM {table}") for table, columns in REPLICATED.items()}


def empty(kind: str, folder: Path, name: str) -> Database:
    """A database with the sample site's tables and no rows."""
    lines = files("sync.demo").joinpath("schema.sql").read_text("utf-8").splitlines()
    statements = "\n".join(line for line in lines if not line.startswith("--")).split(";")
    made = Database(cluster().create(name) if kind == "postgres" else f"sqlite:///{folder / name}.db")
    made.change(*filter(str.strip, statements))
    return made


@contextmanager
def drifted_pair(tmp_path: Path, *kinds: str) -> Iterator[Mixed]:
    """Two databases, a primary with rows and a secondary with wrong ones; the nodes are still to be made."""
    east, west = (empty(kind, tmp_path, name) for kind, name in zip(kinds, ("east", "west"), strict=True))
    east.change(*ROWS)
    west.change(*DRIFTED)
    nodes = [NodeAt(tmp_path / name, tmp_path, f"cms-{name}") for name in ("east", "west")]
    made = Mixed(nodes[0], nodes[1], REPLICATED, free_port())
    made.east, made.west = east, west
    with alive(made):
        yield made
    for each in (east, west):
        if each.path is None:
            cluster().drop(each.url)


class Shell:
    """Commands run here, which is half a second cheaper than a process."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *arguments: object, code: int = 0) -> str:
        self._capture.readouterr()
        got = admin_sync(list(map(str, arguments)))
        said = self._capture.readouterr()
        assert got == code, f"{arguments}: {got}\n{said.out}\n{said.err}"
        return said.out


def prepare(pair: Mixed, run: Shell, tables: Sequence[str] = (), capture: str = "auto") -> None:
    """Init, pair by files, check, install: as the README has it."""
    at = f"127.0.0.1:{pair.port}"
    run("init", pair.primary.directory, "--name", "cms-east", "--database", pair.east.url, "--peer", at)
    secondary = ("--role", "secondary", "--listen", at)
    run("init", pair.secondary.directory, "--name", "cms-west", "--database", pair.west.url, *secondary)
    for node, peer in (pair.nodes, pair.nodes[::-1]):
        certificate = peer.directory / "public.pem"
        certificate.write_text(run("pair", "-c", peer.config, "--export"))
        run("pair", "-c", node.config, "--import", certificate)
    for node, database in zip(pair.nodes, (pair.east, pair.west), strict=True):
        set_up(node.config, tables)
        node.config.write_text(node.config.read_text("utf-8").replace('capture = "auto"', f'capture = "{capture}"'))
        assert "installed" in run("check", "-c", node.config, code=1)
        assert "CREATE" in run("install", "-c", node.config, "--print")
        if database.path is None:
            assert database.ask(OURS) == [], "--print changes nothing"
        run("install", "-c", node.config)
        run("check", "-c", node.config)


def copy_and_follow(pair: Mixed) -> None:
    """The first copy onto a secondary that drifted, then changes of every kind."""
    pair.start()
    pair.until_streaming()
    assert pair.west.ask("SELECT printer FROM users WHERE user_id = 'ann'") == [("west",)], "a local column stays"
    for statements in (LIVE, swap(1), swap(2)):
        pair.east.change(*statements)
        pair.until_equal()
    assert pair.west.ask("SELECT * FROM hsplit") == [], "call data stays at home"


def verify_and_leave(pair: Mixed, run: Shell) -> None:
    """Nothing differs, the guard holds, and uninstall leaves nothing behind."""
    found = json.loads(run("verify", "-c", pair.primary.config, "--json"))
    assert found["equal"], found
    with pytest.raises((psycopg.Error, sqlite3.Error), match="make the change on cms-east"):
        pair.west.change("UPDATE users SET room = 'x'")
    pair.west.change("UPDATE users SET printer = 'own'")
    for node, database in zip(pair.nodes, (pair.east, pair.west), strict=True):
        assert node.stop() == 0
        assert "Traceback" not in node.log.read_text()
        run("uninstall", "-c", node.config)
        database.change("UPDATE users SET room = 'free again'")
        if database.path is None:
            assert database.ask(OURS) == [], "uninstall leaves nothing behind"


@pytest.mark.parametrize("kinds", [("postgres", "sqlite"), ("sqlite", "postgres")], ids="-".join)
def test_unlike_databases_become_equal_and_stay_so(
    kinds: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Invariants 1 and 5: what crosses means the same at both ends."""
    run = Shell(capsys)
    with drifted_pair(tmp_path, *kinds) as pair:
        prepare(pair, run)
        copy_and_follow(pair)
        verify_and_leave(pair, run)


@pytest.mark.parametrize("capture", ["auto", "journal"])
def test_from_two_bare_databases_to_a_pair_and_back(
    capture: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Invariants 1 to 5 and 10: copy, live changes, a look at them, kills, verify, guard, and away."""
    run, shown = Shell(capsys), tmp_path / "tail"
    with drifted_pair(tmp_path, "postgres", "postgres") as pair:
        prepare(pair, run, capture=capture)
        copy_and_follow(pair)
        with shown.open("w") as out:
            command = [COMMAND, "tail", "-c", str(pair.secondary.config), "--table", "users", "--json"]
            pair.others.append(subprocess.Popen(command, stdout=out, text=True))
        number = iter(range(10**6))

        def lines() -> list[str]:
            # Nobody knows when the other process listens: so there is always another change.
            pair.east.change(f"UPDATE users SET room = 'room {next(number)}' WHERE user_id = 'dee'")
            return [line for line in shown.read_text().splitlines(keepends=True) if line.endswith("\n")]

        eventually(lines, "a line of tail")
        assert json.loads(lines()[0])["row"]["room"].startswith("room ")
        for round_, node in enumerate(pair.nodes, 3):
            pair.east.change(f"UPDATE users SET room = 'before {round_}' WHERE user_id = 'dee'")
            node.kill()
            pair.east.change(*swap(round_), f"INSERT INTO users (user_id) VALUES ('while away {round_}')")
            node.start()
            pair.until_equal()
        eventually(pair.connected, "a session")
        for node, role in zip(pair.nodes, ("primary", "secondary"), strict=True):
            status = json.loads(run("status", "-c", node.config, "--json"))
            assert (status["role"], status["peer"]["connected"], status["counters"]["quarantined"]) == (role, True, 0)
            assert status["capture"]["mode"] == ({"auto": "log"}.get(capture, capture) if role == "primary" else None)
        verify_and_leave(pair, run)
