"""Preflight: what would keep capture or apply from working, found before they start.

The rule it keeps: a finding that needs a person names the remedy.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping

from adapters.sqlite import install
from adapters.sqlite.catalog import read_table
from adapters.sqlite.journal import MARK
from adapters.sqlite.schema import GUARD, JOURNAL, META, has_table, meta, our_triggers
from sync.errors import DatabaseRefused
from sync.model.catalog import Finding, Severity
from sync.model.schema import TableSchema

_JOURNAL_ROWS_MANY = 1_000_000


def findings(
    connection: sqlite3.Connection, path: str, captured: Mapping[str, TableSchema], primary: str
) -> list[Finding]:
    """All findings, the most important first."""
    found = [
        *_file(path),
        _mode(connection),
        *_installation(connection, captured, primary),
        *_journal(connection),
        *_tables(connection, captured),
        Finding("version", Severity.OK, f"SQLite {sqlite3.sqlite_version}"),
    ]
    order = [Severity.PROBLEM, Severity.WARNING, Severity.OK]
    return sorted(found, key=lambda finding: order.index(finding.severity))


def _file(path: str) -> list[Finding]:
    directory = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 names, as the connection takes them
    for place in (path, directory):
        if not os.access(place, os.R_OK | os.W_OK):
            return [
                Finding(
                    "file",
                    Severity.PROBLEM,
                    f"{place} is not readable and writable for this user",
                    "Give this user the rights; SQLite keeps its log beside the database",
                )
            ]
    return [Finding("file", Severity.OK, f"{path} is readable and writable")]


def _mode(connection: sqlite3.Connection) -> Finding:
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode == "wal":
        return Finding("journal mode", Severity.OK, "write-ahead log")
    return Finding(
        "journal mode",
        Severity.WARNING,
        f"journal mode is {mode}: readers and writers wait for each other",
        "`admin-sync install` switches to the write-ahead log",
    )


def _installation(connection: sqlite3.Connection, captured: Mapping[str, TableSchema], primary: str) -> list[Finding]:
    subject = "installation"
    if not has_table(connection, META) or not has_table(connection, GUARD):
        return [Finding(subject, Severity.PROBLEM, "nothing is installed", "Run `admin-sync install`")]
    try:
        wanted = (
            install.guard_statements(connection, captured, primary)
            if primary
            else install.capture_statements(connection, captured)
        )
    except DatabaseRefused as error:
        return [Finding(subject, Severity.PROBLEM, f"{error.what}: {error.why}", error.remedy)]
    if wanted:
        count = len(wanted)
        return [Finding(subject, Severity.PROBLEM, f"it is out of date by {count} statements", install.REINSTALL)]
    role = f"write guard, the primary is {primary}" if primary else f"capture, origin {meta(connection, 'origin')}"
    return [Finding(subject, Severity.OK, f"{role}, {len(our_triggers(connection))} triggers")]


def _journal(connection: sqlite3.Connection) -> list[Finding]:
    if not has_table(connection, JOURNAL):
        return []
    limit = _JOURNAL_ROWS_MANY
    counted = f"SELECT count(*) FROM (SELECT 1 FROM {JOURNAL} WHERE tbl <> {MARK} LIMIT {limit})"
    rows = int(connection.execute(counted).fetchone()[0])
    if rows < limit:
        return [Finding("journal", Severity.OK, f"{rows} changes wait to be confirmed")]
    return [
        Finding(
            "journal",
            Severity.WARNING,
            f"{rows} changes or more wait to be confirmed",
            "See whether `admin-sync run` is running and its spool has room",
        )
    ]


def _tables(connection: sqlite3.Connection, captured: Mapping[str, TableSchema]) -> list[Finding]:
    found = []
    for name, schema in sorted(captured.items()):
        table = read_table(connection, name)
        subject = f"table {name}"
        if table is None:
            found.append(Finding(subject, Severity.PROBLEM, "it does not exist", install.REINSTALL))
        elif obstacles := table.obstacles():
            found.append(Finding(subject, Severity.PROBLEM, "; ".join(obstacles), "Exclude the table"))
        elif not schema.key:
            message = "it has no key: rows are matched on all their columns, which is slow"
            found.append(Finding(subject, Severity.WARNING, message, "Give the table a primary key"))
        elif any(table.is_nullable(key) for key in schema.key_names):
            message = "its key may hold NULL: such rows are matched as if they had no key"
            found.append(Finding(subject, Severity.WARNING, message, "Declare the key's columns NOT NULL"))
        if own := _triggers_of_others(connection, name):
            message = f"triggers of others ({', '.join(own)}) also fire for rows that are applied here"
            found.append(Finding(subject, Severity.WARNING, message, "On a secondary, drop them"))
    return found


def _triggers_of_others(connection: sqlite3.Connection, table: str) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"
        " AND name NOT LIKE 'admin\\_sync\\_%' ESCAPE '\\' ORDER BY name",
        (table,),
    )
    return [name for (name,) in rows]
