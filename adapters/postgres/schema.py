"""What Admin-Sync keeps in a PostgreSQL database: a schema of its own, so that dropping it removes all of it.

The rule it keeps: everything of ours stands in the schema admin_sync or bears its name.

    admin_sync.meta        name, value: origin, system, timeline, what capture has to remember (see standing.py), for
                           whom this database is guarded, and what a target's owner notes of each table
    admin_sync.checkpoint  progress of a target in each origin's history
    publication and slot   named admin_sync, and admin_sync_ with the installation's number (see publication.py)
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.postgres.catalog import SCHEMA, literal
from adapters.postgres.connection import Connection

META = f"{SCHEMA}.meta"
CHECKPOINT = f"{SCHEMA}.checkpoint"

NOTE = "note:"
"""With a table's name behind it: what the owner of a target notes of that table."""

_WANTED = {
    META: f"CREATE TABLE {META} (name text PRIMARY KEY, value text NOT NULL)",
    CHECKPOINT: (
        f"CREATE TABLE {CHECKPOINT} (origin text PRIMARY KEY, epoch bigint NOT NULL, position bigint NOT NULL)"
    ),
}

NEW_ORIGIN = (
    f"INSERT INTO {META} SELECT 'origin', concat_ws('-', 'pg', system_identifier, left(md5(random()::text"
    " || clock_timestamp()::text), 8)) FROM pg_control_system()"
)


def has_table(connection: Connection, name: str) -> bool:
    """Whether this table of ours exists."""
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone()
    return row is not None and row[0] is True


def has_schema(connection: Connection) -> bool:
    """Whether anything of ours was ever installed."""
    row = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", (SCHEMA,)).fetchone()
    return row is not None and row[0] is True


def base_statements(connection: Connection) -> list[str]:
    """The SQL that is still to run before anything can be installed."""
    missing: Sequence[str] = [text for name, text in _WANTED.items() if not has_table(connection, name)]
    return [*([] if has_schema(connection) else [f"CREATE SCHEMA {SCHEMA}"]), *missing]


def meta(connection: Connection, name: str) -> str | None:
    """One value of the meta table; None where it was never set."""
    row = connection.execute(f"SELECT value FROM {META} WHERE name = %s".encode(), (name,)).fetchone()
    return None if row is None else str(row[0])


def set_meta_statement(name: str, value: str) -> str:
    """The SQL that sets one value of the meta table."""
    return (
        f"INSERT INTO {META} VALUES ({literal(name)}, {literal(value)})"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )


def set_meta(connection: Connection, name: str, value: str) -> None:
    """Set one value of the meta table."""
    connection.execute(set_meta_statement(name, value).encode())
