"""PostgreSQL's catalog as values: tables, their stored columns, and the identity of their rows.

The rule it keeps: a key is only called one where the server logs it with every update and delete (its replica identity)
or where a unique index makes it unique. Partitioned tables are seen as their root, and the root alone. Source of facts:
pg_class, pg_attribute, pg_index, pg_type, pg_partition_tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from adapters import sql
from adapters.postgres.connection import Connection
from adapters.postgres.types import type_of
from sync.model.catalog import Relation, TableFacts
from sync.model.schema import Column, Kind, TableSchema

DIALECT = "postgres"
SCHEMA = "admin_sync"
"""The schema that holds everything of ours."""
quote = partial(sql.quote, dialect=DIALECT)


def literal(text: str) -> str:
    """A text as an SQL literal."""
    escaped = text.replace("'", "''")
    return f"'{escaped}'" if "\\" not in text else " E'" + escaped.replace("\\", "\\\\") + "'"


_OURS = f"n.nspname <> '{SCHEMA}' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
_RELATIONS = f"""
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, c.relreplident::text,
       c.reltuples::float8, n.nspname = coalesce(current_schema(), 'public')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't' AND {_OURS}"""
_ATTRIBUTES = f"""
SELECT a.attrelid::bigint, a.attname::text, a.atttypid::bigint, a.atttypmod, a.attnotnull, a.attidentity::text,
       format_type(a.atttypid, a.atttypmod), a.attcollation <> 0, a.attnum::int, y.typtype = 'c'
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type y ON y.oid = a.atttypid
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND NOT c.relispartition
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND {_OURS}
 ORDER BY a.attrelid, a.attnum"""
_INDEXES = f"""
SELECT i.indrelid::bigint, r.relname::text, i.indisprimary, i.indisreplident, i.indimmediate, i.indnullsnotdistinct,
       i.indisexclusion,
       (SELECT array_agg(i.indkey[at]::int ORDER BY at) FROM generate_series(0, i.indnkeyatts - 1) AS at)
  FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid
  JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT c.relispartition AND {_OURS}
 ORDER BY i.indnkeyatts, r.relname"""
_DOMAINS = """
SELECT d.oid::bigint, d.typbasetype::bigint, d.typtypmod, d.typnotnull, format_type(d.typbasetype, d.typtypmod),
       b.typtype = 'c'
  FROM pg_type d JOIN pg_type b ON b.oid = d.typbasetype WHERE d.typtype = 'd'"""
_LEAVES = """
SELECT c.oid::bigint, l.relkind::text, l.relreplident::text, l.oid::regclass::text
  FROM pg_class c, pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
 WHERE c.relkind = 'p' AND NOT c.relispartition AND t.isleaf AND t.relid <> c.oid"""
_VIEWS = f"""
WITH RECURSIVE reads (viewer, base) AS (
  SELECT w.ev_class, d.refobjid FROM pg_rewrite w
    JOIN pg_class c ON c.oid = w.ev_class AND c.relkind = 'v' JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
     AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class
   WHERE {_OURS}
  UNION
  SELECT r.viewer, d.refobjid FROM reads r
    JOIN pg_rewrite w ON w.ev_class = r.base
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
     AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class
)
SELECT r.viewer::bigint, n.nspname::text, c.relname::text, n.nspname = coalesce(current_schema(), 'public')
  FROM reads r JOIN pg_class c ON c.oid = r.base JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'f')"""
_NULLS_EQUAL_SINCE = 150000
_ORDERLESS = {"interval", "any"}
"""Kinds whose order the two ends could not agree on, so that no key range of them can be told."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One stored column as the server has it."""

    column: Column
    number: int
    """Its attnum."""
    type_oid: int
    modifier: int
    declared: str
    """The type as SQL, for casts: `numeric(10,2)`."""
    collatable: bool
    identity: str
    """`a` for GENERATED ALWAYS AS IDENTITY, `d` for BY DEFAULT, else empty."""
    composite: bool = False
    """Whether a value is made of several fields."""

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name


@dataclass(frozen=True, slots=True)
class Index:
    """A complete unique index over plain columns."""

    name: str
    primary: bool
    replica: bool
    immediate: bool
    nulls_equal: bool
    exclusion: bool
    """Whether it is no unique index, but a key WITHOUT OVERLAPS."""
    numbers: tuple[int, ...]

    @property
    def mergeable(self) -> bool:
        """Whether ON CONFLICT can name it."""
        return self.immediate and not self.exclusion


