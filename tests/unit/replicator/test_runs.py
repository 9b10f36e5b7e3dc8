"""Runs: every key range of every table is answered exactly once, whatever is lost on the way (invariant 1)."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.model.batch import Chunk, ChunkDifference, ChunkRequest, ChunkResult, Purpose
from sync.model.change import Row
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.replicator.runs import Run

SCHEMAS = {
    name: TableSchema(name, (Column("id", Type(Kind.INT64), nullable=False),), (0,)) for name in ("users", "lines")
}


def answer(request: ChunkRequest, keys: set[int]) -> Chunk:
    """What a source makes of a request; the limit counts only where the end is open (see `ChunkRequest`)."""
    low = -1 if request.after is None else int(str(request.after[0]))
    found = sorted(key for key in keys if key > low)
    upto: Row | None = request.upto
    if upto is not None:
        found = [key for key in found if key <= int(str(request.upto[0]))]  # type: ignore[index]
    elif len(found) > max(request.limit, 1):
        found = found[: max(request.limit, 1)]
        upto = (found[-1],)
    schema = SCHEMAS[request.table]
    columns = (list(found),)
    return Chunk(request.run, request.number, schema, request.purpose, request.after, upto, columns, len(found), b"")  # type: ignore[arg-type]


LOSSES = st.lists(st.sampled_from(["answer", "spool", "fail", "rewind", "restart", "grow"]), max_size=60)


@given(
    st.sampled_from(["snapshot", "verify", "repair"]),
    st.sets(st.integers(0, 40), max_size=20),
    st.sets(st.integers(0, 40), max_size=20),
    LOSSES,
)
def test_a_run_ends_with_every_range_settled(kind: str, ours: set[int], theirs: set[int], steps: list[str]) -> None:
    """Invariant 1: after any loss of sessions, reads and processes a snapshot leaves both sides equal."""
    repair = kind == "repair"
    run = Run(1, "snapshot" if kind == "snapshot" else "verify", ["users", "lines"], repair, 3)
    source = {"users": set(ours), "lines": {1}}
    target = {"users": set(theirs), "lines": {1}}
    # The stream keeps its order, and comes again in it: a row that came after a chunk stays behind it.
    stream: list[Chunk | int] = []
    for step in [*steps, *(["spool", "answer"] * 200)]:
        if step == "grow" and kind != "verify":
            grown = max(source["users"], default=0) + 1
            stream.append(grown)
            source["users"].add(grown)
        elif step == "spool":
            request = run.next_request()
            if request is not None:
                stream.append(chunk := answer(request, source[request.table]))
                run.spooled(chunk)
        elif step == "fail":
            run.next_request()
            run.not_spooled()
        elif step == "answer" and stream:
            arrived = stream.pop(0)
            if isinstance(arrived, Chunk):
                run.answered(settle(arrived, target))
            else:
                target["users"].add(arrived)
        elif step == "rewind":
            run.rewind()
        elif step == "restart":
            run = Run.from_state(msgpack.unpackb(msgpack.packb(run.to_state())), 3)
    assert run.finished
    assert run.tables_done == 2
    if kind == "verify":
        assert run.equal == (source == target)
    else:
        assert source == target
        assert run.equal or not repair


def settle(chunk: Chunk, target: dict[str, set[int]]) -> ChunkResult:
    low = -1 if chunk.after is None else int(str(chunk.after[0]))
    high = 10**9 if chunk.upto is None else int(str(chunk.upto[0]))
    mine = {key for key in target[chunk.schema.name] if low < key <= high}
    theirs = {int(str(key)) for key in chunk.columns[0]}
    if chunk.purpose is Purpose.DIGEST:
        return ChunkResult(chunk.run, chunk.number, chunk.schema.name, mine == theirs, len(mine))
    if chunk.purpose is Purpose.REPLACE:
        target[chunk.schema.name] = target[chunk.schema.name] - mine | theirs
    count = len(mine ^ theirs)
    return ChunkResult(chunk.run, chunk.number, chunk.schema.name, count == 0, len(mine), (), count)


def test_the_last_range_that_is_asked_again_reaches_the_tables_end() -> None:
    """Invariant 1: a range without an upper end is all that is left, not its first row."""
    keys = set(range(10))
    run = Run(1, "verify", ["users"], chunk_rows=4)
    asked = []
    while not run.finished:
        request = run.next_request()
        assert request is not None
        chunk = answer(request, keys)
        run.spooled(chunk)
        asked.append((request.purpose, chunk.columns[0]))
        equal = chunk.purpose is not Purpose.DIGEST or not chunk.final
        run.answered(ChunkResult(1, chunk.number, "users", equal, chunk.count))
    assert asked[-1] == (Purpose.COMPARE, [8, 9])
    assert run.tallies["users"].rows == 10


def test_the_tables_end_may_have_grown_when_it_is_asked_for_again() -> None:
    """Invariants 1 and 7: it then takes as many chunks as it needs."""
    keys = {1, 2}
    run = Run(1, "snapshot", ["users"], chunk_rows=3)
    request = run.next_request()
    assert request is not None
    run.spooled(answer(request, keys))
    run.rewind()
    keys.update(range(3, 12))
    seen: list[object] = []
    while not run.finished:
        request = run.next_request()
        assert request is not None
        chunk = answer(request, keys)
        assert chunk.count <= 3
        seen += chunk.columns[0]
        run.spooled(chunk)
        run.answered(ChunkResult(1, chunk.number, "users", equal=True, rows=0))
    assert seen == sorted(keys)
    assert run.tallies["users"].finished


def test_what_differs_is_counted_in_whole_and_kept_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 7: a report has a limit, and still says how many there are."""
    monkeypatch.setattr("sync.replicator.runs.DIFFERENCES_KEPT_MAX", 3)
    run = Run(1, "snapshot", ["users"])
    request = run.next_request()
    assert request is not None
    run.spooled(answer(request, {1}))
    found = tuple(ChunkDifference("users", (key,), "missing") for key in range(5))
    run.answered(ChunkResult(1, 0, "users", equal=False, rows=0, differences=found, difference_count=7))
    report = run.report()
    assert (report["difference_count"], len(run.differences), report["equal"]) == (7, 3, False)


def test_a_table_that_is_gone_is_left_out_with_all_its_ranges() -> None:
    run = Run(1, "snapshot", ["users", "lines"], chunk_rows=1)
    for _ in range(2):
        request = run.next_request()
        assert request is not None
        run.spooled(answer(request, {1, 2, 3}))
    run.rewind()
    run.skip_table("users")
    request = run.next_request()
    assert request is not None
    assert request.table == "lines"


def test_answers_to_another_run_or_twice_change_nothing() -> None:
    run = Run(4, "snapshot", ["users"])
    request = run.next_request()
    assert request is not None
    run.spooled(answer(request, {1}))
    run.answered(ChunkResult(4, 99, "users", equal=True, rows=1))
    assert not run.finished
    run.answered(ChunkResult(4, 0, "users", equal=True, rows=1))
    run.answered(ChunkResult(4, 0, "users", equal=True, rows=1))
    assert (run.finished, run.tallies["users"].chunks) == (True, 1)
