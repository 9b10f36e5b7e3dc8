"""Settling a chunk: the target's rows of a range become the source's, and no others are touched (invariants 1, 5)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sync.core.filter import Filter
from sync.model.batch import Checkpoint, Purpose
from sync.model.change import Change, Op
from sync.model.position import Position
from sync.receiver.chunks import settle
from tests.unit.receiver.stage import EPOCH, ORIGIN, Stage, chunk
from tests.unit.sample import SELECTION, USERS

Rows = dict[int, str]
ROWS = st.dictionaries(st.integers(0, 30), st.sampled_from("ab"), max_size=12)


def stage_with(rows: Rows) -> Stage:
    stage = Stage()
    stage.database.commit([Change(USERS, Op.INSERT, row) for row in rows.items()])
    return stage


def held(stage: Stage) -> dict[object, object]:
    return {row[0]: row[1] for row in stage.users}


def settled(stage: Stage, *args: tuple[int, str], **fields: object) -> tuple[bool, int, int]:
    stage.target.begin()
    result = settle(chunk(*args, **fields), stage.target, Filter(SELECTION))  # type: ignore[arg-type]
    stage.target.commit(Checkpoint(ORIGIN, EPOCH, Position(1)))
    return result.equal, result.rows, result.difference_count


@given(ROWS, ROWS, st.integers(0, 30), st.integers(0, 30))
def test_replace_makes_exactly_the_range_equal(source: Rows, target: Rows, one: int, other: int) -> None:
    """Invariant 1, and nothing outside of the range is touched."""
    low, high = sorted((one, other))
    inside = {key: value for key, value in source.items() if low < key <= high}
    stage = stage_with(target)
    equal, _, count = settled(stage, *sorted(inside.items()), after=(low,), upto=(high,))
    before = {key: value for key, value in target.items() if low < key <= high}
    assert equal == (before == inside) == (count == 0)
    outside = {key: value for key, value in target.items() if not low < key <= high}
    assert held(stage) == outside | inside


@given(ROWS, ROWS)
def test_looking_changes_nothing_and_sees_every_difference(source: Rows, target: Rows) -> None:
    for purpose in (Purpose.DIGEST, Purpose.COMPARE):
        stage = stage_with(target)
        equal, rows, count = settled(stage, *sorted(source.items()), purpose=purpose)
        assert (equal, rows) == (source == target, len(target))
        if purpose is Purpose.COMPARE:
            assert count == len(set(source.items()) ^ set(target.items())) - len(
                {key for key in source.keys() & target.keys() if source[key] != target[key]}
            )
        assert held(stage) == target


def test_rows_outside_of_the_row_rule_are_the_targets_own() -> None:
    """Invariant 5: a row that never crosses is neither missed, counted nor deleted."""
    stage = stage_with({1: "a", 5000: "own"})
    assert settled(stage, (1, "a"), purpose=Purpose.DIGEST) == (True, 1, 0)
    assert settled(stage, (1, "a"), (2, "b")) == (False, 1, 1)
    assert settled(stage) == (False, 2, 2)
    assert stage.users == [(5000, "own")]
