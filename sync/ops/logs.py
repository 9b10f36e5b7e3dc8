"""Logs are a listener: notices in, lines out.

Rules: what happens with every batch is debug; what repeats is written once a minute with a count; a broken log
never reaches the engine; values of rows, passwords and keys are never logged (notices do not carry them).
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TextIO

import structlog

from sync.errors import AdminSyncError
from sync.model import notice as seen
from sync.ports import Clock, Observer

LEVELS: dict[type, int] = {
    seen.Captured: logging.DEBUG,
    seen.SpoolSynced: logging.DEBUG,
    seen.BatchSent: logging.DEBUG,
    seen.Acknowledged: logging.DEBUG,
    seen.Applied: logging.DEBUG,
    seen.BeatPassed: logging.DEBUG,
    seen.RowsBlocked: logging.DEBUG,
    seen.ChunkCompared: logging.DEBUG,
    seen.ChangesSkipped: logging.DEBUG,
    seen.CaptureRunning: logging.INFO,
    seen.SessionOpened: logging.INFO,
    seen.SessionClosed: logging.INFO,
    seen.DuplicateSkipped: logging.INFO,
    seen.SnapshotMoved: logging.INFO,
    seen.Warned: logging.WARNING,
    seen.ConnectionRefused: logging.WARNING,
    seen.TablePaused: logging.ERROR,
    seen.CaptureFailed: logging.ERROR,
    seen.ApplyFailed: logging.ERROR,
    seen.CallDataRefused: logging.CRITICAL,
}
"""What is not named here is worth a line: info."""

REPEAT_S = 60.0
SAYINGS_MAX = 256


def set_up_logs(form: str = "console", level: str = "info", stream: TextIO | None = None) -> None:
    """Send structlog and the libraries' warnings to `stream` (stderr), as `json` or `console` lines."""
    stream = stream or sys.stderr
    chosen = logging.getLevelNamesMapping()[level.upper()]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)
    )
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        renderer,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(chosen),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", force=True)
    # The control API's server tells nothing that status does not; its access is the operator's own.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)


class LogObserver:
    """Writes notices as log lines, repeated ones at most once a minute."""

    def __init__(self, node: str, clock: Clock, logger: structlog.typing.FilteringBoundLogger | None = None) -> None:
        self._logger: structlog.typing.FilteringBoundLogger = (logger or structlog.get_logger()).bind(node=node)
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[tuple[object, ...], tuple[float, int]] = {}

    def notice(self, notice: seen.Notice) -> None:
        """Write one notice."""
        kind = type(notice)
        level = LEVELS.get(kind, logging.INFO)
        if isinstance(notice, seen.SnapshotMoved) and not notice.finished:
            level = logging.DEBUG
        if level == logging.DEBUG:
            # Rendering would cost more than the batch; a filtered level is dropped inside, lazily.
            if self._logger.is_enabled_for(logging.DEBUG):
                self._logger.debug(kind.__name__, **_shown(notice))
            return
        repeats = self._repeats(notice) if level > logging.INFO or _error_of(notice) else 0
        if repeats is None:
            return
        if _error_of(notice) is not None:
            level = max(level, logging.WARNING)
        extra = {"repeated": repeats} if repeats else {}
        self._logger.log(level, kind.__name__, **_shown(notice), **extra)

    def _repeats(self, notice: seen.Notice) -> int | None:
        """How often this was held back since it was last written; None to hold it back again."""
        error = _error_of(notice)
        about = (type(error).__name__, error.what, error.why) if error else (_about(notice),)
        saying = (type(notice), *about)
        now = self._clock.monotonic()
        with self._lock:
            last_s, held_back = self._said.get(saying, (-REPEAT_S, 0))
            if now - last_s < REPEAT_S:
                self._said[saying] = (last_s, held_back + 1)
                return None
            if len(self._said) >= SAYINGS_MAX:
                self._said.clear()
            self._said[saying] = (now, 0)
            return held_back


def _error_of(notice: seen.Notice) -> AdminSyncError | None:
    error = getattr(notice, "error", None)
    return error if isinstance(error, AdminSyncError) else None


def _about(notice: seen.Notice) -> str:
    match notice:
        case seen.ConnectionRefused(address, reason):
            return f"{address.rpartition(':')[0]} {reason}"
        case _:
            return repr(notice)


def _shown(notice: seen.Notice) -> dict[str, Any]:
    """The fields of a notice as plain values; a batch's payload and a chunk's rows stay out."""
    shown: dict[str, Any] = {}
    for field in fields(notice):
        value = getattr(notice, field.name)
        if field.name == "encoded":
            size = len(value.payload)
            shown |= {"position": value.position, "changes": value.changes, "bytes_wire": size}
        elif field.name == "result":
            shown |= {"table": value.table, "chunk": value.number, "equal": value.equal, "rows": value.rows}
        elif isinstance(value, AdminSyncError):
            shown["error"] = str(value)
        elif value not in (None, "", ()):
            shown[field.name] = list(value) if isinstance(value, tuple) else value
    return shown


class Observers:
    """Passes every notice on to all listeners; one that fails is no failure of the others, nor of the engine."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)
        self._broken: set[int] = set()

    def notice(self, notice: seen.Notice) -> None:
        """Pass one notice on."""
        for place, observer in enumerate(self._observers):
            try:
                observer.notice(notice)
            except Exception:  # whatever a listener does wrong must not stop replication
                if place not in self._broken:
                    self._broken.add(place)
                    logging.getLogger(__name__).exception("a listener failed; further failures of it are not logged")
