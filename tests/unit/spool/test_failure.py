"""Disks that fail where it hurts: every failure is an error of ours, and `open` is always the way on."""

from __future__ import annotations

import errno
from collections.abc import Callable
from random import Random

import pytest

from sync.errors import SpoolError, SpoolFull
from sync.model.batch import Encoded
from sync.model.position import Position
from sync.spool.log import SegmentedSpool
from tests.sim.disk import SimDisk

Work = Callable[[SegmentedSpool], object]


def record(position: int, part: int = 0, *, last: bool = True) -> Encoded:
    return Encoded(b"r" * 1000, Position(position), Position(position), part, last, 1, 1, 1000, 0)


def abandon(spool: SegmentedSpool) -> None:
    spool.append(record(10, last=False))
    spool.abandon()


def fill(spool: SegmentedSpool) -> None:
    for position in range(10, 20):
        spool.append(record(position))


def release(spool: SegmentedSpool) -> None:
    spool.release(Position(5))


def restart(spool: SegmentedSpool) -> None:
    spool.restart(Position(9))
    spool.append(record(10))
    spool.sync()


CASES: list[tuple[list[str], Work]] = [
    (["write", "truncate"], fill),
    (["replace", "remove"], fill),
    (["replace", "sync_names"], fill),
    (["sync"], fill),
    (["sync", "truncate"], fill),
    (["truncate"], abandon),
    (["remove"], release),
    (["sync_names"], release),
    (["sync"], restart),
    (["replace"], lambda spool: spool.restart(Position(9))),
    (["remove"], lambda spool: spool.restart(Position(9))),
    (["read"], SegmentedSpool.open),
    (["sync"], SegmentedSpool.open),
]


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize(("operations", "work"), CASES)
def test_after_any_failure_open_goes_on_with_all_that_was_durable(
    operations: list[str], work: Work, crash: bool
) -> None:
    """Invariants 1 and 9. A restart forgets on purpose; all others keep positions 1 to 5."""
    disk = SimDisk(Random(1))
    spool = SegmentedSpool(disk, origin="east", bytes_max=10**6, segment_bytes_max=4000, cache_bytes_max=0)
    spool.open()
    for position in range(1, 6):
        spool.append(record(position))
    spool.sync()
    for operation in operations:
        disk.fail_next(operation)
    with pytest.raises(SpoolError, match="Check the disk"):
        work(spool)
    disk.clear_faults()
    if crash:
        disk.crash()
    spool.open()
    reader = spool.read(spool.oldest)
    found: list[int] = []
    while (encoded := reader.next()) is not None:
        found.append(encoded.position)
    assert found == [
        position for position in [1, 2, 3, 4, 5, *range(10, 20)] if spool.oldest < position <= spool.newest
    ]
    assert spool.newest >= 5 or spool.oldest == spool.newest == 0, "a restart got as far as removing"
    spool.append(record(100))
    assert spool.sync() == 100


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_worth_waiting_for(number: int) -> None:
    disk = SimDisk(Random(1))
    spool = SegmentedSpool(disk, origin="east", bytes_max=10**6)
    spool.open()
    disk.fail_next("write", number)
    with pytest.raises(SpoolFull):
        spool.append(record(1))
    spool.append(record(1))
    assert spool.sync() == 1
