"""What the node knows about itself, from notices alone: the source of status.json, /metrics and /readyz.

Rule (invariant 10): only what was measured is shown. What nobody measured is null; ages are computed when they are
read; a failed capture, a failed apply or a silent peer shows at once and stays until the opposite was seen.
Fields: see the contract; new ones may come, none is renamed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sync.errors import AdminSyncError, RowRefused
from sync.model import notice as seen
from sync.ops.address import show_address
from sync.ops.backlog import US_PER_S, Backlog
from sync.ops.latency import Latency
from sync.ops.paused import PausedTables
from sync.ports import Clock

Json = dict[str, Any]
RUNS_SHOWN_MAX = 4
WARNINGS_SHOWN_MAX = 8

COUNTERS = (
    "transactions",
    "changes",
    "batches",
    "bytes_raw",
    "bytes_wire",
    "duplicates",
    "repairs",
    "refused_call_data",
    "quarantined",
    "rows_blocked",
    "changes_skipped",
    "connections_refused",
    "capture_failures",
    "apply_failures",
    "sessions",
)
"""On the primary the first five count what was captured, on the secondary what was applied."""


class StatusBoard:
    """An Observer that keeps the last measured state. Safe from any thread; a notice costs some microseconds."""

    def __init__(
        self,
        node: str,
        role: str,
        peer: str | None,
        addresses: tuple[tuple[str, int], ...],
        clock: Clock,
        epoch: int | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._node = node
        self._role = role
        self._peer = peer
        self._addresses = [show_address(*address) for address in addresses]
        self._started_s = clock.monotonic()
        self._epoch = epoch
        self._connected: str | None = None
        self._skew_s: float | None = None
        self._beat_s: float | None = None
        self._round_trip_s: float | None = None
        self._mode: str | None = None
        self._captured: int | None = None
        self._capture_healthy: bool | None = None
        self._capture_lag_s: float | None = None
        self._capture_failed_s: float | None = None
        self._apply_healthy: bool | None = None
        self._apply_failed_s: float | None = None
        self._spool: tuple[int, int, int] | None = None
        self._applied: int | None = None
        self._durable: int | None = None
        self._last_error: Json | None = None
        self._warnings: deque[Json] = deque(maxlen=WARNINGS_SHOWN_MAX)
        self._snapshots: dict[int, Json] = {}
        self._paused = PausedTables()
        self.backlog = Backlog()
        self.latency = Latency()
        self._counters = dict.fromkeys(COUNTERS, 0)
        self._stopping = False
        self._take: dict[type, Callable[[Any], None]] = {
            seen.Captured: self._on_captured,
            seen.SpoolSynced: self._on_spool_synced,
            seen.CaptureFailed: self._on_capture_failed,
            seen.CaptureRunning: self._on_capture_running,
            seen.SessionOpened: self._on_session_opened,
            seen.SessionClosed: self._on_session_closed,
            seen.ConnectionRefused: self._on_connection_refused,
            seen.BeatPassed: self._on_beat_passed,
            seen.Acknowledged: self._on_acknowledged,
            seen.Applied: self._on_applied,
            seen.DuplicateSkipped: self._on_duplicate,
            seen.ApplyFailed: self._on_apply_failed,
            seen.CallDataRefused: self._on_call_data_refused,
            seen.RowsBlocked: self._on_rows_blocked,
            seen.SnapshotMoved: self._on_snapshot_moved,
            seen.TablePaused: self._paused.paused,
            seen.TableResumed: self._paused.resumed,
            seen.ChangesSkipped: self._on_changes_skipped,
            seen.Warned: self._on_warned,
        }

    def notice(self, notice: seen.Notice) -> None:
        """Take one notice."""
        take = self._take.get(type(notice))
        if take is not None:
            with self._lock:
                take(notice)

    def stopping(self) -> None:
        """The node was told to end."""
        with self._lock:
            self._stopping = True

    @property
    def role(self) -> str:
        return self._role

    def ready(self) -> tuple[bool, str]:
        """Whether the node does its role's work now, and the state that says why (not)."""
        with self._lock:
            state = self._state()
            if self._role == "primary":
                return self._capture_healthy is True and not self._stopping, state
            return state == "streaming", state

    def report(self) -> Json:
        """Build status.json."""
        with self._lock:
            return {
                "node": self._node,
                "role": self._role,
                "state": self._state(),
                "epoch": self._epoch,
                "uptime_s": round(self._clock.monotonic() - self._started_s, 3),
                "peer": self._peer_report(),
                "capture": self._capture_report(),
                "spool": self._spool_report(),
                "apply": self._apply_report(),
                "counters": self._counters_report(),
                "paused": self._paused.report(counted=self._role != "primary"),
                "snapshots": [dict(run) for run in self._snapshots.values()],
                "warnings": list(self._warnings),
                "last_error": dict(self._last_error) if self._last_error else None,
            }

    def _state(self) -> str:
        if self._stopping:
            return "stopping"
        if self._role == "primary" and self._capture_healthy is not True:
            return "starting" if self._capture_healthy is None else "capture_failed"
        if self._apply_healthy is False:
            return "apply_failed"
        return "streaming" if self._connected is not None else "waiting_for_peer"

    def _peer_report(self) -> Json:
        beat_age_s = None if self._beat_s is None else round(self._clock.monotonic() - self._beat_s, 3)
        return {
            "name": self._peer,
            "connected": self._connected is not None,
            "last_beat_age_s": beat_age_s,
            "addresses": list(self._addresses),
            "address": self._connected,
            "clock_skew_s": self._skew_s,
            "round_trip_s": self._round_trip_s,
        }

    def _capture_report(self) -> Json:
        lag_s = self._capture_lag_s
        if self._capture_failed_s is not None:
            lag_s = self._clock.monotonic() - self._capture_failed_s
        healthy = self._capture_healthy
        if self._role != "primary" and self._connected is None:
            healthy = None
        position = self._captured
        return {"mode": self._mode, "position": position, "healthy": healthy, "lag_s": _rounded(lag_s)}

    def _spool_report(self) -> Json:
        size, oldest, newest = self._spool or (None, None, None)
        return {"bytes": size, "oldest_position": oldest, "newest_position": newest}

    def _apply_report(self) -> Json:
        # Without its peer a secondary can not know that it is level; it still knows how far behind it was.
        blind = self._role != "primary" and self._connected is None
        lag_s = self.backlog.lag_s(self._clock.wall_us())
        transactions, size = self.backlog.lag_transactions, self.backlog.lag_bytes
        if self._apply_failed_s is not None:
            # What was refused came, and may be news to the beats.
            lag_s = max(lag_s or 0.0, self._clock.monotonic() - self._apply_failed_s)
            transactions, size = transactions or None, size or None
        return {
            "position": self._applied,
            "durable_position": self._durable,
            "healthy": self._apply_healthy,
            "lag_s": None if blind and not lag_s else _rounded(lag_s),
            "lag_transactions": None if blind else transactions,
            "lag_bytes": None if blind else size,
            "latency_p50_s": self.latency.quantile(0.5),
            "latency_p99_s": self.latency.quantile(0.99),
        }

    def _counters_report(self) -> Json:
        # The secondary sees compressed batches; their size before that was measured on the primary alone.
        unseen = {} if self._role == "primary" else {"bytes_raw": None}
        return {**self._counters, **unseen}

    def _failed(self, error: AdminSyncError, retry_s: float | None = None) -> None:
        row = error if isinstance(error, RowRefused) else None
        self._last_error = {
            "at_us": self._clock.wall_us(),
            "kind": type(error).__name__,
            "what": error.what,
            "why": error.why,
            "remedy": error.remedy,
            "table": row and row.table,
            "key": row and row.key,
            "column": row and row.column,
            "retry_s": retry_s,
        }

    def _on_captured(self, notice: seen.Captured) -> None:
        encoded = notice.encoded
        self._capture_healthy = True
        self._capture_failed_s = None
        self._captured = max(self._captured or 0, encoded.position)
        if encoded.committed_at_us:
            self._capture_lag_s = max(0, self._clock.wall_us() - encoded.committed_at_us) / US_PER_S
        size = len(encoded.payload)
        self.backlog.announced(encoded.position, encoded.committed_at_us, encoded.transactions, size)
        self._count(encoded.transactions, encoded.changes, encoded.bytes_raw, size)

    def _count(self, transactions: int, changes: int, bytes_raw: int, bytes_wire: int) -> None:
        added = transactions, changes, 1, bytes_raw, bytes_wire
        for name, more in zip(COUNTERS, added, strict=False):
            self._counters[name] += more

    def _on_spool_synced(self, notice: seen.SpoolSynced) -> None:
        self._spool = (notice.bytes, notice.oldest, notice.position)
        if self._applied is None and notice.position > self.backlog.newest:
            self.backlog.uncounted(notice.position)

    def _on_capture_failed(self, notice: seen.CaptureFailed) -> None:
        self._capture_healthy = False
        if self._capture_failed_s is None:
            self._capture_failed_s = self._clock.monotonic()
        self._counters["capture_failures"] += 1
        self._failed(notice.error, notice.retry_s)

    def _on_capture_running(self, notice: seen.CaptureRunning) -> None:
        self._mode = notice.mode
        self._capture_healthy = True
        self._capture_failed_s = None
        if notice.position < (self._applied or 0):
            # Capture was installed anew: another history, whose positions are not to be held against the old ones.
            self.backlog = Backlog()
            self._captured = self._applied = self._durable = None
        self._captured = max(self._captured or 0, notice.position)
        self.backlog.uncounted(notice.position)

    def _on_session_opened(self, notice: seen.SessionOpened) -> None:
        self._peer = notice.peer
        self._connected = notice.address
        self._epoch = notice.epoch
        self._skew_s = round(notice.clock_skew_s, 6)
        self._counters["sessions"] += 1

    def _on_session_closed(self, notice: seen.SessionClosed) -> None:
        self._connected = None
        # What stands still here matters more than that the peer is gone too, which shows anyway.
        halted = self._state() in {"capture_failed", "apply_failed"}
        if notice.error is not None and not halted:
            self._failed(notice.error, notice.retry_s)

    def _on_connection_refused(self, _: seen.ConnectionRefused) -> None:
        self._counters["connections_refused"] += 1

    def _on_beat_passed(self, notice: seen.BeatPassed) -> None:
        self._beat_s = self._clock.monotonic()
        self._round_trip_s = round(notice.round_trip_s, 6)
        if self._role != "primary":
            self._captured = max(self._captured or 0, notice.newest)
            self._capture_healthy = notice.capture_healthy
            if notice.newest_committed_at_us == 0:
                self.backlog.uncounted(notice.newest)
            elif notice.newest > self.backlog.newest:
                self.backlog.announced(notice.newest, notice.newest_committed_at_us, None, None)

    def _on_acknowledged(self, notice: seen.Acknowledged) -> None:
        self._applied = max(self._applied or 0, notice.applied)
        self._durable = max(self._durable or 0, notice.durable)
        self.backlog.applied(notice.applied)

    def _on_applied(self, notice: seen.Applied) -> None:
        self._apply_healthy = True
        self._apply_failed_s = None
        self._applied = notice.position
        self._captured = max(self._captured or 0, notice.position)
        self.backlog.applied(notice.position)
        if notice.transactions or notice.changes:  # else it only tells where the target stands
            self._count(notice.transactions, notice.changes, 0, notice.bytes_wire)
        self._counters["repairs"] += notice.repairs
        if notice.transactions and notice.committed_at_us:
            self.latency.add((notice.applied_at_us - notice.committed_at_us) / US_PER_S)

    def _on_duplicate(self, notice: seen.DuplicateSkipped) -> None:
        self._counters["duplicates"] += notice.transactions
        self._apply_healthy = True
        self._apply_failed_s = None
        self._applied = max(self._applied or 0, notice.position)
        self.backlog.applied(notice.position)

    def _on_apply_failed(self, notice: seen.ApplyFailed) -> None:
        self._apply_healthy = False
        if self._apply_failed_s is None:
            self._apply_failed_s = self._clock.monotonic()
        self._counters["apply_failures"] += 1
        self._failed(notice.error, notice.retry_s)

    def _on_call_data_refused(self, _: seen.CallDataRefused) -> None:
        self._counters["refused_call_data"] += 1

    def _on_rows_blocked(self, notice: seen.RowsBlocked) -> None:
        self._counters["rows_blocked"] += notice.rows

    def _on_changes_skipped(self, notice: seen.ChangesSkipped) -> None:
        self._counters["changes_skipped"] += notice.changes
        self._paused.skipped(notice)

    def _on_warned(self, notice: seen.Warned) -> None:
        self._warnings.append({"at_us": self._clock.wall_us(), "what": notice.what})

    def _on_snapshot_moved(self, notice: seen.SnapshotMoved) -> None:
        # Runs that ended or were given up make room; the newest stays to be looked at.
        while len(self._snapshots) >= RUNS_SHOWN_MAX and notice.run not in self._snapshots:
            del self._snapshots[next(iter(self._snapshots))]
        self._snapshots[notice.run] = asdict(notice)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
