"""The spool's promises one by one, on the simulated disk."""

from __future__ import annotations

import errno
import threading
from random import Random

import pytest

from sync.errors import PositionLost, SpoolCorrupt, SpoolError, SpoolFull, UsageError
from sync.model.batch import Encoded
from sync.model.position import Position
from sync.spool.log import SegmentedSpool
from sync.spool.reader import Reader, Rewound
from sync.spool.segment import HEAD_BYTES, HEADER_BYTES
from tests.sim.disk import SimDisk

PAYLOAD = b"x" * 1000
RECORD_BYTES = HEAD_BYTES + len(PAYLOAD)


def batch(position: int, part: int = 0, *, last: bool = True, payload: bytes = PAYLOAD) -> Encoded:
    return Encoded(payload, Position(position), Position(position), part, last, int(last), 3, 2000, -5)


def open_spool(
    disk: SimDisk, *, origin: str = "east", bytes_max: int = 10**6, segment_bytes_max: int = 4000, cache: int = 0
) -> SegmentedSpool:
    spool = SegmentedSpool(
        disk, origin=origin, bytes_max=bytes_max, segment_bytes_max=segment_bytes_max, cache_bytes_max=cache
    )
    spool.open()
    return spool


def fill(spool: SegmentedSpool, first: int, last: int) -> None:
    for position in range(first, last + 1):
        spool.append(batch(position))


def drain(reader: Reader) -> list[int]:
    found: list[int] = []
    while (encoded := reader.next()) is not None:
        found.append(encoded.position)
    return found


@pytest.fixture
def disk() -> SimDisk:
    return SimDisk(Random(1))


def test_an_empty_spool_starts_before_everything(disk: SimDisk) -> None:
    spool = open_spool(disk)
    assert (spool.oldest, spool.newest, spool.durable, spool.bytes) == (0, 0, 0, HEADER_BYTES)
    assert spool.read(Position(0)).next() is None


@pytest.mark.parametrize("cache", [0, 10**6])
def test_what_is_read_is_what_was_appended(disk: SimDisk, cache: int) -> None:
    """From memory and from disk alike, every field included."""
    spool = open_spool(disk, cache=cache)
    appended = [batch(1), batch(2, payload=b""), batch(4, 0, last=False), batch(4, 1), batch(9, payload=b"y" * 70000)]
    for encoded in appended:
        spool.append(encoded)
    reader = spool.read(Position(0))
    assert [reader.next() for _ in range(6)] == [*appended, None]
    reads = disk.calls.get("read", 0)
    spool.append(batch(10))
    assert reader.next() == batch(10)
    assert (disk.calls.get("read", 0) == reads) == (cache > 0), "a reader that keeps up needs no disk"


def test_released_history_stays_known_after_a_restart(disk: SimDisk) -> None:
    """Invariant 9: `newest` and `oldest` survive even when nothing else does."""
    spool = open_spool(disk)
    fill(spool, 1, 20)
    spool.sync()
    spool.release(Position(20))
    assert spool.bytes == HEADER_BYTES
    disk.crash()
    spool = open_spool(disk)
    assert (spool.oldest, spool.newest, spool.durable) == (20, 20, 20)
    with pytest.raises(PositionLost, match="snapshot"):
        spool.read(Position(19))
    fill(spool, 21, 22)
    assert drain(spool.read(Position(20))) == [21, 22]


def test_release_forgets_whole_segments_only(disk: SimDisk) -> None:
    spool = open_spool(disk)
    fill(spool, 1, 9)  # three records a segment
    spool.sync()
    spool.release(Position(5))
    assert spool.oldest == 3
    assert drain(spool.read(Position(3))) == [4, 5, 6, 7, 8, 9]


def test_nothing_is_forgotten_that_is_not_durable_here(disk: SimDisk) -> None:
    """A transaction across two segments: the first one is sealed, the last part is not synced yet."""
    spool = open_spool(disk)
    for part in range(4):
        spool.append(batch(1, part, last=part == 3, payload=PAYLOAD if part < 3 else PAYLOAD[:300]))
    assert len(disk.names()) == 2
    assert spool.durable == 0
    spool.release(Position(1))
    assert spool.oldest == 0
    spool.sync()
    spool.release(Position(1))
    assert spool.oldest == 1


def test_a_segment_that_starts_inside_a_released_transaction_is_readable_after_it(disk: SimDisk) -> None:
    spool = open_spool(disk)
    for part in range(5):
        spool.append(batch(7, part, last=part == 4))
    spool.append(batch(8))
    spool.sync()
    spool.release(Position(7))
    disk.crash()
    spool = open_spool(disk)
    assert (spool.oldest, spool.newest) == (7, 8)
    assert drain(spool.read(Position(7))) == [8]
    with pytest.raises(PositionLost):
        spool.read(Position(6))


