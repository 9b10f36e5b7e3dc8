"""Messages: every field comes back, and no field is trusted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.errors import ProtocolError
from sync.model.batch import Checkpoint, Encoded
from sync.model.position import Position
from sync.wire import coding
from sync.wire.checks import Fields, pack
from sync.wire.messages import Ack, Answer, BeatAnswer, Hello, Refusal, RefusalCode, Request, Resume
from sync.wire.results import read_results
from sync.wire.state import Half, MessageKind
from tests.unit.wire.test_session_hostile import HEADS

NAMES = st.text(max_size=20)
WORDS = st.text(st.characters(exclude_categories=()), max_size=20)
NUMBERS = st.integers(0, 2**63 - 1)
POSITIONS = NUMBERS.map(Position)
TIMES = st.integers(-(2**62), 2**62)
BODIES = st.dictionaries(
    st.text(max_size=5), st.none() | st.integers(-9, 9) | st.lists(st.text(max_size=3)), max_size=3
)

READERS: dict[MessageKind, Callable[[bytes], Any]] = {
    MessageKind.HELLO: coding.read_hello,
    MessageKind.WELCOME: coding.read_welcome,
    MessageKind.REFUSE: coding.read_refusal,
    MessageKind.BATCH: lambda head: coding.read_batch(head, b""),
    MessageKind.ACK: coding.read_ack,
    MessageKind.RESULTS: read_results,
    MessageKind.REQUEST: coding.read_request,
    MessageKind.ANSWER: coding.read_answer,
    MessageKind.BEAT: coding.read_beat,
    MessageKind.BEAT_ANSWER: coding.read_beat_answer,
    MessageKind.GOODBYE: coding.read_goodbye,
}


@given(
    st.builds(
        Hello,
        node=NAMES,
        role=st.sampled_from(Half),
        epoch=NUMBERS,
        release=NAMES,
        base_load=NAMES,
        origin=NAMES,
        fingerprints=st.dictionaries(NAMES, WORDS, max_size=4),
        wall_us=TIMES,
        newest=POSITIONS,
        features=st.lists(WORDS, max_size=3).map(tuple),
        protocol_versions=st.lists(st.integers(1, 99), min_size=1, max_size=4).map(tuple),
    )
)
def test_hello(hello: Hello) -> None:
    assert coding.read_hello(coding.pack_hello(hello, hello.wall_us)) == hello


@given(
    st.builds(
        Resume,
        st.none() | st.builds(Checkpoint, NAMES, NUMBERS, POSITIONS),
        POSITIONS,
        st.integers(1, 2**32 - 1),
        st.lists(WORDS, max_size=3).map(tuple),
    ),
    st.integers(1, 9),
)
def test_welcome(resume: Resume, protocol: int) -> None:
    assert coding.read_welcome(coding.pack_welcome(resume, protocol, 20_000)) == (resume, protocol, 20_000)


@given(
    st.builds(Encoded, st.just(b"p"), POSITIONS, POSITIONS, NUMBERS, st.booleans(), NUMBERS, NUMBERS, NUMBERS, TIMES)
)
def test_batch(encoded: Encoded) -> None:
    assert coding.read_batch(coding.pack_batch(3, 4, encoded), b"p") == (3, 4, encoded)


@given(st.builds(BeatAnswer, POSITIONS, POSITIONS, st.booleans(), TIMES, NUMBERS, WORDS))
def test_beat_answer(answer: BeatAnswer) -> None:
    assert coding.read_beat_answer(coding.pack_beat_answer(7, answer)) == (7, answer)


@given(WORDS, BODIES, st.builds(Ack, NUMBERS, POSITIONS, POSITIONS))
def test_small_messages(word: str, body: dict[str, Any], ack: Ack) -> None:
    assert coding.read_ack(coding.pack_ack(ack)) == ack
    assert coding.read_goodbye(coding.pack_goodbye(word)) == word
    assert coding.read_beat(coding.pack_beat(2, 250)) == (2, 250)
    request, answer = Request(3, word, body), Answer(3, True, body, final=False)
    assert coding.read_request(coding.pack_request(request)) == request
    assert coding.read_answer(coding.pack_answer(answer)) == answer


@pytest.mark.parametrize("code", RefusalCode)
def test_refusal(code: RefusalCode) -> None:
    refusal = Refusal(code, "what", "why", "remedy")
    assert coding.read_refusal(coding.pack_refusal(refusal)) == refusal


def test_a_later_release_may_refuse_for_reasons_that_we_do_not_know() -> None:
    head = pack({"code": "moon_phase", "what": "not today", "why": "", "remedy": ""})
    assert coding.read_refusal(head) == Refusal(RefusalCode.INTERNAL, "not today")


def test_long_sentences_are_cut_where_they_are_sent() -> None:
    assert len(coding.read_goodbye(coding.pack_goodbye("x" * 10_000))) == 4096
    refusal = coding.read_refusal(coding.pack_refusal(Refusal(RefusalCode.BUSY, "x" * 10_000)))
    assert len(refusal.what) == 4096


@pytest.mark.parametrize("kind", MessageKind)
def test_every_field_is_needed_and_later_ones_are_ignored(kind: MessageKind) -> None:
    fields = msgpack.unpackb(HEADS[kind])
    expected = READERS[kind](HEADS[kind])
    assert READERS[kind](pack({**fields, "later": [1, {"x": 2}]})) == expected
    for name in fields:
        with pytest.raises(ProtocolError, match=name):
            READERS[kind](pack({other: fields[other] for other in fields if other != name}))


STRANGE = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=5), st.binary(max_size=5),
    st.lists(st.none() | st.integers() | st.text(max_size=2), max_size=7).filter(lambda some: True),
    st.dictionaries(st.text(max_size=2), st.none() | st.integers(-5, 5), max_size=2),
)  # fmt: skip


@pytest.mark.parametrize("kind", MessageKind)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_object_in_any_field_is_judged(kind: MessageKind, data: st.DataObject) -> None:
    fields = msgpack.unpackb(HEADS[kind])
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(STRANGE)
    with contextlib.suppress(OverflowError):  # Hypothesis' own integers may be wider than msgpack's
        head = pack(fields)
        with contextlib.suppress(ProtocolError):
            READERS[kind](head)


@pytest.mark.parametrize("kind", [kind for kind in MessageKind if kind is not MessageKind.RESULTS])
def test_booleans_are_no_numbers(kind: MessageKind) -> None:
    fields = msgpack.unpackb(HEADS[kind])
    for name, value in fields.items():
        if type(value) is int:
            with pytest.raises(ProtocolError, match=name):
                READERS[kind](pack({**fields, name: True}))


@pytest.mark.parametrize("head", [b"", b"\xc0", b"\x90", b"\xc1", b"\x81\x90\x01", b"\x81\xc4\x01a\x01", b"\x80\x80"])
def test_heads_that_are_no_map(head: bytes) -> None:
    with pytest.raises(ProtocolError):
        Fields(head, "HELLO").integer("x")


def test_complaints_do_not_repeat_what_the_peer_wrote() -> None:
    """A message may hold anybody's secret; an error ends in logs."""
    with pytest.raises(ProtocolError) as caught:
        Fields(pack({"x": "hunter2 " * 1000}), "HELLO").text("x", 10)
    assert "hunter2" not in str(caught.value)
