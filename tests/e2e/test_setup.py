"""The README's story, told by a user at two command lines: every step is the command itself."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import site
from tests.e2e.harness import COMMAND, NodeAt, Pair, alive, change, eventually, free_port, make_pair, select, set_up

pytestmark = pytest.mark.slow

STATUS = {"node", "role", "state", "epoch", "peer", "capture", "spool", "apply", "counters", "last_error"}
STATUS_PARTS = {
    "peer": {"name", "connected", "last_beat_age_s", "addresses"},
    "capture": {"mode", "position", "healthy", "lag_s"},
    "spool": {"bytes", "oldest_position", "newest_position"},
    "apply": {"position", "lag_s", "lag_transactions", "lag_bytes"},
    "counters": {
        "transactions", "changes", "batches", "bytes_raw", "bytes_wire", "duplicates", "repairs", "refused_call_data",
        "quarantined",
    },
}  # fmt: skip
"""The contract's stable fields of status.json."""
RENAME = "UPDATE users SET room = 'moved' WHERE user_id = (SELECT min(user_id) FROM users)"
ENDS_S = 5.0


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """An installed pair of the sample site with a row rule, not started."""
    databases = site.databases(tmp_path)
    made = make_pair(tmp_path, databases, site.replicated(databases[0]))
    for node in made.nodes:
        with node.config.open("a") as file:
            file.write(site.ROW_RULE)
    with alive(made):
        yield made


@pytest.fixture
def running(pair: Pair) -> Pair:
    pair.start()
    pair.until_streaming()
    return pair


