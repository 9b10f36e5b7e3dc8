"""The tables that are paused, for status.json: what differs, since when, what to do, and what was left out meanwhile.

Rule: a table stays in the list until it was seen to resume, and the count of its changes starts anew with the process.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sync.model.notice import ChangesSkipped, TablePaused, TableResumed


class PausedTables:
    """Keeps what the notices told. Its owner holds the lock."""

    def __init__(self) -> None:
        self._paused: dict[str, TablePaused] = {}
        self._skipped: dict[str, int] = {}

    def paused(self, notice: TablePaused) -> None:
        self._paused[notice.table] = notice

    def resumed(self, notice: TableResumed) -> None:
        self._paused.pop(notice.table, None)
        self._skipped.pop(notice.table, None)

    def skipped(self, notice: ChangesSkipped) -> None:
        self._skipped[notice.table] = self._skipped.get(notice.table, 0) + notice.changes

    def report(self, *, counted: bool) -> list[dict[str, Any]]:
        """One object a table; `changes_skipped` is null where nothing of it is counted here."""
        return [
            {**asdict(pause), "changes_skipped": self._skipped.get(name, 0) if counted else None}
            for name, pause in sorted(self._paused.items())
        ]
