"""Room for images: the limits of a row, asked before anything is installed (1)."""

from __future__ import annotations

import pytest

from adapters.informix.room import obstacle, stored_bytes
from adapters.informix.sheet import SAMPLE
from adapters.informix.statements.statement import Column, Table
from adapters.informix.types import column_type


@pytest.mark.parametrize(
    ("coltype", "collength", "extended", "size"),
    [
        (0, 20, "", 20),
        (1, 2, "", 2),
        (5, 8 * 256 + 2, "", 5),
        (5, 7 * 256 + 3, "", 5),
        (5, 16 * 256 + 255, "", 17),
        (10, 4879, "", 11),
        (10, 3594, "", 9),
        (13, 5 * 256 + 20, "", 21),
        (17, 10, "", 10),
        (40, 300, "lvarchar", 303),
        (41, 1, "boolean", 2),
    ],
)
def test_bytes_of_a_value(coltype: int, collength: int, extended: str, size: int) -> None:
    assert stored_bytes(column_type(coltype, collength, extended)) == size


def table(count: int, coltype: int, collength: int) -> Table:
    key = Column("id", column_type(2, 4))
    return Table("o", "t", (key, *(Column(f"c{n}", column_type(coltype, collength)) for n in range(count))), ("id",))


def test_what_does_not_fit_says_by_how_much() -> None:
    assert obstacle(SAMPLE) == ""
    assert obstacle(table(1, 0, 32_743)) == ""
    assert "up to 32768 bytes" in obstacle(table(1, 0, 32_744))
    assert obstacle(table(195, 13, 10)) == ""
    assert "196 columns" in obstacle(table(196, 13, 10))
    whole = Table("o", "t", table(2, 0, 10_000).columns)
    assert "bytes" in obstacle(whole), "without a key the old row stands beside the new one"
