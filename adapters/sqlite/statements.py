"""The statements that write one target table, built once for each set of columns.

The rule it keeps: only what differs between two batches (the values) is bound; everything else is text that SQLite
has compiled already.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property

from adapters import sql
from adapters.sqlite.catalog import DIALECT, Table, quote
from sync.errors import RowRefused
from sync.model.change import Columns
from sync.model.schema import TableSchema

_REMEDY = "Bring the secondary's table to the primary's definition, then the stream goes on"


class Statements:
    """What can be done to one table, for one schema of the stream.

    Raises `RowRefused` on construction where the target's table does not have the stream's columns.
    """

    def __init__(self, table: Table | None, schema: TableSchema) -> None:
        if table is None:
            raise RowRefused(schema.name, "", "", "the table does not exist on this database", _REMEDY)
        have = set(table.schema.column_names)
        for name in schema.column_names:
            if name not in have:
                raise RowRefused(schema.name, "", name, "the column does not exist on this database", _REMEDY)
        self.table = table
        self.schema = schema
        self.key = schema.key_names
        self.mergeable = bool(schema.key) and table.is_unique_on(self.key)
        """Whether a unique index of the target stands behind the key, so that an insert can find the row it meets."""
        collations = dict.fromkeys(table.collations_of(self.key))
        self._exact = set(collations) == {"BINARY"}
        # A key is found through its index, whatever that ignores, and then held against the exact value.
        self._collations = () if self._exact else tuple(dict.fromkeys([*collations, "BINARY"]))
        self._nulls = not schema.key or any(table.is_nullable(name) for name in self.key)
        self.upsert = cache(self._upsert)
        """Put rows: SQL by the indexes of the columns present and the number of rows that one call puts."""
        self.insert = cache(self._insert)
        """Add rows: SQL by the indexes of the columns present."""
        self.insert_named = cache(self._insert_named)
        """Add rows: SQL by the names of the columns present, and whether rows that are in the way go."""
        self.quoted = quote(schema.name)

    def names(self, present: Iterable[int]) -> list[str]:
        """Names of the columns with these indexes."""
        return [self.schema.columns[index].name for index in present]

    def others(self, present: Iterable[int]) -> list[str]:
        """Names of all columns of the target's table that are not among these."""
        written = set(self.names(present))
        return [name for name in self.table.schema.column_names if name not in written]

    @cached_property
    def delete(self) -> str:
        """Delete by identity; takes `identity(keys)`."""
        return sql.delete(self.schema.name, self.key, DIALECT, nulls=self._nulls, collations=self._collations)

    def identity(self, keys: Columns) -> Columns:
        """The parameters, column by column, that find rows with these keys."""
        return keys if self._exact else tuple(keys) * len(self._collations)

    def stash(self, columns: list[str]) -> str:
        """Read these columns by identity; takes `identity(keys)`."""
        matches = [
            sql.equals(name, nulls=self._nulls, collation=collation)
            for collation in self._collations or ("",)
            for name in self.key
        ]
        return sql.select(self.schema.name, columns, matches, DIALECT)

    def _upsert(self, present: tuple[int, ...], rows: int = 1) -> str:
        names = self.names(present)
        # Under a collation that ignores something, the row that is met may have another spelling of the key.
        updated = [name for name in names if not self._exact or name not in self.key]
        return sql.upsert(self.schema.name, names, self.key, updated, DIALECT, rows=rows)

    def _insert(self, present: tuple[int, ...]) -> str:
        return sql.insert(self.schema.name, self.names(present), DIALECT)

    def _insert_named(self, names: tuple[str, ...], displacing: bool) -> str:  # noqa: FBT001  a cache's key
        return sql.insert(self.schema.name, names, DIALECT, displacing=displacing)
