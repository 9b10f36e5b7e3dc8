"""The walk runs compiled and interpreted, to the same results and the same refusals."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.model import walk
from tests.unit.model.test_tuples import packed, texts_with

SOURCE = Path(walk.__file__).parent / "walk.py"


def _interpreted() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("interpreted_walk", str(SOURCE))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


INTERPRETED = _interpreted()
CELLS = st.one_of(texts_with("\r"), st.none(), st.just("absent")).map(lambda cell: packed([[cell]]))
BODIES = st.one_of(
    st.lists(CELLS, max_size=12).map(b"".join),
    st.tuples(st.lists(CELLS, max_size=6).map(b"".join), st.binary(max_size=9)).map(b"".join),
    st.binary(max_size=24),
)


def outcome(call: Callable[..., Any], *arguments: object) -> object:
    try:
        return call(*arguments)
    except ValueError as error:
        return str(error)


@given(BODIES, st.integers(0, 7), st.integers(1, 3), st.binary(min_size=3, max_size=3), st.booleans())
def test_compiled_and_interpreted_it_says_the_same(
    body: bytes,
    rows: int,
    width: int,
    mask: bytes,
    escaping: bool,
) -> None:
    is_key = bytes(byte & 1 for byte in mask[:width])
    for name, arguments in (
        ("bounds", (body, rows)),
        ("values", (body, rows, "absent")),
        ("lines", (body, rows, width, is_key, escaping)),
    ):
        assert outcome(getattr(walk, name), *arguments) == outcome(getattr(INTERPRETED, name), *arguments)


@given(st.lists(st.tuples(*[st.one_of(texts_with(), st.none(), st.just("absent"))] * 3), max_size=5))
def test_values_and_bounds_find_what_was_packed(rows: list[tuple[bytes | str | None, ...]]) -> None:
    body = packed(rows)
    assert walk.values(body, 3 * len(rows), "absent") == [value for row in rows for value in row]
    starts, ends = walk.bounds(body, 3 * len(rows))
    assert [body[start:end] for start, end in zip(starts, ends, strict=True)] == [
        packed([[value]]) for row in rows for value in row
    ]


def test_nothing_is_made_for_more_values_than_there_are_bytes() -> None:
    """Invariant 7."""
    for call in (
        lambda: walk.bounds(b"n", 1 << 40),
        lambda: walk.values(b"n", 1 << 40, None),
        lambda: walk.lines(b"n", 1 << 20, 1 << 20, bytes(1 << 20), False),
    ):
        with pytest.raises(ValueError, match="1 bytes do not hold"):
            call()
