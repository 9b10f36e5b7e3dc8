"""SQLite's catalog as values: tables, their stored columns, indexes and the identity of their rows.

The rule it keeps: an identity is only called unique where SQLite itself makes it so (NOT NULL columns under a
complete unique index). Source of facts: sqlite_schema and the pragmas table_xinfo, index_list and index_xinfo.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from adapters import sql
from adapters.sqlite.index import Index, read_index
from sync.model.catalog import Relation, TableFacts
from sync.model.schema import Column, Kind, TableSchema, Type

PREFIX = "admin_sync_"
DIALECT = "sqlite"
quote = partial(sql.quote, dialect=DIALECT)

_ROWS_COUNTED_MAX = 100_000
_ROWID_NAMES = ("rowid", "_rowid_", "oid")
_DECLARED = re.compile(r"\s*([A-Za-z_ ]*?)\s*(?:\(\s*(\d{1,9})\s*(?:,\s*\d+\s*)?\))?\s*")
_KINDS = {
    "SMALLINT": Kind.INT16,
    "INT2": Kind.INT16,
    "TINYINT": Kind.INT16,
    "INT": Kind.INT64,
    "INT4": Kind.INT64,
    "INT8": Kind.INT64,
    "INTEGER": Kind.INT64,
    "MEDIUMINT": Kind.INT64,
    "BIGINT": Kind.INT64,
    "CHAR": Kind.VARCHAR,
    "CHARACTER": Kind.VARCHAR,
    "NCHAR": Kind.VARCHAR,
    "VARCHAR": Kind.VARCHAR,
    "NVARCHAR": Kind.VARCHAR,
    "CHARACTER VARYING": Kind.VARCHAR,
    "TEXT": Kind.TEXT,
    "CLOB": Kind.TEXT,
    "BLOB": Kind.BYTES,
    "REAL": Kind.FLOAT,
    "FLOAT": Kind.FLOAT,
    "DOUBLE": Kind.FLOAT,
    "DOUBLE PRECISION": Kind.FLOAT,
}


@dataclass(frozen=True, slots=True)
class Table:
    """One table as it stands in the file."""

    schema: TableSchema
    rowid: str
    """A name under which the row number can be addressed; "" where there is none (WITHOUT ROWID)."""
    rowid_column: str
    """The column that is the row number (INTEGER PRIMARY KEY); "" where none is."""
    indexes: tuple[Index, ...]
    collations: tuple[str, ...]
    """Of the identity's columns, in key order, as the index that backs it compares them."""

    @property
    def name(self) -> str:
        """The name as in the catalog."""
        return self.schema.name

    def is_nullable(self, column: str) -> bool:
        """Whether the column may hold NULL."""
        return any(found.nullable for found in self.schema.columns if found.name == column)

    def collations_of(self, key: Sequence[str]) -> tuple[str, ...]:
        """How the index behind this identity compares its columns; byte by byte where there is none."""
        return self.collations if tuple(key) == self.schema.key_names and self.collations else ("BINARY",) * len(key)

    def obstacles(self) -> tuple[str, ...]:
        """Why capture could not be trusted with this table."""
        return tuple(
            f"the unique index {index.name} could not be read, so rows that it makes REPLACE remove would go unseen"
            for index in self.indexes
            if index.unique and not index.terms
        )

    def unique_on(self, columns: Iterable[str]) -> Index | None:
        """A complete unique index on exactly these columns."""
        wanted = sorted(columns)
        for index in self.indexes:
            if index.unique and index.complete and sorted(filter(None, index.columns)) == wanted:
                return index
        return None

    def is_unique_on(self, columns: Iterable[str]) -> bool:
        """Whether no two rows can have the same values in these columns, NULL aside."""
        wanted = list(columns)
        return (bool(self.rowid_column) and wanted == [self.rowid_column]) or self.unique_on(wanted) is not None


def read_table(connection: sqlite3.Connection, name: str) -> Table | None:
    """Read one table; None where there is no such table (a view is none)."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
    if found.fetchone() is None:
        return None
    info = connection.execute(
        'SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?) WHERE hidden = 0', (name,)
    ).fetchall()
    indexes = tuple(
        read_index(connection, *found)
        for found in connection.execute('SELECT name, "unique", origin, partial FROM pragma_index_list(?)', (name,))
    )
    rowid = _rowid_name(connection, name, [column for column, *_ in info])
    primary = [column for column, _, _, at in sorted(info, key=lambda row: row[3]) if at]
    alias = primary[0] if len(primary) == 1 and rowid and not any(i.origin == "pk" for i in indexes) else ""
    never_null = {column for column, _, not_null, at in info if not_null or column == alias or (at and not rowid)}
    key, collations = _identity(primary, alias, indexes, never_null)
    columns = tuple(Column(column, type_of(declared), column not in never_null) for column, declared, *_ in info)
    at_of = {column.name: index for index, column in enumerate(columns)}
    schema = TableSchema(name, columns, tuple(at_of[column] for column in key))
    return Table(schema, rowid, alias, indexes, collations)


def table_names(connection: sqlite3.Connection) -> frozenset[str]:
    """The names of all tables except our own."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'admin\\_sync\\_%' ESCAPE '\\'"
    )
    return frozenset(name for (name,) in found)


