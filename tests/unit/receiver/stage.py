"""An applier on a memory database, and the batches that it is fed with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.memory import MemoryDatabase, MemoryTarget
from sync.core.digest import digest
from sync.core.filter import Filter
from sync.model.batch import Batch, Chunk, Commit, Encoded, Purpose
from sync.model.change import Block, Columns, Op, Row
from sync.model.notice import Notice
from sync.model.position import Position
from sync.receiver.applier import Applier
from sync.receiver.guard import Guard
from sync.wire.codec import Codec
from tests.unit.sample import LINES, SELECTION, USERS, StoppedClock

ORIGIN, EPOCH = "east-1", 3


@dataclass
class Stage:
    """A secondary without a network."""

    database: MemoryDatabase = field(default_factory=lambda: MemoryDatabase([USERS, LINES]))
    notices: list[Notice] = field(default_factory=list)
    seen: list[Batch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database.installed = True
        self.target = MemoryTarget(self.database)
        self.target.open()
        guard = Guard(Filter(SELECTION), self)
        self.applier = Applier(self.target, Codec(), guard, self, StoppedClock(), self.seen.append)
        self.applier.restart(ORIGIN, EPOCH)

    def notice(self, notice: Notice) -> None:
        self.notices.append(notice)

    @property
    def users(self) -> list[Row]:
        return self.database.rows("users")

    @property
    def lines(self) -> list[Row]:
        return self.database.rows("lines")

    @property
    def position(self) -> int:
        checkpoint = self.target.checkpoint(ORIGIN)
        return checkpoint.position if checkpoint else 0


def of(*transactions: tuple[int, Sequence[Block]], **fields: object) -> Encoded:
    """One batch of whole transactions: (position, blocks with ordinals of that transaction)."""
    commits, blocks, end = [], [], 0
    for position, made in transactions:
        for block in made:
            blocks.append(Block(block.schema, block.ops, block.columns, range(end, end + len(block))))
            end += len(block)
        commits.append(Commit(Position(position), position, end))
    return Codec().encode(Batch(ORIGIN, EPOCH, tuple(commits), tuple(_joined(blocks)), **fields))  # type: ignore[arg-type]


def _joined(blocks: Sequence[Block]) -> list[Block]:
    """One block a table, as the batcher makes them."""
    by_table: dict[str, list[Block]] = {}
    for block in blocks:
        by_table.setdefault(block.schema.name, []).append(block)
    joined = []
    for own in by_table.values():
        columns: Columns = tuple([value for b in own for value in b.columns[at]] for at in range(len(own[0].columns)))
        ordinals = [ordinal for block in own for ordinal in block.ordinals]
        joined.append(Block(own[0].schema, b"".join(block.ops for block in own), columns, ordinals))
    return joined


def users(*rows: tuple[int, str | None], op: Op = Op.UPSERT) -> Block:
    return Block.of(USERS, [(op, row) for row in rows])


def lines(*rows: tuple[int, str]) -> Block:
    return Block.of(LINES, [(Op.INSERT, row) for row in rows])


def chunk(
    *rows: tuple[int, str],
    purpose: Purpose = Purpose.REPLACE,
    after: Row | None = None,
    upto: Row | None = None,
    number: int = 0,
) -> Chunk:
    columns: Columns = tuple([row[at] for row in rows] for at in range(2))
    sent: Columns = ([], []) if purpose is Purpose.DIGEST else columns
    return Chunk(1, number, USERS, purpose, after, upto, sent, len(rows), digest(USERS, columns))
