"""Seeded worlds: other ones every day, and those that once found something, always."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.sim.play import play

pytestmark = pytest.mark.sim

GROUPS = 15
SEEDS_A_GROUP = 10
KEPT = Path(__file__).with_name("seeds.txt")


def first_seed() -> int:
    """Of today; `SIM_SEED` names another."""
    named = os.environ.get("SIM_SEED")
    return int(named) if named else int(f"{datetime.now(UTC):%Y%m%d}") * 1000


def kept_seeds() -> list[int]:
    """The first word of each line that is not a comment."""
    lines = KEPT.read_text(encoding="utf-8").splitlines()
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_invariant_holds_in_todays_worlds(group: int) -> None:
    first = first_seed() + group * SEEDS_A_GROUP
    failed = [outcome for outcome in map(play, range(first, first + SEEDS_A_GROUP)) if outcome.failure]
    assert not failed, "\n".join(f"{outcome.failure}\n  {outcome.replay}" for outcome in failed)


@pytest.mark.parametrize("seed", kept_seeds())
def test_what_was_found_once_stays_found(seed: int) -> None:
    outcome = play(seed)
    assert not outcome.failure, f"{outcome.failure}\n  {outcome.replay}"


def test_a_seed_is_the_same_story_every_time() -> None:
    first, second = play(3, told=True), play(3, told=True)
    assert first.story == second.story
    assert first.steps > 100


def test_worlds_meet_the_limits_that_they_are_small_for() -> None:
    missing = {"the spool is full", "part=1", "DuplicateSkipped", "RowsBlocked", "Rewound", "copying all tables"}
    for seed in range(200):
        told = "\n".join(play(seed, told=True).story)
        missing -= {met for met in missing if met in told}
        if not missing:
            break
    assert not missing
