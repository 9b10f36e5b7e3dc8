"""A reader beside a writer that cuts, releases and fails under it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from sync.errors import PositionLost, SpoolCorrupt, SpoolError
from sync.model.batch import Encoded
from sync.model.position import Position
from sync.spool.log import SegmentedSpool
from sync.spool.reader import Rewound
from sync.spool.segment import HEADER_BYTES
from tests.sim.disk import SimDisk


class BusyDisk(SimDisk):
    """Does something else in the middle of the next read."""

    meanwhile: Callable[[], object] | None = None

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Let the writer work before or after the bytes are taken, by chance."""
        work, self.meanwhile = self.meanwhile, None
        if work is None:
            return super().read(name, offset, length)
        if self.late:
            content = super().read(name, offset, length)
            work()
            return content
        work()
        return super().read(name, offset, length)

    late = False


def record(position: int, part: int = 0, *, last: bool = True, text: bytes = b"r") -> Encoded:
    return Encoded(text * 1000, Position(position), Position(position), part, last, 1, 1, 1000, 0)


@pytest.fixture
def disk() -> BusyDisk:
    return BusyDisk(Random(1))


@pytest.fixture
def spool(disk: BusyDisk) -> SegmentedSpool:
    """Without a cache; three records a segment."""
    spool = SegmentedSpool(disk, origin="east", bytes_max=10**6, segment_bytes_max=4000, cache_bytes_max=0)
    spool.open()
    return spool


@pytest.mark.parametrize("late", [False, True])
def test_what_was_cut_while_it_was_read_is_not_given(disk: BusyDisk, spool: SegmentedSpool, late: bool) -> None:
    """Invariant 2: the reader stood before the abandoned part, so it goes on with what came in its place."""
    spool.append(record(1))
    reader = spool.read(Position(0))
    assert reader.next() == record(1)
    spool.append(record(2, 0, last=False, text=b"abandoned"))

    def swap() -> None:
        spool.abandon()
        spool.append(record(3, text=b"new"))

    disk.late, disk.meanwhile = late, swap
    generation = reader.generation
    assert reader.next() == record(3, text=b"new")
    assert reader.generation > generation
    assert reader.next() is None


def test_what_was_read_ahead_and_cut_is_not_given(spool: SegmentedSpool) -> None:
    spool.append(record(1))
    spool.append(record(2, 0, last=False))
    reader = spool.read(Position(0))
    assert reader.next() == record(1), "the block that came with it holds the unfinished part"
    spool.abandon()
    spool.append(record(3))
    assert reader.next() == record(3)


def test_a_segment_released_while_it_was_read_is_position_lost(disk: BusyDisk, spool: SegmentedSpool) -> None:
    for position in range(1, 8):
        spool.append(record(position))
    reader = spool.read(Position(0))
    disk.meanwhile = lambda: spool.release(Position(7))
    with pytest.raises(PositionLost, match="released while it was read"):
        reader.next()


def test_a_disk_that_can_not_read_is_named_and_read_again(disk: BusyDisk, spool: SegmentedSpool) -> None:
    spool.append(record(1))
    reader = spool.read(Position(0))
    disk.fail_next("read")
    with pytest.raises(SpoolError, match="could not read"):
        reader.next()
    assert reader.next() == record(1)


@pytest.mark.parametrize("offset", [5, 500])
def test_damage_is_never_given(disk: BusyDisk, spool: SegmentedSpool, offset: int) -> None:
    """Invariant 1: in the head or in the payload."""
    spool.append(record(1))
    disk.flip(disk.names()[0], HEADER_BYTES + offset)
    with pytest.raises(SpoolCorrupt, match=f"byte {HEADER_BYTES}"):
        spool.read(Position(0)).next()


def test_reopening_sends_every_reader_back(spool: SegmentedSpool) -> None:
    spool.append(record(1))
    reader = spool.read(Position(0))
    spool.open()
    with pytest.raises(Rewound):
        reader.next()


def test_a_closed_reader_says_so(spool: SegmentedSpool) -> None:
    reader = spool.read(Position(0))
    reader.close()
    reader.close()
    with pytest.raises(SpoolError, match="closed"):
        reader.next()


def test_a_peer_ahead_of_the_spool_gets_what_comes_above_it(spool: SegmentedSpool) -> None:
    """After a crash the peer may have applied what the spool lost before it was synced."""
    spool.append(record(1))
    reader = spool.read(Position(5))
    for position in range(2, 8):
        spool.append(record(position))
    assert [reader.next(), reader.next(), reader.next()] == [record(6), record(7), None]
