"""The small tables, and the clock that stands still, with which both halves are tested."""

from __future__ import annotations

from sync.core.filter import Selection
from sync.model.schema import Column, Kind, TableSchema, Type

USERS = TableSchema("users", (Column("id", Type(Kind.INT64), nullable=False), Column("room", Type(Kind.TEXT))), (0,))
LINES = TableSchema("lines", (Column("step", Type(Kind.INT64)), Column("note", Type(Kind.TEXT))))
SELECTION = Selection("none", include=("users", "lines"), rows={"users": "id < 1000"})


class StoppedClock:
    """See `sync.ports.Clock`."""

    def monotonic(self) -> float:
        return 0.0

    def wall_us(self) -> int:
        return 0
