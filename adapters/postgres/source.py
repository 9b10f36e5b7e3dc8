"""The source: committed transactions from the server's log, by logical decoding over the replication protocol.

The rule it keeps: the slot holds what was not confirmed, so a position is reported to the server only when `confirm`
covers it. Where nothing captured is written while the rest of the server is busy, the slot still moves on, so that
it holds back no log for nothing; the database remembers that (see standing.py).
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from time import monotonic, sleep

from adapters.postgres import chunk as chunks
from adapters.postgres import lookup, publication, standing
from adapters.postgres.catalog import Table
from adapters.postgres.connection import Connection, connect, place_of
from adapters.postgres.decoder import MARK, Decoder, Limits
from adapters.postgres.errors import refusals
from adapters.postgres.relation import Wanted
from adapters.postgres.row_filter import RuleOf, no_rules
from adapters.postgres.schema import META, has_table, meta
from adapters.postgres.stream import Stream, lsn
from adapters.postgres.watch import CatalogWatch
from sync.errors import CatalogChanged, DatabaseBusy, DatabaseRefused, PositionLost
from sync.model.batch import ChunkRequest, Transaction
from sync.model.change import Row
from sync.model.position import START, Position
from sync.model.schema import TableSchema

_INSTALL = "Run `admin-sync install`"
_IDLE_BYTES = 16 << 20
"""How far the server's log may run ahead of the slot while nothing captured is written."""
_ASK_S = 0.05
_STUCK_S = 60.0
_WATCH_S = 1.0
"""How often a running stream looks whether somebody altered what it depends on."""


