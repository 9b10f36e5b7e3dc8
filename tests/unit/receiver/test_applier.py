"""The applier: from one transaction boundary of the source to a later one, or not at all (invariants 2, 3 and 4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import DatabaseBusy, PeerRefused, ProtocolError, RowRefused
from sync.model.batch import Batch, Commit, Encoded, Purpose
from sync.model.change import Block, Op
from sync.model.notice import Applied, DuplicateSkipped
from sync.model.position import Position
from sync.receiver.applier import trim
from sync.wire.codec import Codec
from tests.unit.receiver.stage import EPOCH, ORIGIN, Stage, chunk, lines, of, users
from tests.unit.sample import LINES, USERS


@pytest.fixture
def stage() -> Stage:
    return Stage()


def refuse_next_write(stage: Stage, monkeypatch: pytest.MonkeyPatch, *, times: int, bad: int) -> list[int]:
    """Make the target refuse every set that holds the row `bad`, as a check constraint would."""
    write, calls = stage.target.write, list[int]()

    def refusing(writes: list[object]) -> int:
        calls.append(len(writes))
        held = [key for each in writes for group in each.upserts for key in group.columns[0]]  # type: ignore[attr-defined]
        if bad in held and len(calls) <= times:
            raise RowRefused("users", str(bad), "room", "a check")
        return write(writes)  # type: ignore[arg-type]

    monkeypatch.setattr(stage.target, "write", refusing)
    return calls


def test_whole_batches_become_one_transaction(stage: Stage) -> None:
    outcome = stage.applier.apply([of((1, [users((1, "a"))])), of((2, [users((1, "b"))]), (3, [users((2, "c"))]))])
    assert (outcome.applied, stage.position) == (3, 3)
    assert stage.users == [(1, "b"), (2, "c")]
    applied = [notice for notice in stage.notices if isinstance(notice, Applied)]
    assert [(notice.transactions, notice.changes) for notice in applied] == [(3, 3)]


def test_a_batch_that_comes_again_changes_nothing(stage: Stage) -> None:
    """Invariant 4, where a table without key would show it."""
    batch = of((1, [lines((1, "x"), (1, "x"))]))
    stage.applier.apply([batch])
    stage.applier.restart(ORIGIN, EPOCH)
    assert stage.applier.apply([batch]).applied == 1
    assert stage.lines == [(1, "x"), (1, "x")]
    assert [notice for notice in stage.notices if isinstance(notice, DuplicateSkipped)] == [
        DuplicateSkipped(1, Position(1))
    ]


def test_a_batch_known_in_part_is_applied_from_there(stage: Stage) -> None:
    """Invariant 4: the checkpoint may stand inside a batch."""
    stage.applier.apply([of((1, [lines((1, "x"))]), (2, [lines((2, "y"))]))])
    stage.applier.restart(ORIGIN, EPOCH)
    stage.applier.apply([of((2, [lines((2, "y"))]), (3, [lines((3, "z"))]))])
    assert stage.lines == [(1, "x"), (2, "y"), (3, "z")]


def parts(position: int = 7) -> list[Encoded]:
    made = []
    for part, rows in enumerate(([(1, "a"), (2, "b")], [(3, "c")], [(4, "d")])):
        commit = Commit(Position(position), 0, 2 + part)
        block = Block(
            LINES, bytes([Op.INSERT] * len(rows)), tuple(map(list, zip(*rows, strict=True))), range(len(rows))
        )
        block = Block(block.schema, block.ops, block.columns, [o + (part and part + 1) for o in block.ordinals])
        made.append(Codec().encode(Batch(ORIGIN, EPOCH, (commit,), (block,), part=part, last=part == 2)))
    return made


def test_parts_show_with_the_last_one(stage: Stage) -> None:
    """Invariant 2: a large transaction is held open."""
    first, second, third = parts()
    stage.applier.apply([of((1, [users((1, "a"))])), first])
    assert (stage.position, stage.lines, stage.applier.mid_transaction) == (1, [], True)
    stage.applier.apply([second])
    assert stage.lines == []
    stage.applier.apply([third])
    assert (stage.position, len(stage.lines), stage.applier.mid_transaction) == (7, 4, False)
    assert [n.changes for n in stage.notices if isinstance(n, Applied)] == [1, 4]
    stage.applier.apply(parts())
    assert len(stage.lines) == 4, "known parts are skipped"


def test_a_new_session_forgets_half_a_transaction(stage: Stage) -> None:
    """Invariant 2: the parts of a lost session are not joined with those of the next."""
    first, second, third = parts()
    stage.applier.apply([first, second])
    stage.applier.restart(ORIGIN, EPOCH)
    assert not stage.applier.mid_transaction
    with pytest.raises(ProtocolError, match="part 2 instead of 0"):
        stage.applier.apply([third])
    stage.applier.apply([first, second, third])
    assert len(stage.lines) == 4


def test_an_error_leaves_nothing_of_the_group(stage: Stage) -> None:
    """Invariant 2; and the same batches may be given again (invariant 1)."""
    batches = [of((1, [users((1, "a"))])), of((2, [lines((1, "x"))]))]
    stage.database.fail_next = [DatabaseBusy("busy")]
    with pytest.raises(DatabaseBusy):
        stage.applier.apply(batches)
    assert (stage.users, stage.lines, stage.position) == ([], [], 0)
    stage.applier.apply(batches)
    assert (stage.users, stage.lines, stage.position) == ([(1, "a")], [(1, "x")], 2)


def test_an_error_in_the_middle_of_parts_leaves_none_of_them(stage: Stage) -> None:
    first, second, _ = parts()
    stage.applier.apply([first])
    stage.database.fail_next = [DatabaseBusy("busy")]
    with pytest.raises(DatabaseBusy):
        stage.applier.apply([second])
    assert not stage.applier.mid_transaction
    stage.applier.apply(parts())
    assert len(stage.lines) == 4


def test_a_refused_set_is_written_in_source_order(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_next_write(stage, monkeypatch, times=1, bad=2)
    stage.applier.apply([of((1, [users((1, "a"), (2, "b"))]))])
    assert stage.users == [(1, "a"), (2, "b")]
    assert [notice.repairs for notice in stage.notices if isinstance(notice, Applied)] == [1]


def test_what_precedes_a_refused_row_is_applied(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariants 1 and 3: one row at fault does not hold back the transactions before it."""
    refuse_next_write(stage, monkeypatch, times=10**6, bad=2)
    monkeypatch.setattr(stage.target, "write_ordered", _refusing_order)
    batches = [of((1, [users((1, "a"))])), of((2, [users((2, "b"))])), of((3, [users((3, "c"))]))]
    with pytest.raises(RowRefused, match="users 2"):
        stage.applier.apply(batches)
    assert (stage.users, stage.position) == ([(1, "a")], 1)


