"""The judge must be able to fail: each defect planted here has to be caught, by the invariant that it breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from sync.model.batch import Batch, Checkpoint, Chunk, Transaction
from sync.model.change import Block
from sync.model.position import Position
from sync.receiver.applier import Applier, Outcome
from sync.replicator.capture import Capture
from sync.spool.log import SegmentedSpool
from tests.sim.play import play
from tests.sim.world import World

pytestmark = pytest.mark.sim
SEEDS = range(40)


def caught(world_type: type[World]) -> str:
    """What the first seed that catches the defect says of it."""
    failures = (play(seed, world_type=world_type).failure for seed in SEEDS)
    return next(filter(None, failures), "")


class SkippingTarget(World):
    """A world whose applier forgets every tenth transaction's changes, but not its position."""

    class applier_type(Applier):  # noqa: N801  stands where the world looks for it
        def _write_changes(self, batches: Sequence[Batch]) -> int:
            if batches[-1].position % 10 == 0:
                return 0
            return super()._write_changes(batches)


class RepeatingTarget(World):
    """An applier that does not look whether it has applied a batch already."""

    class applier_type(Applier):  # noqa: N801
        def _apply_group(self, group: list[tuple[Batch, int]], outcome: Outcome) -> None:
            self._position = Position(0)
            super()._apply_group(group, outcome)


class EarlyCheckpoint(World):
    """An applier that commits the checkpoint of a group before the rows of its last batch."""

    class applier_type(Applier):  # noqa: N801
        def _write_changes(self, batches: Sequence[Batch]) -> int:
            self.target.commit(Checkpoint(batches[-1].origin, self._epoch, batches[-1].position))
            self.target.begin()
            return super()._write_changes(batches)


class BlindReopening(World):
    """An applier that goes on after an error without asking the database where it stands."""

    class applier_type(Applier):  # noqa: N801
        def reopen(self) -> bool:
            super().reopen()
            return True


class HastySpool(World):
    """A spool that forgets what was sent, before the peer has made it durable."""

    class spool_type(SegmentedSpool):  # noqa: N801
        def release(self, position: Position) -> None:
            super().release(self.newest)


class ForgetfulSpool(World):
    """A spool that calls durable what it has not synced."""

    class spool_type(SegmentedSpool):  # noqa: N801
        def sync(self) -> Position:
            self._durable = self._complete
            return self._durable.position


class LeakyFilter(World):
    """A capture that lets call rows through, and walls that do not look."""

    class capture_type(Capture):  # noqa: N801
        def _filter(self, transaction: Transaction) -> Transaction:
            filtered = super()._filter(transaction)
            blocks = tuple(self._leak(block) for block in filtered.blocks)
            return replace(filtered, blocks=blocks)

        @staticmethod
        def _leak(block: Block) -> Block:
            if block.schema.name != "main_menu":
                return block
            labels = ["CALLDATA#1" for _ in block.columns[0]]
            return Block(block.schema, block.ops, (labels, *block.columns[1:]), block.ordinals)


class OpenRowRules(World):
    """A capture that does not apply the row rules."""

    class capture_type(Capture):  # noqa: N801
        def _filter(self, transaction: Transaction) -> Transaction:
            return replace(super()._filter(transaction), blocks=transaction.blocks)


class LostChunks(World):
    """A capture that leaves the last row of each chunk out."""

    class capture_type(Capture):  # noqa: N801
        def _finish_chunk(self, chunk: Chunk) -> Chunk:
            if chunk.count > 1:
                chunk = replace(chunk, columns=tuple(column[:-1] for column in chunk.columns), count=chunk.count - 1)
            return super()._finish_chunk(chunk)


class EagerCapture(World):
    """A capture that confirms what is in the spool, synced or not."""

    class capture_type(Capture):  # noqa: N801
        def confirm(self) -> None:
            self.source.confirm(self.spool.newest)


class BraveFace(World):
    """A primary that answers every beat as healthy."""

    def __init__(self, seed: int, *, told: bool = False) -> None:
        super().__init__(seed, told=told)
        judge = self.judge.beat_answered

        def answered(*, healthy: bool, running: bool) -> None:
            judge(healthy=True, running=running)

        self.judge.beat_answered = answered  # type: ignore[method-assign]


DEFECTS: Mapping[type[World], tuple[int, ...]] = {
    SkippingTarget: (1, 2),
    RepeatingTarget: (1, 2, 3),
    EarlyCheckpoint: (2,),
    BlindReopening: (1, 2),
    HastySpool: (1, 9),
    ForgetfulSpool: (1, 2, 9),
    LeakyFilter: (5,),
    OpenRowRules: (2, 5),
    LostChunks: (1, 2),
    EagerCapture: (9,),
    BraveFace: (10,),
}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_planted_defect_is_caught(defect: type[World]) -> None:
    failure = caught(defect)
    assert failure.startswith(tuple(f"invariant {number}:" for number in DEFECTS[defect])), failure