class PostgresSource:
    """See `sync.ports.Source`."""

    mode = "log"

    def __init__(
        self, url: str, *, password: str | None = None, part_rows_max: int = 10_000, rule_of: RuleOf = no_rules
    ) -> None:
        self._url, self._password = url, password
        self._place = place_of(url)
        self._limits = Limits(part_rows_max)
        self._rule_of = rule_of
        self._connection: Connection | None = None
        self._stream: Stream | None = None
        self._decoder: Decoder | None = None
        self._standing = standing.Standing()
        self._captured: dict[str, TableSchema] = {}
        self._tables: dict[str, Table] = {}
        self._origin = ""
        self._slot = ""
        self._given = self._confirmed = START
        self._broken_off = False
        self._seal = ""
        self._watched_at = 0.0
        self._heard = False
        """Whether `wait` saw something come since the last read."""
        self._told: Position | None = None
        """Behind which position a loss was told that the next opening accepts."""
        self._marks = 0
        self._watch: CatalogWatch | None = None
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
            weakref.finalize(self, os.close, end)

    @property
    def origin(self) -> str:
        if not self._origin:
            with (
                closing(connect(self._url, password=self._password)) as connection,
                refusals(f"could not start capture from {self._place}"),
            ):
                self._origin = self._installed(connection)
        return self._origin

    def open(self, captured: Mapping[str, TableSchema], after: Position) -> None:
        self.close()
        try:
            with refusals(f"could not start capture from {self._place}"):
                self._open(dict(captured), after)
        except BaseException:
            self.close()
            raise

    def wait(self, timeout_s: float) -> bool:
        with refusals(f"could not read the log of {self._place}"):
            if self._watch is not None:
                self._watch.look()
            self._resume()
            until = monotonic() + timeout_s
            while not self._has_messages():
                self._pass_by()
                left = until - monotonic()
                if left <= 0 and timeout_s > 0:
                    return False
                if not self._live_stream.wait(left, (self._wake_read,)) and (left <= 0 or self._woken()):
                    return False
            self._heard = True
            return True

    def wake(self) -> None:
        # Where so many calls wait to be noticed, one more changes nothing.
        with suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    def read(self, chunk: ChunkRequest | None = None) -> Iterator[Transaction]:
        connection = self._live
        began = self._given
        complete = False
        try:
            with refusals(f"could not read the log of {self._place}"):
                self._resume()
                yield from self._new() if chunk is None else self._with_chunk(chunk)
            complete = True
        finally:
            if not complete and connection is self._connection:
                self._broken_off = True
                self._given = began

    def confirm(self, position: Position) -> None:
        with refusals(f"could not confirm to {self._place}"):
            stream = self._live_stream
            if position > self._confirmed:
                self._confirmed = position
                stream.report(self._standing.lsn(position + 1))

    def close(self) -> None:
        stream, self._stream = self._stream, None
        connection, self._connection = self._connection, None
        self._decoder = self._watch = None
        self._broken_off = self._heard = False
        if stream is not None:
            stream.close()
        if connection is not None:
            connection.close()

    @property
    def _live(self) -> Connection:
        if self._connection is None:
            raise DatabaseRefused("could not use the source", "it is not open", "Report this as a defect")
        return self._connection

    @property
    def _live_stream(self) -> Stream:
        if self._stream is None:
            raise DatabaseRefused("could not use the source", "it is not open", "Report this as a defect")
        return self._stream

    @property
    def _live_decoder(self) -> Decoder:
        if self._decoder is None:
            raise DatabaseRefused("could not use the source", "it is not open", "Report this as a defect")
        return self._decoder

    def _open(self, captured: dict[str, TableSchema], after: Position) -> None:
        connection = self._connection = connect(self._url, password=self._password)
        # A mark waits for this server's disk, never for a standby.
        connection.execute("SET synchronous_commit = local")
        self._origin = self._installed(connection)
        self._seal, self._watched_at = publication.seal(connection), monotonic()
        watch = self._watch = CatalogWatch(connection, captured)
        self._captured, self._tables = captured, watch.tables
        misfit = publication.misfit(connection, captured, self._rule_of)
        if misfit:
            why = f"the publication does not name the captured tables; it lacks {misfit}"
            raise DatabaseRefused(f"could not capture from {self._place}", why, publication.REINSTALL)
        self._slot = publication.slot_name(connection)
        stream = self._stream = Stream(self._url, self._password)
        self._judge(connection, standing.Server(*stream.identify(), stream.left_at), after)
        self._given = self._confirmed = after
        self._begin(stream)

    def _judge(self, connection: Connection, server: standing.Server, after: Position) -> None:
        """Find out whether everything behind `after` is still to come."""
        found = standing.load(connection) or standing.first(connection, server)
        losses = standing.losses(connection, found, server, self._captured, after)
        if losses and (self._told is None or after < self._told):
            self._told = standing.resume(connection, found, after)
            what = f"capture from {self._place} can not continue where it stopped"
            raise PositionLost(what, "; ".join(losses), "All tables are copied again", resume=self._told)
        if losses:
            found = standing.mend(connection, found, server, after)
        publication.keep_up(connection, self._captured)
        self._told = None
        self._standing = standing.follow(connection, found, server)

    def _installed(self, connection: Connection) -> str:
        standby = connection.execute("SELECT pg_is_in_recovery()").fetchone()
        if standby is not None and standby[0]:
            what, why = f"could not capture from {self._place}", "the server is a standby that was not promoted"
            raise DatabaseBusy(what, why, "It is tried again; or name the cluster's primary in database.url")
        origin = meta(connection, "origin") if has_table(connection, META) else None
        if origin is None:
            raise DatabaseRefused(f"could not capture from {self._place}", "nothing is installed", _INSTALL)
        return origin

    def _begin(self, stream: Stream) -> None:
        """Start the stream behind the last transaction that was given."""
        wanted = {
            (table.namespace, table.relation): Wanted(
                self._captured[name], {each.name: (each.type_oid, each.modifier) for each in table.attributes}
            )
            for name, table in self._tables.items()
            if name in self._captured
        }
        self._decoder = Decoder(
            wanted, self._fetch, self._limits, self._standing.base, self._watch.read_at if self._watch else 0
        )
        self._broken_off = False
        # To report less than the slot has would move it back.
        confirmed = standing.slot_confirmed(self._live) or 0
        stream.start(self._slot, self._standing.lsn(self._given + 1), confirmed)

    def _resume(self) -> None:
        """Begin anew where a reader gave up in the middle, and see that nothing was altered behind our back."""
        stream = self._live_stream
        if monotonic() - self._watched_at > _WATCH_S:
            self._watched_at = monotonic()
            if publication.seal(self._live) != self._seal:
                # What that means for what was read, the next opening says.
                what, why = f"could not read on from {self._place}", "the publication or a table in it was altered"
                raise CatalogChanged(what, why, "Capture is opened anew, and says what that means")
        if self._broken_off:
            stream.close()
            self._stream = Stream(self._url, self._password)
            self._begin(self._stream)

    def _has_messages(self) -> bool:
        decoder, stream = self._live_decoder, self._live_stream
        if not decoder.waiting:
            decoder.put(stream.take())
            self._listen(decoder, stream)
        return decoder.waiting

    @staticmethod
    def _listen(decoder: Decoder, stream: Stream) -> None:
        """Act on keepalives that the decoder came across."""
        asked, decoder.asked = decoder.asked, False
        stream.heard(decoder.sent, asked=asked)

    def _woken(self) -> bool:
        try:
            return bool(os.read(self._wake_read, 4096))
        except BlockingIOError:
            return False

    def _new(self) -> Iterator[Transaction]:
        """Everything that is committed now."""
        # What has come by itself is given at once; else the server is asked how far there is something.
        heard, self._heard = self._heard, False
        upto = 0 if heard else self._written()
        for made in self._upto(upto):
            if made.change_count or not made.last or made.part:
                yield replace(made, marks=()) if made.marks else made

    def _written(self) -> int:
        row = self._live.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        return lsn(str(row[0])) if row else 0

    def _upto(self, upto: int) -> Iterator[Transaction]:
        """Transactions until the server has sent everything that was committed before this LSN.

        With 0: those that have arrived, or so many of them that others can begin to work on them.
        """
        stream, decoder = self._live_stream, self._live_decoder
        rows = 0
        heard_at = asked_at = monotonic()
        while True:
            had = self._has_messages()
            for made in decoder.transactions():
                if made.last:
                    self._given = made.position
                rows += made.change_count
                yield made
            self._listen(decoder, stream)
            if not decoder.in_transaction and not decoder.waiting:
                if upto and max(decoder.ended, stream.sent) >= upto:
                    return
                if not upto and (not stream.flowing or rows >= self._limits.together_rows_max):
                    return
            now = monotonic()
            if had:
                heard_at = now
                sleep(stream.pace_s if stream.flowing else 0)
            elif stream.wait(_ASK_S):
                heard_at = now
            elif now - heard_at > _STUCK_S:
                raise DatabaseBusy("could not read the server's log", "the server does not go on", "It is tried again")
            elif now - asked_at > _ASK_S:
                asked_at = now
                stream.report(stream.flushed, answer=True)

    def _with_chunk(self, request: ChunkRequest) -> Iterator[Transaction]:
        """Everything that is committed now, and the chunk with its mark's transaction."""
        schema, table = self._captured.get(request.table), self._tables.get(request.table)
        if schema is None or table is None:
            raise DatabaseRefused(f"could not read table {request.table}", "it is not captured", _INSTALL)
        low = self._mark()
        yield from self._until_mark(low)
        reading = chunks.read(self._live, table, schema, request, self._live_decoder.xids)
        high = self._mark()
        for made in self._until_mark(high, give_it=True):
            if high in made.marks:
                yield replace(made, marks=(), chunks=(reading.chunk(),))
            else:
                reading.note(made)
                yield made

    def _mark(self) -> str:
        self._marks += 1
        text = f"{self._origin} {os.getpid()} {self._marks} {monotonic()}"
        self._live.execute("SELECT pg_logical_emit_message(true, %s, %s)", (MARK, text))
        return text

    def _until_mark(self, mark: str, *, give_it: bool = False) -> Iterator[Transaction]:
        """Transactions up to the one that holds this mark, which is given only where it is asked for."""
        reading = self._upto((1 << 64) - 1)
        for made in reading:
            if mark in made.marks:
                if give_it:
                    yield made
                return
            if made.change_count or not made.last or made.part:
                yield replace(made, marks=()) if made.marks else made

    def _pass_by(self) -> None:
        """Let the slot move on where nothing captured was written in a long stretch of the log."""
        stream = self._live_stream
        idle = self._given <= self._confirmed and not self._live_decoder.in_transaction
        if idle and stream.sent - stream.flushed > _IDLE_BYTES:
            passed = replace(self._standing, passed=max(self._given, self._confirmed), upto=stream.sent)
            standing.save(self._live, passed)
            self._standing = passed
            stream.report(stream.sent)

    def _fetch(self, schema: TableSchema, keys: Sequence[Row]) -> dict[Row, Row]:
        """The rows with these keys as they are now."""
        return lookup.read_rows(self._live, self._tables[schema.name], schema, keys)
