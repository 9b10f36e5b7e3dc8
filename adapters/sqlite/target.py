"""The target: net effects and the checkpoint in one transaction, past the write guard.

The rule it keeps: rows and checkpoint commit together or not at all. Foreign keys are not enforced in this session:
the source did, and here CASCADE would remove rows that the source kept, and RESTRICT would demand an order that a net
effect does not have. Triggers of ours see `applying`, which nobody else can: SQLite has one writer at a time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from adapters.sqlite import ranges
from adapters.sqlite.alter import alter, own_type
from adapters.sqlite.apply import write_change, write_set
from adapters.sqlite.catalog import Table, read_table, read_tables
from adapters.sqlite.connection import connect, demand_same_file, file_behind, refusals, undo
from adapters.sqlite.schema import CHECKPOINT, GUARD, META, NOTE, has_table, set_meta
from adapters.sqlite.statements import Statements
from sync.errors import DatabaseRefused, RoleError
from sync.model.alteration import Alteration
from sync.model.batch import Checkpoint
from sync.model.change import Change, Columns, Row
from sync.model.lines import Lines
from sync.model.position import Position
from sync.model.schema import TableSchema, Type
from sync.model.writes import Writes

_sync_file = getattr(os, "fdatasync", os.fsync)


class SqliteTarget:
    """See `sync.ports.Target`."""

    loads = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._statements: dict[str, Statements] = {}
        self._schema_version = -1
        self._log = -1

    def open(self) -> None:
        self.close()
        self._connection = connection = connect(self._path)
        try:
            self._file = file_behind(self._path)
            with refusals(f"could not open {self._path} as a target"):
                self._demand_installation(connection)
                connection.execute("PRAGMA foreign_keys = OFF")
                if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    # Without a log whose file flush could sync, every commit has to reach the disk itself.
                    connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            self.close()
            raise

    def tables(self) -> Mapping[str, TableSchema]:
        with self._asking("could not read the catalog") as connection:
            return {name: table.schema for name, table in read_tables(connection).items()}

    def own_type(self, wanted: Type) -> Type:
        return own_type(wanted)

    def notes(self) -> Mapping[str, str]:
        with self._asking("could not read what is known of the tables") as connection:
            rows = connection.execute(
                f"SELECT substr(name, {len(NOTE) + 1}), value FROM {META} WHERE substr(name, 1, {len(NOTE)}) = '{NOTE}'"
            ).fetchall()
        return {str(table): str(text) for table, text in rows}

    def note(self, table: str, text: str) -> None:
        with self._asking(f"could not note what is known of table {table}") as connection:
            set_meta(connection, NOTE + table, text)

    def alter(self, schema: TableSchema, steps: Sequence[Alteration]) -> None:
        with self._asking(f"could not alter table {schema.name}") as connection:
            alter(connection, schema, steps)
            self._statements.clear()

    def checkpoint(self, origin: str) -> Checkpoint | None:
        with self._asking("could not read the checkpoint") as connection:
            demand_same_file(self._path, self._file)
            row = connection.execute(f"SELECT epoch, position FROM {CHECKPOINT} WHERE origin = ?", (origin,)).fetchone()
        return None if row is None else Checkpoint(origin, row[0], Position(row[1]))

    def epoch(self) -> int:
        with self._asking("could not read the epoch") as connection:
            return int(connection.execute(f"SELECT coalesce(max(epoch), 0) FROM {CHECKPOINT}").fetchone()[0])

    def begin(self) -> None:
        with self._asking("could not begin to apply") as connection:
            demand_same_file(self._path, self._file)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"UPDATE {GUARD} SET applying = 1 WHERE id = 1")
            version = connection.execute("PRAGMA schema_version").fetchone()[0]
            if version != self._schema_version:
                self._statements.clear()
                self._schema_version = version

    def write(self, writes: Sequence[Writes]) -> int:
        with self._asking("could not apply") as connection:
            return sum(write_set(connection, self._for(connection, each.schema), each) for each in writes)

    def apply(self, writes: Sequence[Writes], checkpoint: Checkpoint) -> int:
        self.begin()
        repairs = self.write(writes)
        self.commit(checkpoint)
        return repairs

    def load(self, lines: Sequence[Lines], checkpoint: Checkpoint | None) -> bool:  # noqa: ARG002
        return False

    def write_ordered(self, changes: Iterable[Change]) -> int:
        with self._asking("could not apply") as connection:
            return sum(write_change(connection, self._for(connection, each.schema), each) for each in changes)

    def read_range(self, schema: TableSchema, after: Row | None, upto: Row | None, limit: int | None = None) -> Columns:
        with self._asking(f"could not read table {schema.name}") as connection:
            table: Table = self._for(connection, schema).table
            return ranges.read_range(connection, table, schema, after, upto, limit)

    def commit(self, checkpoint: Checkpoint) -> None:
        with self._asking("could not commit") as connection:
            highest = connection.execute(f"SELECT coalesce(max(epoch), 0) FROM {CHECKPOINT}").fetchone()[0]
            if highest > checkpoint.epoch:
                raise RoleError(
                    "could not commit",
                    f"epoch {checkpoint.epoch} is over, this database has seen epoch {highest}",
                    "The sender is no longer the primary; see `admin-sync status` on both nodes",
                )
            connection.execute(
                f"INSERT OR REPLACE INTO {CHECKPOINT} VALUES (?, ?, ?)",
                (checkpoint.origin, checkpoint.epoch, checkpoint.position),
            )
            connection.execute(f"UPDATE {GUARD} SET applying = 0 WHERE id = 1")
            connection.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection is not None:
            with refusals("could not roll back"):
                undo(self._connection)

    def durable(self, applied: Position) -> Position:
        self.flush()
        return applied

    def flush(self) -> None:
        """Sync the write-ahead log. SQLite itself syncs it before it moves pages from it into the database file."""
        with self._asking("could not flush"):
            try:
                if self._log < 0:
                    self._log = os.open(f"{self._path}-wal", os.O_RDONLY)
                _sync_file(self._log)
            except FileNotFoundError:
                # No log, no delay: then each commit has waited for the disk.
                return
            except OSError as error:
                raise DatabaseRefused(
                    f"could not sync {self._path}-wal", str(error), "Check the database's disk"
                ) from error

    def close(self) -> None:
        if self._log >= 0:
            os.close(self._log)
            self._log = -1
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _demand_installation(self, connection: sqlite3.Connection) -> None:
        if not all(has_table(connection, name) for name in (CHECKPOINT, GUARD, META)):
            raise DatabaseRefused(
                f"could not apply to {self._path}", "nothing is installed", "Run `admin-sync install`"
            )

    def _for(self, connection: sqlite3.Connection, schema: TableSchema) -> Statements:
        found = self._statements.get(schema.fingerprint)
        if found is None:
            found = Statements(read_table(connection, schema.name), schema)
            self._statements[schema.fingerprint] = found
        return found

    @contextmanager
    def _asking(self, what: str) -> Iterator[sqlite3.Connection]:
        if self._connection is None:
            raise DatabaseRefused(what, "the target is not open", "Report this as a defect")
        with refusals(what):
            yield self._connection
