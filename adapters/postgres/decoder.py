"""The decoder: the frames of a replication stream as transactions of columnar blocks. Pure: bytes in, records out.

The rule it keeps: a transaction comes whole and in commit order, its parts bounded in rows and bytes, and what a
transaction was kept from (an applier's own work, a relation that is not captured) leaves nothing of it.

A position is the LSN of the transaction's commit record, which its first message names already, so that all its parts
bear it, moved by `base` (see standing.py).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from adapters.postgres import pgoutput
from sync.errors import DatabaseError, DatabaseRefused
from sync.model.batch import Transaction
from sync.model.change import ABSENT, Block, Columns, Op, Row, Value
from sync.model.position import Position
from sync.model.schema import TableSchema
from sync.model.texts import decode

APPLIED: Final = "admin_sync"
"""Origins with this beginning mark what an applier of ours wrote."""
APPLIED_MESSAGE: Final = "admin_sync.applied"
"""The logical message by which an applier without the right to an origin marks its transactions."""
MARK: Final = "admin_sync.mark"

_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970."""
_XIDS_REMEMBERED: Final = 4096
_OPS: Final = bytes.maketrans(
    bytes((pgoutput.INSERT, pgoutput.UPDATE, pgoutput.DELETE, pgoutput.TRUNCATE, pgoutput.MOVED)),
    bytes((Op.INSERT, Op.UPDATE, Op.DELETE, Op.TRUNCATE, Op.UPSERT)),
)
_ROWS: Final = b"IUD"
_HEAD: Final = slice(pgoutput.FRAME, pgoutput.FRAME + 6)
"""What rows have in common that are taken together: kind, relation, and which tuple comes first."""
_IS_DELETE: Final = bytes(op == Op.DELETE for op in range(256))

Fetch = Callable[[TableSchema, Sequence[Row]], Mapping[Row, Row]]
"""Reads the rows with these keys as they are now: what a row that moved to another key did not bring along."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one part of a transaction."""

    rows_max: int = 20_000
    bytes_max: int = 4 << 20
    """Of the frames; a part may exceed it by what was put in at once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is captured of one table."""

    schema: TableSchema
    known: frozenset[str]
    """All columns that the table has now."""


@dataclass(slots=True)
class _Relation:
    """A relation of the stream, and the frames gathered of it."""

    schema: TableSchema
    places: tuple[int, ...]
    """Where each captured column stands in the tuple; -1 where the stream does not have it."""
    key: tuple[int, ...]
    width: int
    frames: list[bytes] = field(default_factory=list, compare=False)
    runs: list[tuple[int, int]] = field(default_factory=list, compare=False)
    """Where frames without a gap between their ordinals begin: (place in frames, ordinal)."""


