"""Reads what the traffic program says, line by line, on a thread of its own.

The rule it keeps: a traffic program that ends without saying so is a failure, never a short demo.
"""

from __future__ import annotations

import json
import threading

from sync.demo.programs import Program
from sync.demo.traffic import Step

FIRST_S = 30.0


class Feed:
    """All steps so far. `steps[n - 1]` is step n."""

    def __init__(self, program: Program) -> None:
        self.steps: list[Step] = []
        self.rows = 0
        self.calls = 0
        self._program = program
        self._complete = False
        self._first, self._closed = threading.Event(), threading.Event()
        threading.Thread(target=self._read, name="feed", daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether the traffic ended in order. Raises `AdminSyncError` where it ended otherwise."""
        if not self._closed.is_set():
            return False
        if not self._complete:
            raise self._program.failure("the writer ended before its time")
        return True

    def wait_first(self) -> None:
        """Return with the first step."""
        if not self._first.wait(FIRST_S) or not self.steps:
            raise self._program.failure("the writer did not start")

    def wait(self, timeout_s: float) -> None:
        """Return after so long, or when the traffic has ended."""
        self._closed.wait(timeout_s)

    def _read(self) -> None:
        try:
            for line in self._program.output:
                self._take(Step(**json.loads(line)))
        finally:
            self._closed.set()
            self._first.set()

    def _take(self, step: Step) -> None:
        self.calls = step.calls
        if step.number:
            self.rows += step.rows
            self.steps.append(step)
            self._first.set()
        else:
            self._complete = True
