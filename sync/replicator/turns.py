"""The turns of capture: what its thread does over and over, one turn at a time, without waiting between them.

The rule it keeps: whatever fails, the source is closed, the desk is told, and the next turn opens both anew. Calls that
others post run between two steps, and only while capture is open.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping

from sync.core.backoff import Backoff
from sync.errors import AdminSyncError, CatalogChanged
from sync.model.notice import CaptureFailed, CaptureRunning
from sync.model.schema import TableSchema
from sync.ports import Clock, Observer
from sync.replicator.capture import Capture
from sync.replicator.desk import Desk

WAIT_S = 0.25
CONFIRM_INTERVAL_S = 0.1
SURVEY_INTERVAL_S = 30.0
"""How often the catalog is asked whether other tables should be captured: one that was made, dropped or altered."""


class CaptureTurns:
    """Drives capture and the desk. `post` may be called from any thread, the rest belongs to one."""

    def __init__(self, capture: Capture, desk: Desk, observer: Observer, clock: Clock, backoff: Backoff) -> None:
        self.capture = capture
        capture.copying = desk.copying
        capture.surveyor.recopied = lambda captured: desk.unlike(self._scopes(captured))
        self._desk = desk
        self._observer = observer
        self._clock = clock
        self._backoff = backoff
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._open = False
        self._altered = False
        """Whether the source was opened anew for altered tables, and has not gone on since."""
        self._confirmed_at = 0.0
        self._surveyed_at = 0.0

    def post(self, call: Callable[[], None]) -> None:
        """Have `call` run in the next turn, and let that come soon."""
        self._inbox.put(call)
        self.capture.source.wake()

    def turn(self) -> float:
        """Open where needed, and do one step; gives the seconds to wait before the next turn (0: none)."""
        try:
            if not self._open:
                self.capture.open()
                self._open = True
                self._surveyed_at = self._clock.monotonic()
                self._desk.scoped(self._scopes(self.capture.captured))
                self._observer.notice(CaptureRunning(self.capture.source.mode, self.capture.spool.newest))
            self._step()
        except CatalogChanged as error:
            if self._altered:
                return self._failed(error)
            self._altered = True
            self._reopen()
        except AdminSyncError as error:
            return self._failed(error)
        else:
            self._altered = False
        return 0.0

    def finish(self) -> None:
        """Take what is committed by now, so that an orderly stop leaves nothing behind that was seen; then close."""
        try:
            if self._open:
                self.capture.step()
                self.capture.spool.sync()
                self.capture.confirm()
        except AdminSyncError as error:
            self._failed(error)
        self.capture.close()

    def _step(self) -> None:
        while not self._inbox.empty():
            self._inbox.get()()
        self._desk.skip_missing(tuple(self.capture.captured))
        request = self._desk.next_request()
        if request is not None or self.capture.source.wait(WAIT_S):
            if request is None:
                self.capture.gather()
            chunk = self.capture.step(request)
            if chunk is not None:
                self._desk.spooled(chunk)
            self._backoff.reset()
        now = self._clock.monotonic()
        if now - self._confirmed_at >= CONFIRM_INTERVAL_S:
            self._confirmed_at = now
            self.capture.confirm()
        if now - self._surveyed_at >= SURVEY_INTERVAL_S:
            self._surveyed_at = now
            if self.capture.changed():
                self._reopen()

    def _scopes(self, captured: Mapping[str, TableSchema]) -> dict[str, str]:
        return {name: self.capture.rows.scope(schema) for name, schema in captured.items()}

    def _reopen(self) -> None:
        """Open anew with the next turn, which says what fits and what does not."""
        self._open = False
        self.capture.close()
        self._desk.failed()

    def _failed(self, error: AdminSyncError) -> float:
        self._reopen()
        retry_s = self._backoff.next_s()
        self._observer.notice(CaptureFailed(error, retry_s))
        return retry_s
