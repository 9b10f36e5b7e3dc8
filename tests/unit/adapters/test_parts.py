"""What journal sources gather: blocks of bounded parts, whose ordinals tell one order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from adapters.parts import Limits, Parts
from sync.model.change import ABSENT, Op, Row
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type

ONE, OTHER = (
    TableSchema(name, (Column("v", Type(Kind.TEXT)), Column("id", Type(Kind.INT64), nullable=False)), (1,))
    for name in ("one", "other")
)


def fetching(rows: Sequence[Row]) -> Callable[[int], Sequence[Row]]:
    left = list(rows)

    def fetch(count: int) -> Sequence[Row]:
        taken, left[:count] = left[:count], []
        return taken

    return fetch


@given(st.lists(st.tuples(st.sampled_from([ONE, OTHER]), st.integers(0, 90)), max_size=8), st.integers(1, 100))
def test_parts_are_bounded_and_their_ordinals_tell_one_order(
    fills: list[tuple[TableSchema, int]], rows_max: int
) -> None:
    """Invariants 3 and 7: also where a table comes again, after another one."""
    parts = Parts(Position(7), 1, Limits(rows_max))
    made = []
    number = 0
    for schema, count in fills:
        rows = [("x", number + at, Op.DELETE if at % 3 else Op.UPSERT) for at in range(count)]
        number += count
        made += list(parts.fill(schema, fetching(rows)))
    made.append(parts.rest())
    assert parts.empty == (number == 0)
    assert [part.part for part in made] == list(range(len(made)))
    assert [part.last for part in made] == [False] * (len(made) - 1) + [True]
    assert max(part.change_count for part in made) <= rows_max
    ordinals = [ordinal for part in made for block in part.blocks for ordinal in block.ordinals]
    assert all(one < other for one, other in pairwise(ordinals))
    changes = [change for part in made for block in part.blocks for change in block.changes()]
    assert sorted(change.row[1] for change in changes) == list(range(number))  # type: ignore[type-var]
    assert {change.row[0] for change in changes if change.op is Op.DELETE} <= {ABSENT}


def test_large_rows_make_small_parts() -> None:
    """Invariant 7."""
    parts = Parts(Position(7), 1, Limits(bytes_max=1 << 20))
    made = [*parts.fill(ONE, fetching([("x" * 100_000, at) for at in range(100)]), Op.INSERT), parts.rest()]
    assert max(part.change_count for part in made) <= 40


def test_a_truncation_has_no_values() -> None:
    parts = Parts(Position(7), 1, Limits())
    parts.truncate(ONE)
    (block,) = parts.rest().blocks
    assert (block.ops, block.columns) == (bytes((Op.TRUNCATE,)), ([ABSENT], [ABSENT]))