def _refusing_order(changes: object) -> int:
    raise RowRefused("users", "2", "room", "a check")


def test_a_chunk_result_survives_a_failure_behind_it(stage: Stage) -> None:
    """Invariant 1: what was settled and committed is told, or its run waits for ever."""
    settled = of((1, []), chunks=(chunk((1, "a")),))
    stage.database.fail_next = []
    failing = of((2, [users((2, "b"))]))
    begin, begun = stage.target.begin, list[int]()

    def busy_the_second_time() -> None:
        begun.append(1)
        if len(begun) == 2:
            raise DatabaseBusy("busy")
        begin()

    stage.target.begin = busy_the_second_time  # type: ignore[method-assign]
    with pytest.raises(DatabaseBusy):
        stage.applier.apply([settled, failing])
    assert stage.position == 1
    outcome = stage.applier.apply([settled, failing])
    assert [result.number for result in outcome.results] == [0]
    assert stage.users == [(1, "a"), (2, "b")]


def test_a_chunk_is_settled_before_anything_later(stage: Stage) -> None:
    """A chunk states rows as of its own position: a later insert must not look like one row too many."""
    outcome = stage.applier.apply([of((1, []), chunks=(chunk((1, "a")),)), of((2, [users((5, "later"))]))])
    assert stage.users == [(1, "a"), (5, "later")]
    assert [(result.equal, result.difference_count) for result in outcome.results] == [(False, 1)]


def test_call_data_and_strangers_do_not_reach_the_database(stage: Stage) -> None:
    """Invariants 5 and 6: nothing of the whole group is applied."""
    calls = Block.of(type(USERS)("hsplit", USERS.columns, (0,)), [(Op.UPSERT, (1, "x"))])
    bad = Codec().encode(Batch(ORIGIN, EPOCH, (Commit(Position(2), 0, 1),), (calls,)))
    with pytest.raises(PeerRefused, match="hsplit"):
        stage.applier.apply([of((1, [users((1, "a"))])), bad])
    assert (stage.users, stage.position) == ([], 0)


def test_the_witness_sees_what_was_applied(stage: Stage) -> None:
    stage.applier.apply([of((1, [users((1, "a"))])), *parts()])
    assert [(batch.position, batch.part) for batch in stage.seen] == [(1, 0), (7, 0), (7, 1), (7, 2)]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 7))
def test_trim_takes_exactly_what_the_checkpoint_covers(sizes: list[int], upto: int) -> None:
    """Invariant 4: neither a change too many nor one too few."""
    transactions = [(at, [lines(*((at, f"{n}") for n in range(size)))]) for at, size in enumerate(sizes, 1)]
    batch = Codec().decode(of(*transactions).payload)
    if upto >= batch.position:
        return
    trimmed = trim(batch, Position(upto))
    assert [commit.position for commit in trimmed.commits] == [at for at in range(1, len(sizes) + 1) if at > upto]
    steps = [change.row[0] for block in trimmed.blocks for change in block.changes()]
    assert steps == [at for at, size in enumerate(sizes, 1) if at > upto for _ in range(size)]
    assert trimmed.change_count == sum(sizes[upto:])


def test_purposes_that_only_look_change_nothing(stage: Stage) -> None:
    stage.database.commit([])
    stage.applier.apply([of((1, [users((1, "a"), (2, "b"))]))])
    digested = of((2, []), chunks=(chunk((1, "a"), (2, "b"), purpose=Purpose.DIGEST),))
    compared = of((3, []), chunks=(chunk((1, "z"), (2, "b"), purpose=Purpose.COMPARE, number=1),))
    outcome = stage.applier.apply([digested, compared])
    assert [(result.equal, result.difference_count) for result in outcome.results] == [(True, 0), (False, 1)]
    assert stage.users == [(1, "a"), (2, "b")]
