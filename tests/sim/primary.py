"""The primary node of a world: the real capture, desk, spool and sender, in shells that make the real ones' calls.

What `sync.node.primary` spreads over threads happens here as single things on the timeline, in an order by seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from sync.core.backoff import Backoff
from sync.core.progress import Progress
from sync.errors import AdminSyncError, SpoolError
from sync.model.batch import Batch, ChunkResult
from sync.model.notice import SessionClosed, SpoolSynced
from sync.model.position import START, Position
from sync.replicator.capture import Capture
from sync.replicator.desk import Desk
from sync.replicator.gauge import Gauge
from sync.replicator.sender import Reply, Sender
from sync.replicator.surveyor import Surveyor
from sync.replicator.turns import WAIT_S, CaptureTurns
from sync.replicator.wall import Wall
from sync.wire.codec import Codec
from sync.wire.match import Expected
from sync.wire.messages import BeatAnswer, Hello
from sync.wire.session import Session
from sync.wire.state import Half
from tests.sim.databases import Server, SimSource
from tests.sim.disk import SimDisk
from tests.sim.link import SimLink
from tests.sim.network import End
from tests.sim.tables import FILTER
from tests.sim.timeline import Crash, Life

if TYPE_CHECKING:
    from tests.sim.world import World

RUNS_FILE = "runs.state"
SYNC_INTERVAL_S = 0.02
RETRY_LIMIT_S = 2.0
_CAPTURE_CODEC = Codec()
_SENDER_CODEC = Codec()


class NodeDisk(SimDisk):
    """A disk whose node can die in the middle of any operation."""

    crash_in: int | None = None
    """So many operations from now the process dies."""
    dead = False

    def _maybe_fail(self, operation: str, name: str) -> None:
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in <= 0:
                self.crash_in, self.dead = None, True
        if self.dead:
            raise Crash
        super()._maybe_fail(operation, name)


@dataclass(slots=True)
class _Process:
    """All that one process of the primary holds in memory."""

    life: Life
    source: SimSource
    spool: Any
    gauge: Gauge
    capture: Capture
    desk: Desk
    turns: CaptureTurns
    pace: SimPace
    checked_after: Position
    backoff: Backoff
    link: SimLink | None = None
    sender: Sender | None = None
    turn_number: int = 0
    turn_at: float = float("inf")
    work: bool = False
    syncing: bool = False
    ran: bool = False
    """Whether the last turn of capture went well."""


class SimPace:
    """Implements the sender's `Pace` as `sync.node.operations` does."""

    def __init__(self, node: PrimaryNode) -> None:
        self._node = node
        self.released: Position = START
        self.copies_asked = 0
        """Copies that the capture side was asked for and has not queued yet."""

    def connected(self) -> None:
        self._node.post(self._node.running.desk.connected)

    def disconnected(self) -> None:
        self._node.post(self._node.running.desk.disconnected)

    def need_snapshot(self, reason: str, noted: Callable[[], None]) -> None:
        if self._node.world.target.reachable_checkpoint() is None:
            # It may have crashed before its first commit was durable.
            self._node.world.judge.history_in_danger()
        self._node.world.copy_needed(reason)

        def on_loop() -> None:
            noted()
            self._node.kick()

        self.copies_asked += 1

        def copy() -> None:
            self.copies_asked -= 1
            self._node.copy_all()
            life = self._node.running.life
            self._node.running.desk.when_stored(lambda: self._node.world.timeline.at(0.0, on_loop, life))

        self._node.post(copy)

    def jump(self, position: Position, reason: str) -> None:
        if position > self._node.running.spool.newest:
            # What was sent before it was synced is with the peer, and no longer here.
            self._node.world.judge.history_in_danger()
        self._node.post(lambda: self._node.running.capture.jump(position, reason))

    def durable(self, position: Position) -> None:
        self.released = position
        self._node.work()

    def waiting(self, why: str) -> None:
        """Nobody waits for an answer here."""

    def superseded(self, position: Position) -> None:
        self._node.world.judge.spool_restarted(position)
        self.durable(position)

    def answered(self, results: Sequence[ChunkResult]) -> None:
        for result in results:
            self._node.post(lambda settled=result: self._node.running.desk.answered(settled))  # type: ignore[misc]

    def requested(self, kind: str, body: Mapping[str, Any], reply: Reply) -> None:
        reply.no("not in the simulation")

    def beat_answer(self) -> BeatAnswer:
        running = self._node.running
        answer = running.gauge.beat_answer(running.spool)
        self._node.world.judge.beat_answered(healthy=answer.capture_healthy, running=running.ran)
        return answer


