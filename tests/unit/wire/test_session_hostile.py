"""A peer that breaks the protocol: one `ProtocolError`, a REFUSE with the reason, and nothing reaches the owner."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.errors import ProtocolError
from sync.model.batch import Checkpoint, Encoded
from sync.model.position import START, Position
from sync.wire import coding
from sync.wire.arrivals import BatchArrived, Disconnected, Refused
from sync.wire.checks import pack
from sync.wire.frame import encode_frame
from sync.wire.messages import Ack, Answer, BeatAnswer, Refusal, RefusalCode, Request, Resume
from sync.wire.session import Session, SessionLimits
from sync.wire.state import HEARS, SENDS, Half, MessageKind, State
from tests.unit.wire.pair import EPOCH, ORIGIN, RECEIVER_HELLO, SENDER_HELLO, WALL_US, ConnectionPair, encoded

HEADS: dict[MessageKind, bytes] = {
    MessageKind.HELLO: coding.pack_hello(SENDER_HELLO, WALL_US),
    MessageKind.WELCOME: coding.pack_welcome(Resume(Checkpoint(ORIGIN, EPOCH, Position(5)), START, 8), 1, 20_000),
    MessageKind.REFUSE: coding.pack_refusal(Refusal(RefusalCode.BUSY, "busy")),
    MessageKind.BATCH: coding.pack_batch(1, EPOCH, encoded(6)),
    MessageKind.ACK: coding.pack_ack(Ack(0, Position(5), Position(5))),
    MessageKind.RESULTS: pack({"results": [[1, 0, "t", True, 3, 1, [["t", ["k", None], "extra", ["c"]]]]]}),
    MessageKind.REQUEST: coding.pack_request(Request(1, "verify", {})),
    MessageKind.ANSWER: coding.pack_answer(Answer(1, True, {}, final=True)),
    MessageKind.BEAT: coding.pack_beat(1, 0),
    MessageKind.BEAT_ANSWER: coding.pack_beat_answer(1, BeatAnswer()),
    MessageKind.GOODBYE: coding.pack_goodbye("bye"),
}


def session_in(half: Half, state: State) -> tuple[ConnectionPair, Session]:
    """A session that came into a state in the ordinary way."""
    pair = ConnectionPair()
    session, other = (pair.left, pair.right) if half is Half.SENDER else (pair.right, pair.left)
    if state is not State.GREETING:
        pair.settle()
    if state in {State.OPEN, State.LEAVING, State.LEFT}:
        pair.open()
        pair.right.tick(pair.now, WALL_US)
        (pair.left if half is Half.SENDER else pair.right).request("a", {})
    if state is State.LEAVING:
        session.goodbye("x")
    if state is State.LEFT:
        other.goodbye("x")
        pair.carry(other)
    assert session.state is state
    session.data_to_send()
    return pair, session


def refused(session: Session) -> RefusalCode:
    """What a session tells its peer last."""
    listener = Session(Half.SENDER, SENDER_HELLO, SessionLimits(), 0.0)
    (arrival,) = listener.receive(session.data_to_send()[-1], 0.0, 0)
    assert isinstance(arrival, Refused)
    return arrival.refusal.code


@pytest.mark.parametrize("kind", MessageKind)
@pytest.mark.parametrize(("half", "state"), list(HEARS))
def test_a_message_outside_of_its_state_is_refused(half: Half, state: State, kind: MessageKind) -> None:
    """The whole table, both ways: what stands in it is heard, what does not is an error."""
    pair, session = session_in(half, state)
    head = HEADS[kind]
    if kind is MessageKind.HELLO and half is Half.SENDER:
        head = coding.pack_hello(RECEIVER_HELLO, WALL_US)
    if kind in HEARS[half, state]:
        pair.forge(session, kind, head)
        assert session.state in {HEARS[half, state][kind], State.JUDGING}
        return
    with pytest.raises(ProtocolError):
        pair.forge(session, kind, head)
    assert session.state is State.CLOSED
    assert refused(session) is RefusalCode.MALFORMED
    assert session.receive_eof() == [Disconnected(orderly=False)]


def test_every_state_but_closed_stands_in_both_tables() -> None:
    assert set(SENDS) == set(HEARS)
    reachable = {state for steps in [*SENDS.values(), *HEARS.values()] for state in steps.values()}
    assert reachable == set(State)


@pytest.mark.parametrize(
    ("sequence", "epoch", "batch"),
    [
        (1, EPOCH, encoded(6)),  # again: a replay
        (3, EPOCH, encoded(7)),  # a gap
        (2, EPOCH - 1, encoded(7)),  # invariant 6 (fenced)
        (2, EPOCH + 1, encoded(7)),
        (2, EPOCH, encoded(6)),  # the same position again: invariant 3 (ordered)
        (2, EPOCH, encoded(5)),
        (2, EPOCH, encoded(9, first=6)),
        (2, EPOCH, encoded(7, first=8)),
        (2, EPOCH, encoded(7, part=1)),
        (2, EPOCH, encoded(8, first=7, last=False)),
    ],
    ids=str,
)
def test_batches_out_of_order_are_refused(sequence: int, epoch: int, batch: Encoded) -> None:
    pair = ConnectionPair().open()
    pair.left.send_batch(encoded(6), EPOCH)
    assert len(pair.carry(pair.left)) == 1
    with pytest.raises(ProtocolError):
        pair.forge(pair.right, MessageKind.BATCH, coding.pack_batch(sequence, epoch, batch), batch.payload)
    assert refused(pair.right) is RefusalCode.MALFORMED


@pytest.mark.parametrize(
    "batch",
    [
        encoded(8, 2),
        encoded(8, 0),
        encoded(9, 0),
        encoded(9, 1),
        encoded(7, 1),
    ],
    ids=str,
)
def test_only_the_next_part_may_follow_a_part(batch: Encoded) -> None:
    """Invariant 2 (atomic): a transaction is never left in the middle."""
    pair = ConnectionPair().open()
    pair.left.send_batch(encoded(8, 0, last=False), EPOCH)
    pair.carry(pair.left)
    with pytest.raises(ProtocolError):
        pair.forge(pair.right, MessageKind.BATCH, coding.pack_batch(2, EPOCH, batch), batch.payload)


def test_credit_exceeded_is_refused() -> None:
    """Invariant 7 (bounded)."""
    pair = ConnectionPair().open(credit=1)
    pair.left.send_batch(encoded(6), EPOCH)
    pair.carry(pair.left)
    with pytest.raises(ProtocolError, match="under way"):
        pair.forge(pair.right, MessageKind.BATCH, coding.pack_batch(2, EPOCH, encoded(7)), b"p")


def test_a_receiver_can_not_raise_the_senders_own_limit() -> None:
    pair = ConnectionPair()
    pair.settle()
    pair.forge(pair.left, MessageKind.WELCOME, coding.pack_welcome(Resume(None, START, 10**9), 1, 1000))
    assert pair.left.credit == 8


@pytest.mark.parametrize(
    "ack",
    [
        Ack(2, Position(6), Position(6)),  # never sent
        Ack(1, Position(7), Position(6)),
        Ack(1, Position(6), Position(7)),
        Ack(1, Position(4), Position(4)),  # behind where the session began
        Ack(0, Position(6), Position(4)),
    ],
    ids=str,
)
def test_impossible_acknowledgements_are_refused(ack: Ack) -> None:
    """Invariant 9 (durable): a wrong ack must not make the spool forget."""
    pair = ConnectionPair().open()
    pair.left.send_batch(encoded(6), EPOCH)
    pair.carry(pair.left)
    with pytest.raises(ProtocolError):
        pair.forge(pair.left, MessageKind.ACK, coding.pack_ack(ack))


def test_an_ack_that_goes_back_is_refused() -> None:
    pair = ConnectionPair().open()
    pair.left.send_batch(encoded(6), EPOCH)
    pair.carry(pair.left)
    pair.right.acknowledge(1, Position(6), Position(6))
    pair.carry(pair.right)
    for ack in (Ack(0, Position(6), Position(6)), Ack(1, Position(6), Position(5))):
        again = ConnectionPair().open()
        again.left._flow = pair.left._flow
        with pytest.raises(ProtocolError, match="goes back"):
            again.forge(again.left, MessageKind.ACK, coding.pack_ack(ack))


@pytest.mark.parametrize(
    "resume", [Resume(None, Position(1), 8), Resume(Checkpoint("x", 1, Position(9)), Position(9), 8)]
)
def test_a_welcome_with_an_impossible_durable_position_is_refused(resume: Resume) -> None:
    pair = ConnectionPair()
    pair.settle()
    with pytest.raises(ProtocolError, match="durable"):
        pair.forge(pair.left, MessageKind.WELCOME, coding.pack_welcome(resume, 1, 1000))


def test_a_welcome_in_another_version_is_refused() -> None:
    pair = ConnectionPair()
    pair.settle()
    with pytest.raises(ProtocolError):
        pair.forge(pair.left, MessageKind.WELCOME, coding.pack_welcome(Resume(None, START, 8), 2, 1000))


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        (MessageKind.REQUEST, coding.pack_request(Request(2, "a", {}))),
        (MessageKind.ANSWER, coding.pack_answer(Answer(1, True, {}, final=True))),
        (MessageKind.ACK, pack({"received": 0, "applied": 0})),
        (MessageKind.RESULTS, pack({"results": [[1, 0, "t", True, 3, 0, [["t", [], "gone", []]]]]})),
        (MessageKind.BEAT, pack({"number": 0, "round_trip_us": 0})),
    ],
    ids=str,
)
def test_messages_that_can_not_be(kind: MessageKind, head: bytes) -> None:
    pair = ConnectionPair().open()
    with pytest.raises(ProtocolError):
        pair.forge(pair.left, kind, head)


@pytest.mark.parametrize("number", [0, 2, 2**40])
def test_only_beats_that_were_sent_are_answered(number: int) -> None:
    pair = ConnectionPair().open()
    pair.tick(0.0)
    with pytest.raises(ProtocolError):
        pair.forge(pair.right, MessageKind.BEAT_ANSWER, coding.pack_beat_answer(number, BeatAnswer()))


def test_a_peer_can_not_ask_without_end() -> None:
    pair = ConnectionPair(limits=SessionLimits(requests_max=2)).open()
    for number in (1, 2):
        pair.forge(pair.left, MessageKind.REQUEST, coding.pack_request(Request(number, "a", {})))
    with pytest.raises(ProtocolError):
        pair.forge(pair.left, MessageKind.REQUEST, coding.pack_request(Request(3, "a", {})))


@pytest.mark.parametrize("half", list(Half))
@settings(max_examples=60, deadline=None)
@given(noise=st.binary(min_size=1, max_size=300))
def test_noise_from_a_stranger(half: Half, noise: bytes) -> None:
    """A browser, a port scanner, TLS to the wrong port."""
    hello = SENDER_HELLO if half is Half.SENDER else RECEIVER_HELLO
    session = Session(half, hello, SessionLimits(), 0.0)
    with contextlib.suppress(ProtocolError):
        assert session.receive(noise, 0.0, 0) == []


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*HEARS]), st.data())
def test_mutated_messages_never_crash(place: tuple[Half, State], data: st.DataObject) -> None:
    pair, session = session_in(*place)
    kind = data.draw(st.sampled_from([*HEARS[place]]))
    head = bytearray(HEADS[kind])
    for _ in range(data.draw(st.integers(0, 3))):
        head[data.draw(st.integers(0, len(head) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        pair.forge(session, kind, bytes(head))


def test_every_truncation_of_a_conversation_stays_quiet() -> None:
    """Half a frame is no message: nothing arrives until its last byte."""
    stream = b"".join(encode_frame(MessageKind.BATCH, HEADS[MessageKind.BATCH], encoded(6).payload))
    for end in range(len(stream)):
        pair = ConnectionPair().open()
        assert pair.right.receive(stream[:end], pair.now, WALL_US) == []
        (arrival,) = pair.right.receive(stream[end:], pair.now, WALL_US)
        assert arrival == BatchArrived(1, EPOCH, encoded(6))


@pytest.mark.parametrize("forge", [lambda p: replace(p, piece_bytes=3), lambda p: p])
def test_arrivals_before_a_violation_in_another_piece_were_given(
    forge: Callable[[ConnectionPair], ConnectionPair],
) -> None:
    """Only the piece with the violation is lost; what it held is not acknowledged, and comes again."""
    pair = forge(ConnectionPair()).open()
    pair.left.send_batch(encoded(6), EPOCH)
    assert len(pair.carry(pair.left)) == 1
    with pytest.raises(ProtocolError):
        pair.right.receive(b"garbage garbage garbage", pair.now, WALL_US)
    assert pair.right.data_to_send()