def test_the_limit_holds_and_release_makes_room(disk: SimDisk) -> None:
    """Invariant 7: refused before anything is written."""
    spool = open_spool(disk, bytes_max=16000)
    with pytest.raises(SpoolFull, match="16000"):
        fill(spool, 1, 100)
    assert spool.bytes <= 16000
    newest, used_bytes = spool.newest, disk.used_bytes
    with pytest.raises(SpoolFull):
        spool.append(batch(newest + 1))
    assert disk.used_bytes == used_bytes
    spool.release(newest)
    spool.append(batch(newest + 1))
    assert drain(spool.read(newest)) == [newest + 1]


def test_one_record_may_exceed_the_limit_where_nothing_is_held(disk: SimDisk) -> None:
    spool = open_spool(disk, bytes_max=16000)
    spool.append(batch(1, payload=b"z" * 20000))
    with pytest.raises(SpoolFull):
        spool.append(batch(2))
    spool.release(Position(1))
    spool.append(batch(2, payload=b"z" * 20000))
    assert spool.oldest == 1


def test_a_transaction_larger_than_the_spool_names_the_limit_to_raise(disk: SimDisk) -> None:
    spool = open_spool(disk, bytes_max=8000)
    for part in range(5):
        spool.append(batch(1, part, last=False))
    with pytest.raises(SpoolFull, match=r"transaction 1 alone .*spool_bytes_max"):
        spool.append(batch(1, 5, last=False, payload=b"z" * 3000))


@pytest.mark.parametrize("wrong", [batch(5), batch(4), batch(6, 1), batch(0)])
def test_batches_out_of_order_are_refused(disk: SimDisk, wrong: Encoded) -> None:
    """Invariant 3."""
    spool = open_spool(disk)
    spool.append(batch(5))
    with pytest.raises(SpoolError, match="refused a batch"):
        spool.append(wrong)
    assert drain(spool.read(Position(0))) == [5]


@pytest.mark.parametrize("wrong", [batch(6), batch(7, 1), batch(6, 2), batch(6, 0)])
def test_an_unfinished_transaction_must_go_on_or_be_abandoned(disk: SimDisk, wrong: Encoded) -> None:
    """Invariant 2."""
    spool = open_spool(disk)
    spool.append(batch(6, 0, last=False))
    with pytest.raises(SpoolError, match="part 1 of 6"):
        spool.append(wrong)
    spool.abandon()
    spool.append(batch(7))
    assert drain(spool.read(Position(0))) == [7]


@pytest.mark.parametrize("cache", [0, 10**6])
def test_abandon_sends_back_only_the_readers_inside(disk: SimDisk, cache: int) -> None:
    """Invariant 2, across segments."""
    spool = open_spool(disk, cache=cache)
    fill(spool, 1, 2)
    inside, outside, ahead = spool.read(Position(0)), spool.read(Position(0)), spool.read(Position(0))
    for part in range(6):
        spool.append(batch(3, part, last=False))
    assert drain(inside) == [1, 2, 3, 3, 3, 3, 3, 3]
    assert [encoded.position for encoded in (ahead.next(), ahead.next()) if encoded] == [1, 2]
    assert outside.next() == batch(1)
    generation = spool.generation
    assert spool.abandon() == 2
    assert spool.generation > generation
    assert len(disk.names()) == 1
    spool.append(batch(4))
    assert drain(outside) == [2, 4]
    assert drain(ahead) == [4]
    with pytest.raises(Rewound):
        inside.next()


def test_abandon_without_an_unfinished_transaction_changes_nothing(disk: SimDisk) -> None:
    spool = open_spool(disk)
    fill(spool, 1, 2)
    generation, used_bytes = spool.generation, disk.used_bytes
    assert spool.abandon() == 2
    assert (spool.generation, disk.used_bytes) == (generation, used_bytes)


def test_a_full_disk_leaves_the_spool_usable(disk: SimDisk) -> None:
    spool = open_spool(disk)
    spool.append(batch(1))
    disk.capacity_bytes = disk.used_bytes + 300
    with pytest.raises(SpoolFull, match="Make room"):
        spool.append(batch(2))
    disk.capacity_bytes = None
    spool.append(batch(2))
    disk.crash()
    disk.capacity_bytes = None
    assert open_spool(disk).newest in {0, 1, 2}


