"""Snapshots: which transactions one shows, as the server's own text tells it.

The rule it keeps: what is new is what this snapshot shows and the last one did not, whichever transaction began first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Of `pg_current_snapshot`."""

    above: int
    """The first transaction that had not begun."""
    running: tuple[int, ...]
    """Those before it that had not ended."""

    @classmethod
    def of(cls, text: str) -> Snapshot:
        """Read `xmin:xmax:xip,…`."""
        _, above, running = text.split(":")
        return cls(int(above), tuple(map(int, filter(None, running.split(",")))))

    @property
    def hidden(self) -> str:
        """Condition on a note: this snapshot does not show its transaction."""
        return f"(xid >= '{self.above}' OR xid = ANY ({self._running}))" if self.running else f"xid >= '{self.above}'"

    @property
    def shown(self) -> str:
        """Condition on a note: this snapshot shows its transaction, where that was committed."""
        return f"xid < '{self.above}'" + (f" AND xid <> ALL ({self._running})" if self.running else "")

    @property
    def _running(self) -> str:
        return "'{" + ",".join(map(str, self.running)) + "}'"


NOTHING: Final = Snapshot(0, ())
"""Shows no transaction at all."""
