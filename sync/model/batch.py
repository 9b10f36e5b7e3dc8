"""Transactions, batches and chunks: what travels from a source to a target.

A transaction is the source's commit group. A journal source delivers a cut (everything committed up to one moment) as
one transaction. A transaction larger than a batch travels in parts; the target holds it open until the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import repeat
from typing import NamedTuple

from sync.model.change import Block, Columns, Row
from sync.model.position import Position
from sync.model.schema import TableSchema


class Purpose(Enum):
    """What a chunk is for. The value is the name on the wire."""

    REPLACE = "replace"
    """The range's rows are exactly these: write what differs, delete what is too many (snapshot, repair)."""
    COMPARE = "compare"
    """Tell which rows differ; change nothing."""
    DIGEST = "digest"
    """Tell whether count and digest are equal; no rows are sent."""


@dataclass(frozen=True, slots=True)
class ChunkRequest:
    """Asks a source for the rows of one key range, as of one position.

    The range is open below (`after`, None from the start) and holds at most `limit` rows. Where `upto` is given, the
    range ends there (inclusive) and holds all its rows.
    """

    run: int
    """Which snapshot or verify run this belongs to."""
    number: int
    """Counts the chunks of a run from 0."""
    table: str
    purpose: Purpose
    after: Row | None = None
    upto: Row | None = None
    limit: int = 2000


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows of one key range, exactly as of the position of the transaction that carries it.

    `after` is exclusive, `upto` inclusive; None means the table's start or end. The row filter was applied: rows
    outside of it are neither in `columns` nor in the digest, and the target must leave its own alone. For DIGEST the
    columns are empty lists. `digest` is what `sync.core.digest` makes of the rows.
    """

    run: int
    number: int
    schema: TableSchema
    purpose: Purpose
    after: Row | None
    upto: Row | None
    columns: Columns
    count: int
    digest: bytes

    @property
    def final(self) -> bool:
        """Whether this is the table's last chunk."""
        return self.upto is None


@dataclass(frozen=True, slots=True)
class ChunkDifference:
    """One row that differs: `missing` on the target, `extra` there, or `different` in the named columns.

    `paused` stands for a whole range of a table that is paused: its key is empty, for no row was looked at.
    """

    table: str
    key: Row
    what: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What the target found (and for REPLACE mended) in one chunk."""

    run: int
    number: int
    table: str
    equal: bool
    rows: int
    """Rows of the range on the target, inside the row filter, before mending."""
    differences: tuple[ChunkDifference, ...] = ()
    """At most `DIFFERENCES_MAX`, in key order; empty for DIGEST."""
    difference_count: int = 0


DIFFERENCES_MAX = 1000
PAUSED = "paused"

COPYING = "copying "
"""A mark of a batch: this table, which is in it, is being copied, so the target may hold rows out of date."""


class Commit(NamedTuple):
    """Where a transaction ends inside a batch or run: changes with ordinals below `end`, not below the one before.

    A tuple, because a stream of small transactions makes one of these for every row.
    """

    position: Position
    committed_at_us: int
    end: int

    @classmethod
    def each(cls, positions: Iterable[Position], times_us: Iterable[int], ends: Iterable[int]) -> Iterator[Commit]:
        """Many of them, from their columns."""
        return map(tuple.__new__, repeat(cls), zip(positions, times_us, ends, strict=True))


@dataclass(frozen=True, slots=True)
class Transaction:
    """One commit group, or one part of it.

    All parts of a transaction have the same position; `part` counts from 0 and `last` marks the end. Ordinals go on
    counting from part to part. `chunks` come after the changes: they state rows as of `position`.

    A source may give a run of small transactions as one, in commit order: `earlier` says where those end that precede
    the last one (which `position` and `committed_at_us` belong to); ordinals go on counting over all of them. Such a
    run is never a part of something larger.
    """

    position: Position
    committed_at_us: int
    """Wall clock of the source when it committed (or was cut), microseconds since 1970 UTC. Never used for order."""
    blocks: tuple[Block, ...]
    chunks: tuple[Chunk, ...] = ()
    marks: tuple[str, ...] = ()
    part: int = 0
    last: bool = True
    earlier: tuple[Commit, ...] = ()

    @property
    def change_count(self) -> int:
        """Count the changes of this part."""
        return sum(len(block) for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Batch:
    """What is shipped: whole transactions in commit order, or one part of a large one.

    There is one block a table. A batch with `part` > 0 or not `last` holds exactly one commit.
    """

    origin: str
    """Names the history that positions belong to: node and the identity made by `install`."""
    epoch: int
    commits: tuple[Commit, ...]
    blocks: tuple[Block, ...]
    chunks: tuple[Chunk, ...] = ()
    marks: tuple[str, ...] = ()
    part: int = 0
    last: bool = True

    @property
    def first(self) -> Position:
        """Position of the first transaction."""
        return self.commits[0].position

    @property
    def position(self) -> Position:
        """Position of the last transaction: the checkpoint after this batch, when `last`."""
        return self.commits[-1].position

    @property
    def change_count(self) -> int:
        """Count the changes."""
        return sum(len(block) for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encoded batch with what the spool and the sender must know of it without decoding.

    `payload` is the compressed batch (docs/wire.md); `bytes_raw` its size before compression.
    """

    payload: bytes
    first: Position
    position: Position
    part: int
    last: bool
    transactions: int
    """Transactions that end in this batch."""
    changes: int
    bytes_raw: int
    committed_at_us: int
    """Of the last transaction."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Progress of a target in one origin's history, stored in the target with the rows."""

    origin: str
    epoch: int
    position: Position
