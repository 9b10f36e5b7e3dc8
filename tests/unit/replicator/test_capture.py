"""Capture: a transaction is in the spool whole or not at all, and what is lost is copied again (invariants 1, 2, 5)."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator
from random import Random

import pytest

from sync.core.filter import Selection
from sync.errors import AdminSyncError, DatabaseBusy, SpoolError, SpoolFull
from sync.model.batch import ChunkRequest, Encoded, Purpose, Transaction
from sync.model.change import Op
from sync.model.notice import CallDataRefused, RowsBlocked
from sync.model.position import Position
from tests.unit.replicator.bench import CALLS, Bench
from tests.unit.sample import LINES


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.capture.open()
    return made


def test_what_is_committed_stands_in_the_spool_in_order(bench: Bench) -> None:
    bench.write((1, "a"))
    bench.write((1, "b"), (2, "c"))
    bench.capture.step()
    assert [[commit.position for commit in batch.commits] for batch in bench.spooled()] == [[1, 2]]
    assert [row for _, _, row in bench.rows()] == [(1, "a"), (1, "b"), (2, "c")]
    assert bench.appended == bench.spooled()


def test_rules_are_applied_before_anything_is_stored(bench: Bench) -> None:
    """Invariant 5: the first wall. A row that leaves its rule becomes a delete; call tables are not even read."""
    bench.write((1, "a"), (5000, "home"))
    bench.write((7,), schema=CALLS)
    bench.write((5000, None), op=Op.DELETE)
    bench.capture.step()
    assert [row for _, op, row in bench.rows() if op != "DELETE"] == [(1, "a")]
    assert {table for table, _, _ in bench.rows()} == {"users"}
    assert sum(notice.rows for notice in bench.notices if isinstance(notice, RowsBlocked)) >= 1


def test_what_the_wall_stops_stops_capture(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 5: the second wall looks at the encoded bytes, whatever the filter let through."""
    monkeypatch.setattr(type(bench.wall), "check", lambda *_: ("hsplit", ("split",), "it is call data"))
    bench.write((1, "a"))
    with pytest.raises(AdminSyncError, match="stopped hsplit"):
        bench.capture.step()
    assert bench.spooled() == []
    assert [notice.wall for notice in bench.notices if isinstance(notice, CallDataRefused)] == ["outbound"]


def test_the_source_forgets_only_what_is_durable(bench: Bench) -> None:
    """Invariant 9."""
    bench.write((1, "a"))
    bench.capture.step()
    bench.capture.confirm()
    assert bench.database.confirmed == 0
    bench.spool.sync()
    bench.capture.confirm()
    assert bench.database.confirmed == 1


