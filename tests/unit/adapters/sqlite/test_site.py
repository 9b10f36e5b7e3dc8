"""Installing: as a whole or not at all, as shown, and without a trace afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.sqlite.site import SqliteSite
from sync.errors import DatabaseBusy, DatabaseRefused
from sync.model.catalog import Severity
from sync.model.schema import TableSchema

MakeDatabase = Callable[[str], sqlite3.Connection]
DDL = """
CREATE TABLE t (id INTEGER PRIMARY KEY, name UNIQUE); CREATE TABLE u (a, b);
CREATE TRIGGER app AFTER INSERT ON t BEGIN INSERT INTO u VALUES (NEW.id, NEW.name); END;
"""


@pytest.fixture
def site(database: MakeDatabase, tmp_path: Path) -> SqliteSite:
    database(DDL)
    return SqliteSite(str(tmp_path / "one.db"))


def captured_of(site: SqliteSite) -> dict[str, TableSchema]:
    """Everything that the catalog has."""
    return {facts.name: facts.schema for facts in site.catalog()}


def test_running_the_statements_shown_is_installing(site: SqliteSite, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    for statement in site.capture_statements(captured_of(site)):
        connection.execute(statement)
    assert list(site.capture_statements(captured_of(site))) == []
    assert not [found for found in site.preflight(captured_of(site)) if found.severity is Severity.PROBLEM]
    for statement in site.uninstall_statements():
        connection.execute(statement)
    assert list(site.uninstall_statements()) == []
    connection.close()
    site.close()


def test_an_installation_that_fails_leaves_nothing(site: SqliteSite, tmp_path: Path) -> None:
    """Whatever is wrong with one table, the others are not half captured."""
    captured = captured_of(site)
    wrong = TableSchema("u", captured["t"].columns, ())
    with pytest.raises(DatabaseRefused, match="table u"):
        site.install_capture({**captured, "u": wrong})
    connection = sqlite3.connect(tmp_path / "one.db")
    assert connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'admin%'").fetchall() == []
    connection.close()
    site.close()


def test_installing_under_a_lock_is_busy(
    database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = database(DDL)
    monkeypatch.setattr(
        "adapters.sqlite.site.connect", lambda path: sqlite3.connect(path, isolation_level=None, timeout=0)
    )
    site = SqliteSite(str(tmp_path / "one.db"))
    captured = captured_of(site)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy):
        site.install_capture(captured)
    other.execute("ROLLBACK")
    site.close()


def test_an_outdated_trigger_is_replaced(site: SqliteSite, tmp_path: Path) -> None:
    site.install_capture(captured_of(site))
    connection = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    connection.execute("CREATE UNIQUE INDEX later ON u (b)")
    problems = [found for found in site.preflight(captured_of(site)) if found.severity is Severity.PROBLEM]
    assert [found.subject for found in problems] == ["installation"]
    site.install_capture(captured_of(site))
    assert not [found for found in site.preflight(captured_of(site)) if found.severity is Severity.PROBLEM]
    connection.close()
    site.close()


def test_preflight_warns_of_keyless_tables_and_of_triggers_of_others(site: SqliteSite) -> None:
    warned = {found.subject for found in site.preflight(captured_of(site)) if found.severity is Severity.WARNING}
    assert {"table t", "table u", "journal mode"} <= warned
    site.close()


def test_the_roles_follow_each_other(site: SqliteSite, tmp_path: Path) -> None:
    """Capture lifts a guard, a guard ends capture; the journal stays for what was not confirmed."""
    captured = captured_of(site)
    connection = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    site.install_capture(captured)
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    site.install_guard(captured, 'it\'s "east"')
    with pytest.raises(sqlite3.IntegrityError, match='it\'s "east"'):
        connection.execute("INSERT INTO t VALUES (2, 'b')")
    site.install_capture(captured)
    connection.execute("INSERT INTO t VALUES (2, 'b')")
    assert connection.execute("SELECT count(DISTINCT k1) FROM admin_sync_journal WHERE tbl = 1").fetchone() == (2,)
    connection.close()
    site.close()
