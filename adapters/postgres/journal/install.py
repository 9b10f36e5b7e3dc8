"""What an installation of the journal consists of: computed as SQL from what is there and what is wanted.

The rule it keeps: the statements that are shown are the statements that run, and none is given that would change
nothing. Where changes of a captured table may have gone unseen, that is noted as a loss: everything is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapters.postgres import guard
from adapters.postgres.catalog import SCHEMA, literal, quote
from adapters.postgres.connection import Connection
from adapters.postgres.journal.notes import JOURNAL, NOTED, TABLES
from adapters.postgres.journal.subjects import REMEMBER, Subjects, find
from adapters.postgres.schema import META, NEW_ORIGIN, base_statements, has_table, meta, set_meta_statement
from sync.model.schema import TableSchema

MODE: Final = "journal"
_PATIENCE: Final = "SET LOCAL lock_timeout = '10s'"
"""A trigger waits for all who write to its table, and others wait behind it: not forever, for one long transaction."""
_OWNED: Final = "SELECT oid::bigint FROM pg_class WHERE oid = ANY (%s) AND pg_has_role(relowner, 'USAGE')"


def capture_statements(connection: Connection, captured: Mapping[str, TableSchema]) -> list[str]:
    """The SQL that installs capture, to run in one transaction. Raises `DatabaseRefused` where that can not be."""
    found = find(connection, captured)
    installed = has_table(connection, META)
    statements = [*base_statements(connection), *guard.removal_statements(connection), *_removing(found)]
    statements += [text for name, text in TABLES.items() if not has_table(connection, name)]
    if not installed or meta(connection, "origin") is None:
        statements.append(NEW_ORIGIN)
    missed = [name for name in found.tables if found.may_have_missed(name)]
    if missed and meta(connection, "lost") is None:
        reason = f"the triggers of table {missed[0]} were altered, or not there for a while"
        statements.append(set_meta_statement("lost", reason))
    owned = _owned(connection, found)
    for name in found.tables:
        if not found.is_complete(name) or name in found.tampered:
            statements += _installing(found, name, always=name in owned)
    statements += [f"UPDATE {NOTED} SET watch = NULL WHERE number = {number}" for number in found.gone]
    return [_PATIENCE, *statements] if statements else []


def removal_statements(connection: Connection) -> list[str]:
    """The SQL that removes the journal and everything that fills it."""
    tables = [f"DROP TABLE {name}" for name in (JOURNAL, NOTED) if has_table(connection, name)]
    return [*_removing(find(connection, {})), *tables]


def misfit(found: Subjects) -> str:
    """What about the installation is not as the captured tables need it; "" where all is."""
    incomplete = [
        f"the triggers of table {name} are not the ones that are needed"
        for name in found.tables
        if not found.is_complete(name)
    ]
    return (incomplete or ["tables are noted that are not captured"] * bool(found.gone) or [""])[0]


def _owned(connection: Connection, found: Subjects) -> set[str]:
    """The tables whose triggers we may set to fire in replica role too."""
    rows = connection.execute(_OWNED, ([table.oid for table in found.tables.values()],)).fetchall()
    oids = {int(str(oid)) for (oid,) in rows}
    return {name for name, table in found.tables.items() if table.oid in oids}


def _installing(found: Subjects, name: str, *, always: bool) -> list[str]:
    """The SQL that brings one table's triggers to what they should be."""
    subject = found.wanted[name]
    key = ", ".join(literal(each.name) for _, each in subject.key)
    layout = ", ".join(map(str, found.layout(name)))
    entry = f"{subject.number}, {literal(name)}, ARRAY[{key}], ARRAY[{layout}]"
    statements = [
        f"INSERT INTO {NOTED} VALUES ({entry}) ON CONFLICT (number) DO UPDATE SET layout = excluded.layout",
    ]
    if not found.has_function(name):
        statements.append(subject.create_function())
    if not found.has_triggers(name):
        statements += subject.create_triggers(found.tables[name].quoted, always=always)
    return [*statements, f"{REMEMBER} WHERE number = {subject.number}"]


def _removing(found: Subjects) -> list[str]:
    """The SQL that removes what belongs to no captured table."""
    kept = {subject.function for subject in found.wanted.values()}
    return [
        *(f"DROP TRIGGER {quote(each.name)} ON {each.table}" for each in found.superfluous),
        *(f"DROP FUNCTION {SCHEMA}.{name}()" for name in found.functions if name not in kept),
    ]
