"""The judge over real PostgreSQL databases: the same plans and invariants, with the server's own time between them."""

from __future__ import annotations

import pytest

from tests.sim.play import play
from tests.sim.postgres import KINDS, PostgresWorld
from tests.sim.test_judge import EagerCapture, EarlyCheckpoint, ShortChunks, SkippingApplier
from tests.sim.test_sim import first_seed

pytestmark = [pytest.mark.sim, pytest.mark.postgres]


@pytest.mark.parametrize("number", range(len(KINDS)), ids=["-".join(kinds) for kinds in KINDS])
def test_every_invariant_holds_on_postgres(number: int) -> None:
    """Today's seeds, one for each pairing of the kinds."""
    seed = first_seed() // len(KINDS) * len(KINDS) + number
    outcome = play(seed, world_type=PostgresWorld)
    assert not outcome.failure, f"{outcome.failure}\n  {outcome.replay}"


@pytest.mark.parametrize(
    ("place", "defect", "invariant"),
    [
        ("applier_type", SkippingApplier, 2),
        ("applier_type", EarlyCheckpoint, 2),
        ("capture_type", ShortChunks, 2),
        ("capture_type", EagerCapture, 9),
    ],
)
def test_planted_defect_is_caught_on_postgres(place: str, defect: type, invariant: int) -> None:
    world_type = type("Planted", (PostgresWorld,), {place: defect})
    failures = (play(seed, world_type=world_type).failure for seed in range(6))
    failure = next(filter(None, failures), "")
    assert failure.startswith(f"invariant {invariant}:"), failure
