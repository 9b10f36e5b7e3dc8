"""Plays one seed from beginning to end: trouble first, then peace, and the judge all the way."""

from __future__ import annotations

from dataclasses import dataclass

from sync.errors import AdminSyncError
from tests.sim import faults
from tests.sim.judge import Violation
from tests.sim.world import World


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a seed ended. `failure` is empty where everything held."""

    seed: int
    failure: str
    steps: int
    commits: int
    story: tuple[str, ...] = ()
    options: str = ""

    @property
    def replay(self) -> str:
        """The command that shows the same story again."""
        return f"python -m tests.sim {self.options}--seed {self.seed} --story"


def play(seed: int, *, told: bool = False, world_type: type[World] = World) -> Outcome:
    """Play one seed."""
    failure = ""
    world = world_type(seed, told=told)
    try:
        _trouble(world)
        faults.heal(world)
        world.run_to_rest()
    except Violation as violation:
        failure = str(violation)
    except AdminSyncError as error:
        failure = f"an error reached nobody: {error!r}"
    except Exception as error:
        # A defect of any kind is what this is looking for.
        failure = f"a defect: {error!r}"
        if told:
            raise
    finally:
        world.close()
    return Outcome(seed, failure, world.timeline.steps, world.judge.commits, tuple(world.story or ()), world.options)


def _trouble(world: World) -> None:
    shape, random = world.shape, world.random
    world.begin()
    for _ in range(shape.transactions):
        large = random.random() < 0.1
        world.timeline.at(random.random() * shape.duration_s, lambda large=large: world.commit(large=large))  # type: ignore[misc]
    moment = random.random() * shape.fault_interval_s
    while moment < shape.duration_s:
        world.timeline.at(moment, lambda: faults.one(world))
        moment += random.expovariate(1 / shape.fault_interval_s)
    world.timeline.run_until(shape.duration_s)
