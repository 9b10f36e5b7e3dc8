"""What surrounds the engine: time, and whoever listens."""

from __future__ import annotations

from typing import Protocol

from sync.model.notice import Notice


class Clock(Protocol):
    """Time. Monotonic seconds order and measure; the wall clock is only shown."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        ...

    def wall_us(self) -> int:
        """Microseconds since 1970 UTC; may jump."""
        ...


class Observer(Protocol):
    """Takes notices; must return fast and must not raise. Called from any thread."""

    def notice(self, notice: Notice) -> None:
        """Take one notice."""
        ...
