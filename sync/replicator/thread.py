"""The capture thread: takes the turns of capture until it is stopped.

All work on the source happens here. Other threads `post` calls, which run between two steps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sync.core.backoff import Backoff
from sync.ports import Clock, Observer
from sync.replicator.capture import Capture
from sync.replicator.desk import Desk
from sync.replicator.turns import CaptureTurns


class CaptureThread:
    """Owns the thread; `start`, then `stop`, then `join`."""

    def __init__(self, capture: Capture, desk: Desk, observer: Observer, clock: Clock, backoff: Backoff) -> None:
        self.capture = capture
        self._turns = CaptureTurns(capture, desk, observer, clock, backoff)
        self._stopping = threading.Event()
        self.crash: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Start capturing."""
        self._thread.start()

    def post(self, call: Callable[[], None]) -> None:
        """Run `call` on the capture thread soon."""
        self._turns.post(call)

    def stop(self) -> None:
        """Ask for an end after the step under way."""
        self._stopping.set()
        self.capture.source.wake()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                retry_s = self._turns.turn()
                if retry_s:
                    self._stopping.wait(retry_s)
            self._turns.finish()
        except BaseException as error:  # noqa: BLE001  a defect must end the node, not only this thread
            self.crash = error