@dataclass(frozen=True, slots=True)
class Table:
    """One table as it stands in the database."""

    schema: TableSchema
    oid: int
    namespace: str
    relation: str
    kind: str
    """`r` for a table, `p` for a partitioned one."""
    persistence: str
    replica: str
    """What the server logs of an old row: `d` the primary key, `i` an index's columns, `f` all, `n` nothing."""
    attributes: tuple[Attribute, ...]
    indexes: tuple[Index, ...]
    rows_estimated: int | None = None
    leaves: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)
    """Kind, replica identity and name of each partition that holds rows."""

    @property
    def name(self) -> str:
        """The name as everywhere outside of this adapter."""
        return self.schema.name

    @property
    def quoted(self) -> str:
        """The name as SQL."""
        return f"{quote(self.namespace)}.{quote(self.relation)}"

    @property
    def only(self) -> str:
        """The name as SQL, without the tables that inherit from it: those are captured as themselves."""
        return self.quoted if self.kind == "p" else f"ONLY {self.quoted}"

    def attribute(self, name: str) -> Attribute | None:
        """The stored column of this name."""
        return next((found for found in self.attributes if found.name == name), None)

    def is_unique_on(self, columns: Sequence[str]) -> bool:
        """Whether a unique index holds exactly these columns, so that ON CONFLICT can name them."""
        numbers = sorted(found.number for found in self.attributes if found.name in columns)
        return any(index.mergeable and sorted(index.numbers) == numbers for index in self.indexes)

    def obstacles(self) -> tuple[str, ...]:
        """Why capture from the log could not be trusted with this table."""
        return tuple(_obstacles(self))


Obstacles = Callable[[Table], Sequence[str]]
"""Says why a way of capturing could not be trusted with a table; empty is good."""


def read_tables(connection: Connection) -> dict[str, Table]:
    """Read all ordinary and partitioned tables except our own, by name."""
    return {table.name: table for table in _read(connection) if table.kind in "rp"}


def read_facts(connection: Connection, obstacles: Obstacles = Table.obstacles) -> list[TableFacts]:
    """What the catalog says about every table and view, sorted by name; without our own and the server's."""
    bases: dict[int, list[str]] = {}
    for viewer, namespace, relation, default in _rows(connection, _VIEWS):
        bases.setdefault(cast("int", viewer), []).append(_name(namespace, relation, default))
    relations = {"r": Relation.TABLE, "p": Relation.TABLE, "v": Relation.VIEW}
    facts = []
    for table in _read(connection):
        relation = relations.get(table.kind, Relation.OTHER)
        if table.persistence != "p":
            relation = Relation.OTHER
        found = obstacles(table) if relation is Relation.TABLE else ()
        read = tuple(sorted(bases.get(table.oid, ()))) if relation is Relation.VIEW else ()
        facts.append(TableFacts(table.schema, relation, read, tuple(found), table.rows_estimated))
    return sorted(facts, key=lambda found: found.name)


def _read(connection: Connection) -> list[Table]:
    types = _Types(connection)
    attributes = _grouped(connection, _ATTRIBUTES)
    text = (
        _INDEXES
        if connection.info.server_version >= _NULLS_EQUAL_SINCE
        else _INDEXES.replace("i.indnullsnotdistinct", "false")
    )
    indexes, leaves = _grouped(connection, text), _grouped(connection, _LEAVES)
    found = []
    for row in _rows(connection, _RELATIONS):
        oid, namespace, relation, kind, persistence, replica, tuples, default = cast(
            "tuple[int, str, str, str, str, str, float, bool]", row
        )
        columns = tuple(types.attribute(*each) for each in attributes.get(oid, ()))
        unique = tuple(_index(*each) for each in indexes.get(oid, ()))
        key = _key(columns, unique, replica)
        place = {each.number: at for at, each in enumerate(columns)}
        schema = TableSchema(
            _name(namespace, relation, default), tuple(each.column for each in columns), tuple(place[n] for n in key)
        )
        estimate = int(tuples) if tuples >= 0 else None
        parts = cast("tuple[tuple[str, str, str], ...]", tuple(leaves.get(oid, ())))
        found.append(
            Table(schema, oid, namespace, relation, kind, persistence, replica, columns, unique, estimate, parts)
        )
    return found