def admin_sync(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command that must end with this code."""
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def pair_by_code(pair: Pair) -> None:
    """One person at each side, and a code told over the telephone."""
    accepting = subprocess.Popen(
        [COMMAND, "pair", "-c", str(pair.secondary.config), "--accept"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    pair.others.append(accepting)
    assert accepting.stdout is not None
    code = accepting.stdout.readline().strip()
    wrong = "0000-0000" if code != "0000-0000" else "1111-1111"
    admin_sync("pair", "-c", pair.primary.config, "--code", wrong, code=4)
    admin_sync("pair", "-c", pair.primary.config, "--code", code)
    assert accepting.wait(20) == 0


def test_from_two_bare_databases_to_a_pair_and_back(tmp_path: Path) -> None:
    """Init, pair, check, install, run, change, look, stop, uninstall: as the README has it."""
    east_db, west_db = site.databases(tmp_path)
    before = [site.catalog(path) for path in (east_db, west_db)]
    port = free_port()
    east, west = NodeAt(tmp_path / "e", east_db, "cms-east"), NodeAt(tmp_path / "w", west_db, "cms-west")
    pair = Pair(east, west, site.replicated(east_db), port)
    with alive(pair):
        release = ("--release", "21.0", "--base-load", "21.0.0.0")
        primary = ("--name", east.name, "--database", f"sqlite:///{east_db}", "--peer", f"127.0.0.1:{port}", *release)
        admin_sync("init", east.directory, *primary)
        admin_sync("init", east.directory, *primary, code=2)  # it overwrites nothing
        secondary = ("--name", west.name, "--database", f"sqlite:///{west_db}", "--listen", f"127.0.0.1:{port}")
        admin_sync("init", west.directory, *secondary, "--role", "secondary", *release)
        for node in pair.nodes:
            assert (node.state / "identity" / "node.key").stat().st_mode & 0o777 == 0o600
            set_up(node.config, ())
        pair_by_code(pair)
        admin_sync("check", "-c", east.config, code=1)  # not installed yet
        for node, catalog in zip(pair.nodes, before, strict=True):
            assert "CREATE TRIGGER" in admin_sync("install", "-c", node.config, "--print").stdout
            assert site.catalog(node.database) == catalog, "--print changes nothing"
            admin_sync("install", "-c", node.config)
        pair.start()
        pair.until_streaming()
        admin_sync("check", "-c", east.config)
        change(east_db, RENAME)
        pair.until_equal()
        for node in pair.nodes:
            assert node.stop(ENDS_S) == 0
        for node, catalog in zip(pair.nodes, before, strict=True):
            admin_sync("uninstall", "-c", node.config)
            assert site.catalog(node.database) == catalog, "uninstall leaves nothing behind"


def test_status_tells_the_contracts_fields(running: Pair) -> None:
    """Scripts rely on these; new ones may come, none may go."""
    for node, role in zip(running.nodes, ("primary", "secondary"), strict=True):
        status = json.loads(admin_sync("status", "-c", node.config, "--json").stdout)
        assert set(status) >= STATUS
        for part, fields in STATUS_PARTS.items():
            assert set(status[part]) >= fields, part
        assert (status["role"], status["peer"]["connected"]) == (role, True)
        assert node.name in admin_sync("status", "-c", node.config).stdout


@pytest.mark.parametrize("side", [0, 1], ids=["primary", "secondary"])
def test_tail_shows_a_change_as_it_passes(running: Pair, tmp_path: Path, side: int) -> None:
    node, shown = running.nodes[side], tmp_path / "tail"
    with shown.open("w") as out:
        command = [COMMAND, "tail", "-c", str(node.config), "--table", "users", "--json"]
        running.others.append(subprocess.Popen(command, stdout=out, text=True))
    number = iter(range(10**6))

    def lines() -> list[str]:
        # Nobody knows when the other process listens: so there is always another change.
        change(running.primary.database, RENAME.replace("moved", f"room {next(number)}"))
        return [line for line in shown.read_text().splitlines(keepends=True) if line.endswith("\n")]

    eventually(lines, "a line of tail")
    line = json.loads(lines()[0])
    assert line["table"] == "users"
    assert line["op"] in {"update", "upsert"}
    assert line["row"]["room"].startswith("room ")
    assert "printer" not in line["row"], "a local column never crosses"


def test_verify_finds_names_and_mends_what_differs(running: Pair) -> None:
    """Invariant 1: what differs, whatever made it differ, is listed key by key; `--repair` mends it."""
    east, west = running.nodes
    admin_sync("verify", "-c", east.config)
    admin_sync("verify", "-c", west.config)
    user = select(west.database, "SELECT max(user_id) FROM users")[0][0]
    site.behind_the_guard(
        west.database,
        f"UPDATE users SET room = 'elsewhere' WHERE user_id = '{user}'",
        "DELETE FROM main_menu WHERE menu_name = (SELECT min(menu_name) FROM main_menu)",
        "INSERT INTO rep_defs (rep_id, rep_name, owner) VALUES (987654, 'extra', 'nobody')",
    )
    found = json.loads(admin_sync("verify", "-c", east.config, "--json", code=1).stdout)
    assert (found["equal"], found["difference_count"]) == (False, 3), found
    differences = {(d["table"], d["what"]): d for d in found["differences"]}
    assert differences["users", "different"]["key"] == [user]
    assert differences["users", "different"]["columns"] == ["room"]
    assert differences["rep_defs", "extra"]["key"] == [987654]
    assert ("main_menu", "missing") in differences
    assert user in admin_sync("verify", "-c", west.config, "users", code=1).stdout
    assert not running.equal()
    admin_sync("verify", "-c", west.config, "--repair")
    running.until_equal()
    admin_sync("verify", "-c", east.config)


def test_a_table_is_copied_again_on_request(running: Pair) -> None:
    """Snapshot writes what differs, and leaves what the row rule keeps out."""
    site.behind_the_guard(running.secondary.database, "DELETE FROM user_feat")
    admin_sync("snapshot", "-c", running.primary.config, "user_feat")
    running.until_equal()
    admin_sync("snapshot", "-c", running.primary.config, "hsplit", code=2)


def test_either_node_may_be_restarted(running: Pair) -> None:
    """Invariants 1 and 4: each goes on where it stood, without a new copy."""
    for number, node in enumerate((running.primary, running.secondary)):
        assert node.stop(ENDS_S) == 0
        change(running.primary.database, RENAME.replace("moved", f"while {number} was away"))
        node.start()
        running.until_equal()
    eventually(running.connected, "a session")
    assert running.primary.status()["snapshots"] == []
    assert "copying all tables" not in running.primary.log.read_text().partition("SnapshotMoved")[2]


def test_rules_for_rows_columns_and_tables_hold(pair: Pair) -> None:
    """Invariant 5: what stays at home stays there, on both sides; a changed key is still one row."""
    east, west = pair.primary.database, pair.secondary.database
    own = "INSERT INTO synonyms VALUES (7, 'split', 'the secondary''s own', 'own', NULL, 0)"
    site.behind_the_guard(west, own)
    change(east, "INSERT INTO synonyms VALUES (3, 'split', 'stays at home', 'home', NULL, 0)")
    pair.start()

    def names(acd_no: int) -> set[str]:
        return {name for (name,) in select(west, "SELECT item_name FROM synonyms WHERE acd_no = ?", acd_no)}

    def settled() -> None:
        """The probe row is written last: what was to cross has crossed."""
        change(east, RENAME.replace("moved", str(time.monotonic_ns())))
        room = "SELECT room FROM users WHERE user_id = (SELECT min(user_id) FROM users)"
        eventually(lambda: select(east, room) == select(west, room), "the probe")

    eventually(lambda: len(select(west, "SELECT * FROM rep_defs")) == 80, "the first copy")
    settled()
    calls = select(west, "SELECT count(*) FROM hsplit")
    change(
        east,
        "INSERT INTO synonyms VALUES (1, 'split', 'crosses', 'x1', NULL, 0)",
        "INSERT INTO synonyms VALUES (2, 'split', 'moves away', 'x2', NULL, 0)",
        "INSERT INTO hsplit (row_date, acd, split) VALUES ('2026-01-01', 1, 1)",
        "UPDATE timetables SET run_on = 'z', active = 'q'",
        "UPDATE users SET printer = 'east only'",
    )
    settled()
    assert "crosses" in names(1)
    assert names(2) == {"moves away"}
    assert (names(3), names(7)) == (set(), {"the secondary's own"})
    assert select(west, "SELECT count(*) FROM hsplit") == calls
    assert select(west, "SELECT count(*) FROM timetables WHERE run_on = 'z' OR active = 'q'") == [(0,)]
    assert select(west, "SELECT count(*) FROM users WHERE printer = 'east only'") == [(0,)]
    change(west, "UPDATE users SET printer = 'west only'")  # a local column is each server's own
    change(
        east,
        "UPDATE synonyms SET acd_no = 4 WHERE value = 'x2'",
        "UPDATE synonyms SET value = 'x9' WHERE value = 'x1'",
    )
    settled()
    assert (names(2), names(4)) == (set(), set())
    assert select(west, "SELECT value FROM synonyms WHERE item_name = 'crosses'") == [("x9",)]
    assert select(west, "SELECT DISTINCT printer FROM users") == [("west only",)]


def test_a_secondary_refuses_local_changes_and_says_where_to_make_them(running: Pair) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="make the change on cms-east"):
        change(running.secondary.database, RENAME)


def test_a_node_ends_quickly_on_a_signal(running: Pair) -> None:
    """SIGTERM under way: in good order, exit 0."""
    for node in running.nodes:
        started = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - started < ENDS_S, node.name
        assert "Traceback" not in node.log.read_text()


def test_a_second_signal_ends_at_once(pair: Pair) -> None:
    """The first waits for a peer that hangs; the second waits for nobody, and loses nothing (invariant 1)."""
    for node in pair.nodes:
        node.config.write_text(node.config.read_text().replace("interval_s = 0.5", "interval_s = 20"))
    pair.start()
    pair.until_streaming()
    pair.secondary.signal(signal.SIGSTOP)
    change(pair.primary.database, RENAME)
    pair.primary.signal(signal.SIGTERM)
    eventually(lambda: pair.primary.status().get("state") == "stopping", "the first signal is taken")
    pair.primary.signal(signal.SIGTERM)
    started = time.monotonic()
    assert pair.primary.ended() == 0
    assert time.monotonic() - started < 2.0
    pair.secondary.signal(signal.SIGCONT)
    pair.primary.start()
    pair.until_equal()


def test_exit_codes_tell_scripts_what_happened(pair: Pair, tmp_path: Path) -> None:
    """2 wrong usage or configuration, 3 the database, 4 the peer; each with a remedy."""
    east = pair.primary
    said = admin_sync("status", "-c", east.config, code=2).stderr
    assert "admin-sync run" in said
    pair.start()
    pair.until_streaming()
    said = admin_sync("run", "-c", east.config, code=2).stderr
    assert "is in use" in said
    admin_sync("uninstall", "-c", east.config, code=2)
    pair.secondary.kill()
    eventually(lambda: east.status()["peer"]["connected"] is False, "the peer is gone")
    admin_sync("verify", "-c", east.config, code=4)
    bad = tmp_path / "bad.toml"
    bad.write_text(east.config.read_text().replace("spool_bytes_max", "spool_byte_max"))
    assert "spool_bytes_max" in admin_sync("run", "-c", bad, code=2).stderr
    missing = east.directory / "missing.toml"
    missing.write_text(east.config.read_text().replace(str(east.database), str(tmp_path / "no.db")))
    for command in ("check", "install"):
        admin_sync(command, "-c", missing, code=3)
    assert not (tmp_path / "no.db").exists()
    admin_sync("frobnicate", code=2)
