"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

SAY_S = 2.0


def tell_waiting(status: dict[str, Any]) -> None:
    """Say why work that was asked for does not begin, where that is so: runs wait for capture and peer."""
    if status["state"] != "streaming":
        error = status["last_error"]
        why = f" ({error['what']}: {error['why']})" if error else ""
        state = status["state"].replace("_", " ")
        print(f"The node is not streaming: {state}{why}. The run begins when it is.", file=sys.stderr, flush=True)


class Progress:
    """Shows tables done of all, the table in hand and the rows so far. A context manager."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._said_s = -SAY_S
        self._bar = None
        if sys.stderr.isatty():
            from rich.progress import Progress as Bar

            from sync.cli.render import console

            self._bar = Bar(console=console(stderr=True), transient=True)
            self._task = self._bar.add_task(title, total=None)

    def show(self, table: str, done: int, total: int, rows: int) -> None:
        """Show where the work stands."""
        text = f"{self._title}{' ' if table else ''}{table}, {rows:,} rows"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total or None, description=text)
        elif time.monotonic() - self._said_s >= SAY_S:
            self._said_s = time.monotonic()
            print(f"{text}, {done}/{total} tables", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Say something at once, beside the bar."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