def test_a_segment_that_can_not_be_made_changes_nothing(disk: SimDisk) -> None:
    spool = open_spool(disk)
    fill(spool, 1, 3)
    disk.fail_next("replace", errno.ENOSPC)
    with pytest.raises(SpoolFull):
        spool.append(batch(4))
    assert len(disk.names()) == 1
    fill(spool, 4, 8)
    assert drain(spool.read(Position(0))) == list(range(1, 9))


@pytest.mark.parametrize("full", [False, True])
def test_a_failed_fsync_takes_back_what_is_in_doubt(disk: SimDisk, full: bool) -> None:
    """Invariant 9: a later fsync that succeeds proves nothing, so nothing of it is kept. Also when sealing."""
    spool = open_spool(disk)
    spool.append(batch(1))
    spool.sync()
    spool.append(batch(2))
    reader = spool.read(Position(0))
    assert drain(reader) == [1, 2]
    disk.fail_next("sync")
    with pytest.raises(SpoolError, match="could not sync"):
        fill(spool, 3, 9) if full else spool.sync()
    with pytest.raises(SpoolError, match="opened again"):
        spool.append(batch(10))
    with pytest.raises(Rewound):
        reader.next()
    spool.open()
    assert (spool.newest, spool.durable) == (1, 1)
    spool.append(batch(10))
    assert drain(spool.read(Position(0))) == [1, 10]


def test_another_origin_is_discarded_and_named(disk: SimDisk) -> None:
    fill(open_spool(disk, origin="east-1"), 1, 9)
    spool = open_spool(disk, origin="east-2")
    assert (spool.discarded_origin, spool.oldest, spool.newest) == ("east-1", 0, 0)
    assert open_spool(disk, origin="east-2").discarded_origin == ""


@pytest.mark.parametrize("origin", ["", "ä" * 201])
def test_an_origin_that_can_not_be_stored_is_refused(disk: SimDisk, origin: str) -> None:
    with pytest.raises(UsageError, match="can not name a spool"):
        open_spool(disk, origin=origin)


def test_restart_goes_on_behind_a_snapshot_even_on_damaged_files(disk: SimDisk) -> None:
    spool = open_spool(disk)
    fill(spool, 1, 9)
    disk.flip(disk.names()[0], 3)
    spool.close()
    with pytest.raises(SpoolCorrupt):
        spool.open()
    spool.restart(Position(500))
    spool.append(batch(501))
    assert (spool.oldest, spool.newest) == (500, 501)
    spool.sync()
    disk.crash()
    assert drain(open_spool(disk).read(Position(500))) == [501]


def test_a_closed_spool_says_so(disk: SimDisk) -> None:
    spool = open_spool(disk)
    spool.close()
    spool.close()
    with pytest.raises(SpoolError, match="not open"):
        spool.append(batch(1))


def test_a_reader_at_the_end_of_a_released_segment_goes_on(disk: SimDisk) -> None:
    spool = open_spool(disk)
    fill(spool, 1, 2)
    reader = spool.read(Position(0))
    assert drain(reader) == [1, 2]
    spool.release(Position(2))
    assert spool.oldest == 2
    spool.append(batch(3))
    assert drain(reader) == [3]


def test_a_reader_finds_its_place_in_a_large_segment(disk: SimDisk) -> None:
    """It starts at a mark near its position, not at the front."""
    spool = open_spool(disk, bytes_max=2**30, segment_bytes_max=2**26)
    for position in range(1, 60):
        spool.append(batch(position, payload=b"p" * 100_000))
    reads = disk.calls.get("read", 0)
    assert drain(spool.read(Position(58))) == [59]
    assert disk.calls["read"] - reads < 15
    for after in range(60):
        assert drain(spool.read(Position(after))) == list(range(after + 1, 60))


def test_append_sync_release_and_read_from_four_threads(disk: SimDisk) -> None:
    """Invariants 3 and 9 while everything runs at once."""
    spool = open_spool(disk, cache=3000)
    count, failures, done = 400, [], threading.Event()

    def guarded(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001
            failures.append(error)
            done.set()

    def sync() -> None:
        while not done.is_set():
            before = spool.newest
            assert spool.sync() >= before

    def read() -> None:
        reader, seen = spool.read(Position(0)), 0
        while seen < count and not done.is_set():
            if (encoded := reader.next()) is not None:
                seen += 1
                assert encoded == batch(seen)
                spool.release(Position(seen - 1))
        done.set()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (lambda: fill(spool, 1, count), sync, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert spool.sync() == count
    assert spool.oldest > count - 10
