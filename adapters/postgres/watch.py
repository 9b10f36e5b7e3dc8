"""Watching the catalog that capture was opened with: whether it is what is to be captured, and still what is there.

The rule it keeps: a table that is made is noticed within a second, though the log says nothing of it before it is
published. Columns are not asked for here: the log brings them with the first row that has them (see relation.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Final

from adapters.postgres.catalog import Table, read_tables
from adapters.postgres.connection import Connection
from adapters.postgres.stream import lsn
from sync.errors import CatalogChanged
from sync.model.schema import TableSchema

_LOOK_S: Final = 1.0
_ANEW: Final = "Capture is opened anew"
_RELATIONS: Final = (
    b"SELECT count(*), max(oid::int8) FROM pg_class WHERE relkind IN ('r', 'p') AND relpersistence <> 't'"
)


class CatalogWatch:
    """The catalog as of one moment. Raises `CatalogChanged` where it is not what `captured` was made from."""

    def __init__(self, connection: Connection, captured: Mapping[str, TableSchema]) -> None:
        self._connection = connection
        row = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
        self.read_at = lsn(str(row[0])) if row else 0
        """The LSN up to which what was committed is known here."""
        self._relations = self._ask()
        self._looked_at = monotonic()
        self.tables: dict[str, Table] = read_tables(connection)
        self._captured = captured
        self._demand(self.tables)

    def read_again(self) -> None:
        """Make sure that the captured tables have the columns that they had."""
        now = read_tables(self._connection)
        self._demand(now)
        for name in self._captured:
            if now[name].schema.column_names != self.tables[name].schema.column_names:
                raise CatalogChanged(f"table {name} was altered", "it has other columns", _ANEW)

    def look(self) -> None:
        """Where it is time to, ask whether tables were made or dropped."""
        if monotonic() - self._looked_at >= _LOOK_S:
            self._looked_at = monotonic()
            if self._ask() != self._relations:
                raise CatalogChanged("tables were made or dropped", "they may have to be captured", _ANEW)

    def _demand(self, tables: Mapping[str, Table]) -> None:
        for name, schema in self._captured.items():
            table = tables.get(name)
            if table is None or not set(schema.columns).issubset(table.schema.columns):
                raise CatalogChanged(f"table {name} was altered", "it is not what is to be captured", _ANEW)

    def _ask(self) -> object:
        return self._connection.execute(_RELATIONS).fetchone()
