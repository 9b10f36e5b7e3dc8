"""The digest: equal exactly where the rows are, whatever their order."""

from __future__ import annotations

from collections import Counter
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.compare import compare
from sync.core.digest import EMPTY, digest, values_equal
from sync.model.change import ABSENT, Columns, Row
from sync.model.schema import Column, Kind, TableSchema, Type

SCHEMA = TableSchema("t", (Column("a", Type(Kind.ANY)), Column("b", Type(Kind.ANY))))
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-2, 2),
    st.floats(),
    st.sampled_from([1.0, -0.0, 0.0, 2.0**53, True, False, nan, inf, 1e300]),
    st.text(max_size=3),
    st.binary(max_size=3),
)
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=6)


def columns(rows: list[Row]) -> Columns:
    return ([row[0] for row in rows], [row[1] for row in rows])


@given(ROWS, st.randoms())
def test_order_does_not_matter(rows: list[Row], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert digest(SCHEMA, columns(rows)) == digest(SCHEMA, columns(shuffled))


@given(ROWS, ROWS)
def test_digest_and_comparison_agree(one: list[Row], other: list[Row]) -> None:
    """Invariant 10: verify never says equal where a comparison would not, nor the other way round."""
    same = digest(SCHEMA, columns(one)) == digest(SCHEMA, columns(other))
    assert same == compare(SCHEMA, columns(one), columns(other)).equal


@given(VALUES, VALUES)
def test_equal_values_have_equal_digests(one: object, other: object) -> None:
    same = digest(SCHEMA, ([one], [0])) == digest(SCHEMA, ([other], [0]))  # type: ignore[list-item]
    assert same == values_equal(one, other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), (0, -0.0), (False, 0.0), (nan, -nan), (2**53, 2.0**53)]
)
def test_numbers_are_equal_by_value(one: float, other: float) -> None:
    """Invariant 10: a database that stores 1.0 as 1 holds the same row."""
    assert digest(SCHEMA, ([one], [0])) == digest(SCHEMA, ([other], [0]))
    assert compare(SCHEMA, ([one], [0]), ([other], [0])).equal


def test_rows_count_as_often_as_they_stand() -> None:
    row: Row = (1, "x")
    seen = Counter(digest(SCHEMA, columns([row] * n)) for n in range(5))
    assert max(seen.values()) == 1


def test_values_do_not_run_into_each_other() -> None:
    assert digest(SCHEMA, (["a"], ["bc"])) != digest(SCHEMA, (["ab"], ["c"]))
    assert digest(SCHEMA, ([None], [""])) != digest(SCHEMA, ([""], [None]))
    assert digest(SCHEMA, (["1"], [0])) != digest(SCHEMA, ([1], [0]))
    assert digest(SCHEMA, (["a"], [0])) != digest(SCHEMA, ([b"a"], [0]))


def test_nothing_is_sixteen_zero_bytes() -> None:
    assert digest(SCHEMA, ([], [])) == EMPTY == bytes(16)


def test_digest_is_the_same_in_every_release() -> None:
    """Both ends of a pair may run different releases: these bytes must never change."""
    rows: list[Row] = [(1, "Müller"), (None, b"\x00\xff"), (2.5, -(2**63))]
    assert digest(SCHEMA, columns(rows)).hex() == "46535bac1f558c78d45408d7e8301215"


@pytest.mark.parametrize("value", ["\ud800", 2**70, -(2**70)])
def test_values_that_no_encoding_holds_are_digested_all_the_same(value: str | int) -> None:
    assert digest(SCHEMA, ([value], [1])) not in {EMPTY, digest(SCHEMA, ([0], [1]))}


def test_absent_value_has_no_digest() -> None:
    with pytest.raises(ValueError, match="column b of t is absent"):
        digest(SCHEMA, ([1], [ABSENT]))