class PrimaryNode:
    """From boot to crash, and again. Its disks and its database outlive the process."""

    name = "east"

    def __init__(self, world: World, server: Server, random: Random) -> None:
        self.world, self.server, self.random = world, server, random
        self.spool_disk, self.state_disk = NodeDisk(random), NodeDisk(random)
        self.epoch = 1
        self._process: _Process | None = None

    @property
    def running(self) -> _Process:
        assert self._process is not None
        return self._process

    @property
    def alive(self) -> bool:
        return self._process is not None

    # The process.

    def boot(self) -> None:
        """Start the process, as `sync.node.primary.Primary.run` does."""
        world, life = self.world, Life(self.name)
        self.spool_disk.dead = self.state_disk.dead = False
        source = SimSource(self.server, world.shape.part_rows_max, self._between, self._told)
        spool = world.spool_type(
            self.spool_disk,
            origin=source.origin,
            bytes_max=world.shape.spool_bytes_max,
            segment_bytes_max=world.shape.segment_bytes_max,
            cache_bytes_max=world.shape.cache_bytes_max,
        )
        try:
            with suppress(SpoolError):
                spool.open()
            gauge = Gauge(world)
            capture = world.capture_type(
                source,
                world.filter,
                Surveyor(self.server.site, FILTER, gauge),
                _CAPTURE_CODEC,
                spool,
                gauge,
                world.wall_type(FILTER, _CAPTURE_CODEC),
                self.epoch,
                world.shape.batch_bytes_max,
                self._appended,
                self._lost,
            )
            desk = Desk(gauge, world.timeline, self._store_runs, world.reported, chunk_rows=world.shape.chunk_rows)
            if RUNS_FILE in self.state_disk.names():
                desk.restore(self.state_disk.read(RUNS_FILE, 0, 1 << 24))
            elif not spool.is_open or spool.newest:
                desk.restore(b"")
        except Crash:
            world.crash_primary(power=self.random.random() < 0.5)
            return
        except OSError:
            # The node does not come up; whoever watches it starts it again.
            world.timeline.at(1.0, world.boot_primary)
            return
        turns = CaptureTurns(capture, desk, gauge, world.timeline, self._backoff())
        pace = SimPace(self)
        self._process = _Process(life, source, spool, gauge, capture, desk, turns, pace, spool.newest, self._backoff())
        self._progress = Progress(world.shape.session_limits.in_flight_batches_max)
        self._plan_turn(0.0)
        world.timeline.at(0.01, self._dial, life)

    def crash(self, *, power: bool) -> None:
        """Kill the process; with the power also what the disk had not made sure."""
        if self._process is not None:
            self._process.life.alive = False
            self.server.disconnect()
            self._process = None
        for disk in (self.spool_disk, self.state_disk):
            disk.crash_in, disk.dead = None, False
            if power:
                disk.crash()
            else:
                disk.life += 1

    def _backoff(self) -> Backoff:
        return Backoff(limit_s=RETRY_LIMIT_S, random=self.random.random)

    # The capture thread.

    def post(self, call: Callable[[], None]) -> None:
        """Have the capture thread make a call."""
        self.running.turns.post(call)
        self.wake()

    def wake(self) -> None:
        """Something was committed, or posted: end the source's wait."""
        if self._process is not None and self._process.ran:
            self._plan_turn(self.random.random() * 0.01)

    def copy_all(self) -> None:
        """As `Operations.copy_all`."""
        self.running.desk.start("snapshot", list(self.running.capture.captured))

    def _lost(self, reason: str) -> None:
        self.copy_all()
        if not self.running.desk.stored:
            raise SpoolError("could not note that all tables must be copied")
        self.world.copy_needed(reason)

    def _plan_turn(self, delay_s: float) -> None:
        process = self.running
        moment = self.world.timeline.now + delay_s
        if moment >= process.turn_at:
            return
        process.turn_at = moment
        process.turn_number += 1
        number = process.turn_number

        def turn() -> None:
            if number == process.turn_number:
                process.turn_at = float("inf")
                self._turn(process)

        self.world.timeline.at(delay_s, turn, process.life)

    def _turn(self, process: _Process) -> None:
        before = process.spool.newest
        process.ran = True
        retry_s = process.turns.turn()
        process.ran = retry_s == 0.0
        self.world.after_turn()
        if retry_s:
            self._plan_turn(retry_s)
        else:
            self._plan_turn(0.002 if process.spool.newest != before else WAIT_S)

    def _between(self) -> None:
        """Between two transactions of a read the other threads get their turn."""
        draw = self.random.random()
        process = self.running
        if draw < 0.1:
            self._sync_now(process)
        elif draw < 0.3 and process.link is not None:
            process.link._write()

    def _told(self, position: int) -> None:
        self.world.judge.confirmed(position, self.running.spool.durable)

    def _appended(self, batch: Batch) -> None:
        self.work()
        self.kick()

    def _store_runs(self, content: bytes) -> None:
        self.state_disk.replace(RUNS_FILE, content)

    # The thread that syncs the spool.

    def work(self) -> None:
        """The spool grew, or may forget something."""
        process = self.running
        process.work = True
        if not process.syncing:
            process.syncing = True
            self.world.timeline.at(0.001 + self.random.random() * 0.004, lambda: self._sync(process), process.life)

    def _sync(self, process: _Process) -> None:
        process.work = False
        self._sync_now(process)

        def rested() -> None:
            process.syncing = False
            if process.work:
                self.work()

        self.world.timeline.at(SYNC_INTERVAL_S, rested, process.life)

    def _sync_now(self, process: _Process) -> None:
        spool = process.spool
        oldest = spool.oldest if process.capture.captured else START
        try:
            position = spool.sync()
            spool.release(process.pace.released)
        except SpoolError as error:
            self.post(_raiser(error))
            return
        if spool.oldest != oldest:
            self.world.judge.spool_released(spool.oldest)
        process.gauge.notice(SpoolSynced(position, spool.bytes, spool.oldest))

    # The dialler and its session.

    def kick(self) -> None:
        """There is something to send."""
        if self.running.link is not None:
            self.running.link.kick()

    def _dial(self) -> None:
        process, world = self.running, self.world
        end = world.connect(process.life)
        if end is None:
            world.timeline.at(0.2 + process.backoff.next_s(), self._dial, process.life)
            return
        world.timeline.at(world.network.delay_s(), lambda: self._session(process, end), process.life)

    def _session(self, process: _Process, end: End) -> None:
        world, clock = self.world, self.world.timeline
        hello = Hello(
            node=self.name,
            role=Half.SENDER,
            epoch=self.epoch,
            release="21.0",
            base_load="21.0.0",
            origin=process.source.origin,
            fingerprints={name: schema.fingerprint for name, schema in process.capture.captured.items()},
            wall_us=clock.wall_us(),
            newest=process.spool.newest,
        )
        session = Session(Half.SENDER, hello, world.shape.session_limits, clock.monotonic())
        sender = Sender(
            session,
            process.spool,
            Wall(FILTER, _SENDER_CODEC),
            process.pace,
            world,
            clock,
            Expected("west", "21.0", "21.0.0"),
            self.epoch,
            process.source.origin,
            process.checked_after,
            f"c{end.number}",
            self._progress,
        )
        link = SimLink(clock, process.life, session, end)
        link.on_arrival, link.feed = sender.arrival, sender.feed
        link.on_end = lambda error: self._ended(process, sender, error)
        process.link, process.sender = link, sender
        link.start()

    def _ended(self, process: _Process, sender: Sender, error: AdminSyncError | None) -> None:
        process.link = process.sender = None
        sender.close()
        if sender.welcomed:
            process.backoff.reset()
        retry_s = process.backoff.next_s()
        self.world.notice(SessionClosed("west", sender.address, error, retry_s))
        self.world.timeline.at(retry_s, self._dial, process.life)


def _raiser(error: AdminSyncError) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail
