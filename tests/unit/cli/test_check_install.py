"""`check`, `install` and `uninstall` on a real database: what they see, what they change, what they refuse."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sync.spool.disk import StateLock

from .conftest import Command


def objects(database: Path) -> set[str]:
    """Names of everything in the database that is ours."""
    with closing(sqlite3.connect(database)) as opened:
        rows = opened.execute("SELECT name FROM sqlite_master WHERE name LIKE 'admin_sync%'").fetchall()
    return {name for (name,) in rows}


def run_sql(database: Path, script: str) -> None:
    with closing(sqlite3.connect(database)) as opened:
        opened.executescript(script)


def set_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_check_shows_every_table_with_its_rule_and_changes_nothing(
    command: Command, east: Path, database: Path
) -> None:
    """Invariant 5: what stays at home, and why, can be seen before anything is installed."""
    before = database.read_bytes()
    shown = command("check", "-c", east, "--json", "--offline")
    report = json.loads(shown.out)
    verdicts = {table["table"]: table["verdict"] for table in report["tables"]}
    assert verdicts == {"synonyms": "replicate", "agroups": "replicate", "hsplit": "denied"}
    assert all(table["rule"] and table["reason"] for table in report["tables"])
    assert database.read_bytes() == before


def test_check_is_1_until_what_is_needed_is_there(command: Command, east: Path) -> None:
    before = command("check", "-c", east, "--json", "--offline")
    assert (before.code, json.loads(before.out)["ok"]) == (1, False)
    assert command("install", "-c", east).code == 0
    after = command("check", "-c", east, "--json", "--offline")
    assert (after.code, json.loads(after.out)["ok"]) == (0, True)


def test_check_for_people_names_tables_and_remedies(command: Command, east: Path) -> None:
    shown = command("check", "-c", east, "--offline")
    assert "hsplit" in shown.out
    assert "admin-sync install" in shown.out
    assert shown.err.startswith("1 problem to mend")


def test_check_sees_a_database_that_is_not_there(command: Command, east: Path, database: Path) -> None:
    database.unlink()
    shown = command("check", "-c", east, "--json", "--offline")
    assert shown.code == 3
    subjects = {finding["subject"] for finding in json.loads(shown.out)["findings"] if finding["severity"] == "problem"}
    assert "database" in subjects


def test_check_warns_of_what_the_configuration_names_and_the_database_lacks(command: Command, east: Path) -> None:
    set_in(east, "include = []", 'include = ["c_missing"]')
    findings = json.loads(command("check", "-c", east, "--json", "--offline").out)["findings"]
    assert any("c_missing" in finding["message"] for finding in findings)


def test_check_warns_of_an_open_page_and_of_a_peer_that_is_not_there(
    command: Command, east: Path, west: Path, tmp_path: Path
) -> None:
    exported = command("pair", "--export", "-c", west)
    (tmp_path / "west.crt").write_text(exported.out)
    assert command("pair", "--import", tmp_path / "west.crt", "-c", east).code == 0
    set_in(east, "# [http]", '[http]\naddress = "0.0.0.0:7480"\n#')
    findings = json.loads(command("check", "-c", east, "--json").out)["findings"]
    warned = {finding["subject"] for finding in findings if finding["severity"] == "warning"}
    assert {"http", "peer 127.0.0.1:1"} <= warned


@pytest.mark.parametrize("print_first", [True, False])
def test_install_and_uninstall_leave_the_database_as_it_was(
    command: Command, east: Path, database: Path, print_first: bool
) -> None:
    if print_first:
        shown = command("install", "--print", "-c", east)
        assert (shown.code, objects(database)) == (0, set())
        assert "TRIGGER" in shown.out.upper()
        assert all(line.endswith(";") for line in shown.out.rstrip().splitlines()[-1:])
    assert command("install", "-c", east).code == 0
    assert command("install", "-c", east).code == 0
    installed = objects(database)
    assert installed
    shown = command("uninstall", "--print", "-c", east)
    assert (shown.code, objects(database)) == (0, installed)
    assert command("uninstall", "-c", east).code == 0
    assert objects(database) == set()
    assert command("uninstall", "-c", east).code == 0


def test_what_install_prints_is_what_it_does(command: Command, east: Path, database: Path, tmp_path: Path) -> None:
    printed = command("install", "--print", "-c", east).out
    copy = tmp_path / "copy.db"
    copy.write_bytes(database.read_bytes())
    run_sql(copy, printed)
    assert command("install", "-c", east).code == 0
    assert objects(copy) == objects(database)


def test_a_secondary_gets_a_guard_that_names_its_primary(command: Command, west: Path, tmp_path: Path) -> None:
    refused = command("install", "-c", west)
    assert refused.code == 2
    assert "does not know its peer" in refused.err
    set_in(west, '# name = "cms-west"', 'name = "cms-east" #')
    assert command("install", "-c", west).code == 0
    with pytest.raises(sqlite3.IntegrityError, match="cms-east"):
        run_sql(tmp_path / "west.db", "INSERT INTO agroups VALUES (1, 'x')")
    run_sql(tmp_path / "west.db", "INSERT INTO hsplit VALUES ('2026-11-24', 0, 1, 5)")


def test_call_data_can_not_be_asked_for(command: Command, east: Path, database: Path) -> None:
    """Invariant 5: a deny rule wins over `include`, and says so before anything is installed."""
    set_in(east, "include = []", 'include = ["hsplit"]')
    refused = command("install", "-c", east)
    assert refused.code == 2
    assert "tables.include: hsplit is call data" in refused.err
    assert objects(database) == set()


def test_nothing_to_replicate_is_told(command: Command, east: Path, database: Path) -> None:
    run_sql(database, "DROP TABLE synonyms; DROP TABLE agroups;")
    refused = command("install", "-c", east)
    assert refused.code == 2
    assert "the rules allow no table" in refused.err


def test_a_wanted_table_that_can_not_be_captured_stops_the_installation(
    command: Command, east: Path, database: Path
) -> None:
    run_sql(database, "CREATE VIEW v_extra AS SELECT * FROM agroups;")
    set_in(east, "include = []", 'include = ["v_extra"]')
    refused = command("install", "-c", east)
    assert refused.code == 2
    assert "v_extra" in refused.err
    assert 'tables.exclude = ["v_extra"]' in refused.err
    assert objects(database) == set()


def test_uninstall_keeps_its_hands_off_a_running_node(command: Command, east: Path, database: Path) -> None:
    assert command("install", "-c", east).code == 0
    lock = StateLock(east.parent / "state")
    lock.acquire()
    try:
        refused = command("uninstall", "-c", east)
        assert refused.code == 2
        assert "in use" in refused.err
        assert objects(database)
        assert command("run", "-c", east).code == 2
    finally:
        lock.release()
