"""The gauge: what a beat is answered with. It shows what capture last reported, never what it should be."""

from __future__ import annotations

from dataclasses import dataclass

from sync.errors import AdminSyncError
from sync.model.notice import Captured, CaptureFailed, CaptureRunning, Notice
from sync.ports import Observer
from sync.spool.log import SegmentedSpool
from sync.wire.messages import BeatAnswer

NOTE_CHARS_MAX = 1000


@dataclass(slots=True)
class Gauge:
    """An observer in front of another one; keeps what beats need."""

    onward: Observer
    _error: AdminSyncError | None = None
    _running: bool = False
    _committed_at_us: int = 0

    def notice(self, notice: Notice) -> None:
        """Take a notice, and hand it on."""
        match notice:
            case CaptureFailed():
                self._error, self._running = notice.error, False
            case CaptureRunning():
                self._error, self._running = None, True
            case Captured():
                self._committed_at_us = notice.encoded.committed_at_us
            case _:
                pass
        self.onward.notice(notice)

    def beat_answer(self, spool: SegmentedSpool) -> BeatAnswer:
        """Give the answer to the next beat."""
        return BeatAnswer(
            newest=spool.newest,
            oldest=spool.oldest,
            capture_healthy=self._running,
            committed_at_us=self._committed_at_us,
            spool_bytes=spool.bytes,
            note=str(self._error)[:NOTE_CHARS_MAX] if self._error is not None else "",
        )
