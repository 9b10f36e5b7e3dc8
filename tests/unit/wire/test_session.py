"""What two well-behaved halves do with each other."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.model.batch import Checkpoint, ChunkDifference, ChunkResult
from sync.model.position import START, Position
from sync.wire.arrivals import (
    AckArrived,
    AnswerArrived,
    BatchArrived,
    BeatArrived,
    Disconnected,
    GoodbyeArrived,
    PeerHello,
    PeerSilent,
    Refused,
    RequestArrived,
    ResultsArrived,
    Welcomed,
)
from sync.wire.checks import pack
from sync.wire.coding import read_ack
from sync.wire.messages import Answer, BeatAnswer, RefusalCode, Request, Resume
from sync.wire.session import LocalMisuse, Session, SessionLimits
from sync.wire.state import Half, State
from tests.unit.wire.pair import (
    EPOCH,
    ORIGIN,
    RECEIVER_HELLO,
    SENDER_HELLO,
    WALL_US,
    ConnectionPair,
    encoded,
    without_wall,
)


@pytest.mark.parametrize("piece_bytes", [1, 7, 1 << 20])
def test_handshake(piece_bytes: int) -> None:
    pair = ConnectionPair(piece_bytes=piece_bytes)
    pair.settle()
    assert (pair.left.state, pair.right.state) == (State.WAITING, State.JUDGING)
    (heard,) = pair.arrived[Half.RECEIVER]
    assert isinstance(heard, PeerHello)
    assert (heard.hello, heard.protocol) == (SENDER_HELLO, 1)
    (heard,) = pair.arrived[Half.SENDER]
    assert isinstance(heard, PeerHello)
    assert without_wall(heard.hello) == RECEIVER_HELLO
    resume = Resume(Checkpoint(ORIGIN, EPOCH, Position(7)), Position(6), warnings=("clock skew of 3 s",))
    pair.right.accept(resume)
    assert pair.carry(pair.right) == [Welcomed(replace(resume, credit=8), 1)]
    assert (pair.left.state, pair.right.state) == (State.OPEN, State.OPEN)


def test_clock_skew_is_measured_from_the_middle_of_the_round_trip() -> None:
    pair = ConnectionPair()
    pair.carry(pair.left)
    pair.now += 2.0
    stream = b"".join(pair.right.data_to_send())  # says WALL_US, which was so one second ago
    (heard,) = pair.left.receive(stream, pair.now, WALL_US + 1_000_000)
    assert isinstance(heard, PeerHello)
    assert heard.clock_skew_s == pytest.approx(0.0)


def test_no_common_version_is_refused_by_name() -> None:
    pair = ConnectionPair(sender_hello=replace(SENDER_HELLO, protocol_versions=(7, 9)))
    pair.settle()
    (refused,) = pair.arrived[Half.SENDER]
    assert isinstance(refused, Refused)
    assert refused.refusal.code is RefusalCode.PROTOCOL_VERSION
    assert "7, 9" in refused.refusal.why
    assert pair.left.state is pair.right.state is State.CLOSED


def test_the_highest_common_version_is_spoken() -> None:
    pair = ConnectionPair(
        sender_hello=replace(SENDER_HELLO, protocol_versions=(1, 2, 3)),
        receiver_hello=replace(RECEIVER_HELLO, protocol_versions=(4, 2, 1)),
    )
    pair.settle()
    assert pair.left.protocol == pair.right.protocol == 2


def test_two_senders_refuse_each_other() -> None:
    sessions = [Session(Half.SENDER, SENDER_HELLO, SessionLimits(), 0.0) for _ in range(2)]
    for session in sessions:
        session.start()
    first, second = (b"".join(session.data_to_send()) for session in sessions)
    for session, heard in zip(sessions, (second, first), strict=True):
        (own,) = session.receive(heard, 0.0, 0)
        assert isinstance(own, Refused)
        assert own.refusal.code is RefusalCode.WRONG_ROLE
    assert {session.state for session in sessions} == {State.CLOSED}
    # Each closed by itself, and says why to whoever still listens.
    other = Session(Half.RECEIVER, RECEIVER_HELLO, SessionLimits(), 0.0)
    (refused,) = other.receive(b"".join(sessions[0].data_to_send()), 0.0, 0)
    assert isinstance(refused, Refused)
    assert refused.refusal.code is RefusalCode.WRONG_ROLE


def test_a_fenced_sender_is_refused_with_the_owners_words() -> None:
    """Invariant 6 (fenced): the code travels, so that the old primary knows that it is one."""
    pair = ConnectionPair()
    pair.settle()
    pair.right.refuse(RefusalCode.LOWER_EPOCH, "cms-east is fenced", "epoch 4 is below 5", "It was replaced.")
    (refused,) = pair.carry(pair.right)
    assert isinstance(refused, Refused)
    assert (refused.refusal.code, refused.refusal.why) == (RefusalCode.LOWER_EPOCH, "epoch 4 is below 5")
    assert pair.left.receive_eof() == [Disconnected(orderly=True)]


def test_batches_acks_and_credit() -> None:
    """Invariant 7 (bounded): never more batches under way than the receiver allowed."""
    pair = ConnectionPair().open(position=5, credit=2)
    assert pair.left.credit == 2
    assert [pair.left.send_batch(encoded(6), EPOCH), pair.left.send_batch(encoded(9, first=7), EPOCH)] == [1, 2]
    assert pair.left.credit == 0
    with pytest.raises(LocalMisuse, match="under way"):
        pair.left.send_batch(encoded(10), EPOCH)
    assert pair.carry(pair.left) == [BatchArrived(1, EPOCH, encoded(6)), BatchArrived(2, EPOCH, encoded(9, first=7))]
    pair.right.acknowledge(1, Position(6), Position(5))
    assert pair.carry(pair.right) == [AckArrived(1, Position(6), Position(5))]
    assert pair.left.credit == 1
    pair.right.acknowledge(2, Position(9), Position(9))
    pair.settle()
    assert pair.left.credit == 2


def test_a_receiver_tells_why_it_waits_and_when_no_longer() -> None:
    """Invariant 10: the sender hears of it though no position moves; a release before this one says nothing."""
    pair = ConnectionPair().open(position=5, credit=2)
    pair.left.send_batch(encoded(6), EPOCH)
    pair.settle()
    pair.right.acknowledge(0, Position(5), Position(5), "the disk is full" * 1000)
    (told,) = pair.carry(pair.right)
    assert isinstance(told, AckArrived)
    assert (told.received, told.waits[:16], len(told.waits)) == (0, "the disk is full", 4096)
    pair.right.acknowledge(1, Position(6), Position(5))
    assert pair.carry(pair.right) == [AckArrived(1, Position(6), Position(5))]
    assert read_ack(pack({"received": 1, "applied": 6, "durable": 5})).waits == ""


def test_payloads_are_passed_on_uncopied() -> None:
    pair = ConnectionPair().open()
    batch = encoded(6, size=1 << 20)
    pair.left.send_batch(batch, EPOCH)
    assert any(piece is batch.payload for piece in pair.left.data_to_send())
    assert pair.left.data_to_send() == []


def test_parts_of_a_large_transaction() -> None:
    """Invariant 2 (atomic): the position of a transaction is acknowledged only after its last part."""
    pair = ConnectionPair().open()
    for part in range(3):
        pair.left.send_batch(encoded(8, part, last=part == 2), EPOCH)
    pair.carry(pair.left)
    pair.right.acknowledge(3, Position(8), Position(8))
    assert pair.carry(pair.right) == [AckArrived(3, Position(8), Position(8))]


def test_an_unfinished_transaction_can_not_be_acknowledged() -> None:
    """Invariant 2 (atomic)."""
    pair = ConnectionPair().open()
    pair.left.send_batch(encoded(8, 0, last=False), EPOCH)
    pair.carry(pair.left)
    with pytest.raises(LocalMisuse, match="whole"):
        pair.right.acknowledge(1, Position(8), Position(5))


def test_a_batch_below_the_checkpoint_may_come_again() -> None:
    """Invariant 4 (idempotent): a stream from an earlier position is allowed, and acknowledged where we stand."""
    pair = ConnectionPair().open(position=50)
    pair.left.send_batch(encoded(20), EPOCH)
    assert pair.carry(pair.left) == [BatchArrived(1, EPOCH, encoded(20))]
    pair.right.acknowledge(1, Position(50), Position(50))
    assert pair.carry(pair.right) == [AckArrived(1, Position(50), Position(50))]


def test_a_checkpoint_of_another_history_counts_for_nothing() -> None:
    """Positions of different origins are never compared."""
    pair = ConnectionPair()
    pair.settle()
    pair.right.accept(Resume(Checkpoint("elsewhere", 1, Position(10**9)), START))
    pair.settle()
    pair.left.send_batch(encoded(6), EPOCH)
    pair.carry(pair.left)
    with pytest.raises(LocalMisuse):
        pair.right.acknowledge(1, Position(7), START)


def test_an_unchanged_ack_says_nothing() -> None:
    pair = ConnectionPair().open()
    pair.right.acknowledge(0, Position(5), Position(5))
    assert pair.right.data_to_send() == []


def test_results_travel_whole() -> None:
    pair = ConnectionPair().open()
    found = ChunkResult(3, 1, "users", False, 7, (ChunkDifference("users", ("a", None, b"\0"), "missing"),), 9)
    pair.right.results([found, replace(found, number=2)])
    assert pair.carry(pair.right) == [ResultsArrived((found, replace(found, number=2)))]


def test_large_results_are_divided_and_cut_but_counted() -> None:
    """Invariant 7 (bounded): a message stays below its limit, and says how much it left out."""
    pair = ConnectionPair().open()
    differences = tuple(ChunkDifference("t", ("k" * 4000, n), "extra") for n in range(1000))
    many = [ChunkResult(1, n, "t", False, 0, differences, 1000) for n in range(3)]
    pair.right.results(many)
    arrived = [result for each in pair.carry(pair.right) if isinstance(each, ResultsArrived) for result in each.results]
    assert [result.number for result in arrived] == [0, 1, 2]
    assert all(0 < len(result.differences) < result.difference_count == 1000 for result in arrived)


def test_requests_and_their_answers() -> None:
    pair = ConnectionPair().open()
    number = pair.right.request("verify", {"tables": ["users"], "repair": False})
    assert pair.carry(pair.right) == [RequestArrived(Request(1, "verify", {"tables": ["users"], "repair": False}))]
    pair.left.answer(number, True, {"done": 1}, final=False)
    pair.left.answer(number, True, {"done": 2})
    assert pair.carry(pair.left) == [
        AnswerArrived("verify", Answer(1, True, {"done": 1}, False)),
        AnswerArrived("verify", Answer(1, True, {"done": 2}, True)),
    ]
    with pytest.raises(LocalMisuse):
        pair.left.answer(number, True, {})


def test_open_requests_are_limited() -> None:
    pair = ConnectionPair(limits=SessionLimits(requests_max=2)).open()
    pair.right.request("a", {})
    pair.right.request("b", {})
    with pytest.raises(LocalMisuse):
        pair.right.request("c", {})


def test_a_body_that_no_peer_would_read_is_not_sent() -> None:
    pair = ConnectionPair().open()
    with pytest.raises(LocalMisuse, match="REQUEST"):
        pair.right.request("verify", {"tables": ["t"] * 1025})
    pair.carry(pair.right)
    number = pair.right.request("verify", {"tables": ["t"] * 1024})
    pair.carry(pair.right)
    with pytest.raises(LocalMisuse, match="ANSWER"):
        pair.left.answer(number, True, {"lines": ["x"] * 1025})


def test_too_many_warnings_do_not_prevent_the_welcome() -> None:
    pair = ConnectionPair()
    pair.settle()
    pair.right.accept(Resume(None, warnings=("w" * 5000,) * 100))
    (welcomed,) = pair.carry(pair.right)
    assert isinstance(welcomed, Welcomed)
    assert len(welcomed.resume.warnings) == 64
    assert welcomed.resume.warnings[-1] == "and 37 more"


def test_beats_measure_the_round_trip_and_carry_the_primarys_health() -> None:
    pair = ConnectionPair().open()
    answer = BeatAnswer(Position(12), Position(2), False, WALL_US, 4096, "capture stopped")
    pair.left.beat_answer = lambda: answer
    assert pair.right.due(pair.now) == 0.0
    pair.tick(0.0)
    pair.carry(pair.right)
    pair.now += 0.25
    assert pair.carry(pair.left) == [BeatArrived(answer, 0.25)]
    assert pair.right.round_trip_s == 0.25
    assert pair.right.due(pair.now) == pytest.approx(19.75)
    pair.tick(19.75)
    assert pair.carry(pair.right) == [BeatArrived(answer, 0.25)]
    assert (pair.left.last_beat, pair.right.last_beat) == (pair.now, pair.now - 19.75)


def test_a_silent_peer_is_given_up_after_the_missed_beats() -> None:
    """Invariant 10 (honest): a silent peer never shows as running; a moment before, it is not called silent."""
    pair = ConnectionPair().open()
    heard_at = pair.now
    assert pair.tick(59.9) == []
    assert pair.tick(0.1) == [PeerSilent(60.0, "session"), PeerSilent(60.0, "session")]
    assert pair.now - heard_at == pytest.approx(60.0)
    assert pair.left.state is pair.right.state is State.CLOSED
    assert pair.tick(100.0) == []


def test_a_trickle_of_bytes_is_no_silence() -> None:
    """A large batch on a slow link must not end the session that carries it."""
    pair = ConnectionPair(limits=SessionLimits(beat_interval_s=1.0)).open()
    pair.left.send_batch(encoded(6, size=50), EPOCH)
    for byte in b"".join(pair.left.data_to_send()):
        pair.now += 2.5
        pair.right.receive(bytes([byte]), pair.now, WALL_US)
        assert pair.right.tick(pair.now, WALL_US) == []
        pair.left.receive(b"".join(pair.right.data_to_send()), pair.now, WALL_US)
        assert pair.left.tick(pair.now, WALL_US) == []
        pair.left.data_to_send()


def test_a_sender_waits_as_long_as_a_slower_receiver_beats() -> None:
    pair = ConnectionPair()
    pair.right = Session(Half.RECEIVER, RECEIVER_HELLO, SessionLimits(beat_interval_s=100.0), pair.now)
    pair.open()
    assert pair.left.due(pair.now) == pytest.approx(300.0)


@pytest.mark.parametrize("said", [False, True])
def test_a_handshake_that_stops_is_given_up(said: bool) -> None:
    pair = ConnectionPair()
    if said:
        pair.settle()
    assert pair.left.due(pair.now) == pytest.approx(10.0)
    gone = pair.tick(10.0)
    assert gone[0] == PeerSilent(10.0, "handshake")
    # A receiver that judges waits for its own owner, not for the peer.
    assert len(gone) == (1 if said else 2)


@pytest.mark.parametrize("first", list(Half))
def test_goodbye_from_either_half(first: Half) -> None:
    """Invariant 1 (no loss): what was received is still acknowledged after the goodbye."""
    pair = ConnectionPair().open()
    pair.left.send_batch(encoded(6), EPOCH)
    pair.carry(pair.left)
    leaver, other = (pair.left, pair.right) if first is Half.SENDER else (pair.right, pair.left)
    leaver.goodbye("update")
    assert pair.carry(leaver) == [GoodbyeArrived("update")]
    assert (leaver.state, other.state) == (State.LEAVING, State.LEFT)
    assert pair.left.credit == 0
    pair.right.acknowledge(1, Position(6), Position(6))
    assert pair.carry(pair.right) == [AckArrived(1, Position(6), Position(6))]
    other.goodbye("so be it")
    assert pair.carry(other) == [GoodbyeArrived("so be it")]
    assert leaver.state is other.state is State.CLOSED
    assert leaver.receive_eof() == other.receive_eof() == [Disconnected(orderly=True)]
    assert leaver.receive_eof() == []


def test_a_stream_that_ends_before_the_other_goodbye_is_not_orderly() -> None:
    """Invariant 10 (honest): half a farewell is a lost connection."""
    pair = ConnectionPair().open()
    pair.left.goodbye("update")
    pair.carry(pair.left)
    assert pair.left.receive_eof() == pair.right.receive_eof() == [Disconnected(orderly=False)]


def test_both_leave_at_once() -> None:
    pair = ConnectionPair().open()
    pair.left.goodbye("a")
    pair.right.goodbye("b")
    pair.settle()
    assert pair.left.receive_eof() == pair.right.receive_eof() == [Disconnected(orderly=True)]


def test_what_was_on_its_way_when_we_left_is_dropped() -> None:
    pair = ConnectionPair().open()
    pair.left.send_batch(encoded(6), EPOCH)
    pair.left.request("a", {})
    pair.right.goodbye("update")
    assert pair.carry(pair.left) == []
    assert pair.right.state is State.LEAVING


def test_a_goodbye_during_the_handshake_is_a_refusal() -> None:
    pair = ConnectionPair()
    pair.settle()
    pair.right.goodbye("stopping")
    (refused,) = pair.carry(pair.right)
    assert isinstance(refused, Refused)
    assert refused.refusal.code is RefusalCode.SHUTTING_DOWN


@pytest.mark.parametrize("cut", [False, True])
def test_a_broken_stream_is_not_orderly(cut: bool) -> None:
    pair = ConnectionPair().open()
    if cut:
        pair.left.goodbye("x")
        pair.right.receive(b"".join(pair.left.data_to_send())[:-1], pair.now, WALL_US)
    assert pair.right.receive_eof() == [Disconnected(orderly=False)]


def test_a_closed_session_says_and_hears_nothing() -> None:
    pair = ConnectionPair().open()
    pair.right.receive_eof()
    pair.right.acknowledge(0, Position(5), START)
    pair.right.results([])
    pair.right.answer(1, True, {})
    pair.right.refuse(RefusalCode.BUSY, "busy")
    pair.right.goodbye("x")
    assert pair.right.data_to_send() == []
    assert pair.right.receive(b"anything", pair.now, WALL_US) == []
    assert pair.right.due(pair.now) == float("inf")


def test_misuse_by_the_owner_is_not_the_peers_fault() -> None:
    pair = ConnectionPair()
    with pytest.raises(LocalMisuse):
        Session(Half.SENDER, RECEIVER_HELLO, SessionLimits(), 0.0)
    with pytest.raises(LocalMisuse):
        pair.right.accept(Resume(None))
    pair.settle()
    with pytest.raises(LocalMisuse, match="durable"):
        pair.right.accept(Resume(None, Position(4)))
    pair.open()
    for wrong in (encoded(6, part=1), encoded(6, first=7), encoded(9, first=7, last=False)):
        with pytest.raises(LocalMisuse):
            pair.left.send_batch(wrong, EPOCH)
    with pytest.raises(LocalMisuse, match="epoch"):
        pair.left.send_batch(encoded(6), EPOCH + 1)
    with pytest.raises(LocalMisuse):
        pair.right.send_batch(encoded(6), EPOCH)
    with pytest.raises(LocalMisuse):
        pair.left.results([ChunkResult(1, 0, "t", True, 0)])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_credit_and_acks_hold_in_any_order(data: st.DataObject) -> None:
    """Invariants 3, 4, 7: in any interleaving batches come in order, credit holds, acknowledgements never go back."""
    pair = ConnectionPair(piece_bytes=data.draw(st.integers(1, 400))).open(credit=3)
    position, took, applied = 5, 0, Position(5)
    got: list[BatchArrived] = []
    for step in data.draw(st.lists(st.sampled_from("sslrka"), max_size=40)):
        if step == "s" and pair.left.credit:
            position += 1
            pair.left.send_batch(encoded(position), EPOCH)
        elif step == "l":
            got += [each for each in pair.carry(pair.left) if isinstance(each, BatchArrived)]
        elif step == "r":
            pair.carry(pair.right)
        elif step == "k" and took < len(got):
            took += 1
            pair.right.acknowledge(took, applied, Position(5))
        elif step == "a" and got:
            applied = got[-1].encoded.position
            pair.right.acknowledge(took, applied, Position(5))
        assert 0 <= pair.left.credit <= 3
        assert len(got) - took <= 3
    assert [each.sequence for each in got] == list(range(1, len(got) + 1))
    acks = [each for each in pair.arrived[Half.SENDER] if isinstance(each, AckArrived)]
    assert all(a.received <= b.received and a.applied <= b.applied for a, b in itertools.pairwise(acks))
