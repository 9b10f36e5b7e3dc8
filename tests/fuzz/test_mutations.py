"""Mutated payloads, frames and conversations: refused or accepted, and nothing else; memory does not grow.

`MUTATIONS=1000000` makes the run as long as one likes; `python -m tests.fuzz --mutations 1000000` also tells figures.
"""

from __future__ import annotations

import os

import pytest

from sync.wire.state import Half
from tests.fuzz.__main__ import rss_kib
from tests.fuzz.mutate import Tally, mutate
from tests.fuzz.owner import Owner
from tests.fuzz.scripts import play, script_of
from tests.fuzz.seeds import Frames, transcripts

SHARES = 8
EACH = int(os.environ.get("MUTATIONS", "20000")) // SHARES
GROWTH_KIB_MAX = 32 * 1024


@pytest.mark.timeout(60 + EACH)
@pytest.mark.parametrize("seed", range(SHARES))
def test_mutations_never_crash_and_leave_nothing_behind(seed: int) -> None:
    """Invariant 7: and every layer has had its share of them, or the run would prove little."""
    tally = Tally()
    for number in range(EACH // 4):
        mutate(number, seed + SHARES, tally)
    before_kib = rss_kib()
    for number in range(EACH):
        mutate(number, seed, tally)
    assert rss_kib() - before_kib < GROWTH_KIB_MAX
    layers = {words.split()[-1].partition(".")[0] for words in tally.refused}
    assert layers >= {"frame", "session", "payload", "contents", "body", "HELLO", "ACK"}, layers
    assert tally.accepted > EACH // 50


@pytest.mark.parametrize(("half", "heard"), transcripts())
def test_conversations_without_a_mutation_are_accepted(half: Half, heard: Frames) -> None:
    """Or their mutations would all end at the first frame."""
    owner = Owner(half)
    play(owner, script_of(heard))
    assert owner.error is None
    assert owner.session.peer is not None
