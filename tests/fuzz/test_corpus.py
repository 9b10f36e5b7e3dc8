"""Every kept input through its target: what was once found to be wrong stays right, within memory and time."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from tests.fuzz.corpus import BYTES_MAX, CORPUS, CRASHERS, first, kept
from tests.fuzz.targets import TARGETS

MEMORY_BYTES_MAX = 32 << 20
"""The most that one input may take: an input has at most 4 KiB."""
INPUT_S_MAX = 5.0
NOTE = "README.md"


@pytest.mark.parametrize("target", TARGETS)
def test_kept_inputs_are_accepted_or_refused(target: str) -> None:
    """Invariant 7, and: bad input raises nothing but the documented errors."""
    inputs = [path.read_bytes() for path in kept(target)] + first(target)
    check = TARGETS[target]
    check(inputs[0])
    for given in inputs:
        started = time.process_time()
        check(given)
        assert time.process_time() - started < INPUT_S_MAX


@pytest.mark.parametrize("target", TARGETS)
def test_no_kept_input_takes_much_memory(target: str) -> None:
    """Invariant 7: a few bytes can not make a node reserve many."""
    check = TARGETS[target]
    inputs = sorted((path.read_bytes() for path in kept(target)), key=len)[::7] + first(target)[:2]
    for given in inputs:
        check(given)
        tracemalloc.start()
        try:
            check(given)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_bytes < MEMORY_BYTES_MAX


def test_valid_inputs_are_accepted() -> None:
    """Or the fuzzer would start in front of a closed door, and prove nothing."""
    closed = {"pairing": 3, "sender": 0, "receiver": 0}
    for target, check in TARGETS.items():
        refused = [number for number, given in enumerate(first(target)) if not check(given)]
        assert len(refused) == closed.get(target, 0), (target, refused)


def test_the_corpus_is_small_and_every_crasher_is_told_of() -> None:
    files = [path for place in (CORPUS, CRASHERS) for path in place.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < BYTES_MAX
    told = (CRASHERS / NOTE).read_text(encoding="utf-8")
    crashers = {path.name for path in files if path.is_relative_to(CRASHERS)} - {NOTE}
    assert crashers <= _words(told), "each crasher has a line that says what was wrong"
    assert {path.parent.name for path in files} <= {*TARGETS, Path(CRASHERS).name}


def _words(text: str) -> set[str]:
    return {word.strip("`:,.").rpartition("/")[2] for word in text.split()}
