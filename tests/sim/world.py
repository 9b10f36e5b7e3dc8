"""A world: two nodes, two databases and a line between them, all of it decided by one seed.

The nodes are made of the engine's own capture, desk, spool, sender, sessions, intake and applier. What waits in the
engine (threads, sockets, disks, databases, clocks) is virtual here, so a day of trouble takes milliseconds and happens
again, step by step, from the same seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from random import Random
from typing import Any

import zstandard

from sync.core.filter import Filter
from sync.errors import AdminSyncError
from sync.model.notice import Notice
from sync.model.schema import TableSchema
from sync.receiver.applier import Applier
from sync.receiver.guard import Guard
from sync.replicator.capture import Capture
from sync.replicator.wall import Wall
from sync.spool.log import SegmentedSpool
from sync.wire.dictionary import DICTIONARY_V1
from tests.sim.books import Backup
from tests.sim.databases import MemoryServer, Server, position_of
from tests.sim.judge import Judge, Violation
from tests.sim.network import End, Network
from tests.sim.primary import PrimaryNode
from tests.sim.secondary import SecondaryNode
from tests.sim.shape import Shape, draw
from tests.sim.tables import AWAY_SENTINEL, FILTER, REPLICATED, SCHEMAS
from tests.sim.timeline import Life, Timeline
from tests.sim.wiretap import LineFault
from tests.sim.workload import Operation, Workload

REST_S = 300.0
"""Virtual time that a healed pair gets to become equal."""
_DECOMPRESSOR = zstandard.ZstdDecompressor(
    dict_data=zstandard.ZstdCompressionDict(DICTIONARY_V1, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
)


class World:
    """One seed's world. It is also the observer of both nodes. Subclasses plant defects."""

    applier_type: type[Applier] = Applier
    guard_type: type[Guard] = Guard
    capture_type: type[Capture] = Capture
    wall_type: type[Wall] = Wall
    spool_type: type[SegmentedSpool] = SegmentedSpool
    filter: Filter = FILTER
    options = ""
    """What the command that plays such worlds has to be told."""

    def __init__(self, seed: int, *, told: bool = False) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.story: list[str] | None = [] if told else None
        self.shape: Shape = draw(self.random)
        self.timeline = Timeline()
        self.timeline.on_crash = self._on_crash
        self.judge = Judge(
            lambda payload: _DECOMPRESSOR.decompress(payload[1:]),
            {name: schema.column_names for name, schema in SCHEMAS.items()},
            self.shape.session_limits.in_flight_batches_max,
        )
        self.network = Network(self.timeline, self.random, self._tap)
        self.workload = Workload(self.random, self.shape.large_rows)
        self.target_slowness = 1.0
        self.right_epoch = 0
        """What the primary's epoch has to be, where it came back with an older one."""
        self.source, self.target = self.make_servers()
        self._furnish()
        self._backups = [self.target.backup()]
        self._source_backups = [self._source_backup()]
        self.primary = PrimaryNode(self, self.source, self.random)
        self.secondary = SecondaryNode(self, self.target, self.random)

    def _furnish(self) -> None:
        """Fill the databases as they are before the two are paired."""
        for _ in range(self.random.randint(0, 12)):
            self.commit()
        with closing(self.source.site()) as site:
            captured = FILTER.captured(site.catalog())
            site.install_capture(captured)
        self.judge.tables = [table for table in self.judge.tables if table in captured]
        if self.random.random() < 0.5:
            self.source.forget()
        own: list[Operation] = [
            ("synonyms", "insert", {"acd_no": 9, "item": "own", "value": f"{AWAY_SENTINEL}1"}),
            ("ex_agent", "insert", {"id": 1000, "zone": 7, "text": f"{AWAY_SENTINEL}2"}),
        ]
        self.target.commit(own)
        self.target.forget()
        with closing(self.target.site()) as site:
            site.install_guard(captured, "east")
        self.judge.own_rows = {table: frozenset({tuple(row.values())}) for table, _, row in own}

    @property
    def sides(self) -> tuple[tuple[str, Iterable[TableSchema]], ...]:
        """Name and tables of the source and of the target."""
        return ("east", SCHEMAS.values()), ("west", REPLICATED)

    def make_servers(self) -> tuple[Server, Server]:
        """Make source and target."""
        source, target = (MemoryServer(name, self.random, made, self.timeline.wall_us) for name, made in self.sides)
        return source, target

    def close(self) -> None:
        """Let go of what is outside of this process."""

    # What happens.

    def begin(self) -> None:
        """Switch both nodes on."""
        self.primary.boot()
        late_s = self.random.choice((0.0, 0.0, 1.0, 4.0))
        self.timeline.at(late_s * self.random.random(), self.boot_secondary)

    def commit(self, *, large: bool = False) -> None:
        """Let an application of the primary commit a transaction."""
        operations = self.workload.transaction(large=large)
        position = self.source.commit(operations)
        self.judge.source_committed(position, operations)
        self.tell("an application commits %s: %s", position, operations)
        if self.random.random() < 0.03 and hasattr(self, "primary"):
            self._source_backups.append(self._source_backup())
        if hasattr(self, "primary"):
            self.primary.wake()

    def alter(self, table: str) -> None:
        """Give a table of the source another column, or a wider one."""
        if self.source.alter(table):
            self.tell("table %s of the source is altered", table)
            self.primary.wake()

    def _source_backup(self) -> tuple[Any, Backup]:
        return self.source.backup(), self.judge.books.backup()

    def crash_primary(self, *, power: bool) -> None:
        """Kill the primary's process, and start it again after a while."""
        self.tell("the primary's %s", "power fails" if power else "process is killed")
        self.primary.crash(power=power)
        self.timeline.at(self.random.random() * 2, self.boot_primary)

    def boot_primary(self) -> None:
        """Start the primary, where it does not run."""
        if not self.primary.alive:
            self.tell("the primary starts with epoch %s", self.primary.epoch)
            self.primary.boot()

    def crash_secondary(self) -> None:
        """Kill the secondary's process, and start it again after a while."""
        self.tell("the secondary's process is killed")
        self.secondary.crash()
        self.timeline.at(self.random.random() * 2, self.boot_secondary)

    def boot_secondary(self) -> None:
        """Start the secondary, where it does not run."""
        if not self.secondary.life.alive:
            self.tell("the secondary starts")
            self.secondary.boot()

    def crash_target(self) -> None:
        """Crash the target's server: commits that were not flushed are gone."""
        self.target.crash()
        self.target.life += 1
        stored = self.target.reachable_checkpoint()
        self.tell("the target's server crashes, and is back at %s", position_of(stored))
        self.judge.target_crashed(self.target.rows(), position_of(stored), 0 if stored is None else stored.epoch)

    def replace_target(self) -> None:
        """Put an earlier state of the target in its place, as if from a backup."""
        if not self.target.restorable:
            return
        self.target.restore(self.random.choice(self._backups))
        self.target.life += 1
        stored = self.target.reachable_checkpoint()
        self.tell("the target is put back to %s", position_of(stored))
        self.judge.target_replaced(self.target.rows(), position_of(stored), 0 if stored is None else stored.epoch)

    def restore_source(self) -> None:
        """Put an earlier state of the source in its place, as if from a backup."""
        if not self.source.restorable:
            return
        # An older form of the tables would be for a person to decide about.
        kept = [each for each in self._source_backups if self.source.is_of_this_form(each[0])]
        if not kept:
            return
        saved, booked = self.random.choice(kept)
        self.source.restore(saved)
        self.source.life += 1
        self.judge.books.restore(booked)
        self.judge.history_lost()
        self.tell("the source is put back to %s", self.judge.books.positions[-1])

    def connect(self, life: Life) -> End | None:
        """Dial from the primary; None where nobody answers."""
        if self.network.weather.unreachable or not self.secondary.life.alive:
            return None
        near, far = self.network.connect("east", "west", life)
        far.life = self.secondary.life
        self.tell("c%s is made", near.number)
        self.timeline.at(self.network.delay_s(), lambda: self.secondary.serve(far), self.secondary.life)
        return near

    def target_call_s(self) -> float:
        """How long one call on the target's thread takes."""
        return (0.0005 + self.random.random() * 0.003) * self.target_slowness

    def run_to_rest(self) -> None:
        """Let the healed world go on until both sides are equal and idle. Raises `Violation` where they never are."""
        end = self.timeline.now + REST_S
        while not self._is_at_rest():
            if self.timeline.now >= end:
                raise Violation(1, f"the pair was healed {REST_S:g} s ago and is not at rest: {self._state()}")
            self.timeline.run_until(self.timeline.now + 0.5)
        commits = self.judge.commits
        self.timeline.run_until(self.timeline.now + 3.0)
        if not self._is_at_rest():
            raise Violation(1, f"the pair came to rest and left it again: {self._state()}")
        spool = self.primary.running.spool
        stored = self.target.reachable_checkpoint(durable=True)
        self.judge.at_rest(self.target.rows(durable=True), position_of(stored), spool.newest)
        if self.judge.commits != commits:
            raise Violation(4, "the target is written to while nothing happens")

    def _is_at_rest(self) -> bool:
        if not self.primary.alive or not self.secondary.life.alive:
            return False
        running = self.primary.running
        stored = position_of(self.target.reachable_checkpoint(durable=True))
        return (
            not self.judge.differs(self.target.rows(durable=True))
            and self.source.added(self.judge.tables) == self.target.added(self.judge.tables)
            and self.target.settled
            and running.ran
            and not self._has_news()
            and stored == running.spool.newest
            and running.pace.released == running.spool.newest
            and running.desk.idle
        )

    def _has_news(self) -> bool:
        try:
            return self.primary.running.source.wait(0)
        except AdminSyncError:
            return True  # its server was restarted, and capture has yet to find out

    def _state(self) -> str:
        if not self.primary.alive:
            return "the primary is down"
        running = self.primary.running
        stored = position_of(self.target.reachable_checkpoint(durable=True))
        return (
            f"source {self.judge.books.positions[-1]}, spool {running.spool.oldest} to {running.spool.newest} "
            f"(durable {running.spool.durable}), target {stored}, released {running.pace.released}, "
            f"capture {'runs' if running.ran else 'fails'}, desk {'idle' if running.desk.idle else 'busy'}, "
            f"differs {self.judge.differs(self.target.rows())}"
        )

    # What is seen.

    def target_committed(self) -> None:
        stored = self.target.reachable_checkpoint()
        assert stored is not None
        epoch = max(held.epoch for held in self.target.checkpoints())
        self.tell("the target commits up to %s", stored.position)
        self.judge.target_committed(self.target.rows(), stored.position, epoch)

    def target_flushed(self) -> None:
        if self.random.random() < 0.05:
            self._backups.append(self.target.backup())
        self.judge.target_flushed(position_of(self.target.reachable_checkpoint(durable=True)))

    def copy_needed(self, reason: str) -> None:
        self.tell("all tables have to be copied: %s", reason)
        if self.primary.alive:
            self.judge.spool_restarted(self.primary.running.spool.newest)
        self.judge.copy_needed(reason)

    def reported(self, report: Mapping[str, object]) -> None:
        if report.get("finished"):
            self.tell("run %s (%s) ends: equal %s", report["run"], report["kind"], report["equal"])
            running = self.primary.running
            unfinished = running.desk.copying() or running.pace.copies_asked
            if report["kind"] == "snapshot" and not unfinished:
                self.judge.copied()

    def after_turn(self) -> None:
        disk = self.primary.spool_disk
        if not disk.dead:
            largest = max(self.judge.tap.largest_payload_bytes, self.shape.batch_bytes_max) * 2 + 4096
            self.judge.spool_measured(disk.used_bytes, self.shape.spool_bytes_max, largest)

    def notice(self, notice: Notice) -> None:
        """Take what either node has to say (`ports.Observer`)."""
        if self.story is not None:
            self.tell("%s", notice)

    def tell(self, text: str, *values: object) -> None:
        """Write a line of the story."""
        if self.story is not None:
            line = text % values if values else text
            self.story.append(f"{self.timeline.now:9.4f}  {line[:400]}")

    def _tap(self, end: End, sent: bytes) -> None:
        try:
            self.judge.tap.saw(end.number, end.name, sent)
        except LineFault as fault:
            raise Violation(7, str(fault)) from fault

    def _on_crash(self, life: Life) -> None:
        assert life.name == "east"
        self.crash_primary(power=self.random.random() < 0.5)
