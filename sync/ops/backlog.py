"""What is known to be on its way and not yet applied: the measured base of every lag figure.

Rule: a figure is given only where it was measured. Work that was there before this process began to count has no
commit times here, and so the lag is unknown (None) until that much is applied. Memory is bounded: beyond the limit
neighbours are merged, keeping the older commit time, which can overstate a lag and never understates it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

ENTRIES_MAX = 4096
US_PER_S = 1_000_000


@dataclass(slots=True)
class Entry:
    """Work up to `position`, none of it applied as far as is known."""

    position: int
    committed_at_us: int
    transactions: int | None
    bytes: int | None


class Backlog:
    """Counts what was announced against what was applied."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._applied: int | None = None
        self._uncounted = 0

    def uncounted(self, position: int) -> None:
        """Work up to here exists whose commit times are not known."""
        if position > self.newest:
            self._uncounted = position

    def announced(self, position: int, committed_at_us: int, transactions: int | None, size: int | None) -> None:
        """Work up to `position` now exists. A position that is not new (a later part) adds to the last entry."""
        last = self._entries[-1] if self._entries else None
        if last is not None and last.position >= position:
            last.transactions = _sum(last.transactions, transactions)
            last.bytes = _sum(last.bytes, size)
        elif position > max(self._uncounted, self._applied or 0):
            self._entries.append(Entry(position, committed_at_us, transactions, size))
            if len(self._entries) > ENTRIES_MAX:
                self._merge()

    def applied(self, position: int) -> None:
        """Everything up to `position` is applied."""
        if self._applied is not None and position <= self._applied:
            return
        self._applied = position
        while self._entries and self._entries[0].position <= position:
            self._entries.popleft()

    @property
    def newest(self) -> int:
        """The highest position that was ever announced or counted."""
        return self._entries[-1].position if self._entries else max(self._uncounted, self._applied or 0)

    @property
    def known(self) -> bool:
        """Whether all that may be missing was counted."""
        return self._applied is not None and self._applied >= self._uncounted

    def lag_s(self, now_us: int) -> float | None:
        """Age of the oldest commit that is not applied; 0 where all is applied, None where it was not measured."""
        if not self.known:
            return None
        return max(0, now_us - self._entries[0].committed_at_us) / US_PER_S if self._entries else 0.0

    @property
    def lag_transactions(self) -> int | None:
        """Transactions announced and not applied; None where they were not counted."""
        return _total([entry.transactions for entry in self._entries]) if self.known else None

    @property
    def lag_bytes(self) -> int | None:
        """Compressed bytes announced and not applied; None where they were not counted."""
        return _total([entry.bytes for entry in self._entries]) if self.known else None

    def _merge(self) -> None:
        merged: deque[Entry] = deque()
        while self._entries:
            first = self._entries.popleft()
            if self._entries:
                second = self._entries.popleft()
                first.position = second.position
                first.transactions = _sum(first.transactions, second.transactions)
                first.bytes = _sum(first.bytes, second.bytes)
            merged.append(first)
        self._entries = merged


def _sum(one: int | None, two: int | None) -> int | None:
    return None if one is None or two is None else one + two


def _total(values: list[int | None]) -> int | None:
    return None if None in values else sum(value for value in values if value is not None)
