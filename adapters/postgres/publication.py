"""Publication and slot: what capture needs in the database, and whether what is there is that.

The rule it keeps: the publication names exactly the captured tables and columns; and whatever was changed about it
behind our back is noticed, because changes that it did not name while they were made are lost.

A list of columns is only published where some stay behind: PostgreSQL refuses to drop a column that such a list names.
A server before PostgreSQL 15 knows no such lists; there the decoder leaves the others out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

from adapters.postgres import guard, truncation
from adapters.postgres.catalog import Table, literal, quote, read_tables
from adapters.postgres.connection import Connection
from adapters.postgres.row_filter import RuleOf, filter_of, no_rules
from adapters.postgres.schema import META, NEW_ORIGIN, base_statements, has_table, meta, set_meta, set_meta_statement
from sync.errors import DatabaseRefused
from sync.model.schema import TableSchema

PUBLICATION: Final = "admin_sync"
REINSTALL: Final = "Run `admin-sync install` again"

LISTS_SINCE: Final = 150000
"""Since when a publication can hold lists of columns, and row filters."""
FAILOVER_SINCE: Final = 170000
"""Since when a server hands slots on to its standbys."""
_SLOT_NAME: Final = "'admin_sync_' || (SELECT oid FROM pg_database WHERE datname = current_database())"
DROP_SLOT: Final = (
    f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {_SLOT_NAME}"
)
_HAS_SLOT: Final = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = {_SLOT_NAME}"
# The relation, and each row's oid and the transaction that wrote it: taking a table out and putting it back makes
# another, and so does a table that was dropped and made again. Of a partitioned table all that holds rows.
_FINGERPRINT: Final = f"""WITH published AS (
  SELECT n.nspname || '.' || c.relname AS name, c.oid, c.relkind, concat_ws(':', c.oid, r.oid, r.xmin) AS entry
    FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = '{PUBLICATION}')
SELECT json_build_object('publication', p.oid || ':' || p.xmin,
  'tables', coalesce((SELECT json_object_agg(name, entry ORDER BY name) FROM published), '{{}}'),
  'partitions', coalesce((SELECT json_object_agg(name, (SELECT coalesce(json_agg(t.relid::oid::bigint
    ORDER BY t.relid::oid), '[]') FROM pg_partition_tree(oid) t WHERE t.isleaf AND t.level > 0) ORDER BY name)
    FROM published WHERE relkind = 'p'), '{{}}'))::text
  FROM pg_publication p WHERE p.pubname = '{PUBLICATION}'"""
# A partition that was made as one had no rows before. One that was made and attached in one transaction looks alike,
# but for rows of that transaction.
_BORN: Final = """
SELECT c.oid::regclass::text, t.xmin = i.xmin, i.xmin::text
  FROM pg_class c JOIN pg_type t ON t.oid = c.reltype JOIN pg_inherits i ON i.inhrelid = c.oid
 WHERE c.oid = ANY (%s::oid[]) ORDER BY 1"""
_SEAL: Final = (
    f"SELECT concat_ws(' ', ({_FINGERPRINT}), (SELECT value FROM {META} WHERE name = 'origin'), ({truncation.SEAL}))"
)
_REMEMBER: Final = (
    f"INSERT INTO {META} SELECT 'publication', ({_FINGERPRINT}) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_OPTIONS: Final = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true"

_RIGHT_OPTIONS: Final = "NOT puballtables AND pubinsert AND pubupdate AND pubdelete AND pubtruncate AND pubviaroot"

Published = dict[int, tuple[frozenset[str] | None, str]]
"""The columns published of each relation, by its OID, None for all of them; and its row filter."""


def slot_name(connection: Connection) -> str:
    """The slot's name: slots belong to the server, so it names the database."""
    return str(_one(connection, f"SELECT {_SLOT_NAME}"))


def has_slot(connection: Connection) -> bool:
    """Whether the slot exists."""
    return _one(connection, _HAS_SLOT) is not None


def capture_statements(
    connection: Connection, captured: Mapping[str, TableSchema], rule_of: RuleOf = no_rules
) -> list[str]:
    """What is to run in one transaction before the slot is made, so that capture fits these tables.

    Raises `DatabaseRefused` where one of them can not be captured.
    """
    tables = _tables(connection, captured)
    statements = [*base_statements(connection), *guard.removal_statements(connection)]
    installed = has_table(connection, META)
    fresh = not installed or meta(connection, "origin") is None
    if fresh:
        statements.append(NEW_ORIGIN)
    loss = tampered(connection, captured) if installed else ""
    if installed and not has_slot(connection) and meta(connection, "standing") is not None:
        loss = "the replication slot was gone"
    if loss and meta(connection, "lost") is None:
        statements.append(set_meta_statement("lost", loss))
    changes = _publication_statements(connection, tables, captured, rule_of)
    if changes or not installed or meta(connection, "publication") != _one(connection, _FINGERPRINT):
        changes.append(_REMEMBER)
    return [*statements, *changes, *truncation.statements(connection, tables.values(), fresh=fresh)]


