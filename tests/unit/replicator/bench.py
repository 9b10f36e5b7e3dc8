"""The capture side on a memory database and a simulated disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from adapters.memory import MemoryDatabase, MemorySite, MemorySource
from sync.core.filter import Filter, Selection
from sync.model.batch import Batch
from sync.model.change import Change, Op, Row
from sync.model.notice import Notice
from sync.model.position import START, Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.replicator.capture import Capture
from sync.replicator.surveyor import Surveyor
from sync.replicator.wall import Wall
from sync.spool.log import SegmentedSpool
from sync.wire.codec import Codec
from tests.sim.disk import SimDisk
from tests.unit.sample import LINES, SELECTION, USERS

CALLS = TableSchema("hsplit", (Column("split", Type(Kind.INT64)),))


@dataclass
class Bench:
    """A primary without threads and network."""

    disk: SimDisk = field(default_factory=lambda: SimDisk(Random(1)))
    database: MemoryDatabase = field(default_factory=lambda: MemoryDatabase([USERS, LINES, CALLS]))
    selection: Selection = SELECTION
    bytes_max: int = 10**6
    part_rows_max: int = 20_000
    notices: list[Notice] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    appended: list[Batch] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = Filter(self.selection)
        self.codec = Codec()
        site = MemorySite(self.database)
        if self.database.captured is None:
            site.install_capture(rows.captured(site.catalog()))
        self.source = MemorySource(self.database, part_rows_max=self.part_rows_max)
        self.spool = SegmentedSpool(self.disk, origin=self.source.origin, bytes_max=self.bytes_max)
        self.spool.open()
        self.wall = Wall(rows, self.codec)
        surveyor = Surveyor(lambda: MemorySite(self.database), rows, self)
        self.capture = Capture(
            self.source, rows, surveyor, self.codec, self.spool, self, self.wall, 1, 10**6, self.appended.append,
            self._lose,
        )  # fmt: skip

    def _lose(self, reason: str) -> None:
        self.lost.append(reason)

    def notice(self, notice: Notice) -> None:
        self.notices.append(notice)

    def restarted(self) -> Bench:
        """The next process on the same disk and database."""
        self.spool.close()
        return Bench(self.disk, self.database, self.selection, self.bytes_max, self.part_rows_max)

    def write(self, *rows: Row, schema: TableSchema = USERS, op: Op = Op.UPSERT) -> Position:
        return self.database.commit([Change(schema, op, row) for row in rows])

    def spooled(self, after: Position = START) -> list[Batch]:
        reader = self.spool.read(after)
        found = []
        while (encoded := reader.next()) is not None:
            found.append(self.codec.decode(encoded.payload))
        reader.close()
        return found

    def rows(self, batches: Sequence[Batch] | None = None) -> list[tuple[str, str, Row]]:
        """Every change in the spool: table, operation, row."""
        held = self.spooled() if batches is None else batches
        return [(b.schema.name, c.op.name, c.row) for batch in held for b in batch.blocks for c in b.changes()]
