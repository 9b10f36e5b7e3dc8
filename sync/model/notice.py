"""Notices: what the halves and the node tell the outside (logs, metrics, status, traces) through the Observer port.

They are facts that were measured, in the past tense. Nothing in the engine depends on anybody listening.
"""

from __future__ import annotations

from dataclasses import dataclass

from sync.errors import AdminSyncError
from sync.model.batch import ChunkResult, Encoded
from sync.model.position import Position


@dataclass(frozen=True, slots=True)
class Captured:
    """A batch went into the spool."""

    encoded: Encoded
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpoolSynced:
    """Everything up to `position` is on the spool's disk; the source may forget it."""

    position: Position
    bytes: int
    oldest: Position


@dataclass(frozen=True, slots=True)
class CaptureFailed:
    """Capture stopped and will be tried again in `retry_s` seconds."""

    error: AdminSyncError
    retry_s: float


@dataclass(frozen=True, slots=True)
class CaptureRunning:
    """The source answered: capture works (again), and stands at `position`."""

    mode: str
    position: Position


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """Both sides said hello and agreed."""

    peer: str
    address: str
    protocol: int
    epoch: int
    clock_skew_s: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """The session ended, orderly or not. `error` is None for an orderly goodbye."""

    peer: str
    address: str
    error: AdminSyncError | None
    retry_s: float | None = None


@dataclass(frozen=True, slots=True)
class Listening:
    """The secondary takes connections on this address."""

    address: str


@dataclass(frozen=True, slots=True)
class ConnectionRefused:
    """Somebody connected who may not (no certificate, wrong one, plaintext, garbage)."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class BeatPassed:
    """A beat and its answer went over the session. On the secondary `newest` is what the primary announced."""

    newest: Position
    capture_healthy: bool
    round_trip_s: float
    newest_committed_at_us: int = 0


@dataclass(frozen=True, slots=True)
class BatchSent:
    """A batch was handed to the connection."""

    encoded: Encoded


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The peer's target has applied and made durable up to here."""

    applied: Position
    durable: Position


@dataclass(frozen=True, slots=True)
class Applied:
    """A target transaction committed; with 0 transactions: the target was found to stand here."""

    position: Position
    transactions: int
    changes: int
    bytes_wire: int
    committed_at_us: int
    """Source commit time of the last transaction."""
    applied_at_us: int
    repairs: int = 0
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DuplicateSkipped:
    """A batch came again and was not applied."""

    transactions: int
    position: Position


@dataclass(frozen=True, slots=True)
class ApplyFailed:
    """The target refused; the stream waits and the same work is tried again in `retry_s` seconds."""

    error: AdminSyncError
    retry_s: float


@dataclass(frozen=True, slots=True)
class CallDataRefused:
    """A wall of the filter stopped something that should never have come so far."""

    wall: str
    """`capture`, `outbound` or `inbound`."""
    table: str
    columns: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class RowsBlocked:
    """Row rules kept changes at home."""

    table: str
    rows: int


@dataclass(frozen=True, slots=True)
class SnapshotMoved:
    """A snapshot or verify run went one chunk further, or ended."""

    run: int
    kind: str
    table: str
    tables_done: int
    tables_total: int
    rows: int
    finished: bool = False


@dataclass(frozen=True, slots=True)
class ChunkCompared:
    """The peer answered for a chunk."""

    result: ChunkResult


@dataclass(frozen=True, slots=True)
class SchemaFollowed:
    """The target's table was brought to a schema that the stream has now."""

    table: str
    what: str


@dataclass(frozen=True, slots=True)
class TablePaused:
    """A table's definition can not be followed: its changes are left out until a person has acted."""

    table: str
    difference: str
    remedy: str
    since_us: int


@dataclass(frozen=True, slots=True)
class TableResumed:
    """A table that was paused is being copied, and goes on."""

    table: str


@dataclass(frozen=True, slots=True)
class ChangesSkipped:
    """Changes of a paused table were left out; the copy with which it resumes brings them."""

    table: str
    changes: int


@dataclass(frozen=True, slots=True)
class Warned:
    """Something a person should look at; nothing stopped."""

    what: str


Notice = (
    Captured
    | SpoolSynced
    | CaptureFailed
    | CaptureRunning
    | SessionOpened
    | SessionClosed
    | Listening
    | ConnectionRefused
    | BeatPassed
    | BatchSent
    | Acknowledged
    | Applied
    | DuplicateSkipped
    | ApplyFailed
    | CallDataRefused
    | RowsBlocked
    | SnapshotMoved
    | ChunkCompared
    | SchemaFollowed
    | TablePaused
    | TableResumed
    | ChangesSkipped
    | Warned
)