def slot_statements(connection: Connection) -> list[str]:
    """What is to run behind that, outside of a transaction."""
    return [] if has_slot(connection) else [slot_statement(connection)]


def slot_statement(connection: Connection) -> str:
    """The SQL that makes the slot; a standby that takes over has it too, where the server can see to that."""
    options = ", failover => true" if connection.info.server_version >= FAILOVER_SINCE else ""
    return f"SELECT lsn FROM pg_create_logical_replication_slot({_SLOT_NAME}, 'pgoutput'{options})"


def removal_statements(connection: Connection) -> list[str]:
    """What removes publication and slot."""
    statements = [DROP_SLOT] if has_slot(connection) else []
    if _one(connection, f"SELECT 1 FROM pg_publication WHERE pubname = '{PUBLICATION}'") is not None:
        statements.append(f"DROP PUBLICATION {PUBLICATION}")
    return [*statements, *truncation.removal_statements(connection)]


def misfit(connection: Connection, captured: Mapping[str, TableSchema], rule_of: RuleOf = no_rules) -> str:
    """What about the publication is not as these tables need it; "" where all is."""
    tables = _tables(connection, captured)
    wanted = _publication_statements(connection, tables, captured, rule_of)
    # The first of the triggers' statements only sets how long to wait.
    return "".join([*wanted, *truncation.statements(connection, tables.values(), fresh=False)[1:]][:1])


def tampered(connection: Connection, captured: Mapping[str, TableSchema]) -> str:
    """What somebody else changed about the publication of these tables since it was installed; "" for nothing."""
    return _tampered(connection, captured, _one(connection, _FINGERPRINT))


def keep_up(connection: Connection, captured: Mapping[str, TableSchema]) -> None:
    """Remember what changed without a loss: a partition was made."""
    now = _one(connection, _FINGERPRINT)
    if now != meta(connection, "publication") and not _tampered(connection, captured, now):
        set_meta(connection, "publication", str(now))


def _tampered(connection: Connection, captured: Mapping[str, TableSchema], now: object) -> str:
    stored = meta(connection, "publication")
    if stored is None:
        return ""
    if now is None:
        return "the publication was gone"
    before, after = json.loads(stored), json.loads(str(now))
    if before["publication"] != after["publication"]:
        return "the publication was altered"
    tables = read_tables(connection)
    for name in sorted(captured):
        # A table that was not published then was not captured then: it is copied as a new one.
        key = f"{tables[name].namespace}.{tables[name].relation}" if name in tables else ""
        if key in before["tables"] and before["tables"][key] != after["tables"].get(key):
            if before["tables"][key].partition(":")[0] != str(tables[name].oid):
                return f"table {name} is not the one that was captured, it was made anew"
            return f"table {name} was taken out of the publication for a while"
        if moved := _moved(connection, before["partitions"].get(key, []), after["partitions"].get(key, [])):
            return f"{moved} table {name}: rows came or went that no log tells of"
    return ""


def _moved(connection: Connection, before: list[int], after: list[int]) -> str:
    """Which partition may have brought rows along or taken them away; "" for none."""
    if not set(before).issubset(after):
        return "a partition was detached or dropped from"
    added = sorted(set(after).difference(before))
    for partition, born, xid in connection.execute(_BORN, (added,)).fetchall() if added else ():
        filled = f"SELECT EXISTS (SELECT FROM ONLY {partition} WHERE xmin::text = '{xid}')"
        if not born or _one(connection, filled) is True:
            return f"{partition} was attached to"
    return ""


def seal(connection: Connection) -> str:
    """A text that stays the same as long as nobody touches the publication, the installation or a published table.

    Raises the driver's error where the installation is gone.
    """
    return str(_one(connection, _SEAL))


def remember(connection: Connection) -> None:
    """Take the publication as it is now for the one that was installed."""
    connection.execute(_REMEMBER.encode())


def _tables(connection: Connection, captured: Mapping[str, TableSchema]) -> dict[str, Table]:
    found = read_tables(connection)
    for name in captured:
        table = found.get(name)
        if table is None:
            raise DatabaseRefused(f"could not capture table {name}", "it does not exist", "Create it, or exclude it")
        obstacles = table.obstacles()
        if obstacles:
            raise DatabaseRefused(f"could not capture table {name}", obstacles[0], "Or exclude the table")
    return {name: found[name] for name in sorted(captured)}


