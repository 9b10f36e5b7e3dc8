"""The source: consistent cuts from the journal, each row as it is in the cut's own snapshot.

The rule it keeps: what was read stays in the journal until it is confirmed, and no position is ever given twice. A
power failure can take SQLite's last commits (WAL, synchronous NORMAL) after their positions went out; the numbers
would come again for other changes. So positions are reserved ahead, durably, and every opening starts beyond all that
were ever reserved; what the journal still holds is delivered again above that.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

from adapters.parts import Limits, Parts
from adapters.sqlite import ranges
from adapters.sqlite.catalog import Table, read_table, table_names
from adapters.sqlite.confirm import Confirmations
from adapters.sqlite.connection import connect, demand_same_file, file_behind, refusals, transaction, undo
from adapters.sqlite.cut import Plan, plan, stream
from adapters.sqlite.install import REINSTALL as INSTALL
from adapters.sqlite.install import is_as_captured, subjects, suffices
from adapters.sqlite.journal import MARK
from adapters.sqlite.schema import JOURNAL, META, has_table, meta, meta_position, our_triggers, set_meta
from adapters.sqlite.watch import Watch
from sync.errors import CatalogChanged, DatabaseRefused, PositionLost
from sync.model.batch import Chunk, ChunkRequest, Transaction
from sync.model.position import Position
from sync.model.schema import TableSchema

_RESERVED = 1 << 20
"""How many positions are reserved at once."""


def _wall_us() -> int:
    return time.time_ns() // 1000


class SqliteSource:
    """See `sync.ports.Source`."""

    mode = "journal"

    def __init__(
        self,
        path: str,
        *,
        wall_us: Callable[[], int] = _wall_us,
        limits: Limits | None = None,
        confirm_interval_s: float = 1.0,
    ) -> None:
        self._path = path
        self._wall_us = wall_us
        self._confirmations = Confirmations(interval_s=confirm_interval_s)
        self._tables: Mapping[str, Table] = {}
        self._limits = limits or Limits()
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._captured: dict[str, TableSchema] = {}
        self._plans: dict[int, Plan] = {}
        self._watch = Watch()
        self._schema_version = -1
        self._names: frozenset[str] = frozenset()
        self._read = 0
        self._reserved = 0
        self._told = 0
        """Behind which position a restored database's history was said to be lost."""
        self._origin = ""

    @property
    def origin(self) -> str:
        if not self._origin:
            with closing(connect(self._path)) as connection, refusals(f"could not start capture from {self._path}"):
                self._origin = self._installed(connection)
        return self._origin

    def open(self, captured: Mapping[str, TableSchema], after: Position) -> None:
        self.close()
        connection = connect(self._path)
        self._connection = connection
        try:
            self._file = file_behind(self._path)
            with refusals(f"could not start capture from {self._path}"):
                self._start(connection, dict(captured), after)
        except BaseException:
            self.close()
            raise

    def wait(self, timeout_s: float) -> bool:
        connection = self._live()
        demand_same_file(self._path, self._file)
        with refusals(f"could not watch {self._path}"):
            self._confirmations.clear(connection)
            return self._watch.wait(connection, timeout_s, lambda: self._has_news(connection))

    def wake(self) -> None:
        self._watch.wake()

    def read(self, chunk: ChunkRequest | None = None) -> Iterator[Transaction]:
        connection = self._live()
        demand_same_file(self._path, self._file)
        try:
            with refusals(f"could not read changes from {self._path}"):
                self._watch.seen(connection)
                if chunk is not None:
                    # A chunk needs a position of its own, whether anything has changed or not.
                    with transaction(connection):
                        self._note_mark(connection)
                yield from self._cut(connection, chunk)
        finally:
            # An iterator that outlives its source has nothing left to end.
            if connection is self._connection:
                undo(connection)

    def confirm(self, position: Position) -> None:
        with refusals(f"could not clear the journal of {self._path}"):
            self._confirmations.add(position)
            self._confirmations.clear(self._live())

    def close(self) -> None:
        self._watch.close()
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                undo(connection)
                self._confirmations.clear(connection, now=True)
            except sqlite3.Error:
                # What could not be cleared is delivered again, and that changes nothing.
                pass
            finally:
                connection.close()

    def _live(self) -> sqlite3.Connection:
        if self._connection is None:
            raise DatabaseRefused("could not use the source", "it is not open", "Report this as a defect")
        return self._connection

    def _start(self, connection: sqlite3.Connection, captured: dict[str, TableSchema], after: Position) -> None:
        self._origin = self._installed(connection)
        self._captured = captured
        self._fit(connection)
        confirmed = meta_position(connection, "confirmed")
        reserved = meta_position(connection, "reserved")
        if after < confirmed:
            why = f"changes up to {confirmed} are not in the journal (any more), but the spool ends at {after}"
            raise self._lost(why, Position(confirmed))
        if after > reserved and after != self._told:
            # Positions are reserved durably before they are given: this database was put back to an older state.
            # Nothing is stored before the node has noted that: it does so, and opens this source again.
            self._told = after
            why = f"the spool ends at {after}, but this database never gave more than {reserved}: it was restored"
            raise self._lost(why, after)
        self._confirmations.start(confirmed)
        self._watch.forget()
        self._watch.watch(self._path)
        self._read = confirmed
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (JOURNAL,)).fetchone()
        self._reserve(connection, max(last[0] if last else 0, after, confirmed, reserved) + _RESERVED)

    def _installed(self, connection: sqlite3.Connection) -> str:
        origin = meta(connection, "origin") if has_table(connection, META) else None
        if not isinstance(origin, str) or not has_table(connection, JOURNAL):
            raise DatabaseRefused(f"could not capture from {self._path}", "nothing is installed", INSTALL)
        return origin

    def _lost(self, why: str, resume: Position) -> PositionLost:
        what = f"capture from {self._path} can not continue where it stopped"
        return PositionLost(what, why, "All tables are copied again", resume=resume)

    def _reserve(self, connection: sqlite3.Connection, position: int | None) -> None:
        """Note a mark (at this position, else at the next) and reserve what follows, durably."""
        connection.execute("PRAGMA synchronous = FULL")
        with transaction(connection):
            self._reserved = self._note_mark(connection, position) + _RESERVED
            set_meta(connection, "reserved", self._reserved)
        connection.execute("PRAGMA synchronous = NORMAL")

    def _note_mark(self, connection: sqlite3.Connection, position: int | None = None) -> int:
        mark = connection.execute(f"INSERT INTO {JOURNAL} (seq, tbl) VALUES (?, {MARK})", (position,)).lastrowid
        return mark or 0

    def _fit(self, connection: sqlite3.Connection) -> None:
        """Check that what is installed is what these tables need, and prepare to read them."""
        names = table_names(connection)
        for name, schema in self._captured.items():
            table = read_table(connection, name) if name in names else None
            if table is None or not is_as_captured(table, schema):
                raise self._altered(f"table {name} is not what it was")
        found = subjects(connection, self._captured)
        if found.new or not suffices(our_triggers(connection), found, self._captured):
            raise DatabaseRefused(
                f"could not capture from {self._path}", "the triggers in it are not the ones that are needed", INSTALL
            )
        self._tables = found.tables
        self._plans = {
            number: plan(found.tables[name], self._captured[name], number) for name, number in found.numbers.items()
        }
        self._schema_version = connection.execute("PRAGMA schema_version").fetchone()[0]
        self._names = names

    def _altered(self, why: str) -> CatalogChanged:
        return CatalogChanged(f"the tables of {self._path} were altered", why, "Capture is opened anew")

    def _look_again(self, connection: sqlite3.Connection) -> None:
        """Where anything was created, altered or dropped, check the installation anew."""
        if connection.execute("PRAGMA schema_version").fetchone()[0] != self._schema_version:
            if table_names(connection) != self._names:
                raise self._altered("tables were made or dropped")
            for name, before in self._tables.items():
                table = read_table(connection, name)
                if table is None or table.schema != before.schema:
                    raise self._altered(f"table {name} is not what it was")
            self._fit(connection)
            confirmed = meta_position(connection, "confirmed")
            if confirmed > self._reserved:
                raise self._lost("triggers were missing until `install` put them back", Position(confirmed))

    def _has_news(self, connection: sqlite3.Connection) -> bool:
        # A trigger that is gone notes nothing, so its going is the only news of it.
        self._look_again(connection)
        row = connection.execute(f"SELECT 1 FROM {JOURNAL} WHERE seq > ? AND tbl <> {MARK} LIMIT 1", (self._read,))
        return row.fetchone() is not None

    def _cut(self, connection: sqlite3.Connection, chunk: ChunkRequest | None) -> Iterator[Transaction]:
        bound = self._begin(connection)
        if bound <= self._read:
            return
        parts = Parts(Position(bound), self._wall_us(), self._limits)
        yield from stream(connection, self._plans, self._read, bound, parts)
        if parts.empty and chunk is None:
            self._read = bound
            return
        chunks = () if chunk is None else (self._chunk(connection, chunk),)
        self._read = bound
        yield parts.rest(chunks)

    def _begin(self, connection: sqlite3.Connection) -> int:
        """Take the snapshot of a cut; gives the journal's last number in it."""
        while True:
            connection.execute("BEGIN")
            row = connection.execute(f"SELECT max(seq) FROM {JOURNAL}").fetchone()
            bound = int(row[0] or 0)
            if bound <= self._reserved:
                break
            connection.execute("ROLLBACK")
            self._reserve(connection, None)
        self._look_again(connection)
        return bound

    def _chunk(self, connection: sqlite3.Connection, request: ChunkRequest) -> Chunk:
        table, schema = self._tables.get(request.table), self._captured.get(request.table)
        if table is None or schema is None:
            raise DatabaseRefused(f"could not read table {request.table}", "it is not captured", INSTALL)
        upto = request.upto
        if upto is None:
            upto = ranges.last_key(connection, table, schema, request.after, request.limit)
        columns = ranges.read_range(connection, table, schema, request.after, upto)
        return Chunk(
            request.run, request.number, schema, request.purpose, request.after, upto, columns, len(columns[0]), b""
        )
