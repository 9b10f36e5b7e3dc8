"""The capture thread: drives capture and the desk, and starts anew after every failure.

All work on the source happens here. Other threads `post` calls, which run between two steps.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from sync.core.backoff import Backoff
from sync.errors import AdminSyncError
from sync.model.notice import CaptureFailed, CaptureRunning
from sync.ports import Clock, Observer
from sync.replicator.capture import Capture
from sync.replicator.desk import Desk

WAIT_S = 0.25
CONFIRM_INTERVAL_S = 0.1


class CaptureThread:
    """Owns the thread; `start`, then `stop`, then `join`."""

    def __init__(self, capture: Capture, desk: Desk, observer: Observer, clock: Clock, backoff: Backoff) -> None:
        self.capture = capture
        self._desk = desk
        self._observer = observer
        self._clock = clock
        self._backoff = backoff
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._confirmed_at = 0.0
        self.crash: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Start capturing."""
        self._thread.start()

    def post(self, call: Callable[[], None]) -> None:
        """Run `call` on the capture thread soon."""
        self._inbox.put(call)
        self.capture.source.wake()

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
                try:
                    self.capture.open()
                    source = self.capture.source
                    self._observer.notice(CaptureRunning(source.mode, self.capture.spool.newest))
                    self._work()
                except AdminSyncError as error:
                    self.capture.close()
                    self._desk.failed()
                    retry_s = self._backoff.next_s()
                    self._observer.notice(CaptureFailed(error, retry_s))
                    self._stopping.wait(retry_s)
            self.capture.close()
        except BaseException as error:  # noqa: BLE001  a defect must end the node, not only this thread
            self.crash = error

    def _work(self) -> None:
        while not self._stopping.is_set():
            while not self._inbox.empty():
                self._inbox.get()()
            self._desk.skip_missing(tuple(self.capture.captured))
            request = self._desk.next_request()
            if request is not None or self.capture.source.wait(WAIT_S):
                chunk = self.capture.step(request)
                if chunk is not None:
                    self._desk.spooled(chunk)
                self._backoff.reset()
            now = self._clock.monotonic()
            if now - self._confirmed_at >= CONFIRM_INTERVAL_S:
                self._confirmed_at = now
                self.capture.confirm()
        self._drain()

    def _drain(self) -> None:
        """Take what is committed by now, so that an orderly stop leaves nothing behind that was seen."""
        self.capture.step()
        self.capture.spool.sync()
        self.capture.confirm()
