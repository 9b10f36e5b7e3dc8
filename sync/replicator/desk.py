"""The desk: snapshot and verify runs in their order, one at a time, surviving restarts.

Everything here happens on the capture thread, so there is nothing to lock; other threads post calls to that thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from sync.errors import UsageError
from sync.model.batch import Chunk, ChunkRequest, ChunkResult
from sync.model.notice import ChunkCompared, SnapshotMoved, Warned
from sync.ports import Clock, Observer
from sync.replicator.runs import CHUNK_ROWS, Run

SAVE_INTERVAL_S = 1.0
US_PER_S = 1_000_000
QUEUE_MAX = 16
Report = dict[str, object]


@dataclass(slots=True)
class Desk:
    """Holds the current run and those that wait. `store` writes the state durably; `restore` reads it."""

    observer: Observer
    clock: Clock
    store: Callable[[bytes], None] = lambda _: None
    """Raises `OSError` where it could not; it is tried again then."""
    on_report: Callable[[Report], None] = lambda _: None
    """Told after every answer (`Run.progress()`) and at the end of a run (`Run.report()`, which is `finished`)."""
    chunk_rows: int = CHUNK_ROWS
    """Rows of a chunk, where its range is not fixed yet."""
    _current: Run | None = None
    _waiting: list[Run] = field(default_factory=list)
    _numbers: int = 0
    _scopes: dict[str, str] = field(default_factory=dict)
    """What of each table was last copied or queued for it."""
    _connected: bool = False
    _saved_at: float = 0.0
    _stored: bool = True
    _when_stored: list[Callable[[], None]] = field(default_factory=list)

    def restore(self, state: bytes) -> None:
        """Take up the runs of the process before this one; a damaged state is reported and dropped.

        Empty where there should be one: then numbers begin above all that can have been given, which are fewer than
        seconds have passed, for chunks that bear old ones may still be in the spool.
        """
        self._numbers = self.clock.wall_us() // US_PER_S
        if not state:
            return
        try:
            saved: dict[str, Any] = msgpack.unpackb(state)
            self._numbers = int(saved["numbers"]) + 1
            scopes = {str(table): str(scope) for table, scope in saved["scopes"].items()}
            runs = [Run.from_state(run, self.chunk_rows) for run in saved["runs"]]
        except (ValueError, KeyError, TypeError, AttributeError, msgpack.UnpackException) as error:
            self.observer.notice(Warned(f"could not read the saved snapshot runs, starting without them: {error!r}"))
            return
        # A verification without repair has nobody waiting for its answer any more.
        runs = [run for run in runs if run.kind == "snapshot" or run.repair]
        self._numbers += len(runs)
        self._waiting = runs
        self._scopes = scopes
        # Numbers must be known before a chunk carries one: given twice, an answer would be taken for another range's.
        self._save()

    def unlike(self, scopes: Mapping[str, str]) -> frozenset[str]:
        """Tell what `scoped` would have copied."""
        return frozenset(table for table, scope in scopes.items() if self._scopes.get(table) != scope)

    def scoped(self, scopes: Mapping[str, str]) -> None:
        """Learn what is captured now; what is new, or has another scope than when it was copied, is copied."""
        unlike = self.unlike(scopes)
        fresh = [table for table in scopes if table in unlike]
        if dict(scopes) == self._scopes:
            return
        for table in self._scopes.keys() - scopes.keys():
            self.observer.notice(Warned(f"table {table} is not replicated any more: it is gone, or not chosen now"))
        self._scopes = dict(scopes)
        if fresh:
            self.start("snapshot", fresh)
        self._save()

    def start(self, kind: str, tables: Sequence[str], *, repair: bool = False) -> int:
        """Queue a run; gives its number. Snapshots that have not begun are one: it takes a new one's tables over.

        Raises `UsageError` where too many verifications wait already; a snapshot is never turned away.
        """
        if kind == "snapshot":
            for run in (self._current, *self._waiting):
                if run is not None and run.take_over(tables):
                    self._save()
                    return run.number
        elif len(self._waiting) >= QUEUE_MAX:
            what = f"{len(self._waiting)} runs wait already"
            raise UsageError(what, remedy="Wait until they are done; see `admin-sync status`.")
        self._numbers += 1
        self._waiting.append(Run(self._numbers, kind, list(tables), repair, self.chunk_rows))
        self._save()
        return self._numbers

    @property
    def stored(self) -> bool:
        """Whether a restart would know of every run that is queued now."""
        return self._stored

    def when_stored(self, call: Callable[[], None]) -> None:
        """Make a call as soon as a restart would know of every run that is queued now."""
        self._when_stored.append(call)
        if self._stored:
            self._tell_stored()

    def copying(self) -> frozenset[str]:
        """Tables of snapshots that are under way or wait, as far as they are not answered to their end."""
        runs = [run for run in (self._current, *self._waiting) if run is not None and run.kind == "snapshot"]
        return frozenset(name for run in runs for name, tally in run.tallies.items() if not tally.finished)

    @property
    def idle(self) -> bool:
        """Whether no run is under way or waits."""
        return self._current is None and not self._waiting

    def connected(self) -> None:
        """Begin a session: what the old one did not answer is asked for again."""
        if self._current is not None:
            self._current.rewind()
        self._connected = True

    def disconnected(self) -> None:
        """Stop asking for chunks: nobody would take them."""
        self._connected = False

    def next_request(self) -> ChunkRequest | None:
        """Give the chunk to read with the next step, if any."""
        if not self._stored:
            self._save()
        if not self._stored or not self._connected:
            return None
        if self._current is None and self._waiting:
            self._current = self._waiting.pop(0)
        run = self._current
        if run is None:
            return None
        self._end_if_finished(run)
        return run.next_request()

    def skip_missing(self, captured: Sequence[str]) -> None:
        """Leave out tables that are not captured (any more)."""
        run = self._current
        while run is not None and (table := run.next_table) and table not in captured:
            self.observer.notice(Warned(f"{run.kind} leaves {table} out: it is not replicated"))
            run.skip_table(table)

    def spooled(self, chunk: Chunk) -> None:
        """Note that the chunk asked for is in the stream."""
        if self._current is not None:
            self._current.spooled(chunk)

    def failed(self) -> None:
        """Note that capture failed: the range is read again later."""
        if self._current is not None:
            self._current.not_spooled()

    def answered(self, result: ChunkResult) -> None:
        """Take the peer's word for a chunk."""
        run = self._current
        if run is None or result.run != run.number:
            return
        run.answered(result)
        self.observer.notice(ChunkCompared(result))
        if not self._end_if_finished(run):
            self.on_report(run.progress())
            self._moved(run)
            if self.clock.monotonic() - self._saved_at >= SAVE_INTERVAL_S:
                self._save()

    def _end_if_finished(self, run: Run) -> bool:
        if not run.finished or run is not self._current:
            return False
        self._current = None
        self._moved(run)
        self.on_report(run.report())
        self._save()
        return True

    def _moved(self, run: Run) -> None:
        rows = sum(tally.rows for tally in run.tallies.values())
        notice = SnapshotMoved(run.number, run.kind, run.table, run.tables_done, len(run.tables), rows, run.finished)
        self.observer.notice(notice)

    def _save(self) -> None:
        self._saved_at = self.clock.monotonic()
        runs = [run.to_state() for run in (self._current, *self._waiting) if run is not None]
        try:
            self.store(msgpack.packb({"numbers": self._numbers, "scopes": self._scopes, "runs": runs}))
        except OSError as error:
            if self._stored:
                self.observer.notice(Warned(f"could not store the snapshot runs, trying again: {error}"))
            self._stored = False
        else:
            self._stored = True
            self._tell_stored()

    def _tell_stored(self) -> None:
        calls, self._when_stored = self._when_stored, []
        for call in calls:
            call()
