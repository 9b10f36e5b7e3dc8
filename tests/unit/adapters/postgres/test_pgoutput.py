"""Messages of pgoutput taken apart one by one, and garbage gives an error."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres import pgoutput
from sync.model.change import ABSENT, Op, Value
from tests.unit.adapters.postgres import frames

_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
_VALUES = st.one_of(_TEXTS, st.none(), st.just(ABSENT))


@given(st.lists(_TEXTS, min_size=3, max_size=3), st.lists(_VALUES, min_size=3, max_size=3))
def test_an_update_with_its_whole_old_row_leaves_nothing_unchanged(old: list[Value], new: list[Value]) -> None:
    made = pgoutput.unfolded(frames.update(new, old, b"O"), [0])
    expected = [before if after is ABSENT else after for before, after in zip(old, new, strict=True)]
    assert made[-1][1] == frames.fields(expected)[2:]
    assert [op for op, _ in made] == ([Op.UPDATE] if expected[0] == old[0] else [Op.DELETE, Op.UPSERT])


def test_an_update_with_its_old_key_keeps_large_values_open() -> None:
    made = pgoutput.unfolded(frames.update(["2", "a", ABSENT], ["1", None, None]), [0])
    expected: list[list[Value]] = [["1", None, None], ["2", "a", ABSENT]]
    assert [row for _, row in made] == [frames.fields(row)[2:] for row in expected]


@given(st.binary(max_size=60), st.sampled_from([pgoutput.relation, pgoutput.message, pgoutput.origin]))
def test_garbage_is_noticed_or_read_but_never_runs_away(text: bytes, read: object) -> None:
    try:
        read(frames.frame(b"R" + text))  # type: ignore[operator]
    except (ValueError, IndexError, struct.error):
        return
