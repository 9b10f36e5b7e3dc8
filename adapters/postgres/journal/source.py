"""The source: consistent cuts from the journal, each row as it is in the cut's own snapshot.

The rule it keeps: what was read stays in the journal until it is confirmed; no position is ever given twice, for they
are reserved ahead, durably; and nothing is given that the server could still lose, where an application committed
without waiting for the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import psycopg

from adapters.parts import Limits, Parts
from adapters.postgres import ranges
from adapters.postgres.connection import Connection, connect, place_of, undo
from adapters.postgres.errors import refusals
from adapters.postgres.journal.confirm import Confirmations
from adapters.postgres.journal.cut import Plan, plan, stream
from adapters.postgres.journal.ears import Bell, Ears
from adapters.postgres.journal.install import misfit
from adapters.postgres.journal.notes import JOURNAL
from adapters.postgres.journal.snapshot import NOTHING, Snapshot
from adapters.postgres.journal.standing import Standing
from adapters.postgres.journal.subjects import REINSTALL, find, shapes, tampered
from adapters.postgres.schema import META, has_table, meta
from adapters.postgres.watch import CatalogWatch
from sync.errors import DatabaseRefused
from sync.model.batch import Chunk, ChunkRequest, Transaction
from sync.model.position import Position
from sync.model.schema import TableSchema

_SETTINGS: Final = (
    # Positions wait for this server's disk, never for a standby.
    "SET synchronous_commit = local",
    "SET lock_timeout = '10s'",
    "SET jit = off",
    # Nobody counts the notes: a plan that reads a whole table for a few of them must never be chosen.
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET cursor_tuple_fraction = 1",
)
_LOOK_INTERVAL_S: Final = 1.0
_SNAPSHOT: Final = "SELECT pg_current_snapshot()::text, pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()"


def _wall_us() -> int:
    return time.time_ns() // 1000


class JournalSource:
    """See `sync.ports.Source`."""

    mode = "journal"

    def __init__(
        self,
        url: str,
        *,
        password: str | None = None,
        wall_us: Callable[[], int] = _wall_us,
        limits: Limits | None = None,
        confirm_interval_s: float = 1.0,
    ) -> None:
        self._url, self._password = url, password
        self._place = place_of(url)
        self._wall_us = wall_us
        self._limits = limits or Limits()
        self._confirmations = Confirmations(interval_s=confirm_interval_s)
        self._bell = Bell()
        self._connection: Connection | None = None
        self._ears: Ears | None = None
        self._captured: dict[str, TableSchema] = {}
        self._plans: dict[int, Plan] = {}
        self._shapes: dict[int, str] = {}
        self._standing = Standing(self._place)
        self._since = NOTHING
        """What was given: all that this snapshot shows."""
        self._looked_s = 0.0
        self._watch: CatalogWatch | None = None
        self._origin = ""

    @property
    def origin(self) -> str:
        if not self._origin:
            connection = connect(self._url, password=self._password)
            try:
                with refusals(f"could not start capture from {self._place}"):
                    self._origin = self._installed(connection)
            finally:
                connection.close()
        return self._origin

    def open(self, captured: Mapping[str, TableSchema], after: Position) -> None:
        self.close()
        try:
            with refusals(f"could not start capture from {self._place}"):
                connection = self._connection = connect(self._url, password=self._password)
                for setting in _SETTINGS:
                    connection.execute(setting.encode())
                self._origin = self._installed(connection)
                self._captured = dict(captured)
                self._watch = CatalogWatch(connection, captured)
                self._fit(connection)
                self._standing.start(connection, after)
                self._looked_s = time.monotonic()
                self._since = NOTHING
                self._confirmations.start()
                self._ears = Ears(connect(self._url, password=self._password))
        except BaseException:
            self.close()
            raise

    def wait(self, timeout_s: float) -> bool:
        with refusals(f"could not watch {self._place}"):
            connection, ears = self._live, self._listening
            self._confirmations.clear(connection)
            until = time.monotonic() + timeout_s
            while True:
                self._look(connection)
                if self._noted(connection):
                    return True
                left = until - time.monotonic()
                if self._bell.was_rung() or left <= 0:
                    return False
                ears.wait(min(left, ears.poll_s), self._bell)

    def wake(self) -> None:
        self._bell.ring()

    def read(self, chunk: ChunkRequest | None = None) -> Iterator[Transaction]:
        connection = self._live
        try:
            with refusals(f"could not read changes from {self._place}"):
                self._look(connection)
                noted = self._noted(connection)
                if noted or chunk is not None:
                    yield from self._cut(connection, noted, chunk)
        finally:
            # An iterator that outlives its source has nothing left to end.
            if connection is self._connection:
                undo(connection)

    def confirm(self, position: Position) -> None:
        with refusals(f"could not clear the journal of {self._place}"):
            self._confirmations.add(position)
            self._confirmations.clear(self._live)

    def close(self) -> None:
        ears, self._ears = self._ears, None
        connection, self._connection = self._connection, None
        if ears is not None:
            ears.close()
        if connection is not None:
            try:
                undo(connection)
                self._confirmations.clear(connection, now=True)
            except psycopg.Error:
                # What could not be cleared is delivered again, and that changes nothing.
                pass
            finally:
                connection.close()

    @property
    def _live(self) -> Connection:
        if self._connection is None:
            raise DatabaseRefused("could not use the source", "it is not open", "Report this as a defect")
        return self._connection

    @property
    def _listening(self) -> Ears:
        if self._ears is None:
            raise DatabaseRefused("could not use the source", "it is not open", "Report this as a defect")
        return self._ears

    def _installed(self, connection: Connection) -> str:
        origin = meta(connection, "origin") if has_table(connection, META) else None
        if origin is None or not has_table(connection, JOURNAL):
            raise DatabaseRefused(
                f"could not capture from {self._place}", "nothing is installed", "Run `admin-sync install`"
            )
        return origin

    def _fit(self, connection: Connection) -> None:
        """Check that what is installed is what these tables need, and prepare to read them."""
        found = find(connection, self._captured)
        if why := misfit(found):
            raise DatabaseRefused(f"could not capture from {self._place}", why, REINSTALL)
        self._plans = {
            subject.number: plan(subject.number, found.tables[name], self._captured[name])
            for name, subject in found.wanted.items()
        }
        self._shapes = shapes(connection, [table.oid for table in found.tables.values()])

    def _look(self, connection: Connection) -> None:
        """From time to time, find out whether all triggers are still what they were."""
        if time.monotonic() - self._looked_s < _LOOK_INTERVAL_S:
            return
        if self._watch is not None:
            self._watch.look()
        if tampered(connection):
            # Where a trigger is not there at all, somebody must act before everything is copied.
            self._fit(connection)
        self._standing.look(connection)
        self._looked_s = time.monotonic()

    def _noted(self, connection: Connection) -> set[int]:
        """The numbers of all tables that something new is noted of."""
        rows = connection.execute(f"SELECT DISTINCT tbl FROM {JOURNAL} WHERE {self._since.hidden}".encode()).fetchall()
        # Notes that somebody else put there, under numbers that mean nothing, are no changes.
        return {int(str(number)) for (number,) in rows}.intersection(self._plans)

    def _cut(self, connection: Connection, noted: set[int], request: ChunkRequest | None) -> Iterator[Transaction]:
        asked = None if request is None else self._asked(request)
        position = self._standing.next(connection)
        snapshot, truncated = self._begin(connection, noted, asked)
        parts = Parts(position, self._wall_us(), self._limits)
        for number, all_rows in sorted(truncated.items()):
            yield from stream(connection, self._plans[number], self._since, parts, truncated=all_rows)
        if parts.empty and request is None:
            return
        chunks = () if request is None or asked is None else (self._chunk(connection, asked, request),)
        made = parts.rest(chunks)
        connection.execute("COMMIT")
        self._since = snapshot
        self._confirmations.given(position, snapshot)
        yield made

    def _begin(self, connection: Connection, noted: set[int], asked: Plan | None) -> tuple[Snapshot, dict[int, bool]]:
        """Take the snapshot of a cut; gives it, and which tables something is noted of: whether all rows went."""
        while True:
            locked = [self._plans[number].table for number in sorted(noted)]
            if asked is not None and asked.table not in locked:
                locked.append(asked.table)
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # Locked first: to lock takes no snapshot.
            names = ", ".join(table.only for table in locked)
            connection.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE".encode())
            row = connection.execute(_SNAPSHOT.encode()).fetchone()
            text, unflushed = row if row is not None else ("", True)
            rows = connection.execute(
                f"SELECT tbl, bool_or(key IS NULL) FROM {JOURNAL} WHERE {self._since.hidden} GROUP BY 1".encode()
            ).fetchall()
            truncated = {int(str(number)): all_rows is True for number, all_rows in rows if number in self._plans}
            if noted.issuperset(truncated):
                break
            connection.execute("ROLLBACK")
            noted = noted.union(truncated)
        if unflushed:
            self._listening.flush()
        if shapes(connection, [table.oid for table in locked]).items() - self._shapes.items():
            if self._watch is not None:
                self._watch.read_again()
            self._fit(connection)
        return Snapshot.of(str(text)), truncated

    def _asked(self, request: ChunkRequest) -> Plan:
        found = next((each for each in self._plans.values() if each.schema.name == request.table), None)
        if found is None:
            raise DatabaseRefused(f"could not read table {request.table}", "it is not captured", REINSTALL)
        return found

    def _chunk(self, connection: Connection, each: Plan, request: ChunkRequest) -> Chunk:
        table, schema, upto = each.table, each.schema, request.upto
        if upto is None:
            upto = ranges.last_key(connection, table, schema, request.after, request.limit)
        columns = ranges.read_range(connection, table, schema, request.after, upto)
        return Chunk(
            request.run, request.number, schema, request.purpose, request.after, upto, columns, len(columns[0]), b""
        )