class Decoder:
    """Put in frames, take transactions. A transaction with nothing captured in it and no mark is not given."""

    def __init__(
        self,
        captured: Mapping[tuple[str, str], Wanted],
        fetch: Fetch,
        limits: Limits | None = None,
        base: int = 0,
    ) -> None:
        self._captured = captured
        self._fetch = fetch
        self._limits = limits or Limits()
        self._base = base
        self._relations: dict[int, _Relation | None] = {}
        self._touched: list[_Relation] = []
        self._frames: list[bytes] = []
        self._at = 0
        self._open = False
        self._skipping = False
        self._position = Position(0)
        self._committed_at_us = 0
        self._xid = 0
        self._ordinal = self._first = self._bytes = self._part = 0
        self._marks: list[str] = []
        self.ended = 0
        """The LSN behind the last transaction that ended."""
        self.xids: deque[int] = deque(maxlen=_XIDS_REMEMBERED)
        """The transactions that ended last."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return self._open

    @property
    def waiting(self) -> bool:
        """Whether frames were put in that `transactions` has not used up."""
        return self._at < len(self._frames)

    def put(self, frames: list[bytes]) -> None:
        """Put in the next frames (w messages). Only where none are waiting."""
        self._frames, self._at = frames, 0

    def transactions(self) -> Iterator[Transaction]:
        """What the frames complete, in parts where it is large. Ending early leaves the rest of the frames waiting.

        Raises `DatabaseRefused` where they make no sense.
        """
        try:
            while self._at < len(self._frames):
                yield from self._step()
        except DatabaseError:
            raise
        except (ValueError, IndexError, KeyError, struct.error) as error:
            raise DatabaseRefused(
                "could not read the server's log", f"{type(error).__name__}: {error}", "Please report it as a defect"
            ) from error

    def _step(self) -> Iterable[Transaction]:
        """Take the next run of rows, or the next other message."""
        frame = self._frames[self._at]
        kind = frame[pgoutput.FRAME]
        if kind in _ROWS:
            return self._rows(frame)
        self._at += 1
        if kind == pgoutput.BEGIN:
            self._begin(frame)
        elif kind == pgoutput.COMMIT:
            return self._commit(frame)
        elif kind == pgoutput.RELATION:
            return self._relation(frame)
        elif kind == pgoutput.TRUNCATE:
            self._truncate(frame)
        elif kind == pgoutput.ORIGIN:
            self._skipping = self._skipping or pgoutput.origin(frame).startswith(APPLIED)
        elif kind == pgoutput.MESSAGE:
            self._message(*pgoutput.message(frame))
        elif kind != pgoutput.TYPE:
            raise pgoutput.Malformed(f"a message is of the unknown kind {kind}")
        return ()

    def _rows(self, frame: bytes) -> Iterable[Transaction]:
        """Take rows of one relation and one kind together, as many as the part has room for."""
        if not self._open:
            raise pgoutput.Malformed("a row stands outside of a transaction")
        frames, begin = self._frames, self._at
        head = frame[_HEAD]
        folded = frame[pgoutput.FRAME] == pgoutput.UPDATE and not pgoutput.is_plain(frame)
        room = self._limits.rows_max - self._ordinal + self._first
        end, stop = begin + 1, min(len(frames), begin + (room // 2 if folded else room))
        while end < stop and frames[end][_HEAD] == head:
            end += 1
        self._at = end
        relation = self._relations[pgoutput.relation_of(frame)]
        if self._skipping or relation is None:
            return ()
        run = frames[begin:end]
        self._bytes += sum(map(len, run))
        if folded:
            run = [row for each in run for row in pgoutput.unfolded(each, relation.key)]
        self._gather(relation, run)
        full = self._ordinal - self._first >= self._limits.rows_max - 1 or self._bytes >= self._limits.bytes_max
        return (self._take(last=False),) if full else ()

    def _gather(self, relation: _Relation, run: list[bytes]) -> None:
        if not relation.frames:
            self._touched.append(relation)
        relation.runs.append((len(relation.frames), self._ordinal))
        relation.frames += run
        self._ordinal += len(run)

    def _begin(self, frame: bytes) -> None:
        if self._open:
            raise pgoutput.Malformed("a transaction begins inside another")
        lsn, at_us, self._xid = pgoutput.begin(frame)
        self._position = Position(lsn + self._base)
        self._committed_at_us = at_us + _EPOCH_US
        self._open, self._skipping = True, False
        self._ordinal = self._first = self._bytes = self._part = 0
        self._marks = []

    def _commit(self, frame: bytes) -> Iterable[Transaction]:
        if not self._open:
            raise pgoutput.Malformed("a transaction ends that has not begun")
        ended = pgoutput.commit(frame)
        empty = not self._part and not self._ordinal and not self._marks
        made = () if empty or self._skipping else (self._take(last=True),)
        self._open = False
        self.ended = ended
        self.xids.append(self._xid)
        return made

    def _relation(self, frame: bytes) -> Iterable[Transaction]:
        message = pgoutput.relation(frame)
        before, now = self._relations.get(message.oid), self._known(message)
        if now == before and before is not None:
            return ()
        self._relations[message.oid] = now
        # One block can not hold rows of two forms.
        return (self._take(last=False),) if before is not None and before.frames else ()

    def _truncate(self, frame: bytes) -> None:
        if not self._open:
            raise pgoutput.Malformed("a truncate stands outside of a transaction")
        for oid in pgoutput.truncated(frame):
            relation = self._relations[oid]
            if relation is not None and not self._skipping:
                self._gather(relation, [pgoutput.truncate_row(frame, oid, relation.width)])

    def _message(self, transactional: bool, prefix: str, text: str) -> None:  # noqa: FBT001 as the message has it
        if not transactional:
            return
        if prefix == MARK:
            self._marks.append(text)
        elif prefix == APPLIED_MESSAGE:
            if self._part or self._ordinal:
                raise pgoutput.Malformed("an applier marked a transaction after it had written")
            self._skipping = True

    def _known(self, message: pgoutput.RelationMessage) -> _Relation | None:
        """Match a relation of the stream with what is captured of it."""
        wanted = self._captured.get((message.namespace, message.name))
        if wanted is None:
            return None
        schema = wanted.schema
        at = {attribute.name: place for place, attribute in enumerate(message.attributes)}
        places = tuple(at.get(name, -1) for name in schema.column_names)
        missing = [name for name, place in zip(schema.column_names, places, strict=True) if place < 0]
        strange = at.keys() - wanted.known
        # A column that was added later is not in older rows. Where one has gone too, it may have been renamed.
        if missing and (strange or not set(missing).isdisjoint(schema.key_names)):
            raise DatabaseRefused(
                f"could not read changes of {schema.name}",
                f"its definition changed: the server's log has no column {missing[0]}"
                + (f", but {min(strange)}" if strange else ""),
                "If this stays, run `admin-sync uninstall` and `admin-sync install`: all tables are copied again",
            )
        return _Relation(schema, places, tuple(places[i] for i in schema.key), len(message.attributes))

    def _take(self, *, last: bool) -> Transaction:
        """Make a part of what was gathered, and begin another."""
        blocks = tuple([self._block(relation) for relation in self._touched])
        self._touched = []
        marks = tuple(self._marks)
        made = Transaction(self._position, self._committed_at_us, blocks, (), marks, self._part, last)
        self._marks = []
        self._part += 1
        self._first, self._bytes = self._ordinal, 0
        return made

    def _block(self, relation: _Relation) -> Block:
        frames, runs = relation.frames, relation.runs
        relation.frames, relation.runs = [], []
        ops = bytes(map(pgoutput.OPERATION, frames)).translate(_OPS)
        raw = pgoutput.split(frames, relation.width)
        nothing: list[Value] = [ABSENT] * len(ops)
        columns = tuple(
            [
                list(nothing) if place < 0 else decode(column.type, raw[place])
                for place, column in zip(relation.places, relation.schema.columns, strict=True)
            ]
        )
        schema = relation.schema
        if Op.DELETE in ops:
            gone = ops.translate(_IS_DELETE)
            columns = tuple(
                [
                    column if at in schema.key else [ABSENT if g else v for g, v in zip(gone, column, strict=True)]
                    for at, column in enumerate(columns)
                ]
            )
        if Op.UPSERT in ops:
            self._complete(schema, ops, columns)
        return Block(schema, ops, columns, _ordinals(runs, len(frames)))

    def _complete(self, schema: TableSchema, ops: bytes, columns: Columns) -> None:
        """Give rows that moved to another key the large values that the server did not send along.

        The row under the new key has no such value on the target. It is read as it is now: had it changed since,
        the stream brings that later; is the row gone, so does the stream.
        """
        lacking = [
            at for at, op in enumerate(ops) if op == Op.UPSERT and any(column[at] is ABSENT for column in columns)
        ]
        if not lacking:
            return
        keys = [tuple(columns[i][at] for i in schema.key) for at in lacking]
        found = self._fetch(schema, keys)
        for at, key in zip(lacking, keys, strict=True):
            row = found.get(key)
            for column, value in zip(columns, row or (), strict=row is not None):
                if column[at] is ABSENT:
                    column[at] = value


def _ordinals(runs: Sequence[tuple[int, int]], count: int) -> Sequence[int]:
    if runs[-1][1] - runs[0][1] == runs[-1][0] - runs[0][0]:
        return range(runs[0][1], runs[0][1] + count)
    ordinals: list[int] = []
    ends = [*(place for place, _ in runs[1:]), count]
    for (place, ordinal), end in zip(runs, ends, strict=True):
        ordinals.extend(range(ordinal, ordinal + end - place))
    return ordinals
