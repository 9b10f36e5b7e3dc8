"""The decoder: the bytes of a replication stream as transactions of blocks. Pure: bytes in, records out.

The rule it keeps: a transaction comes whole and in commit order, its parts bounded in rows and bytes, and what a
transaction was kept from (an applier's own work, a relation that is not captured) leaves nothing of it. Small
transactions that are there together come as one (`Transaction.earlier`); one with a mark comes alone.

A position is the LSN of the transaction's commit record, which its first message names already, so that all its parts
bear it, moved by `base` (see standing.py).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from adapters.postgres import pgoutput, runs
from adapters.postgres.carrier import is_news
from adapters.postgres.gather import Fetch, Gather, Relation, identity_only
from adapters.postgres.relation import Wanted, places_of
from sync.errors import DatabaseError, DatabaseRefused, ProtocolError
from sync.model.batch import Commit, Transaction
from sync.model.change import Op
from sync.model.position import Position
from sync.model.tuples import UNCHANGED

APPLIED: Final = "admin_sync"
"""Origins with this beginning mark what an applier of ours wrote."""
APPLIED_MESSAGE: Final = "admin_sync.applied"
"""The logical message by which an applier without the right to an origin marks its transactions."""
MARK: Final = "admin_sync.mark"

_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970."""
_XIDS_REMEMBERED: Final = 4096
_ROWS: Final = {pgoutput.INSERT: Op.INSERT, pgoutput.UPDATE: Op.UPDATE, pgoutput.DELETE: Op.DELETE}
_IN_STREAM: Final = ord("d")
_KEEPALIVE: Final = b"k"
_PREFIX: Final = 5
"""What stands before a frame: `d` and the length."""
_LENGTH_AT: Final = struct.Struct(">I").unpack_from
_keepalive_at: Final = struct.Struct(">cQqB").unpack_from


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one part of a transaction, and of a run of small ones."""

    rows_max: int = 20_000
    bytes_max: int = 4 << 20
    """Of the tuples; a part may exceed it by what stands together in the stream."""
    together_rows_max: int = 5_000
    """From here on a run of transactions ends with the next commit."""


class Decoder:
    """Put in bytes, take transactions. A transaction with nothing captured in it and no mark is not given."""

    def __init__(
        self,
        captured: Mapping[tuple[str, str], Wanted],
        fetch: Fetch,
        limits: Limits | None = None,
        base: int = 0,
        catalog_at: int = 0,
    ) -> None:
        """`catalog_at` is the LSN from which on the log may know of columns that `captured` does not."""
        self._captured = captured
        self._fetch = fetch
        self._limits = limits or Limits()
        self._base = base
        self._catalog_at = catalog_at
        self._relations: dict[int, Relation | None] = {}
        self._buffer = b""
        self._at = 0
        self._made: deque[Transaction] = deque()
        self._together = Gather()
        """Rows of whole transactions that are to be given as one, and where each of them ends."""
        self._commits: list[Commit] = []
        self._open = Gather()
        """Rows of the transaction that has begun, as far as no part has taken them."""
        self._is_open = self._skipping = False
        self._position = Position(0)
        self._committed_at_us = self._xid = self._part = self._given = 0
        self._marks: list[str] = []
        self.ended = 0
        """The LSN behind the last transaction that ended."""
        self.sent = 0
        """The LSN up to which the server says that it has sent everything."""
        self.asked = False
        """Whether the server wants to hear from us; for the caller to set back."""
        self.xids: deque[int] = deque(maxlen=_XIDS_REMEMBERED)
        """The transactions that ended last."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return self._is_open

    @property
    def waiting(self) -> bool:
        """Whether something was put in that `transactions` has not used up."""
        return bool(self._made or self._commits) or self._has_message()

    def put(self, piece: bytes) -> None:
        """Put in what the server sent next: `d` messages, cut anywhere. Keepalives in front are heard at once."""
        self._buffer = self._buffer[self._at :] + piece if self._at < len(self._buffer) else piece
        self._at = 0
        while self._has_message() and self._buffer.startswith(_KEEPALIVE, self._at + _PREFIX):
            self._step()

    def transactions(self) -> Iterator[Transaction]:
        """What is complete, in parts where it is large. Ending early leaves the rest waiting.

        Raises `DatabaseRefused` where it makes no sense, and as `is_news` where the server ended the stream.
        """
        try:
            while self.waiting:
                while self._made:
                    yield self._made.popleft()
                if self._has_message():
                    self._step()
                else:
                    self._give_together()
        except DatabaseError:
            raise
        except (ValueError, IndexError, KeyError, struct.error, ProtocolError) as error:
            raise DatabaseRefused(
                "could not read the server's log", f"{type(error).__name__}: {error}", "Please report it as a defect"
            ) from error

    def _has_message(self) -> bool:
        left = len(self._buffer) - self._at
        return left >= _PREFIX and left > _LENGTH_AT(self._buffer, self._at + 1)[0]

    def _step(self) -> None:
        """Take the next run of rows, or the next other message."""
        buffer, at = self._buffer, self._at
        end = at + 1 + _LENGTH_AT(buffer, at + 1)[0]
        if end - at < _PREFIX:
            raise pgoutput.Malformed("a message is shorter than its length")
        frame = buffer[at + _PREFIX : end]
        if buffer[at] != _IN_STREAM:
            is_news(buffer[at:end])
        elif frame.startswith(_KEEPALIVE):
            self._keepalive(frame)
        else:
            kind = frame[pgoutput.FRAME]
            op = _ROWS.get(kind)
            if op is not None:
                end = self._rows(op, frame, at, end)
            else:
                self._other(kind, frame)
        self._at = end

    def _other(self, kind: int, frame: bytes) -> None:
        if kind == pgoutput.BEGIN:
            if self._is_open:
                raise pgoutput.Malformed("a transaction begins inside another")
            self._begin(*pgoutput.begin(frame))
        elif kind == pgoutput.COMMIT:
            self._commit(pgoutput.commit(frame))
        elif kind == pgoutput.RELATION:
            self._relation(frame)
        elif kind == pgoutput.TRUNCATE:
            self._truncate(frame)
        elif kind == pgoutput.ORIGIN:
            self._skipping = self._skipping or pgoutput.origin(frame).startswith(APPLIED)
        elif kind == pgoutput.MESSAGE:
            self._message(*pgoutput.message(frame))
        elif kind != pgoutput.TYPE:
            raise pgoutput.Malformed(f"a message is of the unknown kind {kind}")

    def _keepalive(self, frame: bytes) -> None:
        _, sent, _, asked = _keepalive_at(frame)
        self.sent = max(self.sent, sent)
        self.asked = self.asked or bool(asked)

    def _rows(self, op: Op, frame: bytes, at: int, end: int) -> int:
        """Take rows of one relation and one kind together, as many as the part has room for; gives where they end."""
        if not self._is_open:
            raise pgoutput.Malformed("a row stands outside of a transaction")
        oid = pgoutput.relation_of(frame)
        relation = self._relations[oid]
        if self._skipping or relation is None:
            return end
        if op is Op.UPDATE and not pgoutput.is_plain(frame):
            for each, row in pgoutput.unfolded(frame, relation.key):
                self._gather(oid, relation, each, [row])
            return end
        row, width = pgoutput.row(frame)
        if width != relation.width:
            raise pgoutput.Malformed("a row has another number of columns than its relation")
        run = runs.take(self._buffer, at, self._limits.rows_max - self._open.count)
        if run is None:
            self._gather(oid, relation, op, [row])
            return end
        if not run.places:
            self._gather(oid, relation, op, run.tuples)
            return run.stop
        first, last = run.places[0] + 1, run.places[-1] + 1
        self._gather(oid, relation, op, run.tuples[:first])
        self._commit(run.ends[0][0])
        if last > first:
            self._whole(oid, relation, op, run)
        self._begin(*run.ends[-1][1:])
        if last < len(run.tuples):
            self._gather(oid, relation, op, run.tuples[last:])
        return run.stop

    def _whole(self, oid: int, relation: Relation, op: Op, run: runs.Run) -> None:
        """Take the transactions that begin and end inside of a run."""
        first, last = run.places[0] + 1, run.places[-1] + 1
        tuples = run.tuples[first:last]
        shift = self._together.count + 1 - first
        positions = [Position(lsn + self._base) for _, lsn, _, _ in run.ends[:-1]]
        times = [at_us + _EPOCH_US for _, _, at_us, _ in run.ends[:-1]]
        self._commits += Commit.each(positions, times, [place + shift for place in run.places[1:]])
        self.xids.extend([xid for _, _, _, xid in run.ends[:-1]])
        self.ended = run.ends[-1][0]
        self._together.add(oid, relation, op, identity_only(tuples, relation) if op is Op.DELETE else tuples)
        self._end_together()

    def _gather(self, oid: int, relation: Relation, op: Op, tuples: list[bytes]) -> None:
        if op is Op.DELETE:
            tuples = identity_only(tuples, relation)
        self._open.add(oid, relation, op, tuples)
        full = self._open.count >= self._limits.rows_max - 1 or self._open.size_bytes >= self._limits.bytes_max
        if full:
            self._give_part(last=False)

    def _begin(self, lsn: int, at_us: int, xid: int) -> None:
        self._xid = xid
        self._position = Position(lsn + self._base)
        self._committed_at_us = at_us + _EPOCH_US
        self._is_open, self._skipping = True, False
        self._part = self._given = 0

    def _commit(self, ended: int) -> None:
        if not self._is_open:
            raise pgoutput.Malformed("a transaction ends that has not begun")
        self._is_open = False
        self.ended = ended
        self.xids.append(self._xid)
        if self._skipping:
            self._open.clear()
            self._marks = []
        elif self._part or self._marks:
            self._give_part(last=True)
        elif self._open.count:
            self._together.append(self._open)
            self._commits.append(Commit(self._position, self._committed_at_us, self._together.count))
            self._end_together()

    def _end_together(self) -> None:
        """Give the transactions that were gathered, where they are enough."""
        together, limits = self._together, self._limits
        if together.count >= limits.together_rows_max or together.size_bytes >= limits.bytes_max:
            self._give_together()

    def _relation(self, frame: bytes) -> None:
        message = pgoutput.relation(frame)
        before, now = self._relations.get(message.oid), self._known(message)
        if now == before and before is not None:
            return
        self._relations[message.oid] = now
        # One block can not hold rows of two forms.
        if message.oid in self._open.tables:
            self._give_part(last=False)
        elif message.oid in self._together.tables:
            self._give_together()

    def _truncate(self, frame: bytes) -> None:
        if not self._is_open:
            raise pgoutput.Malformed("a truncate stands outside of a transaction")
        for oid in pgoutput.truncated(frame):
            relation = self._relations[oid]
            if relation is not None and not self._skipping:
                self._gather(oid, relation, Op.TRUNCATE, [bytes((UNCHANGED,)) * relation.width])

    def _message(self, transactional: bool, prefix: str, text: str) -> None:  # noqa: FBT001 as the message has it
        if not transactional:
            return
        if prefix == MARK:
            self._marks.append(text)
        elif prefix == APPLIED_MESSAGE:
            if self._part or self._open.count:
                raise pgoutput.Malformed("an applier marked a transaction after it had written")
            self._skipping = True

    def _known(self, message: pgoutput.RelationMessage) -> Relation | None:
        """Match a relation of the stream with what is captured of it."""
        wanted = self._captured.get((message.namespace, message.name))
        if wanted is None:
            return None
        schema = wanted.schema
        places = places_of(wanted, message, newer=self._position - self._base > self._catalog_at)
        if places is None:
            return None
        return Relation(schema, places, tuple(places[i] for i in schema.key), len(message.attributes))

    def _give_together(self) -> None:
        """Give the whole transactions that were gathered."""
        commits, self._commits = self._commits, []
        if not commits:
            return
        last = commits.pop()
        blocks = self._together.blocks(0, self._fetch)
        self._together.clear()
        self._made.append(Transaction(last.position, last.committed_at_us, blocks, earlier=tuple(commits)))

    def _give_part(self, *, last: bool) -> None:
        """Give what was gathered of the open transaction, behind those before it."""
        self._give_together()
        blocks = self._open.blocks(self._given, self._fetch)
        marks, self._marks = tuple(self._marks), []
        self._given += self._open.count
        self._open.clear()
        self._made.append(Transaction(self._position, self._committed_at_us, blocks, (), marks, self._part, last))
        self._part += 1
