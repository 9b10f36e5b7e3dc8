"""The batcher: gathers whole transactions into batches of bounded size.

The rule it keeps: a batch holds whole transactions in commit order, or exactly one part of a large one (invariants 2,
3); nothing is reordered, and a transaction that the filter emptied still moves the position. It has no timer: whoever
drives it flushes when nothing more is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from sync.model.batch import Batch, Commit, Transaction
from sync.model.change import Block, Columns, Value
from sync.model.schema import Kind, TableSchema
from sync.model.tuples import Tuples

_SAMPLE_ROWS: Final = 16
_COMMIT_BYTES: Final = 24
"""What a transaction costs without a change."""
_UNBOUNDED: Final = frozenset({Kind.TEXT, Kind.BYTES, Kind.JSON, Kind.ANY})


class Batcher:
    """Gathers transactions of one origin and epoch.

    A batch is closed when its estimated size reaches `batch_bytes_max`, before it would go beyond, where a table's
    schema changes, around every part of a large transaction, and after a transaction with chunks or marks: these
    state something as of their transaction, and nothing later may stand in the same batch.
    """

    def __init__(self, origin: str, epoch: int, batch_bytes_max: int) -> None:
        self._origin = origin
        self._epoch = epoch
        self._batch_bytes_max = batch_bytes_max
        self._pending: list[Transaction] = []
        self._bytes = 0
        self._fingerprints: dict[str, str] = {}

    def add(self, transaction: Transaction) -> list[Batch]:
        """Take the next transaction, or part of one; gives the batches that are complete now, in order."""
        closed: list[Batch] = []
        size = estimated_bytes(transaction)
        is_part = transaction.part > 0 or not transaction.last
        if self._pending and (
            is_part or self._bytes + size > self._batch_bytes_max or self._schema_differs(transaction)
        ):
            self._close_into(closed)
        self._pending.append(transaction)
        self._bytes += size
        for block in transaction.blocks:
            self._fingerprints[block.schema.name] = block.schema.fingerprint
        if is_part or self._bytes >= self._batch_bytes_max or transaction.chunks or transaction.marks:
            self._close_into(closed)
        return closed

    def flush(self) -> Batch | None:
        """Close and give what was gathered; None where there is nothing."""
        if not self._pending:
            return None
        pending, self._pending, self._bytes = self._pending, [], 0
        self._fingerprints.clear()
        last = pending[-1]
        commits, blocks = _gathered(pending)
        return Batch(
            self._origin,
            self._epoch,
            commits,
            blocks,
            tuple(chain.from_iterable(t.chunks for t in pending)),
            tuple(chain.from_iterable(t.marks for t in pending)),
            last.part,
            last.last,
        )

    def _close_into(self, closed: list[Batch]) -> None:
        batch = self.flush()
        if batch is not None:
            closed.append(batch)

    def _schema_differs(self, transaction: Transaction) -> bool:
        known = self._fingerprints
        for block in transaction.blocks:
            schema = block.schema
            if known.get(schema.name, schema.fingerprint) != schema.fingerprint:
                return True
        return False


def _gathered(pending: Sequence[Transaction]) -> tuple[tuple[Commit, ...], tuple[Block, ...]]:
    """Put transactions behind each other: commits with their ends, and one block a table."""
    commits: list[Commit] = []
    tables: dict[str, list[tuple[Block, int]]] = {}
    end = 0
    for transaction in pending:
        offset = end
        earlier = transaction.earlier
        if earlier:
            commits += _behind(earlier, offset) if offset else earlier
            # The filter may have taken away what came after them.
            end = commits[-1].end
        for block in transaction.blocks:
            if block.ops:
                tables.setdefault(block.schema.name, []).append((block, offset))
                end = max(end, offset + block.ordinals[-1] + 1)
        commits.append(Commit(transaction.position, transaction.committed_at_us, end))
    return tuple(commits), tuple([_merged(pieces) for pieces in tables.values()])


def _behind(commits: Sequence[Commit], offset: int) -> Iterable[Commit]:
    positions, times, ends = zip(*commits, strict=True)
    return Commit.each(positions, times, map(offset.__add__, ends))


def _merged(pieces: list[tuple[Block, int]]) -> Block:
    first, offset = pieces[0]
    if len(pieces) == 1 and not offset:
        return first
    ordinals = [_shifted(block.ordinals, by) for block, by in pieces]
    if len(pieces) == 1:
        return Block(first.schema, first.ops, first.columns, ordinals[0])
    columns = _joined([block.columns for block, _ in pieces])
    return Block(first.schema, b"".join([block.ops for block, _ in pieces]), columns, _one_sequence(ordinals))


def _joined(pieces: Sequence[Columns]) -> Columns:
    """Put columns behind each other; raw rows stay raw where all of them are."""
    raw = [piece for piece in pieces if isinstance(piece, Tuples)]
    if len(raw) == len(pieces):
        return Tuples.joined(raw)
    return tuple([list(chain.from_iterable(columns)) for columns in zip(*pieces, strict=True)])


def _shifted(ordinals: Sequence[int], by: int) -> Sequence[int]:
    if not by:
        return ordinals
    if isinstance(ordinals, range):
        return range(ordinals.start + by, ordinals.stop + by, ordinals.step)
    return list(map(by.__add__, ordinals))


def _one_sequence(pieces: Sequence[Sequence[int]]) -> Sequence[int]:
    """Join ordinals; a range where they are without a gap, which takes no room on the wire."""
    start, stop = pieces[0][0], pieces[-1][-1] + 1
    if stop - start == sum(map(len, pieces)):
        return range(start, stop)
    return list(chain.from_iterable(pieces))


def estimated_bytes(transaction: Transaction) -> int:
    """Estimate the encoded, uncompressed size: within a factor of two for what tables usually hold.

    Measures the text form of `_SAMPLE_ROWS` rows of each column; where values can be large, the length of every one.
    """
    size = _COMMIT_BYTES * (1 + len(transaction.earlier))
    for block in transaction.blocks:
        size += len(block.ops) + _columns_bytes(block.schema, block.columns, len(block.ops))
    for chunk in transaction.chunks:
        size += _COMMIT_BYTES + _columns_bytes(chunk.schema, chunk.columns, len(chunk.columns[0]))
    return size


def _columns_bytes(schema: TableSchema, columns: Columns, rows: int) -> int:
    if isinstance(columns, Tuples):
        return len(columns.body)
    if rows <= _SAMPLE_ROWS:
        return len(repr(columns))
    return sum(_column_bytes(column.type.kind, values) for column, values in zip(schema.columns, columns, strict=True))


def _column_bytes(kind: Kind, column: list[Value]) -> int:
    rows = len(column)
    if kind in _UNBOUNDED:
        try:
            return 3 * rows + sum(map(len, filter(None, column)))  # type: ignore[arg-type]
        except TypeError:
            # Numbers among the values, or absent ones: sampled below like any other column.
            pass
    sample = column[:: rows // _SAMPLE_ROWS]
    return len(repr(sample)) * rows // len(sample)