def read_tables(connection: sqlite3.Connection) -> dict[str, Table]:
    """Read all ordinary tables except our own, by name."""
    ordinary = [name for name, relation, _ in _objects(connection) if relation is Relation.TABLE]
    return {name: table for name in ordinary if (table := read_table(connection, name)) is not None}


def read_facts(connection: sqlite3.Connection) -> list[TableFacts]:
    """What the catalog says about every table and view, sorted by name; without our own and SQLite's."""
    objects = _objects(connection)
    reads = {
        name.lower(): sql.tables_in(text, DIALECT) for name, relation, text in objects if relation is Relation.VIEW
    }
    facts = []
    for name, relation, _ in objects:
        table = read_table(connection, name) if relation is Relation.TABLE else None
        if table is not None:
            facts.append(TableFacts(table.schema, obstacles=table.obstacles(), rows_estimated=_count(connection, name)))
            continue
        bases = _bases(name, reads)
        obstacles = () if bases is not None else ("the query of this view could not be read",)
        facts.append(TableFacts(_outline(connection, name), relation, bases or (), obstacles))
    return sorted(facts, key=lambda found: found.name)


def type_of(declared: str | None) -> Type:
    """The logical type of a declared type; ANY for what SQLite keeps only as a hint."""
    match = _DECLARED.fullmatch(declared or "")
    kind = _KINDS.get(" ".join(match[1].upper().split())) if match else None
    if match is None or kind is None:
        return Type(Kind.ANY)
    if kind is Kind.VARCHAR and match[2] is None:
        return Type(Kind.TEXT)
    return Type(kind, int(match[2]) if kind is Kind.VARCHAR else 0)


def _identity(
    primary: Sequence[str], alias: str, indexes: Sequence[Index], never_null: set[str]
) -> tuple[Sequence[str], tuple[str, ...]]:
    """The columns that identify a row and their collations: primary key, else unique index, else nothing."""
    if alias:
        return primary, ("BINARY",)
    backing = next((index for index in indexes if index.origin == "pk"), None)
    if primary and never_null.issuperset(primary):
        return primary, backing.collations if backing else ("BINARY",) * len(primary)
    for index in sorted(indexes, key=lambda index: (len(index.columns), index.name)):
        if index.unique and index.complete and never_null.issuperset(index.columns):
            return [column for column in index.columns if column], index.collations
    return primary, backing.collations if primary and backing else ()


def _objects(connection: sqlite3.Connection) -> list[tuple[str, Relation, str]]:
    """Name, relation and SQL of every table and view, without our own and SQLite's."""
    found = connection.execute(
        "SELECT name, type, sql FROM sqlite_master WHERE type IN ('table', 'view')"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'admin\\_sync\\_%' ESCAPE '\\'"
    ).fetchall()
    virtual = [name for name, _, text in found if re.match(r"\s*CREATE\s+VIRTUAL\b", text or "", re.IGNORECASE)]
    shadows = tuple(f"{name}_".lower() for name in virtual)
    objects = []
    for name, kind, text in found:
        other = name in virtual or (shadows and name.lower().startswith(shadows))
        relation = Relation.VIEW if kind == "view" else Relation.OTHER if other else Relation.TABLE
        objects.append((name, relation, text or ""))
    return objects


def _bases(name: str, reads: dict[str, tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """Follow a view through other views down to its tables; None where one of them could not be read."""
    bases: set[str] = set()
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        at = waiting.pop().lower()
        if at in seen:
            continue
        seen.add(at)
        below = reads.get(at, ())
        if below is None:
            return None
        bases.update(below)
        waiting.extend(below)
    return tuple(sorted(bases))


def _outline(connection: sqlite3.Connection, name: str) -> TableSchema:
    """The columns of something that is no ordinary table, as far as SQLite can tell them."""
    try:
        rows = connection.execute("SELECT name, type FROM pragma_table_xinfo(?)", (name,)).fetchall()
    except sqlite3.Error:
        # A view over a table that is gone, or a virtual table whose module is not loaded here.
        rows = []
    columns = dict(rows)
    return TableSchema(name, tuple(Column(column, type_of(declared)) for column, declared in columns.items()))


def _rowid_name(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> str:
    taken = {column.lower() for column in columns}
    for name in _ROWID_NAMES:
        if name not in taken:
            try:
                connection.execute(f"SELECT {name} FROM {quote(table)} LIMIT 0")
            except sqlite3.OperationalError:
                return ""
            return name
    return ""


def _count(connection: sqlite3.Connection, table: str) -> int | None:
    """Rows of a table that is not too large to count in passing."""
    limit = _ROWS_COUNTED_MAX
    count = connection.execute(f"SELECT count(*) FROM (SELECT 1 FROM {quote(table)} LIMIT {limit})").fetchone()[0]
    return int(count) if count < limit else None
