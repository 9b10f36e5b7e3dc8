"""Values: what one column of one row can hold, the same on every database."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, Literal


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent.ABSENT
"""A value that the source did not send: it stays as it is on the target. Never the same as NULL (None)."""

Value = None | bool | int | float | str | bytes | Literal[_Absent.ABSENT]
"""One canonical value."""

Row = tuple[Value, ...]
Columns = Sequence[list[Value]]
"""One list for each column of the schema, all of one length: a tuple of lists, or `Tuples`, which makes them late."""