def _publication_statements(
    connection: Connection, tables: Mapping[str, Table], captured: Mapping[str, TableSchema], rule_of: RuleOf
) -> list[str]:
    narrow = connection.info.server_version >= LISTS_SINCE
    wanted: Published = {}
    for name, table in tables.items():
        rule = rule_of(name) if narrow else ""
        wanted[table.oid] = _columns(table, captured[name], lists=narrow), filter_of(table, rule)[0] if rule else ""
    present = _published(connection, narrow=narrow)
    items = ", ".join(_item(table, captured[name], *wanted[table.oid]) for name, table in tables.items())
    kept = _remember_filters({oid: text for oid, (_, text) in wanted.items() if text})
    if present is None:
        made = f"CREATE PUBLICATION {PUBLICATION}" + (f" FOR TABLE {items}" if items else "") + f" WITH ({_OPTIONS})"
        return [made, kept] if any(text for _, text in wanted.values()) else [made]
    statements = []
    if _one(connection, f"SELECT {_RIGHT_OPTIONS} FROM pg_publication WHERE pubname = '{PUBLICATION}'") is not True:
        statements.append(f"ALTER PUBLICATION {PUBLICATION} SET ({_OPTIONS})")
    if present != wanted:
        names = {int(str(oid)): str(name) for oid, name in _published_names(connection)}
        gone = ", ".join(names[oid] for oid in present if oid not in wanted)
        change = f"SET TABLE {items}" if items else f"DROP TABLE {gone}"
        statements += [f"ALTER PUBLICATION {PUBLICATION} {change}", kept]
    return statements


def _item(table: Table, schema: TableSchema, columns: frozenset[str] | None, row_filter: str) -> str:
    listed = f" ({', '.join(map(quote, schema.column_names))})" if columns else ""
    return table.only + listed + (f" WHERE ({row_filter})" if row_filter else "")


def _columns(table: Table, schema: TableSchema, *, lists: bool) -> frozenset[str] | None:
    """The columns to publish; None for all."""
    names = frozenset(schema.column_names)
    # With the whole old row as its identity, PostgreSQL lets no column be left out.
    if not lists or table.replica == "f" or names == {each.name for each in table.attributes}:
        return None
    return names


def _remember_filters(filters: Mapping[int, str]) -> str:
    """The SQL that notes our text of each filter beside the server's, by which it is known again."""
    values = ", ".join(f"({oid}, {literal(text)})" for oid, text in filters.items()) or "(0, '')"
    return (
        (
            f"INSERT INTO {META} SELECT 'filters', coalesce(json_object_agg(r.prrelid::bigint, json_build_array(v.text,"
            f" pg_get_expr(r.prqual, r.prrelid)))::text, '{{}}') FROM (VALUES {values}) AS v (oid, text)"
            " JOIN pg_publication_rel r ON r.prrelid = v.oid JOIN pg_publication p ON p.oid = r.prpubid"
            f" AND p.pubname = '{PUBLICATION}' ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        if filters
        else set_meta_statement("filters", "{}")
    )


def _published(connection: Connection, *, narrow: bool) -> Published | None:
    """What the publication names now; None where there is none."""
    if _one(connection, f"SELECT 1 FROM pg_publication WHERE pubname = '{PUBLICATION}'") is None:
        return None
    details = (
        "(SELECT array_agg(a.attname::text) FROM pg_attribute a"
        " WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[])), pg_get_expr(r.prqual, r.prrelid)"
        if narrow
        else "NULL::text[], NULL::text"
    )
    rows = connection.execute(
        f"SELECT r.prrelid::bigint, {details} FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid"
        f" WHERE p.pubname = '{PUBLICATION}'".encode()
    ).fetchall()
    noted = json.loads(meta(connection, "filters") or "{}") if has_table(connection, META) else {}
    published: Published = {}
    for oid, names, shown in cast("list[tuple[int, list[str] | None, str | None]]", rows):
        ours, theirs = noted.get(str(oid), ("", None))
        # One that is not as it was made is no filter of ours.
        text = (ours if shown == theirs else shown) if shown is not None else ""
        published[oid] = None if names is None else frozenset(names), text
    return published


def _published_names(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT r.prrelid::bigint, r.prrelid::regclass::text FROM pg_publication_rel r"
        f" JOIN pg_publication p ON p.oid = r.prpubid WHERE p.pubname = '{PUBLICATION}'".encode()
    ).fetchall()


def _one(connection: Connection, query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    return None if row is None else row[0]
