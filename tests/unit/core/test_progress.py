"""The cursor of a peer: durable <= applied <= sent, and never back within a session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.progress import Progress
from sync.errors import ProtocolError
from sync.model.batch import Encoded
from sync.model.position import Position


def encoded(position: int, transactions: int = 1, size: int = 10) -> Encoded:
    at = Position(position)
    return Encoded(bytes(size), at, at, 0, True, transactions, 1, size, position * 1_000_000)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 30), st.integers(0, 12)), max_size=30))
def test_order_always_holds(steps: list[tuple[bool, int, int, int]]) -> None:
    """Invariant 9: whatever a peer says, nothing that was not sent and applied counts as durable."""
    progress = Progress(4)
    sequence = 0
    for send, applied, durable, number in steps:
        before = (progress.newest_sent, progress.applied, progress.durable)
        if send:
            sequence += 1
            progress.sent(sequence, encoded(progress.newest_sent + 2))
        elif number <= sequence:
            progress.acknowledged(number, Position(applied), Position(durable))
        else:
            with pytest.raises(ProtocolError, match="never sent"):
                progress.acknowledged(number, Position(applied), Position(durable))
        after = (progress.newest_sent, progress.applied, progress.durable)
        assert after[2] <= after[1] <= after[0]
        assert all(old <= new for old, new in zip(before, after, strict=True))
        assert (progress.lag_transactions == 0) == (progress.applied == progress.newest_sent)


def test_lag_is_what_was_sent_and_not_applied() -> None:
    """Invariant 10: lag is measured from commit times, and 0 only where everything is applied."""
    progress = Progress(8)
    for sequence, position in enumerate((10, 20, 30), start=1):
        progress.sent(sequence, encoded(position, transactions=sequence))
    progress.acknowledged(2, Position(10), Position(0))
    assert (progress.lag_transactions, progress.lag_bytes, progress.credit) == (5, 20, 6)
    assert progress.lag_s(50_000_000, Position(30), 30_000_000) == 30.0
    assert progress.in_flight > 0
    progress.acknowledged(3, Position(30), Position(30))
    assert progress.in_flight == 0
    assert (progress.lag_transactions, progress.lag_bytes, progress.credit) == (0, 0, 8)
    assert progress.lag_s(50_000_000, Position(30), 30_000_000) == 0.0
    assert progress.lag_s(50_000_000, Position(40), 45_000_000) == 5.0, "what waits in the spool counts too"
    assert progress.lag_s(40_000_000, Position(40), 45_000_000) == 0.0, "a clock that jumped back gives no negative lag"


def test_restored_peer_takes_the_cursor_back() -> None:
    """Invariant 9: after a restore the old durable position must not release what has to be sent again."""
    progress = Progress(8)
    progress.sent(1, encoded(10))
    progress.acknowledged(1, Position(10), Position(10))
    progress.resumed(Position(4), Position(9))
    assert (progress.newest_sent, progress.applied, progress.durable, progress.lag_bytes) == (4, 4, 4, 0)
    progress.sent(1, encoded(5))


def test_batches_are_sent_in_order() -> None:
    progress = Progress(8)
    progress.sent(1, encoded(10))
    with pytest.raises(ValueError, match="was sent after"):
        progress.sent(1, encoded(11))
    with pytest.raises(ValueError, match="was sent after"):
        progress.sent(2, encoded(9))
