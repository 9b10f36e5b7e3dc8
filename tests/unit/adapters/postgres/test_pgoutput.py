"""Rows of pgoutput taken apart: the fast way and the slow way give the same, and garbage gives an error."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres import pgoutput
from sync.model.change import ABSENT, Value
from tests.unit.adapters.postgres import frames

# No text of PostgreSQL holds a zero byte; the letters are the ones that a tuple is made of.
_TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
    st.text("tnuN", max_size=300),
    st.integers(0, 3).map(lambda n: "t" * (0x7400 + n)),
    st.just("t" * 0x10000),
    st.just("x" * 0x10074),
)
_VALUES = st.one_of(_TEXTS, st.none(), st.just(ABSENT))


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(_VALUES, min_size=n, max_size=n), min_size=1, max_size=8)))
def test_split_gives_what_was_built(rows: list[list[Value]]) -> None:
    """Invariant 1: whatever the lengths, NULLs and unchanged values around it, a value comes out as it is."""
    count = len(rows[0])
    columns = pgoutput.split([frames.insert(row) for row in rows], count)
    found = [[value.decode() if isinstance(value, bytes) else value for value in column] for column in columns]
    assert found == [list(column) for column in zip(*rows, strict=True)]


@given(st.lists(_TEXTS, min_size=3, max_size=3), st.lists(_VALUES, min_size=3, max_size=3))
def test_an_update_with_its_whole_old_row_leaves_nothing_unchanged(old: list[Value], new: list[Value]) -> None:
    made = pgoutput.unfolded(frames.update(new, old, b"O"), [0])
    expected = [before if after is ABSENT else after for before, after in zip(old, new, strict=True)]
    assert made[-1][pgoutput.FRAME + 5 :] == b"N" + frames.fields(expected)
    assert [row[pgoutput.FRAME : pgoutput.FRAME + 1] for row in made] == (
        [b"U"] if expected[0] == old[0] else [b"D", b"X"]
    )


def test_an_update_with_its_old_key_keeps_large_values_open() -> None:
    made = pgoutput.unfolded(frames.update(["2", "a", ABSENT], ["1", None, None]), [0])
    assert pgoutput.split(made[1:], 3) == [[b"2"], [b"a"], [ABSENT]]
    assert pgoutput.split(made[:1], 3) == [[b"1"], [None], [None]]


@given(st.binary(max_size=60), st.sampled_from([pgoutput.relation, pgoutput.message, pgoutput.origin]))
def test_garbage_is_noticed_or_read_but_never_runs_away(text: bytes, read: object) -> None:
    try:
        read(frames.frame(b"R" + text))  # type: ignore[operator]
    except (ValueError, IndexError, struct.error):
        return


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_row_that_ends_early_is_malformed(cut: int) -> None:
    row = frames.insert(["1", None, "abc"])[:-cut]
    with pytest.raises((pgoutput.Malformed, IndexError, struct.error)):
        pgoutput.split([row], 3)


def test_a_row_of_another_width_is_malformed() -> None:
    with pytest.raises(pgoutput.Malformed, match="number of columns"):
        pgoutput.split([frames.insert(["1", "2"]), frames.insert(["1"])], 2)
