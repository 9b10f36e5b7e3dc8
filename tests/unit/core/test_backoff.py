"""The waits between attempts; invariant 7 (bounded): no wait exceeds its limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sync.core.backoff import Backoff


def test_the_ceiling_doubles_up_to_the_limit_and_starts_again_after_success() -> None:
    backoff = Backoff(1, 5, random=lambda: 0.5)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1, 2, 2.5, 2.5]
    backoff.reset()
    assert backoff.next_s() == 0.5


@given(
    st.floats(0.001, 10),
    st.floats(10, 1000),
    st.lists(st.floats(0, 1, exclude_max=True) | st.none(), max_size=100),
)
def test_every_wait_is_below_the_ceiling_and_the_limit(
    first_s: float, limit_s: float, draws: list[float | None]
) -> None:
    """A draw of None is a success in between."""
    chance = iter([draw for draw in draws if draw is not None])
    backoff = Backoff(first_s, limit_s, random=lambda: next(chance))
    for draw in draws:
        if draw is None:
            backoff.reset()
            assert backoff.ceiling_s == first_s
        else:
            ceiling_s = backoff.ceiling_s
            assert first_s <= ceiling_s <= limit_s
            assert 0 <= backoff.next_s() <= ceiling_s
