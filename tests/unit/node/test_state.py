"""The node state outlives the configuration, and is never guessed (invariant 6)."""

from __future__ import annotations

from random import Random

import pytest

from sync.errors import AdminSyncError
from sync.node.state import FILE, NodeState, load, store
from tests.sim.disk import SimDisk


@pytest.fixture
def disk() -> SimDisk:
    return SimDisk(Random(1))


def test_the_first_state_comes_from_the_configuration_and_stays(disk: SimDisk) -> None:
    assert load(disk, "secondary") == NodeState("secondary", 1)
    disk.crash()
    assert load(disk, "primary") == NodeState("secondary", 1), "the configuration names the first role only"


def test_what_was_stored_is_loaded_after_a_crash(disk: SimDisk) -> None:
    """Invariant 6: an epoch that was reached is never forgotten."""
    store(disk, NodeState("primary", 7))
    disk.crash()
    assert load(disk, "secondary") == NodeState("primary", 7)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'"primary"',
        b'{"role": "primary"}',
        b'{"epoch": 3}',
        b'{"role": "primary", "epoch": "many"}',
        b'{"role": "primary", "epoch": null}',
        b'{"role": "boss", "epoch": 3}',
        b'{"role": "primary", "epoch": 0}',
        b'{"role": "primary", "epoch": -4}',
    ],
)
def test_a_damaged_state_stops_the_node_with_a_remedy(disk: SimDisk, content: bytes) -> None:
    """Invariant 6: to start in a guessed epoch could let a fenced node write."""
    disk.replace(FILE, content)
    with pytest.raises(AdminSyncError) as failure:
        load(disk, "primary")
    assert failure.value.remedy
    assert disk.read(FILE, 0, 100) == content, "the evidence is kept"
