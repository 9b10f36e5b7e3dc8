"""What goes wrong in a world, and how it is mended: each fault by its own chance, all of them by the world's seed."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress

from sync.errors import UsageError
from tests.sim.tables import REPLICATED
from tests.sim.world import World

Fault = Callable[[World], None]


def crash_primary(world: World) -> None:
    if world.primary.alive:
        world.crash_primary(power=world.random.random() < 0.5)


def crash_primary_inside(world: World) -> None:
    disk = world.random.choice((world.primary.spool_disk, world.primary.state_disk))
    disk.crash_in = world.random.randint(1, 12)
    world.tell("the primary will die in %s disk operations", disk.crash_in)


def crash_secondary(world: World) -> None:
    world.crash_secondary()


def crash_target(world: World) -> None:
    world.crash_target()
    _for_a_while(world, lambda down: setattr(world.target, "down", down), "the target's server is down")


def crash_source(world: World) -> None:
    world.source.life += 1
    _for_a_while(world, lambda down: setattr(world.source, "down", down), "the source's server is down")


def cut(world: World) -> None:
    if world.network.connections:
        near = world.network.connections[-1]
        world.tell("c%s breaks", near.number)
        world.network.cut(near)


def block(world: World) -> None:
    name = world.random.choice(("east", "west"))
    blocked = world.network.weather.blocked

    def turn(on: bool) -> None:
        (blocked.add if on else blocked.discard)(name)

    _for_a_while(world, turn, f"what {name} says does not get through")


def unreachable(world: World) -> None:
    cut(world)
    _for_a_while(world, lambda on: setattr(world.network.weather, "unreachable", on), "the secondary is out of reach")


def weather(world: World) -> None:
    line, random = world.network.weather, world.random
    line.latency_s = random.choice((0.0, 0.001, 0.02, 0.2))
    line.jitter_s = random.choice((0.0, 0.005, 0.1))
    line.fragment_rate = random.choice((0.0, 0.3, 0.8))
    world.tell("the line now takes %s s, breaks up %s", line.latency_s, line.fragment_rate)


def disk_fault(world: World) -> None:
    random = world.random
    disk = random.choice((world.primary.spool_disk, world.primary.spool_disk, world.primary.state_disk))
    operation = random.choice(("write", "sync", "sync", "sync_names", "truncate", "replace", "remove", "read"))
    number = random.choice((errno.EIO, errno.ENOSPC))
    disk.fail_next(operation, number, times=random.randint(1, 2))
    world.tell("the primary's disk will fail a %s", operation)


def disk_full(world: World) -> None:
    disk = world.primary.spool_disk

    def turn(on: bool) -> None:
        disk.capacity_bytes = disk.used_bytes + world.random.randint(0, 500) if on else None

    _for_a_while(world, turn, "the primary's disk is full")


def busy(world: World) -> None:
    server = world.random.choice((world.source, world.target))
    rate = world.random.choice((0.05, 0.3, 1.0))
    _for_a_while(
        world, lambda on: setattr(server, "busy_rate", rate if on else 0.0), f"{server.name} is busy at {rate}"
    )


def unsure_commits(world: World) -> None:
    _for_a_while(
        world,
        lambda on: setattr(world.target, "unsure_commit_rate", 0.3 if on else 0.0),
        "answers to the target's commits are lost",
    )


def refused_table(world: World) -> None:
    name = world.random.choice(REPLICATED).name
    refused = world.target.refused_tables

    def turn(on: bool) -> None:
        (refused.add if on else refused.discard)(name)

    _for_a_while(world, turn, f"the target refuses rows of {name}")


def target_disk_full(world: World) -> None:
    _for_a_while(world, lambda on: setattr(world.target, "disk_full", on), "the target's disk is full")


def slow_target(world: World) -> None:
    _for_a_while(world, lambda on: setattr(world, "target_slowness", 60.0 if on else 1.0), "the target is slow")


def clock_jump(world: World) -> None:
    world.timeline.jumped_us += world.random.choice((-3_600_000_000, 7_000_000, 86_400_000_000))
    world.tell("the wall clock jumps")


def run(world: World) -> None:
    """Somebody asks for a snapshot or a verification."""
    if not world.primary.alive or not world.primary.running.capture.captured:
        return
    random = world.random
    kind = random.choice(("snapshot", "verify"))
    tables = random.sample([schema.name for schema in REPLICATED], random.randint(1, len(REPLICATED)))
    repair = kind == "verify" and random.random() < 0.5
    world.tell("somebody asks for a %s of %s", kind, tables)
    desk = world.primary.running.desk

    def start() -> None:
        with suppress(UsageError):  # too many wait already
            desk.start(kind, tables, repair=repair)

    world.primary.post(start)


def large_transaction(world: World) -> None:
    world.commit(large=True)


def target_replaced(world: World) -> None:
    """Somebody puts an older state of the target in its place, or an empty one."""
    world.replace_target()


def source_restored(world: World) -> None:
    """Somebody puts an older state of the source in its place."""
    world.restore_source()


def rot(world: World) -> None:
    """Bits rot in the spool while the primary is down."""
    disk = world.primary.spool_disk
    files = [name for name in disk.names() if disk.size(name)]
    if not world.primary.alive or not files:
        return
    world.crash_primary(power=False)
    name = world.random.choice(files)
    if name in disk.names() and disk.size(name):
        world.judge.history_in_danger()
        disk.flip(name, world.random.randrange(disk.size(name)))
        world.tell("a bit of %s rots", name)


def altered(world: World) -> None:
    """Somebody adds a column with a default to a table of the source, or widens one."""
    world.alter(world.random.choice(REPLICATED).name)


def new_epoch(world: World) -> None:
    """The primary comes back with a higher epoch."""
    if world.primary.alive:
        world.crash_primary(power=False)
        world.primary.epoch += 1


def stale_epoch(world: World) -> None:
    """The primary comes back as if from an old backup of its state, until a person mends it."""
    primary = world.primary
    if primary.alive and primary.epoch > 1:
        world.crash_primary(power=False)
        world.right_epoch, primary.epoch = max(world.right_epoch, primary.epoch), primary.epoch - 1
        world.timeline.at(3.0, lambda: _mend_epoch(world))


def _mend_epoch(world: World) -> None:
    if world.primary.epoch < world.right_epoch:
        world.primary.epoch = world.right_epoch
        if world.primary.alive:
            world.crash_primary(power=False)


COMMON: tuple[Fault, ...] = (
    crash_primary, crash_primary_inside, crash_secondary, crash_target, crash_source, cut, cut, block, unreachable,
    weather, disk_fault, disk_fault, disk_full, busy, unsure_commits, refused_table, target_disk_full, slow_target,
    clock_jump, run, run, large_transaction, large_transaction, altered, new_epoch, stale_epoch,
)  # fmt: skip
RARE: tuple[Fault, ...] = (target_replaced, source_restored, rot)
RARE_RATE = 0.05


def one(world: World) -> None:
    """Let something go wrong."""
    faults = RARE if world.random.random() < RARE_RATE else COMMON
    world.random.choice(faults)(world)


def heal(world: World) -> None:
    """End everything that is wrong."""
    world.tell("everything is mended")
    for server in (world.source, world.target):
        server.down = server.disk_full = False
        server.busy_rate = server.unsure_commit_rate = 0.0
        server.refused_tables.clear()
    line = world.network.weather
    line.blocked.clear()
    line.unreachable, line.latency_s, line.jitter_s, line.fragment_rate = False, 0.002, 0.003, 0.0
    for disk in (world.primary.spool_disk, world.primary.state_disk):
        disk.clear_faults()
        disk.capacity_bytes, disk.crash_in = None, None
    world.target_slowness = 1.0
    _mend_epoch(world)
    world.boot_primary()
    world.boot_secondary()


def _for_a_while(world: World, turn: Callable[[bool], None], what: str) -> None:
    world.tell("%s", what)
    turn(True)

    def over() -> None:
        world.tell("no longer: %s", what)
        turn(False)

    world.timeline.at(world.random.choice((0.2, 1.0, 5.0)), over)