@pytest.mark.parametrize("failure", ["source", "spool"])
def test_a_large_transaction_that_breaks_off_leaves_nothing(failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 2: its first parts are taken back, and it comes whole the next time (invariant 1)."""
    bench = Bench(part_rows_max=10)
    bench.capture.open()
    bench.write((0, "before"), schema=LINES)
    bench.capture.step()
    bench.write(*((number, "x") for number in range(35)), schema=LINES)
    read, append = bench.source.read, bench.spool.append

    def breaking(chunk: ChunkRequest | None = None) -> Iterator[Transaction]:
        yield from itertools.islice(read(chunk), 2)
        raise DatabaseBusy("busy")

    def failing(encoded: Encoded) -> None:
        if encoded.part == 2:
            bench.disk.fail_next("write", errno.EIO)
        append(encoded)

    with monkeypatch.context() as patched:
        if failure == "source":
            patched.setattr(bench.source, "read", breaking)
        else:
            patched.setattr(bench.spool, "append", failing)
        with pytest.raises((DatabaseBusy, SpoolError)):
            bench.capture.step()
    bench.capture.close()
    assert bench.spool.newest == 1
    bench.capture.open()
    assert [batch.position for batch in bench.spooled()] == [1]
    bench.capture.step()
    assert [row[0] for _, _, row in bench.rows()] == [0, *range(35)]


def test_a_full_spool_keeps_the_rest_in_the_source() -> None:
    """Invariants 1 and 7."""
    bench = Bench(bytes_max=64 * 1024)
    bench.capture.open()

    def fill() -> None:
        for number in range(10**4):
            bench.write((number, Random(number).randbytes(2000).hex()))
            bench.capture.step()

    with pytest.raises(SpoolFull):
        fill()
    stood = bench.spool.newest
    bench.capture.close()
    bench.spool.sync()
    bench.spool.release(stood)
    bench.capture.open()
    bench.capture.step()
    assert bench.spool.newest == stood + 1


def test_a_restart_goes_on_behind_the_last_whole_transaction(bench: Bench) -> None:
    """Invariants 1 and 4."""
    bench.write((1, "a"))
    bench.capture.step()
    bench.spool.sync()
    bench.write((2, "b"))
    after = bench.restarted()
    after.capture.open()
    after.capture.step()
    assert [row for _, _, row in after.rows()] == [(1, "a"), (2, "b")]
    assert after.lost == []


def test_history_that_is_gone_is_copied_again(bench: Bench) -> None:
    """Invariant 1: a spool that lost what the source has forgotten is never simply empty."""
    for number in range(3):
        bench.write((number, "a"))
    bench.capture.step()
    bench.spool.sync()
    bench.capture.confirm()
    for name in bench.disk.names():
        bench.disk.remove(name)
    after = bench.restarted()
    after.capture.open()
    assert len(after.lost) == 1
    assert after.spool.oldest >= 3
    after.write((9, "z"))
    after.capture.step()
    assert [row for _, _, row in after.rows(after.spooled(after.spool.oldest))] == [(9, "z")]


def test_the_need_for_a_copy_is_noted_before_the_history_goes_on(bench: Bench) -> None:
    """Invariant 1: a crash between the two must find the loss again, not a spool that looks whole."""
    bench.write((1, "a"))
    bench.capture.step()
    newest = []
    bench.capture.lost = lambda _: newest.append(bench.spool.newest)
    bench.capture.restart(Position(50), "a test")
    assert newest == [1]
    assert (bench.spool.oldest, bench.spool.newest) == (50, 50)


def test_a_copy_that_can_not_be_noted_leaves_everything_as_it_was(bench: Bench) -> None:
    bench.write((1, "a"))
    bench.capture.step()

    def full(_: str) -> None:
        raise SpoolError("could not note it")

    bench.capture.lost = full
    with pytest.raises(SpoolError):
        bench.capture.restart(Position(50), "a test")
    assert bench.spool.newest == 1


def test_a_damaged_spool_is_given_up_and_everything_copied(bench: Bench) -> None:
    """Invariant 1: damage inside the synced part can not be read around."""
    for number in range(3):
        bench.write((number, "a" * 100))
        bench.capture.step()
    bench.spool.sync()
    bench.capture.confirm()
    bench.spool.close()
    name = bench.disk.names()[0]
    bench.disk.flip(name, bench.disk.size(name) // 2)
    bench.capture.close()
    bench.capture.open()
    assert len(bench.lost) == 1
    assert bench.spooled(bench.spool.oldest) == []


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_chunk_states_the_rows_inside_the_rule(bench: Bench, purpose: Purpose) -> None:
    """Invariant 5: what the row rule keeps at home is in no chunk either, and in no digest."""
    bench.write((1, "a"), (2, "b"), (5000, "home"))
    chunk = bench.capture.step(ChunkRequest(1, 0, "users", purpose))
    assert chunk is not None
    (sent,) = bench.spooled()[-1].chunks
    assert (chunk.count, sent.count, sent.digest) == (2, 2, chunk.digest)
    assert sent.columns == (([], []) if purpose is Purpose.DIGEST else ([1, 2], ["a", "b"]))


def test_a_closed_capture_says_so() -> None:
    bench = Bench()
    with pytest.raises(AdminSyncError):
        bench.capture.step()


def test_spooled_call_data_is_taken_out_before_it_leaves() -> None:
    """Invariant 5: a batch from before the configuration changed keeps its positions, and loses the table."""
    bench = Bench(selection=Selection("none", include=("users", "lines")))
    bench.capture.open()
    bench.write((1, "a"))
    bench.write((1, "x"), schema=LINES)
    bench.capture.step()
    narrow = Bench(selection=Selection("none", include=("users",)))
    (batch,) = bench.spooled()
    encoded = bench.codec.encode(batch)
    violation = narrow.wall.check(encoded.payload)
    assert violation is not None
    assert violation[0] == "lines"
    stripped = narrow.wall.strip(encoded)
    assert narrow.wall.check(stripped.payload) is None
    left = bench.codec.decode(stripped.payload)
    assert [commit.position for commit in left.commits] == [1, 2]
    assert [block.schema.name for block in left.blocks] == ["users"]
