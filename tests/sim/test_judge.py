"""The judge must be able to fail: each defect planted here has to be caught, by an invariant that it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sync.model.batch import Batch, Checkpoint, Chunk, Transaction
from sync.model.change import Block, Value
from sync.model.position import Position
from sync.receiver.applier import Applier
from sync.receiver.reading import Read
from sync.replicator.capture import Capture
from sync.spool.log import SegmentedSpool
from tests.sim.play import play
from tests.sim.world import World

pytestmark = pytest.mark.sim
SEEDS = range(60)


class InSteps(Applier):
    """Never applies in one go, so that a defect can stand between two steps."""

    def _apply_whole(self, group: Sequence[Read], batches: Sequence[Batch]) -> int:
        self.target.begin()
        repairs = self._write_changes(batches)
        self._commit(batches[-1])
        return repairs


class SkippingApplier(InSteps):
    """Leaves the changes of every tenth position out, but takes the position."""

    def _write_changes(self, batches: Sequence[Batch]) -> int:
        return 0 if batches[-1].position % 10 == 0 else super()._write_changes(batches)


class RepeatingApplier(InSteps):
    """Applies every batch twice."""

    def _write_changes(self, batches: Sequence[Batch]) -> int:
        super()._write_changes(batches)
        return super()._write_changes(batches)


class EarlyCheckpoint(InSteps):
    """Commits the checkpoint before the rows."""

    def _write_changes(self, batches: Sequence[Batch]) -> int:
        self.target.commit(Checkpoint(batches[-1].origin, self._epoch, batches[-1].position))
        self.target.begin()
        return super()._write_changes(batches)


class BlindApplier(Applier):
    """Goes on after an error without asking the database where it stands."""

    def reopen(self) -> bool:
        super().reopen()
        return True


class HastySpool(SegmentedSpool):
    """Forgets what was sent, before the peer has made it durable."""

    def release(self, position: Position) -> None:
        super().release(max(position, self.newest))


class UnsyncedSpool(SegmentedSpool):
    """Calls durable what it has not synced."""

    def sync(self) -> Position:
        self._durable = self._complete
        return self._durable.position


class LeakyCapture(Capture):
    """Puts call data into a table that may cross."""

    def _filter(self, transaction: Transaction) -> Transaction:
        filtered = super()._filter(transaction)
        return replace(filtered, blocks=tuple(map(self._leak, filtered.blocks)))

    @staticmethod
    def _leak(block: Block) -> Block:
        if block.schema.name != "main_menu":
            return block
        labels: list[Value] = ["CALLDATA#1" for _ in block.columns[0]]
        return Block(block.schema, block.ops, (labels, *block.columns[1:]), block.ordinals)


class UnruledCapture(Capture):
    """Does not apply the row rules."""

    def _filter(self, transaction: Transaction) -> Transaction:
        return replace(super()._filter(transaction), blocks=transaction.blocks)


class ShortChunks(Capture):
    """Leaves the last row of each chunk out."""

    def _finish_chunk(self, chunk: Chunk) -> Chunk:
        if chunk.count > 1:
            chunk = replace(chunk, columns=tuple(column[:-1] for column in chunk.columns), count=chunk.count - 1)
        return super()._finish_chunk(chunk)


class EagerCapture(Capture):
    """Confirms what is in the spool, synced or not."""

    def confirm(self) -> None:
        self.source.confirm(self.spool.newest)


class BraveFace(World):
    """A primary that answers every beat as healthy."""

    def __init__(self, seed: int, *, told: bool = False) -> None:
        super().__init__(seed, told=told)
        honest = self.judge.beat_answered

        def answered(*, healthy: bool, running: bool) -> None:
            honest(healthy=True, running=running)

        self.judge.beat_answered = answered  # type: ignore[method-assign]


DEFECTS: dict[type, tuple[str, tuple[int, ...]]] = {
    SkippingApplier: ("applier_type", (1, 2)),
    RepeatingApplier: ("applier_type", (1, 2)),
    EarlyCheckpoint: ("applier_type", (2,)),
    BlindApplier: ("applier_type", (1, 2, 9)),
    HastySpool: ("spool_type", (1, 9)),
    UnsyncedSpool: ("spool_type", (1, 2, 9)),
    LeakyCapture: ("capture_type", (5,)),
    UnruledCapture: ("capture_type", (2, 5)),
    ShortChunks: ("capture_type", (1, 2)),
    EagerCapture: ("capture_type", (9,)),
    BraveFace: ("", (10,)),
}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_planted_defect_is_caught(defect: type) -> None:
    place, invariants = DEFECTS[defect]
    world_type = type("Planted", (World,), {place: defect}) if place else defect
    failures = (play(seed, world_type=world_type).failure for seed in SEEDS)
    failure = next(filter(None, failures), "")
    assert failure.startswith(tuple(f"invariant {number}:" for number in invariants)), failure
