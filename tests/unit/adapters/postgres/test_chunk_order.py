"""The order of keys and the visibility of transactions, which exact chunks rest on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres.chunk import hidden
from adapters.postgres.order import key_order
from sync.model.schema import Column, Kind, TableSchema, Type


def ordered(kind: Kind, values: list[object]) -> list[object]:
    """The values as keys, sorted."""
    order = key_order(TableSchema("t", (Column("k", Type(kind), nullable=False),), (0,)))
    return sorted(values, key=lambda value: order((value,)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.DECIMAL, ["-Infinity", "-10", "-9.5", "0", "0.10", "9", "10", "Infinity", "NaN"]),
        (Kind.FLOAT, [float("-inf"), -1.5, 0.0, 2.0, float("inf"), float("nan")]),
        (Kind.DATE, ["-infinity", "0044-03-15 BC", "0001-01-01", "2024-02-29", "10000-01-01", "infinity"]),
        (
            Kind.DATETIME,
            ["-infinity", "2024-01-01 00:00:00", "2024-01-01 00:00:00.5", "2024-01-01 00:00:00.55", "infinity"],
        ),
        (Kind.TEXT, ["", "A", "B", "a", "é", "😀"]),
        (Kind.BYTES, [b"", b"\0", b"\0\0", b"a", b"\xff"]),
    ],
)
def test_keys_sort_as_the_server_sorts_them(kind: Kind, expected: list[object]) -> None:
    assert list(map(repr, ordered(kind, expected[::-1]))) == list(map(repr, expected))


@given(st.text(), st.text())
def test_texts_sort_as_their_bytes_do(one: str, other: str) -> None:
    pair = [text for text in (one, other) if text.isprintable()]
    assert ordered(Kind.TEXT, list(pair)) == sorted(pair, key=str.encode)


@pytest.mark.parametrize(
    ("snapshot", "given_xids", "expected"),
    [
        ("100:105:", (99, 104), False),
        ("100:105:102,103", (101, 104), False),
        ("100:105:102,103", (103,), True),
        ("100:105:", (105,), True),
        ("4294967290:4294967300:4294967295", (4294967295,), True),
        ("4294967290:4294967300:4294967295", (4294967294, 2), False),
        ("4294967290:4294967300:", (5,), True),
        ("100:105:", (), False),
    ],
)
def test_a_committed_transaction_that_a_snapshot_does_not_show_is_hidden(
    snapshot: str, given_xids: tuple[int, ...], expected: bool
) -> None:
    assert hidden(snapshot, given_xids) is expected
