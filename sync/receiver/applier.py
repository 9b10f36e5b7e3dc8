"""The applier: encoded batches in, one target transaction out, checkpoint inside.

The rule it keeps: whatever arrives, and however often, the target moves from one transaction boundary of the source to
a later one, or not at all. It runs on the target's thread; the receiver feeds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sync.core.net import net
from sync.errors import ProtocolError, RowRefused
from sync.model.batch import COPYING, Batch, Checkpoint, ChunkResult, Encoded
from sync.model.change import Block, Change
from sync.model.notice import Applied, DuplicateSkipped
from sync.model.position import START, Position
from sync.model.writes import Writes
from sync.ports import Clock, Observer, Target
from sync.receiver.chunks import settle
from sync.receiver.emptying import emptied, spares_rows, write_ordered
from sync.receiver.guard import Guard
from sync.receiver.reading import Ahead, Read, lines_of, read
from sync.receiver.tables import Tables, left_out
from sync.wire.codec import Codec


@dataclass(slots=True)
class Outcome:
    """What one call applied."""

    applied: Position
    results: list[ChunkResult] = field(default_factory=list)


@dataclass(slots=True)
class Applier:
    """Applies the batches of one session. A new session gets a new applier, or `restart`."""

    target: Target
    codec: Codec
    guard: Guard
    observer: Observer
    clock: Clock
    witness: Callable[[Batch], None] | None = None
    """Sees every applied batch (`tail`); None costs nothing."""
    ahead: Ahead | None = None
    """What reads the session's batches ahead; None reads each when it is applied."""
    tables: Tables = field(init=False)
    _origin: str = ""
    _epoch: int = 0
    _position: Position = START
    _next_part: int = 0
    """Above 0 while a large transaction is held open in the target."""
    _open_changes: int = 0
    _open_wire: int = 0
    _admitted: list[Batch] = field(default_factory=list)
    """What was written last, without what paused tables leave out."""
    _kept: list[ChunkResult] = field(default_factory=list)
    """Of chunks that committed before a later batch of the same call failed: applied again, they are not asked."""

    def __post_init__(self) -> None:
        """Keep the tables of this target."""
        self.tables = Tables(self.target, self.guard.rules, self.observer, self.clock)

    def restart(self, origin: str, epoch: int) -> Checkpoint | None:
        """Begin a session: forget what was half done, give the checkpoint to resume from."""
        self._undo()
        self._kept = []
        self._origin, self._epoch = origin, epoch
        self.tables.load()
        checkpoint = self.target.checkpoint(origin)
        self._position = checkpoint.position if checkpoint else START
        return checkpoint

    def reopen(self) -> bool:
        """Connect anew after an error; False where the database does not stand where this session left it.

        A commit whose answer was lost may have happened, and a server that crashed may have lost the last ones: only a
        new session, which asks for the checkpoint, can go on then.
        """
        self.target.close()
        self.target.open()
        return self.unmoved()

    def unmoved(self) -> bool:
        """Ask the database whether it still stands where this session left it."""
        checkpoint = self.target.checkpoint(self._origin)
        return (checkpoint.position if checkpoint else START) == self._position

    @property
    def mid_transaction(self) -> bool:
        """Whether a large transaction is held open: after an error only a new session can repeat its parts."""
        return self._next_part > 0

    def apply(self, arrived: Sequence[Encoded]) -> Outcome:
        """Apply batches in order, whole ones together; raises and leaves nothing of the failed group behind.

        After an error the same batches may be given again, unless `mid_transaction` was true.
        """
        outcome = Outcome(self._position, self._kept)
        group: list[Read] = []
        try:
            for encoded in arrived:
                found = self._read(encoded)
                batch = found.batch
                self.guard.check(batch, self._origin, self._epoch)
                whole = batch.last and batch.part == 0
                if not whole:
                    self._apply_group(group, outcome)
                    self._apply_part(found, outcome)
                    continue
                group.append(found)
                if batch.chunks:
                    # A chunk states rows as of its own position: nothing later may be written before it is settled.
                    self._apply_group(group, outcome)
            self._apply_group(group, outcome)
        except BaseException:
            self._undo()
            raise
        outcome.applied = self._position
        self._kept = []
        return outcome

    def _undo(self) -> None:
        """Roll back, and forget what was under way."""
        self.tables.forget()
        self._next_part = 0
        self.target.rollback()

    def _read(self, encoded: Encoded) -> Read:
        found = self.ahead.take(encoded) if self.ahead is not None else None
        return found or read(self.codec, encoded, opening=False)

    def _apply_group(self, group: list[Read], outcome: Outcome) -> None:
        fresh = [self._trim(each) for each in group if each.batch.position > self._position]
        stale = [each.batch for each in group if each.batch.position <= self._position]
        group.clear()
        for batch in stale:
            self.observer.notice(DuplicateSkipped(len(batch.commits), batch.position))
        if not fresh:
            return
        try:
            self._write(fresh, outcome)
        except RowRefused:
            if len(fresh) == 1:
                raise
            # One batch at a time: what precedes the refused row is applied, and the error names one batch.
            self._undo()
            for each in fresh:
                self._write([each], outcome)

    def _write(self, group: Sequence[Read], outcome: Outcome) -> None:
        batches = [each.batch for each in group]
        last = batches[-1]
        plain = self.tables.know(batches) and not spares_rows(batches, self.guard.rules)
        if any(batch.chunks for batch in batches) or not plain:
            self.target.begin()
            repairs = self._write_changes(batches)
            results = [result for batch in batches for result in self._settle(batch)]
            self._commit(last)
            outcome.results.extend(results)
        else:
            repairs = self._apply_whole(group, batches)
        changes = sum(batch.change_count for batch in self._admitted)
        wire_bytes = sum(each.wire_bytes for each in group)
        self._tell(last, changes, sum(len(b.commits) for b in batches), wire_bytes, repairs)

    def _apply_whole(self, group: Sequence[Read], batches: Sequence[Batch]) -> int:
        """Rows and checkpoint, and nothing to look up in between."""
        last, repairs = batches[-1], 0
        self._admit(batches)
        try:
            if not self._load(group, self._checkpoint(last)):
                repairs = self.target.apply(self._net(self._admitted), self._checkpoint(last))
        except RowRefused:
            repairs = self._write_ordered(batches)
            self._commit(last)
        else:
            self._committed(last)
        return repairs

    def _load(self, group: Sequence[Read], checkpoint: Checkpoint | None) -> bool:
        """Write the group as lines; False where it has to be done with its values, and nothing was left."""
        whole = all(each.batch is admitted for each, admitted in zip(group, self._admitted, strict=True))
        lines = lines_of(group) if self.target.loads and whole else None
        return lines is not None and self.target.load(lines, checkpoint)

    def _write_changes(self, batches: Sequence[Batch]) -> int:
        self._admit(batches)
        writes = self._net(self._admitted)
        if not writes:
            return 0
        try:
            return self.target.write(emptied(writes, self.target, self.guard.rules))
        except RowRefused:
            return self._write_ordered(batches)

    def _write_ordered(self, batches: Sequence[Batch]) -> int:
        """The set form was refused; in source order every intermediate state is one that the source had too."""
        self._undo()
        self.target.begin()
        self._admit(batches)
        changes = [change for batch in self._admitted for change in _in_order(batch.blocks)]
        return 1 + write_ordered(changes, self.target, self.guard.rules)

    def _admit(self, batches: Sequence[Batch]) -> None:
        """Bring the target to the batches' schemas, and leave out paused tables."""
        self._admitted = [self.tables.admit(batch) for batch in batches]

    def _settle(self, batch: Batch) -> list[ChunkResult]:
        return [
            settle(chunk, self.target, self.guard.rules)
            if self.tables.takes(chunk, copied=COPYING + chunk.schema.name in batch.marks)
            else left_out(chunk)
            for chunk in batch.chunks
        ]

    def _apply_part(self, found: Read, outcome: Outcome) -> None:
        batch = found.batch
        if batch.position <= self._position:
            if batch.last:
                self.observer.notice(DuplicateSkipped(1, batch.position))
            return
        if batch.part != self._next_part:
            what = "a part of a large transaction is missing"
            raise ProtocolError(what, f"part {batch.part} instead of {self._next_part}", "The session starts again.")
        if batch.part == 0:
            self.target.begin()
            self._open_changes = self._open_wire = 0
        self._admit([batch])
        if not self._load([found], None):
            # The row that gives way to a value moved between two parts comes anew with the other part.
            self.target.write(emptied(self._net(self._admitted, in_parts=True), self.target, self.guard.rules))
        self._open_changes += self._admitted[0].change_count
        self._open_wire += found.wire_bytes
        self._next_part += 1
        if not batch.last:
            self._show()
            return
        results = self._settle(batch)
        self._commit(batch)
        self._next_part = 0
        outcome.results.extend(results)
        self._tell(batch, self._open_changes, 1, self._open_wire, 0)

    def _net(self, batches: Sequence[Batch], *, in_parts: bool = False) -> list[Writes]:
        """Reduce to the net effect; in a table that is being copied, rows out of date give way."""
        writes = net([block for batch in batches for block in batch.blocks])
        marks = {mark for batch in batches for mark in batch.marks}
        if not marks and not in_parts:
            return writes
        rules = self.guard.rules
        return [
            replace(each, displace=True)
            if (in_parts or COPYING + each.schema.name in marks) and not rules.has_row_rule(each.schema.name)
            else each
            for each in writes
        ]

    def _commit(self, last: Batch) -> None:
        self.target.commit(self._checkpoint(last))
        self._committed(last)

    def _committed(self, last: Batch) -> None:
        self._position = last.position
        self.tables.keep()

    def _checkpoint(self, last: Batch) -> Checkpoint:
        return Checkpoint(last.origin, self._epoch, last.position)

    def _tell(self, batch: Batch, changes: int, transactions: int, wire_bytes: int, repairs: int) -> None:
        last = batch.commits[-1]
        tables = tuple(dict.fromkeys(block.schema.name for each in self._admitted for block in each.blocks))
        now_us = self.clock.wall_us()
        notice = Applied(
            last.position, transactions, changes, wire_bytes, last.committed_at_us, now_us, repairs, tables
        )
        self.observer.notice(notice)
        self._show()

    def _show(self) -> None:
        if self.witness is not None:
            for batch in self._admitted:
                self.witness(batch)

    def _trim(self, found: Read) -> Read:
        """Take out what the checkpoint covers: an insert into a table without key would not be idempotent."""
        batch = trim(found.batch, self._position)
        return found if batch is found.batch else Read(batch, found.wire_bytes)


def trim(batch: Batch, position: Position) -> Batch:
    """Give the batch without its transactions up to `position`."""
    if batch.first > position:
        return batch
    covered = [commit for commit in batch.commits if commit.position <= position]
    start = covered[-1].end
    blocks = []
    for block in batch.blocks:
        first = next((i for i, ordinal in enumerate(block.ordinals) if ordinal >= start), len(block))
        if first < len(block):
            columns = tuple(column[first:] for column in block.columns)
            blocks.append(Block(block.schema, block.ops[first:], columns, block.ordinals[first:]))
    commits = batch.commits[len(covered) :]
    return Batch(batch.origin, batch.epoch, commits, tuple(blocks), batch.chunks, batch.marks)


def _in_order(blocks: Sequence[Block]) -> list[Change]:
    return sorted((change for block in blocks for change in block.changes()), key=lambda change: change.ordinal)
