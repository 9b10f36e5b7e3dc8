"""Operations: what people, the peer and the sender ask of the capture side, carried to the capture thread and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from sync.errors import AdminSyncError, PeerRefused, PeerUnreachable, SpoolError, UsageError
from sync.model.batch import ChunkResult
from sync.model.notice import TablePaused, TableResumed
from sync.model.position import START, Position
from sync.replicator.desk import Desk, Report
from sync.replicator.gauge import Gauge
from sync.replicator.sender import Reply
from sync.replicator.thread import CaptureThread
from sync.spool.log import SegmentedSpool
from sync.wire.messages import BeatAnswer

STALL_S = 60
"""How long somebody who asked for a verification waits without hearing of it."""
REFUSED_S = 5
"""The same, where the peer says that its database refuses what comes: that may pass in a moment, or need a person."""
ANSWERED_DIFFERENCES_MAX = 500
"""What fits into one message to the secondary; the primary's own report has more."""


class Operations:
    """Lives on the event loop; implements the sender's `Pace`."""

    def __init__(
        self,
        thread: CaptureThread,
        desk: Desk,
        gauge: Gauge,
        spool: SegmentedSpool,
        kick: Callable[[], None],
        release: Callable[[], None],
    ) -> None:
        """`kick` wakes the session, `release` the thread that syncs the spool and lets go of what is `released`."""
        self._thread, self._desk, self._gauge, self._spool = thread, desk, gauge, spool
        self._kick, self._release = kick, release
        self.released: Position = START
        self._loop = asyncio.get_running_loop()
        self._watchers: dict[int, list[asyncio.Queue[Report]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waits = ""
        """Why the peer's target can not go on; empty while it can."""
        self._paused: dict[str, TablePaused] = {}
        desk.on_report = self._report_on_thread

    async def snapshot(self, tables: Sequence[str]) -> int:
        """Queue a copy of these tables (all where none is named); gives the run's number."""
        return await self._start("snapshot", tables, repair=False)

    async def verify(self, tables: Sequence[str], *, repair: bool) -> AsyncIterator[Report]:
        """Compare (and mend) these tables; yields progress, what it `waits` for, then the report with `final`."""
        reports: asyncio.Queue[Report] = asyncio.Queue()
        reports.put_nowait({"waits": self._waits})
        number = await self._start("verify", tables, repair=repair, reports=reports)
        try:
            while True:
                report = await self._next(reports)
                if report.get("finished"):
                    yield {**report, "final": True}
                    return
                if report.get("waits") != "":
                    yield report
        finally:
            self._watchers.pop(number, None)

    async def _next(self, reports: asyncio.Queue[Report]) -> Report:
        try:
            async with asyncio.timeout(REFUSED_S if self._waits else STALL_S):
                return await reports.get()
        except TimeoutError:
            what = "verify does not get on"
            if self._waits:
                why = f"the secondary can not apply: {self._waits}"
                remedy = "The run itself goes on when that is mended; then verify again."
                raise PeerRefused("apply_failed", what, why, remedy) from None
            why = f"no answer for {STALL_S} s; the run itself goes on when capture and the peer do"
            raise PeerUnreachable(what, why, "See `admin-sync status` for what stands still.") from None

    async def _start(
        self, kind: str, tables: Sequence[str], *, repair: bool, reports: asyncio.Queue[Report] | None = None
    ) -> int:
        started: asyncio.Future[int] = self._loop.create_future()

        def start() -> None:
            try:
                number = self._desk.start(kind, self._chosen(tables), repair=repair)
            except AdminSyncError as error:
                self._loop.call_soon_threadsafe(_fail, started, error)
            else:
                # Watched before the run's first report can come: both go through the loop in this order.
                self._loop.call_soon_threadsafe(self._started, started, number, reports)

        self._thread.post(start)
        return await started

    def _started(self, started: asyncio.Future[int], number: int, reports: asyncio.Queue[Report] | None) -> None:
        if reports is not None:
            self._watchers.setdefault(number, []).append(reports)
        if not started.done():
            started.set_result(number)

    def _chosen(self, tables: Sequence[str]) -> Sequence[str]:
        captured = self._thread.capture.captured
        unknown = [name for name in tables if name not in captured]
        if unknown:
            what = f"not replicated: {', '.join(unknown)}"
            raise UsageError(what, remedy="`admin-sync check` lists every table with the reason.")
        return list(tables) or list(captured)

    def _report_on_thread(self, report: Report) -> None:
        self._loop.call_soon_threadsafe(self._report, report)

    def _report(self, report: Report) -> None:
        for reports in self._watchers.get(int(str(report["run"])), ()):
            reports.put_nowait(report)

    # The sender's Pace.

    def connected(self) -> None:
        """A session is open: chunks will be answered."""
        self._thread.post(self._desk.connected)

    def disconnected(self) -> None:
        """The session is gone."""
        self.waiting("")
        self._thread.post(self._desk.disconnected)

    def need_snapshot(self, reason: str, noted: Callable[[], None]) -> None:  # noqa: ARG002  the sender reported it
        """The peer's target can not be brought up from the spool alone."""

        def on_loop() -> None:
            noted()
            self._kick()

        def stored() -> None:
            self._loop.call_soon_threadsafe(on_loop)

        def copy() -> None:
            self._copy_all()
            self._desk.when_stored(stored)

        self._thread.post(copy)

    def history_lost(self) -> None:
        """Queue a snapshot of every table, durably, or raise `SpoolError`; on the capture thread."""
        self._copy_all()
        if not self._desk.stored:
            what = "could not note that all tables must be copied"
            raise SpoolError(what, "the state directory's disk failed", "Check the disk that holds `node.state_dir`.")

    def _copy_all(self) -> None:
        self._desk.start("snapshot", list(self._thread.capture.captured))

    def jump(self, position: Position, reason: str) -> None:
        """Go on after a position that only the peer remembers."""
        self._thread.post(lambda: self._thread.capture.jump(position, reason))

    def durable(self, position: Position) -> None:
        """The peer keeps everything up to `position`: the spool's own thread releases it."""
        self.released = position
        self._release()

    def waiting(self, why: str) -> None:
        """The peer's target can not go on, or can again: who waits for an answer hears of it."""
        if why != self._waits:
            self._waits = why
            for watching in self._watchers.values():
                for reports in watching:
                    reports.put_nowait({"waits": why})

    def superseded(self, position: Position) -> None:
        """The copy that begins behind `position` brings what is spooled before."""
        self.durable(position)

    def answered(self, results: Sequence[ChunkResult]) -> None:
        """The peer settled chunks."""
        for result in results:
            self._thread.post(lambda settled=result: self._desk.answered(settled))  # type: ignore[misc]

    def requested(self, kind: str, body: Mapping[str, Any], reply: Reply) -> None:
        """The secondary's operator asks through the session."""
        task = self._loop.create_task(self._answer(kind, body, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def beat_answer(self) -> BeatAnswer:
        """Say how capture is."""
        return self._gauge.beat_answer(self._spool)

    def _paused_there(self, listed: object) -> None:
        """Take the secondary's word for which tables are paused."""
        told = [item for item in listed if _is_pause(item)] if isinstance(listed, list) else []
        now = {pause.table: pause for pause in (TablePaused(*item) for item in told)}
        for name, pause in now.items():
            if self._paused.get(name) != pause:
                self._gauge.notice(pause)
        for name in self._paused.keys() - now.keys():
            self._gauge.notice(TableResumed(name))
        self._paused = now

    async def _answer(self, kind: str, body: Mapping[str, Any], reply: Reply) -> None:
        named = body.get("tables")
        tables = [str(name) for name in named] if isinstance(named, list) else []
        try:
            if kind == "snapshot":
                reply.done({"run": await self.snapshot(tables)})
            elif kind == "verify":
                async for report in self.verify(tables, repair=bool(body.get("repair"))):
                    say = reply.done if report.get("final") else reply.progress
                    say(_shortened(report))
                    self._kick()
            elif kind == "paused":
                self._paused_there(named)
                reply.done({})
            else:
                reply.no(f"this release does not know the request {kind!r}")
        except AdminSyncError as error:
            reply.no(f"{error.what}: {error.why}" if error.why else error.what, error.remedy)
        self._kick()


def _shortened(report: Report) -> Report:
    listed = report.get("differences")
    if not isinstance(listed, list):
        return report
    return {**report, "differences": listed[:ANSWERED_DIFFERENCES_MAX]}


def _is_pause(item: object) -> bool:
    """Whether this has the fields of a `TablePaused`."""
    return isinstance(item, list) and list(map(type, item)) == [str, str, str, int]


def _fail(started: asyncio.Future[int], error: AdminSyncError) -> None:
    if not started.done():
        started.set_exception(error)