def _index(*row: object) -> Index:
    name, primary, replica, immediate, nulls_equal, exclusion, numbers = cast(
        "tuple[str, bool, bool, bool, bool, bool, list[int]]", row
    )
    return Index(name, primary, replica, immediate, nulls_equal, exclusion, tuple(numbers))


def _key(columns: Sequence[Attribute], indexes: Sequence[Index], replica: str) -> tuple[int, ...]:
    """The columns that identify a row: replica identity index, primary key, else a unique index without NULL."""
    never_null = {each.number for each in columns if not each.column.nullable}
    whole = [index for index in indexes if never_null.issuperset(index.numbers)]
    if replica == "i":
        whole.sort(key=lambda index: not index.replica)
    else:
        whole.sort(key=lambda index: not index.primary)
    return whole[0].numbers if whole else ()


def _obstacles(table: Table) -> Iterator[str]:
    schema = table.schema
    if table.persistence != "p":
        yield "it is unlogged: the server's log does not have its changes"
    if not schema.key:
        yield (
            "it has no primary key: the server's log does not tell which of several equal rows was meant;"
            " give the table a primary key, or capture by journal"
        )
    else:
        yield from _unlogged_key(table)
    yield from orderless(schema.columns[at] for at in schema.key)
    for kind, replica, name in table.leaves:
        if kind == "f":
            yield f"its partition {name} is a foreign table: the server's log does not have its changes"
        elif replica not in {table.replica, "f"}:
            yield f"its partition {name} has another replica identity than the table itself"


def orderless(columns: Iterable[Column]) -> Iterator[str]:
    """Why no key range could be told of rows that these columns identify."""
    for column in columns:
        kind = column.type.kind
        if kind.value in _ORDERLESS or (kind is Kind.TIME and "time zone" in column.type.qualifier):
            yield f"its key column {column.name} has no order that two databases agree on"


def _unlogged_key(table: Table) -> Iterator[str]:
    """Why updates and deletes would come without the key."""
    primary = next((index for index in table.indexes if index.primary), None)
    alter = f"run ALTER TABLE {table.quoted} REPLICA IDENTITY"
    if table.replica == "n":
        yield f"the server does not log which rows it updates and deletes; {alter} DEFAULT"
    elif table.replica == "d" and primary is None:
        numbers = {table.attributes[at].number for at in table.schema.key}
        chosen = next((index.name for index in table.indexes if set(index.numbers) == numbers), "")
        why = "it has no primary key, and the server is not told to log its unique index"
        yield f"{why}; {alter} USING INDEX {quote(chosen)}"
    elif table.replica == "d" and primary is not None and not primary.immediate:
        yield f"its primary key is deferrable, so the server does not log it with updates and deletes; {alter} FULL"


def _name(namespace: object, relation: object, default: object) -> str:
    return str(relation) if default else f"{namespace}.{relation}"


def _rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query.encode()).fetchall()


def _grouped(connection: Connection, query: str) -> Mapping[int, list[tuple[object, ...]]]:
    """Rows by their first column, without it."""
    groups: dict[int, list[tuple[object, ...]]] = {}
    for first, *rest in _rows(connection, query):
        groups.setdefault(cast("int", first), []).append(tuple(rest))
    return groups


class _Types:
    """Declared types as logical ones: domains stand for what they are made of."""

    def __init__(self, connection: Connection) -> None:
        rows = cast("list[tuple[int, int, int, bool, str, bool]]", _rows(connection, _DOMAINS))
        self._domains = {oid: tuple(rest) for oid, *rest in rows}

    def attribute(self, *row: object) -> Attribute:
        """One column from a row of the attribute query."""
        name, oid, modifier, not_null, identity, declared, collatable, number, composite = cast(
            "tuple[str, int, int, bool, str, str, bool, int, bool]", row
        )
        base, base_modifier, never_null, base_name = oid, modifier, not_null, declared
        while base in self._domains:
            found = cast("tuple[int, int, bool, str, bool]", self._domains[base])
            base, base_modifier, domain_not_null, base_name, composite = found
            never_null = never_null or domain_not_null
        column = Column(name, type_of(base, base_modifier, base_name), not never_null)
        return Attribute(column, number, oid, modifier, declared, collatable, identity, composite)
