"""Shows a demo while it runs: a live picture on a terminal, a plain line now and then elsewhere.

The rule it keeps: it shows figures that were measured and takes none itself; and it writes to stderr alone, so that
stdout holds nothing but the result.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass, field
from math import log10
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

SAY_S: Final = 2.0
HISTORY: Final = 50
BARS: Final = "▁▂▃▄▅▆▇█"
LAG_MS_SHOWN_MAX: Final = 10_000
KIB: Final = 1024


@dataclass(slots=True)
class Figures:
    """What there is to show."""

    phase: str = ""
    lag_ms: float = 0.0
    """Age of the oldest change that the secondary does not show yet; while there is none, the lag of the newest."""
    transactions: int = 0
    admin_rows: int = 0
    call_rows: int = 0
    elapsed_s: float = 0.0
    bytes_raw: int = 0
    bytes_wire: int = 0
    last: str = ""
    history_ms: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def rate(self, count: int) -> float:
        """So many in a second, on average."""
        return count / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def saved(self) -> str:
        if not self.bytes_raw:
            return "–"
        return f"{(self.bytes_raw - self.bytes_wire) / KIB:,.0f} KiB ({1 - self.bytes_wire / self.bytes_raw:.0%})"


class View(Protocol):
    """Somewhere to show it."""

    def phase(self, text: str) -> None:
        """Say what happens now."""
        ...

    def update(self, figures: Figures) -> None:
        """Show the figures of this moment; called several times a second."""
        ...


class Lines:
    """Plain lines: each phase, and every two seconds the figures."""

    def __init__(self) -> None:
        self._said_s = time.monotonic()

    def phase(self, text: str) -> None:
        self._said_s = time.monotonic()
        print(text, file=sys.stderr, flush=True)  # noqa: T201  this is what it is for

    def update(self, figures: Figures) -> None:
        if time.monotonic() - self._said_s >= SAY_S:
            self.phase(_line(figures))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put back."""


class Screen:
    """A live picture. A context manager."""

    def __init__(self, console: Console) -> None:
        self._figures = Figures()
        self._live = Live(_picture(self._figures), console=console, auto_refresh=False)

    def phase(self, text: str) -> None:
        self._figures.phase = text
        self.update(self._figures)

    def update(self, figures: Figures) -> None:
        self._figures = figures
        self._live.update(_picture(figures), refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


def view() -> Screen | Lines:
    """Whatever fits stderr."""
    console = Console(stderr=True, highlight=False)
    return Screen(console) if console.is_terminal and not console.is_dumb_terminal else Lines()


def spark(values_ms: deque[float]) -> str:
    """One bar for each value, on a logarithmic scale up to ten seconds: both 5 ms and an outage can be seen."""
    top = log10(LAG_MS_SHOWN_MAX)
    shares = (min(log10(max(value, 1.0)) / top, 1.0) for value in values_ms)
    return "".join(BARS[round(share * (len(BARS) - 1))] for share in shares)


def _line(figures: Figures) -> str:
    return (
        f"  lag {lag(figures.lag_ms)} · {figures.rate(figures.transactions):.0f} admin transactions/s"
        f" ({figures.admin_rows:,} rows) · {figures.rate(figures.call_rows):,.0f} call rows/s"
        f" ({figures.call_rows:,} blocked) · saved {figures.saved} · {figures.last}"
    )


def _picture(figures: Figures) -> Panel:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_row("now", escape(figures.phase))
    table.add_row("lag", f"{lag(figures.lag_ms):>9}  {spark(figures.history_ms)}")
    rate = figures.rate
    table.add_row("admin", f"{rate(figures.transactions):,.0f} transactions/s, {rate(figures.admin_rows):,.0f} rows/s")
    table.add_row("calls", f"{rate(figures.call_rows):,.0f} rows/s")
    table.add_row("blocked", f"{figures.call_rows:,} rows of call data stay home")
    table.add_row("saved", f"{figures.saved} by encoding and compression")
    table.add_row("last", escape(figures.last))
    return Panel(table, title="Admin-Sync: east ──▶ west", title_align="left", width=92)


def lag(ms: float) -> str:
    """A lag for people."""
    return f"{ms:,.1f} ms" if ms < 1000 else f"{ms / 1000:,.1f} s"  # noqa: PLR2004  a second
