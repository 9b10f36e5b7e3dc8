"""The README's story on PostgreSQL, and with SQLite at either end: real processes, real servers, one way of asking."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
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
    "INSERT INTO users (user_id, login_acd, room, printer, phone) VALUES"
    " ('ann', 1, 'r1', 'east', '1'), ('bob', 2, 'r2', 'east', NULL), ('cy', NULL, '', 'east', 'Zürich')",
    "INSERT INTO synonyms VALUES (1, 'split', 'Sales', '11', NULL, 0), (1, 'split', 'Service', '12', 'x', 1)",
    "INSERT INTO synonyms VALUES (1, 'split', 'Claims', '13', NULL, NULL), (2, 'vdn', 'Sales', '11', NULL, 0)",
    "INSERT INTO rep_defs (rep_id, rep_name, owner, chg_date, body) VALUES (1, 'daily', 'ann', '2026-01-31', 'a\\b\n')",
)
DRIFTED = (
    "INSERT INTO synonyms VALUES (1, 'split', 'Service', '11', NULL, 0), (1, 'split', 'Sales', '99', NULL, 0)",
    "INSERT INTO users (user_id, room, printer) VALUES ('gone', 'r9', 'west'), ('ann', 'r0', 'west')",
)
"""A secondary that was kept alike by hand, and badly."""
SWAP = (
    "UPDATE synonyms SET item_name = 'between' WHERE value = '12'",
    "UPDATE synonyms SET item_name = 'Service' WHERE value = '11' AND acd_no = 1",
    "UPDATE synonyms SET item_name = 'Sales' WHERE value = '12'",
)
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
    ddl = files("sync.demo").joinpath("schema.sql").read_text("utf-8")
    made = Database(cluster().create(name) if kind == "postgres" else f"sqlite:///{folder / name}.db")
    made.change(*[statement for statement in ddl.split(";") if "CREATE" in statement])
    return made


@pytest.fixture(params=[("postgres", "postgres"), ("postgres", "sqlite"), ("sqlite", "postgres")], ids="-".join)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mixed]:
    """Two nodes that were only made: a primary with rows, a secondary with wrong ones."""
    east, west = (empty(kind, tmp_path, name) for kind, name in zip(request.param, ("east", "west"), strict=True))
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


def set_up_pair(pair: Mixed, run: Shell) -> None:
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
        set_up(node.config, ())
        assert "installed" in run("check", "-c", node.config, code=1)
        assert "CREATE" in run("install", "-c", node.config, "--print")
        if database.path is None:
            assert database.ask(OURS) == [], "--print changes nothing"
        run("install", "-c", node.config)
        run("check", "-c", node.config)


def test_from_two_bare_databases_to_a_pair_and_back(
    pair: Mixed, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Invariants 1 to 5 and 10, on every pairing of databases: copy, live changes, kills, verify, guard, and away."""
    run = Shell(capsys)
    set_up_pair(pair, run)
    pair.start()
    pair.until_streaming()
    assert pair.west.ask("SELECT printer FROM users WHERE user_id = 'ann'") == [("west",)], "a local column stays"

    shown = tmp_path / "tail"
    with shown.open("w") as out:
        command = [COMMAND, "tail", "-c", str(pair.secondary.config), "--table", "users", "--json"]
        pair.others.append(subprocess.Popen(command, stdout=out, text=True))
    for statements in (LIVE, SWAP):
        pair.east.change(*statements)
        pair.until_equal()
    number = iter(range(10**6))

    def lines() -> list[str]:
        # Nobody knows when the other process listens: so there is always another change.
        pair.east.change(f"UPDATE users SET room = 'room {next(number)}' WHERE user_id = 'dee'")
        return [line for line in shown.read_text().splitlines(keepends=True) if line.endswith("\n")]

    eventually(lines, "a line of tail")
    assert json.loads(lines()[0])["row"]["room"].startswith("room ")
    assert pair.west.ask("SELECT * FROM hsplit") == [], "call data stays at home"

    for node in (*pair.nodes, pair.primary):
        pair.east.change(f"UPDATE users SET room = 'before {next(number)}' WHERE user_id = 'dee'")
        node.kill()
        pair.east.change(*SWAP, f"INSERT INTO users (user_id) VALUES ('while away {next(number)}')")
        pair.east.change(*(text.replace("'11'", "'0'").replace("'12'", "'11'").replace("'0'", "'12'") for text in SWAP))
        node.start()
        pair.until_equal()
    eventually(pair.connected, "a session")

    found = json.loads(run("verify", "-c", pair.primary.config, "--json"))
    assert found["equal"], found
    run("verify", "-c", pair.secondary.config)
    for node, role in zip(pair.nodes, ("primary", "secondary"), strict=True):
        status = json.loads(run("status", "-c", node.config, "--json"))
        assert (status["role"], status["last_error"], status["counters"]["quarantined"]) == (role, None, 0)
    with pytest.raises(Exception, match="make the change on cms-east"):
        pair.west.change("UPDATE users SET room = 'x'")
    pair.west.change("UPDATE users SET printer = 'own'")

    for node, database in zip(pair.nodes, (pair.east, pair.west), strict=True):
        assert node.stop() == 0
        assert "Traceback" not in node.log.read_text()
        run("uninstall", "-c", node.config)
        database.change("UPDATE users SET room = 'free again'")
        if database.path is None:
            assert database.ask(OURS) == [], "uninstall leaves nothing behind"
