"""What start finds: a tear is cut off in silence, a wound is named. Invariants 1, 2 and 9."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import SpoolCorrupt
from sync.model.batch import Encoded
from sync.model.position import Position
from sync.spool.log import SegmentedSpool
from sync.spool.segment import HEAD_BYTES, HEADER_BYTES
from tests.sim.disk import SimDisk

RECORD_BYTES = HEAD_BYTES + 1000


def spool_on(disk: SimDisk) -> SegmentedSpool:
    return SegmentedSpool(disk, origin="east", bytes_max=10**6, segment_bytes_max=HEADER_BYTES + 3 * RECORD_BYTES)


def filled(disk: SimDisk, last: int, synced: int) -> SegmentedSpool:
    """Records 1 to `last`, three a segment, synced up to `synced`."""
    spool = spool_on(disk)
    spool.open()
    for position in range(1, last + 1):
        spool.append(record(position))
        if position == synced:
            spool.sync()
    return spool


def record(position: int, part: int = 0, *, last: bool = True) -> Encoded:
    return Encoded(b"r" * 1000, Position(position), Position(position), part, last, 1, 1, 1000, 0)


def newest_after_damage(disk: SimDisk, name: str, offset: int) -> int:
    disk.flip(name, offset)
    spool = spool_on(disk)
    spool.open()
    return spool.newest


@pytest.mark.parametrize("size", range(HEADER_BYTES + RECORD_BYTES, HEADER_BYTES + 2 * RECORD_BYTES, 37))
def test_a_torn_tail_is_cut_off_wherever_it_tore(size: int) -> None:
    disk = SimDisk(Random(1))
    filled(disk, 5, 4)
    disk.truncate(disk.names()[-1], size)
    spool = spool_on(disk)
    spool.open()
    assert (spool.newest, spool.durable, spool.bytes) == (4, 4, disk.used_bytes)


@given(st.integers(0, 3 * RECORD_BYTES - 1), st.integers(0, 7))
def test_damage_in_a_sealed_segment_is_named(offset: int, bit: int) -> None:
    disk = SimDisk(Random(1))
    filled(disk, 4, 0)
    name = disk.names()[0]
    disk.flip(name, HEADER_BYTES + offset, 1 << bit)
    start = HEADER_BYTES + offset // RECORD_BYTES * RECORD_BYTES
    with pytest.raises(SpoolCorrupt, match=rf"byte {start} of {name}.*copied again"):
        spool_on(disk).open()


@given(st.integers(0, HEADER_BYTES - 1), st.booleans())
def test_damage_in_a_header_is_named(offset: int, first: bool) -> None:
    disk = SimDisk(Random(1))
    filled(disk, 4, 0)
    with pytest.raises(SpoolCorrupt, match="header"):
        newest_after_damage(disk, disk.names()[0 if first else -1], offset)


@given(st.integers(0, RECORD_BYTES - 1))
def test_damage_before_a_record_that_was_written_after_a_sync_is_a_wound(offset: int) -> None:
    """The third record says that the first was synced when it was written."""
    disk = SimDisk(Random(1))
    filled(disk, 3, 1)
    with pytest.raises(SpoolCorrupt, match="had been synced"):
        newest_after_damage(disk, disk.names()[-1], HEADER_BYTES + offset)


@given(st.integers(0, RECORD_BYTES - 1))
def test_damage_before_records_that_were_never_synced_is_a_tear(offset: int) -> None:
    """Pages reach the disk in any order: a hole with whole records behind it breaks no promise."""
    disk = SimDisk(Random(1))
    filled(disk, 3, 1)
    assert newest_after_damage(disk, disk.names()[-1], HEADER_BYTES + RECORD_BYTES + offset) == 1


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 7])
def test_an_unfinished_transaction_is_cut_off_across_segments(parts: int) -> None:
    """Invariant 2: no part of it is left, even where every byte survived."""
    disk = SimDisk(Random(1))
    spool = filled(disk, 2, 2)
    for part in range(parts):
        spool.append(record(3, part, last=False))
    spool.sync()
    disk.crash()
    spool = spool_on(disk)
    spool.open()
    assert (spool.newest, len(disk.names()), disk.used_bytes) == (2, 1, HEADER_BYTES + 2 * RECORD_BYTES)
    spool.append(record(4))
    reader = spool.read(Position(0))
    assert [reader.next() for _ in range(4)] == [record(1), record(2), record(4), None]


@given(st.integers(0, 1000))
def test_a_crash_after_abandon_leaves_no_gap(seed: int) -> None:
    """Each removal is synced before the next: no crash brings back a later segment without the earlier one."""
    disk = SimDisk(Random(seed))
    spool = filled(disk, 2, 2)
    for part in range(12):
        spool.append(record(3, part, last=False))
    spool.abandon()
    disk.crash()
    spool = spool_on(disk)
    spool.open()
    assert spool.newest == 2


@pytest.mark.parametrize("missing", [1, 2])
def test_a_missing_segment_is_named(missing: int) -> None:
    disk = SimDisk(Random(1))
    filled(disk, 10, 10)
    disk.remove(disk.names()[missing])
    with pytest.raises(SpoolCorrupt, match="gap"):
        spool_on(disk).open()


def test_files_that_are_not_the_spools_are_left_alone() -> None:
    disk = SimDisk(Random(1))
    disk.replace("notes.txt", b"mine")
    filled(disk, 4, 4)
    spool = spool_on(disk)
    spool.open()
    spool.restart(Position(9))
    assert disk.read("notes.txt", 0, 10) == b"mine"


def test_opening_twice_changes_nothing() -> None:
    disk = SimDisk(Random(1))
    filled(disk, 7, 7)
    spool = spool_on(disk)
    spool.open()
    content = {name: disk.read(name, 0, 10**6) for name in disk.names()}
    spool.open()
    assert {name: disk.read(name, 0, 10**6) for name in disk.names()} == content


def test_a_record_counts_only_in_the_file_it_was_written_to() -> None:
    disk = SimDisk(Random(1))
    filled(disk, 6, 6)
    first, second = disk.names()
    records = disk.read(first, HEADER_BYTES, 10**6)
    disk.replace(second, disk.read(second, 0, HEADER_BYTES) + records)
    spool = spool_on(disk)
    spool.open()
    assert spool.newest == 3
