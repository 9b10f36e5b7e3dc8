"""What Admin-Sync keeps in a SQLite database: its own tables, and how they are read and changed.

The rule it keeps: everything of ours bears one prefix, so that all of it can be found and removed without a list.

    admin_sync_meta        name, value: origin, journal width, numbers of the captured tables, positions, and what a
                           target's owner notes of each table
    admin_sync_guard       one row: whether our own session is applying, whether local writes are refused
    admin_sync_checkpoint  progress of a target in each origin's history
    admin_sync_journal     the keys of changed rows, in the order of change (see journal.py)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from adapters.sqlite.catalog import PREFIX, quote
from sync.errors import DatabaseRefused

META = f"{PREFIX}meta"
GUARD = f"{PREFIX}guard"
CHECKPOINT = f"{PREFIX}checkpoint"
JOURNAL = f"{PREFIX}journal"

NOTE = "note:"
"""With a table's name behind it: what the owner of a target notes of that table."""

APPLYING = f"(SELECT applying FROM {GUARD} WHERE id = 1)"
"""1 while our own session applies. Nobody else can see a 1: it is set and reset inside one write transaction."""

BASE_STATEMENTS = (
    f"CREATE TABLE IF NOT EXISTS {META} (name TEXT PRIMARY KEY NOT NULL, value) WITHOUT ROWID",
    (
        f"CREATE TABLE IF NOT EXISTS {GUARD} (id INTEGER PRIMARY KEY CHECK (id = 1), applying INTEGER NOT NULL,"
        " guarded INTEGER NOT NULL, primary_node TEXT NOT NULL)"
    ),
    f"INSERT OR IGNORE INTO {GUARD} VALUES (1, 0, 0, '')",
    (
        f"CREATE TABLE IF NOT EXISTS {CHECKPOINT} (origin TEXT PRIMARY KEY NOT NULL, epoch INTEGER NOT NULL,"
        " position INTEGER NOT NULL) WITHOUT ROWID"
    ),
)


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether this table of ours exists."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
    return found.fetchone() is not None


def meta(connection: sqlite3.Connection, name: str) -> str | int | None:
    """One value of the meta table; None where it was never set."""
    row = connection.execute(f"SELECT value FROM {META} WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    if not isinstance(row[0], (str, int)):
        raise DatabaseRefused(
            f"could not use {META}", f"{name} holds {row[0]!r}", "Run `admin-sync uninstall`, then `admin-sync install`"
        )
    return row[0]


def meta_position(connection: sqlite3.Connection, name: str) -> int:
    """A number of the meta table; 0 where it was never set."""
    value = meta(connection, name)
    return value if isinstance(value, int) else 0


def set_meta(connection: sqlite3.Connection, name: str, value: str | int) -> None:
    """Set one value of the meta table."""
    connection.execute(f"INSERT OR REPLACE INTO {META} VALUES (?, ?)", (name, value))


def our_triggers(connection: sqlite3.Connection) -> dict[str, str]:
    """All triggers of ours, name to SQL."""
    found = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'admin\\_sync\\_%' ESCAPE '\\'"
    )
    return dict(found.fetchall())


def trigger_changes(present: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """The SQL that turns the triggers present into the ones wanted."""
    dropped = [f"DROP TRIGGER {quote(name)}" for name, text in present.items() if wanted.get(name) != text]
    created = [text for name, text in wanted.items() if present.get(name) != text]
    return dropped + created
