"""Commands against running nodes: real processes, paired by the code, on SQLite, from start to orderly end."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from .conftest import Command, make_database

TIMEOUT_S = 60
CLI = [sys.executable, "-m", "sync.cli"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(*arguments: object, notify: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | ({"NOTIFY_SOCKET": str(notify)} if notify else {})
    started = subprocess.Popen(
        [*CLI, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def running(config: Path, said: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a node, and wait until it tells systemd that it is ready."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(said))
        ear.settimeout(TIMEOUT_S)
        with process("run", "-c", config, "--log", "json", notify=said) as node:
            while "READY=1" not in ear.recv(4096).decode():
                assert node.poll() is None
            yield node


class Pair:
    """A paired and installed pair of nodes that is not running."""

    def __init__(self, directory: Path, command: Command) -> None:
        self.directory, self.command = directory, command
        self.east, self.west = directory / "e" / "node.toml", directory / "w" / "node.toml"
        self.east_db, self.west_db = make_database(directory / "e.db"), make_database(directory / "w.db")
        address = f"127.0.0.1:{free_port()}"
        self.ok(
            "init", directory / "e", "--name", "cms-east", "--database", f"sqlite:///{self.east_db}", "--peer", address
        )
        west = ("--name", "cms-west", "--role", "secondary", "--database", f"sqlite:///{self.west_db}")
        self.ok("init", directory / "w", *west, "--listen", address)

    def ok(self, *arguments: object) -> str:
        done = self.command(*arguments)
        assert done.code == 0, done.err
        return done.out

    def pair(self) -> None:
        with process("pair", "--accept", "-c", self.west) as accepting:
            assert accepting.stdout is not None
            code = accepting.stdout.readline().strip()
            assert re.fullmatch(r"\d{4}-\d{4}", code)
            self.ok("pair", "--code", code, "-c", self.east)
            assert accepting.wait(TIMEOUT_S) == 0

    def install(self) -> None:
        self.ok("install", "-c", self.east)
        self.ok("install", "-c", self.west)

    def status(self, config: Path) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.ok("status", "--json", "-c", config))
        return report


@pytest.fixture
def pair(tmp_path: Path, command: Command) -> Pair:
    return Pair(tmp_path, command)


def rows(database: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as opened:
        return opened.execute("SELECT * FROM agroups ORDER BY 1, 2").fetchall()


def write(database: Path, sql: str) -> None:
    with closing(sqlite3.connect(database)) as opened:
        opened.execute(sql)
        opened.commit()


def test_a_pair_from_init_to_an_orderly_end(pair: Pair) -> None:
    """Invariants 1, 5 and 10 as an operator meets them."""
    pair.pair()
    pair.install()
    write(pair.east_db, "INSERT INTO agroups VALUES (1, 'before')")
    with ExitStack() as stack:
        west = stack.enter_context(running(pair.west, pair.directory / "west.ear"))
        east = stack.enter_context(running(pair.east, pair.directory / "east.ear"))
        pair.ok("snapshot", "agroups", "-c", pair.east)
        assert rows(pair.west_db) == [(1, "before")]
        tailing = stack.enter_context(process("tail", "--json", "--table", "agroups", "-c", pair.west))
        assert tailing.stdout is not None
        stack.enter_context(writing_until_heard(pair, tailing))
        result = json.loads(pair.ok("verify", "--json", "-c", pair.east))
        assert (result["equal"], sorted(result["tables"])) == (True, ["agroups", "synonyms"])
        refused = pair.command("snapshot", "hsplit", "-c", pair.east)
        assert (refused.code, "not replicated" in refused.err) == (2, True)
        assert (pair.status(pair.east)["role"], pair.status(pair.west)["role"]) == ("primary", "secondary")
        assert pair.status(pair.east)["peer"]["connected"] is True
        assert "cms-west" in pair.ok("status", "-c", pair.east)
        checked = json.loads(pair.ok("check", "--json", "-c", pair.east))
        assert any("is connected" in finding["message"] for finding in checked["findings"])
        for node in (east, west):
            node.send_signal(signal.SIGTERM)
            assert node.wait(TIMEOUT_S) == 0
        assert tailing.wait(TIMEOUT_S) == 0
    assert rows(pair.west_db) == rows(pair.east_db)
    refused = pair.command("status", "-c", pair.east)
    assert "no running node" in refused.err


@contextmanager
def writing_until_heard(pair: Pair, tailing: subprocess.Popen[str]) -> Iterator[None]:
    """Write rows until the tail shows one: nothing else tells from when on it listens."""
    assert tailing.stdout is not None
    for number in range(500):
        write(pair.east_db, f"INSERT INTO agroups VALUES (2, 'row {number:03d}')")
        if select.select([tailing.stdout], [], [], 0.1)[0]:
            break
    change = json.loads(tailing.stdout.readline())
    assert (change["table"], change["row"]["acd_no"]) == ("agroups", 2)
    yield
    tailing.stdout.read()


def test_verify_says_what_differs_and_repairs_it(pair: Pair) -> None:
    pair.pair()
    pair.install()
    write(pair.east_db, "INSERT INTO agroups VALUES (1, 'kept')")
    with ExitStack() as stack:
        stack.enter_context(running(pair.west, pair.directory / "west.ear"))
        stack.enter_context(running(pair.east, pair.directory / "east.ear"))
        pair.ok("snapshot", "-c", pair.east)
        with closing(sqlite3.connect(pair.west_db)) as behind_its_back:
            behind_its_back.execute("UPDATE admin_sync_guard SET guarded = 0")
            behind_its_back.execute("DELETE FROM agroups")
            behind_its_back.execute("UPDATE admin_sync_guard SET guarded = 1")
            behind_its_back.commit()
        found = pair.command("verify", "-c", pair.east)
        assert found.code == 1
        assert "agroups ['1', 'kept']" in found.out or "agroups [1, 'kept']" in found.out
        assert "--repair" in found.err
        mended = pair.command("verify", "--repair", "-c", pair.east)
        assert (mended.code, "Mended 1 differences" in mended.err) == (0, True)
        assert pair.command("verify", "-c", pair.east).code == 0
    assert rows(pair.west_db) == [(1, "kept")]


def test_a_wrong_code_is_exit_4_and_pins_nothing(pair: Pair) -> None:
    with process("pair", "--accept", "-c", pair.west) as accepting:
        assert accepting.stdout is not None
        code = accepting.stdout.readline().strip()
        wrong = f"{(int(code[0]) + 1) % 10}{code[1:]}"
        refused = pair.command("pair", "--code", wrong, "-c", pair.east)
        assert refused.code == 4
        assert "the code is wrong" in refused.err
        assert pair.command("pair", "--code", code, "-c", pair.east).code == 0
        assert accepting.wait(TIMEOUT_S) == 0


def test_a_node_that_is_not_paired_does_not_run(pair: Pair) -> None:
    refused = pair.command("run", "-c", pair.east)
    assert refused.code == 2
    assert "pair" in refused.err
