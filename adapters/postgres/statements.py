"""The statements that write one target table, built once for each set of columns.

The rule it keeps: only what differs between two batches (the values) is bound or copied; everything else is text that
the server has prepared already. A statement takes its rows from one place, which is either arrays bound to it or the
session's staging table, so that both ways do the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from hashlib import blake2b
from typing import Final

from adapters.postgres.catalog import Table, quote
from adapters.postgres.literals import Slot
from sync.errors import RowRefused
from sync.model.schema import TableSchema

_REMEDY: Final = "Bring the secondary's table to the primary's definition, then the stream goes on"
_NO_EQUALITY: Final = {114, 142, 600, 601, 602, 603, 604, 628, 718}
"""json, xml and the geometric types: no `=`, or one that does not mean the same value."""

Present = tuple[int, ...]
"""Indexes into the schema's columns."""


class Statements:
    """What can be done to one table, for one schema of the stream.

    Raises `RowRefused` on construction where the target's table does not have the stream's columns.
    """

    def __init__(self, table: Table | None, schema: TableSchema) -> None:
        if table is None:
            raise RowRefused(schema.name, "", "", "the table does not exist on this database", _REMEDY)
        found = {attribute.name: attribute for attribute in table.attributes}
        for name in schema.column_names:
            if name not in found:
                why = "the column does not exist on this database, or is generated there"
                raise RowRefused(schema.name, "", name, why, _REMEDY)
        self.table = table
        self.schema = schema
        self.slots = tuple(Slot(column, found[column.name]) for column in schema.columns)
        self.key: Present = schema.identity
        self.arrays = all(slot.arrays for slot in self.slots)
        """Whether rows can be bound as arrays."""
        fixed = {slot.name for slot in self.slots if slot.attribute.identity == "a"}
        self.mergeable = bool(schema.key) and table.is_unique_on(schema.key_names) and fixed.issubset(schema.key_names)
        """Whether a unique index of the target stands behind the key, so that an insert can find the row it meets."""
        self.hashed = not self.mergeable
        """Whether rows are found by reading the whole table, and not through an index."""
        self.loads = all(slot.is_same for slot in self.slots) and (self.mergeable or not schema.key)
        """Whether a line of the stream can be copied as it is, and a unique index tells where that was wrong."""
        self._override = " OVERRIDING SYSTEM VALUE" if any(a.identity == "a" for a in table.attributes) else ""
        definition = ", ".join(f"c{at} {slot.type}" for at, slot in enumerate(self.slots))
        self.stage = f"pg_temp.admin_sync_{blake2b(definition.encode(), digest_size=8).hexdigest()}"
        """The staging table: one column c0, c1, … for each of the schema's."""
        self.create_stage = f"CREATE TEMPORARY TABLE IF NOT EXISTS {self.stage} ({definition}) ON COMMIT DELETE ROWS"
        self.upsert = cache(self._upsert)
        self.update = cache(self._update)
        self.insert = cache(self._insert)
        self.delete = cache(self._delete)

    def names(self, columns: Iterable[int]) -> str:
        """Quoted names of the columns with these indexes."""
        return ", ".join(quote(self.slots[at].name) for at in columns)

    @cached_property
    def empty(self) -> str:
        """Delete all rows; unlike TRUNCATE, a reader with an older snapshot goes on seeing them."""
        return f"DELETE FROM {self.table.only}"

    def copy(self, present: Present) -> str:
        """Fill the staging table."""
        return f"COPY {self.stage} ({', '.join(f'c{at}' for at in present)}) FROM STDIN"

    def copy_into(self, present: Present) -> str:
        """Fill the table itself with new rows; what is given for an identity column is kept, as anywhere with COPY."""
        return f"COPY {self.table.quoted} ({self.names(present)}) FROM STDIN"

    def has_rest(self, present: Present) -> bool:
        """Whether there are columns beside the key, so that a row can be updated."""
        return bool(set(present).difference(self.key))

    def keep(self, present: Present, kept: str) -> str:
        """Make a temporary table of the staged rows, numbered, each with what the target has in the other columns."""
        others = ", ".join(f"t.{quote(name)} AS o{at}" for at, name in enumerate(self.others(present)))
        staged = ", ".join(f"s.c{at}" for at in present)
        return (
            f"CREATE TEMPORARY TABLE {kept} ON COMMIT DROP AS SELECT row_number() OVER () AS n, found.* FROM ("
            f"SELECT DISTINCT ON (s.ctid) t.ctid IS NOT NULL AS known, {staged}{', ' if others else ''}{others}"
            f" FROM {self.stage} AS s LEFT JOIN {self.table.only} AS t ON {self._match(self._no_nulls)}) AS found"
        )

    def restore(self, present: Present, kept: str, *, known: bool, into: str = "") -> str:
        """Insert the rows of that table from one number to another; new ones leave the other columns to defaults.

        `into` names a table like this one that takes them instead.
        """
        others = self.others(present) if known else []
        names = [self.names(present), *map(quote, others)]
        values = [f"c{at}" for at in present] + [f"o{at}" for at in range(len(others))]
        return (
            f"INSERT INTO {into or self.table.quoted} ({', '.join(names)}){self._override} SELECT {', '.join(values)}"
            f" FROM {kept} WHERE known = {known} AND n > $1 AND n <= $2 ORDER BY n"
        )

    def others(self, present: Present) -> list[str]:
        """Names of all columns of the target's table that are not among these."""
        written = {self.slots[at].name for at in present}
        return [each.name for each in self.table.attributes if each.name not in written]

    def _source(self, present: Present, *, staged: bool) -> str:
        if staged:
            return f"{self.stage} AS s"
        arrays = ", ".join(f"${n}::{self.slots[at].type}[]" for n, at in enumerate(present, 1))
        return f"unnest({arrays}) AS s ({', '.join(f'c{at}' for at in present)})"

    def _insert(self, present: Present, *, staged: bool) -> str:
        """Add rows that have these columns."""
        return (
            f"INSERT INTO {self.table.quoted} ({self.names(present)}){self._override}"
            f" SELECT {', '.join(f's.c{at}' for at in present)} FROM {self._source(present, staged=staged)}"
        )

    def _upsert(self, present: Present, *, staged: bool) -> str:
        """Put rows that have these columns."""
        sets = ", ".join(f"{name} = excluded.{name}" for name in map(self._name, self._settable(present)))
        action = f"DO UPDATE SET {sets}" if self.has_rest(present) else "DO NOTHING"
        return f"{self._insert(present, staged=staged)} ON CONFLICT ({self.names(self.key)}) {action}"

    def _update(self, present: Present) -> str:
        """Bring the rows that are there to what is staged."""
        sets = ", ".join(f"{self._name(at)} = s.c{at}" for at in self._settable(present))
        source = self._source(present, staged=True)
        return f"UPDATE {self.table.only} AS t SET {sets} FROM {source} WHERE {self._match(self._no_nulls)}"

    def _settable(self, present: Present) -> list[int]:
        # The key too: the row that is met may have another spelling of it (a collation, the scale of a number).
        return [at for at in present if self.slots[at].attribute.identity != "a"]

    def _name(self, at: int) -> str:
        return quote(self.slots[at].name)

    def _delete(self, nulls: tuple[bool, ...], *, staged: bool) -> str:
        """Delete the rows with these identities; `nulls` tells for each column of it whether all of them have NULL."""
        return (
            f"DELETE FROM {self.table.only} AS t USING {self._source(self.key, staged=staged)}"
            f" WHERE {self._match(nulls)}"
        )

    @property
    def _no_nulls(self) -> tuple[bool, ...]:
        return (False,) * len(self.key)

    def _match(self, nulls: Sequence[bool]) -> str:
        conditions = []
        for at, null in zip(self.key, nulls, strict=True):
            column, text = f"t.{quote(self.slots[at].name)}", ""
            if self.slots[at].attribute.type_oid in _NO_EQUALITY:
                text = "::text"
            conditions.append(f"{column} IS NULL" if null else f"{column}{text} = s.c{at}{text}")
        return " AND ".join(conditions)
