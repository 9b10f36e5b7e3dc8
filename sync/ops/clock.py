"""The machine's clock behind the `Clock` port: the one place where the program asks what time it is."""

from __future__ import annotations

import time


class SystemClock:
    """Monotonic seconds and wall-clock microseconds of this machine."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall_us(self) -> int:
        return time.time_ns() // 1000
