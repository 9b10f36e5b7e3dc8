"""A chunk: a key range read beside the stream, and brought exactly to the position of a mark in it.

The rule it keeps: between a low mark and a high mark the range is read in one snapshot; what the stream brings between
the two is then done to the rows that were read, so that they are what they were at the high mark, whenever the
snapshot was taken. A transaction that the stream had given before the low mark must be in the snapshot: a server makes
a commit visible a moment after it has logged it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapters.postgres import ranges
from adapters.postgres.catalog import Table
from adapters.postgres.connection import Connection, transaction
from adapters.postgres.order import key_order
from sync.errors import DatabaseBusy
from sync.model.batch import Chunk, ChunkRequest, Transaction
from sync.model.change import ABSENT, Change, Columns, Op, Row
from sync.model.schema import TableSchema

_SNAPSHOT = "ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_TRIES = 50
_HALF = 1 << 31
_XID = (1 << 32) - 1


class Reading:
    """One chunk under way."""

    def __init__(self, request: ChunkRequest, schema: TableSchema, upto: Row | None, columns: Columns) -> None:
        self._request = request
        self._schema = schema
        self._upto = upto
        self._columns = columns
        self._order = key_order(schema)
        self._changes: list[Change] = []

    def note(self, made: Transaction) -> None:
        """Keep what a transaction between the marks did to the table."""
        for block in made.blocks:
            if block.schema.name == self._schema.name:
                self._changes += block.changes()

    def chunk(self) -> Chunk:
        """The rows as of the high mark."""
        columns = self._brought_up() if self._changes else self._columns
        asked = self._request
        return Chunk(
            asked.run,
            asked.number,
            self._schema,
            asked.purpose,
            asked.after,
            self._upto,
            columns,
            len(columns[0]),
            b"",
        )

    def _brought_up(self) -> Columns:
        schema = self._schema
        keys = zip(*(self._columns[at] for at in schema.key), strict=True)
        rows: dict[Row, Row] = dict(zip(keys, zip(*self._columns, strict=True), strict=True))
        for change in self._changes:
            if change.op is Op.TRUNCATE:
                rows.clear()
                continue
            before = rows.pop(change.key, None)
            if change.op is not Op.DELETE and self._holds(change.key):
                # The value that the stream left out is the one that was read: only older ones are in between.
                known = before or change.row
                rows[change.key] = tuple(
                    old if new is ABSENT else new for old, new in zip(known, change.row, strict=True)
                )
        ordered = [rows[key] for key in sorted(rows, key=self._order)]
        return tuple(map(list, zip(*ordered, strict=True))) if ordered else tuple([] for _ in schema.columns)

    def _holds(self, key: Row) -> bool:
        after, place = self._request.after, self._order(key)
        return (after is None or self._order(after) < place) and (
            self._upto is None or place <= self._order(self._upto)
        )


def read(
    connection: Connection, table: Table, schema: TableSchema, request: ChunkRequest, given: Iterable[int]
) -> Reading:
    """Read the range in a snapshot that holds the transactions `given` (their 32-bit numbers)."""
    given = tuple(given)
    for _ in range(_TRIES):
        with transaction(connection, _SNAPSHOT):
            # Before the snapshot is taken: to one from before a rewrite, the table would look empty.
            connection.execute(f"LOCK TABLE {table.only} IN ACCESS SHARE MODE".encode())
            row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
            if row is not None and not hidden(str(row[0]), given):
                upto = request.upto
                if upto is None:
                    upto = ranges.last_key(connection, table, schema, request.after, request.limit)
                return Reading(request, schema, upto, ranges.read_range(connection, table, schema, request.after, upto))
        connection.execute("SELECT pg_sleep(0.01)")
    raise DatabaseBusy(
        f"could not read table {schema.name}",
        "a transaction that is in the log does not become visible; it may wait for a synchronous standby",
        "It is tried again",
    )


def hidden(snapshot: str, given: Sequence[int]) -> bool:
    """Whether a snapshot (`xmin:xmax:xip,…`) does not show one of these committed transactions."""
    _, above, running = snapshot.split(":")
    first_hidden = int(above) & _XID
    open_ = {int(number) & _XID for number in running.split(",") if number}
    return any(xid in open_ or ((xid - first_hidden) & _XID) < _HALF for xid in given)
