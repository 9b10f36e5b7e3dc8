"""Pairing gives each side exactly the other's certificate, or nothing at all (invariant 8)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.errors import AdminSyncError, PeerError, PeerRefused, ProtocolError, UsageError
from sync.ops.identity import Identity
from sync.ops.pairing import ATTEMPTS_MAX, CODE_LIFE_S, Handshake, Offer, Party, new_code, read_code, refusal

CODE = b"12345678"
Change = Callable[[int, bytes], bytes]


@cache
def certificate(name: str) -> bytes:
    with TemporaryDirectory() as directory:
        identity = Identity.of(Path(directory))
        identity.create(name)
        return identity.own()


def east(expected: str | None = "cms-west") -> Party:
    return Party("cms-east", certificate("cms-east"), expected)


def west(expected: str | None = "cms-east") -> Party:
    return Party("cms-west", certificate("cms-west"), expected)


def unchanged(_: int, message: bytes) -> bytes:
    return message


def join(a: Handshake, b: Handshake, change: Change = unchanged) -> int:
    """Carry messages between both ends until nobody has any; gives how many passed."""
    waiting = [(b, message) for message in a.open()] + [(a, message) for message in b.open()]
    number = 0
    while waiting:
        end, message = waiting.pop(0)
        other = a if end is b else b
        waiting += [(other, answer) for answer in end.receive(change(number, message))]
        number += 1
    return number


def ends(code_a: bytes = CODE, code_b: bytes = CODE) -> tuple[Handshake, Handshake]:
    return Handshake(east(), code_a, dialling=True), Handshake(west(), code_b, dialling=False)


def test_both_sides_get_the_others_certificate() -> None:
    a, b = ends()
    assert join(a, b) == 6
    assert a.done
    assert b.done
    assert a.peer == Party("cms-west", certificate("cms-west"))
    assert b.peer == Party("cms-east", certificate("cms-east"))


def test_a_wrong_code_is_noticed_by_the_side_that_shows_it_before_it_proves_anything() -> None:
    a, b = ends(code_a=b"12345679")
    (hello,) = a.open()
    (answer,) = b.receive(hello)
    (proof,) = a.receive(answer)
    with pytest.raises(PeerRefused, match="code does not fit") as caught:
        b.receive(proof)
    assert caught.value.code == "wrong_code"
    assert a.peer is None
    assert b.peer is None


def test_nobody_in_between_can_swap_a_certificate_without_the_code() -> None:
    """A middle that runs its own exchange with both sides, guessing the code, fails with both."""
    a, b = ends()
    mallory = Party("cms-east", certificate("cms-east"))
    to_b = Handshake(mallory, b"00000000", dialling=True)
    to_a = Handshake(west(), b"00000000", dialling=False)
    with pytest.raises(PeerRefused, match="code does not fit"):
        join(to_b, b)
    with pytest.raises(PeerRefused, match="code does not fit"):
        join(a, to_a)
    assert a.peer is None
    assert b.peer is None


def test_nothing_an_eavesdropper_sees_names_the_nodes_or_their_certificates() -> None:
    seen: list[bytes] = []

    def listen(_: int, message: bytes) -> bytes:
        seen.append(message)
        return message

    join(*ends(), listen)
    heard = b"".join(seen)
    for secret in (CODE, b"cms-east", b"cms-west", b"CERTIFICATE", certificate("cms-east")[60:90]):
        assert secret not in heard


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.data())
def test_a_message_changed_anywhere_pins_nothing_on_the_side_that_reads_it(number: int, data: st.DataObject) -> None:
    """Any cut, or any bit turned, in any of the six messages is an error of ours at one of the ends."""

    def change(at: int, message: bytes) -> bytes:
        if at != number:
            return message
        place = data.draw(st.integers(0, len(message) - 1))
        if data.draw(st.booleans()):
            return message[:place]
        turned = bytearray(message)
        turned[place] ^= data.draw(st.integers(1, 255))
        return bytes(turned)

    a, b = ends()
    with pytest.raises(AdminSyncError):
        join(a, b, change)
    assert not (a.done and b.done)


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=80)
    | st.dictionaries(
        st.sampled_from(["t", "v", "pake", "box", "code"]),
        st.sampled_from(["hello", "sealed", "refused", 1]) | st.binary(max_size=40) | st.none(),
    ).map(msgpack.packb)
)
def test_garbage_never_raises_anything_but_a_peer_error(message: bytes) -> None:
    a, b = ends()
    (hello,) = a.open()
    proving = Handshake(west(), CODE, dialling=False)
    proving.receive(hello)
    for end in (a, b, proving):
        with pytest.raises(PeerError):
            end.receive(message)


def test_own_messages_sent_back_are_refused() -> None:
    a, _ = ends()
    (hello,) = a.open()
    with pytest.raises(ProtocolError):
        a.receive(hello)


def test_a_replayed_attempt_is_refused() -> None:
    seen: list[bytes] = []

    def record(_: int, message: bytes) -> bytes:
        seen.append(message)
        return message

    join(*ends(), record)
    again = Handshake(west(), CODE, dialling=False)
    again.receive(seen[0])
    with pytest.raises(PeerRefused, match="code does not fit"):
        again.receive(seen[2])


@pytest.mark.parametrize(("expected_a", "expected_b"), [("cms-north", "cms-east"), ("cms-west", "cms-north")])
def test_another_name_than_the_configured_one_is_refused(expected_a: str, expected_b: str) -> None:
    a = Handshake(east(expected_a), CODE, dialling=True)
    b = Handshake(west(expected_b), CODE, dialling=False)
    with pytest.raises(PeerRefused) as caught:
        join(a, b)
    assert caught.value.code == "wrong_name"


def test_a_certificate_that_does_not_fit_the_name_is_refused() -> None:
    a = Handshake(Party("cms-east", certificate("cms-north")), CODE, dialling=True)
    with pytest.raises(ProtocolError, match="does not fit its name"):
        join(a, Handshake(west(None), CODE, dialling=False))


def test_a_node_does_not_pair_with_itself() -> None:
    with pytest.raises(ProtocolError):
        join(Handshake(east(None), CODE, dialling=True), Handshake(east(None), CODE, dialling=False))


def test_a_refusal_is_told_in_words() -> None:
    a, _ = ends()
    with pytest.raises(PeerRefused, match="the code is used up"):
        a.receive(refusal("dead_code"))


def test_another_version_is_refused() -> None:
    _, b = ends()
    with pytest.raises(PeerRefused, match="another version"):
        b.receive(msgpack.packb({"t": "hello", "v": 2, "pake": b""}))


def test_a_code_dies_of_age_of_three_wrong_attempts_and_of_use() -> None:
    offer = Offer("1234-5678", 100.0)
    assert offer.alive(100.0 + CODE_LIFE_S - 1)
    assert not offer.alive(100.0 + CODE_LIFE_S)
    for _ in range(ATTEMPTS_MAX):
        assert offer.alive(100.0)
        offer.failed()
    assert not offer.alive(100.0)
    used = Offer("1234-5678", 100.0)
    used.used()
    assert not used.alive(100.0)


def test_codes_are_read_as_people_type_them() -> None:
    assert read_code("1234-5678") == read_code(" 12 34 56 78") == CODE
    assert len(read_code(new_code())) == 8
    for text in ("", "1234567", "123456789", "1234-567a", "١٢٣٤٥٦٧٨"):
        with pytest.raises(UsageError):
            read_code(text)
