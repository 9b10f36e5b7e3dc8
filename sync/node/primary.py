"""The primary's shell: capture on its thread, the spool's syncs on another, one session at a time on the loop."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from sync.core.backoff import Backoff
from sync.core.filter import Filter
from sync.core.progress import Progress
from sync.errors import AdminSyncError, PeerUnreachable, SpoolError
from sync.model.batch import Batch
from sync.model.notice import CaptureFailed, SpoolSynced, Warned
from sync.model.position import Position
from sync.model.schema import TableSchema
from sync.node.operations import Operations
from sync.node.settings import NodeSettings
from sync.node.state import RUNS_FILE, NodeState
from sync.node.tail import Line, Tail
from sync.ports import Clock, Disk, Observer, Site, Source
from sync.replicator.capture import Capture, HistoryEnded
from sync.replicator.desk import Desk, Report
from sync.replicator.dialler import Dialler
from sync.replicator.gauge import Gauge
from sync.replicator.sender import Sender
from sync.replicator.surveyor import Surveyor
from sync.replicator.thread import CaptureThread
from sync.replicator.wall import Wall
from sync.spool.log import SegmentedSpool
from sync.transport.tls import TlsMaterial
from sync.transport.worker import Worker
from sync.wire.codec import Codec
from sync.wire.match import Expected
from sync.wire.messages import Hello
from sync.wire.session import Session, SessionLimits
from sync.wire.state import Half

SYNC_INTERVAL_S = 0.02
"""Least time between two fsyncs of the spool: commits that come closer share one."""
CROWD_BATCHES = 4
"""With so many batches under way, the next transactions wait a moment for each other."""
GATHER_S = 0.005
GATHER_STEP_S = 0.001
DRAIN_TIMEOUT_S = 5.0
RETRY_LIMIT_S = 15.0
REDIAL_LIMIT_S = 2.0
"""A peer that is back should not wait for us, and one dial in two seconds costs nothing."""
LOOK_INTERVAL_S = 0.02
WATCH_INTERVAL_S = 0.5
RUNS_BYTES_MAX = 16 * 1024 * 1024


def new_backoff(limit_s: float = RETRY_LIMIT_S) -> Backoff:
    """Backoff with the system's randomness."""
    return Backoff(limit_s=limit_s, random=random.SystemRandom().random)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a half of the node is given from outside."""

    settings: NodeSettings
    state: NodeState
    state_disk: Disk
    tls: TlsMaterial
    observer: Observer
    clock: Clock


class Primary:
    """The primary's half, from start to stop. `run` once."""

    def __init__(
        self,
        around: Surroundings,
        spool_disk: Disk,
        open_source: Callable[[], Source],
        open_site: Callable[[], Site],
    ) -> None:
        self._around = around
        self._spool_disk = spool_disk
        self._open_source = open_source
        self._open_site = open_site
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.Event()
        """The spool grew, or may forget something."""
        self._gauge = Gauge(around.observer)
        self._filter = Filter(around.settings.selection)
        self._progress = Progress(around.settings.in_flight_batches_max)
        self._tail = Tail(self._loop)
        self._operations: Operations | None = None
        self._dialler: Dialler | None = None

    async def run(self, stopping: asyncio.Event, abort: asyncio.Event) -> None:
        """Capture and send until `stopping`; then drain what can be drained, unless `abort` is set too."""
        try:
            while not stopping.is_set() and (source := await self._reach_source(stopping)) is not None:
                try:
                    await self._follow(source, stopping, abort)
                except* HistoryEnded:
                    self._around.observer.notice(Warned("capture was installed anew, so everything begins anew"))
        finally:
            self._tail.close()

    async def _follow(self, source: Source, stopping: asyncio.Event, abort: asyncio.Event) -> None:
        """Capture and send one history, from its first position to the end of the node or its own."""
        settings = self._around.settings
        self._progress = Progress(settings.in_flight_batches_max)
        spool = SegmentedSpool(self._spool_disk, origin=source.origin, bytes_max=settings.spool_bytes_max)
        with contextlib.suppress(SpoolError):
            spool.open()  # where this fails, capture mends the spool and reports it
        capture, desk = self._capture_side(source, spool)
        thread = CaptureThread(capture, desk, self._gauge, self._around.clock, new_backoff())
        operations = Operations(thread, desk, self._gauge, spool, self._kick, self._work.set)
        capture.lost = lambda _: operations.history_lost()
        capture.gather = self._gather_on_thread
        dialler = self._new_dialler(spool, source, capture, operations)
        self._operations, self._dialler = operations, dialler
        self._gauge.notice(SpoolSynced(spool.durable, spool.bytes, spool.oldest))
        thread.start()
        try:
            async with asyncio.TaskGroup() as group:
                keepers = [
                    group.create_task(self._keep_synced(spool, thread, operations)),
                    group.create_task(dialler.run()),
                    group.create_task(_watch(thread)),
                ]
                await stopping.wait()
                await _first_of(self._drain(thread, spool, dialler), abort.wait())
                for keeper in keepers:
                    keeper.cancel()
        finally:
            thread.stop()
            await self._loop.run_in_executor(None, thread.join, DRAIN_TIMEOUT_S)
            spool.close()

    async def snapshot(self, tables: Sequence[str]) -> int:
        """Queue a copy of these tables (all where none is named); gives the run's number."""
        return await self._ready().snapshot(tables)

    async def verify(self, tables: Sequence[str], *, repair: bool) -> AsyncIterator[Report]:
        """Compare (and mend) these tables; yields progress, then the report with `final`."""
        if self._dialler is None or not self._dialler.connected:
            what = "could not verify: the secondary is not connected"
            raise PeerUnreachable(what, remedy="See `admin-sync status`, and try again when the peer is connected.")
        async for report in self._ready().verify(tables, repair=repair):
            yield report

    def tail(self, tables: Sequence[str]) -> AsyncIterator[Line]:
        """Show changes as they go into the spool."""
        return self._tail.lines(tables)

    def _ready(self) -> Operations:
        if self._operations is None:
            what = "the database was not reached yet"
            raise PeerUnreachable(what, remedy="See `admin-sync status` for the reason.")
        return self._operations

    def _capture_side(self, source: Source, spool: SegmentedSpool) -> tuple[Capture, Desk]:
        codec = Codec()
        capture = Capture(
            source,
            self._filter,
            Surveyor(self._open_site, self._filter, self._gauge),
            codec,
            spool,
            self._gauge,
            Wall(self._filter, codec),
            self._around.state.epoch,
            self._around.settings.batch_bytes_max,
            self._appended_on_thread,
        )
        desk = Desk(self._gauge, self._around.clock, self._store_runs)
        state_disk = self._around.state_disk
        if RUNS_FILE in state_disk.names():
            desk.restore(state_disk.read(RUNS_FILE, 0, RUNS_BYTES_MAX))
        elif not spool.is_open or spool.newest:
            desk.restore(b"")
        return capture, desk

    def _new_dialler(self, spool: SegmentedSpool, source: Source, capture: Capture, operations: Operations) -> Dialler:
        around, settings = self._around, self._around.settings
        # A codec belongs to one thread; the sender's is the loop's.
        wall = Wall(self._filter, Codec())
        expected = Expected(settings.peer_name, settings.release, settings.base_load)
        checked_after = spool.newest
        origin = source.origin

        def new_sender(address: str) -> Sender:
            session = self._new_session(origin, spool.newest, capture.captured)
            return Sender(
                session,
                spool,
                wall,
                operations,
                around.observer,
                around.clock,
                expected,
                around.state.epoch,
                origin,
                checked_after,
                address,
                self._progress,
            )

        return Dialler(
            settings.peer_addresses, around.tls, new_sender, around.observer, around.clock, new_backoff(REDIAL_LIMIT_S)
        )

    def _new_session(self, origin: str, newest: Position, captured: Mapping[str, TableSchema]) -> Session:
        settings, clock = self._around.settings, self._around.clock
        hello = Hello(
            node=settings.name,
            role=Half.SENDER,
            epoch=self._around.state.epoch,
            release=settings.release,
            base_load=settings.base_load,
            origin=origin,
            fingerprints={name: schema.fingerprint for name, schema in captured.items()},
            wall_us=clock.wall_us(),
            newest=newest,
        )
        return Session(Half.SENDER, hello, session_limits(settings), clock.monotonic())

    async def _reach_source(self, stopping: asyncio.Event) -> Source | None:
        """Make the source and learn its origin, trying again until the database is there."""
        worker = Worker("source-probe")
        backoff = new_backoff()
        try:
            while not stopping.is_set():
                source = self._open_source()
                try:
                    await worker.call(_learn_origin, source)
                except AdminSyncError as error:
                    retry_s = backoff.next_s()
                    self._gauge.notice(CaptureFailed(error, retry_s))
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stopping.wait(), retry_s)
                else:
                    return source
            return None
        finally:
            await worker.close()

    async def _keep_synced(self, spool: SegmentedSpool, thread: CaptureThread, operations: Operations) -> None:
        worker = Worker("spool-sync")
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                try:
                    position = await worker.call(_sync, spool, operations.released)
                except SpoolError as error:
                    # Capture must stop too: only opening the spool anew tells what survived.
                    thread.post(_raiser(error))
                else:
                    self._gauge.notice(SpoolSynced(position, spool.bytes, spool.oldest))
                await asyncio.sleep(SYNC_INTERVAL_S)
        finally:
            await worker.close()

    async def _drain(self, thread: CaptureThread, spool: SegmentedSpool, dialler: Dialler) -> None:
        thread.stop()
        await self._loop.run_in_executor(None, thread.join, DRAIN_TIMEOUT_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await _until(lambda: not dialler.connected or self._progress.durable >= spool.newest)
                dialler.leave()
                await _until(lambda: not dialler.connected)

    def _gather_on_thread(self) -> None:
        """Let more come while the peer has enough to do: what was spooled one by one stays so, and each batch costs."""
        until = time.monotonic() + GATHER_S
        # What was under way when a connection broke is no work that the peer has.
        connected = self._dialler is not None and self._dialler.connected
        while connected and self._progress.in_flight >= CROWD_BATCHES and time.monotonic() < until:
            time.sleep(GATHER_STEP_S)

    def _appended_on_thread(self, batch: Batch) -> None:
        self._tail.offer(batch)
        self._loop.call_soon_threadsafe(self._on_grown)

    def _on_grown(self) -> None:
        self._work.set()
        self._kick()

    def _kick(self) -> None:
        if self._dialler is not None:
            self._dialler.kick()

    def _store_runs(self, content: bytes) -> None:
        self._around.state_disk.replace(RUNS_FILE, content)


def session_limits(settings: NodeSettings) -> SessionLimits:
    """The limits that both halves run their sessions with."""
    return SessionLimits(
        in_flight_batches_max=settings.in_flight_batches_max,
        beat_interval_s=settings.interval_s,
        beats_missed_max=settings.missed_max,
    )


def _sync(spool: SegmentedSpool, released: Position) -> Position:
    position = spool.sync()
    spool.release(released)
    return position


def _learn_origin(source: Source) -> str:
    try:
        return source.origin
    finally:
        source.close()


async def _watch(thread: CaptureThread) -> None:
    """End the node on a defect in the capture thread, instead of leaving it half alive."""
    await _until(lambda: thread.crash is not None, WATCH_INTERVAL_S)
    raise thread.crash or AssertionError


async def _until(condition: Callable[[], bool], interval_s: float = LOOK_INTERVAL_S) -> None:
    """Wait for something that another thread or task brings about without telling."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(interval_s)


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()


def _raiser(error: AdminSyncError) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail
