"""Seeded mutations of valid payloads, frames and whole conversations, and the count of what came of them.

The rule it keeps: mutation number n of a seed is always the same, so whatever fails can be played again alone. In half
of the cases the checksums are set right afterwards, so that a mutation gets deeper than the first layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from sync.errors import ProtocolError
from sync.wire.frame import FrameDecoder, encode_frame
from tests.fuzz import seeds
from tests.fuzz.owner import Owner
from tests.fuzz.seeds import ACT, Frames
from tests.fuzz.targets import FRAMES, SMALL_CODEC

EDGES = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xc0",
    b"\xc1",
    b"\xcf" + b"\xff" * 8,
    b"\xdd\xff\xff\xff\xff",
    b"\x91" * 40,
)
"""Numbers at their limits, msgpack's reserved byte, an array of four thousand million, and one forty deep."""


@dataclass
class Tally:
    """What came of the mutations: accepted, or refused with which words."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, error: ProtocolError | None) -> None:
        if error is None:
            self.accepted += 1
        else:
            self.refused[f"{kind}: {' '.join(error.what.split()[:2])}"] += 1


def mutate(number: int, seed: int, tally: Tally) -> None:
    """Do mutation `number` of `seed`. Raises whatever the code under test should not have raised."""
    random = Random(f"{seed}/{number}")
    random.choice((_payload, _payload, _stream, _conversation, _conversation))(random, tally)


def bent(random: Random, given: bytes) -> bytes:
    """Change bytes: flip, set, cut, insert, repeat, swap; several times."""
    made = bytearray(given)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        at = random.randrange(len(made) + 1)
        match random.randrange(7):
            case 0 if at < len(made):
                made[at] ^= 1 << random.randrange(8)
            case 1 if at < len(made):
                made[at] = random.randrange(256)
            case 2:
                del made[at : at + random.choice((1, 1, 2, 9, 100))]
            case 3:
                made[at:at] = random.choice(EDGES)
            case 4:
                made[at:at] = made[at : at + random.randrange(1, 30)]
            case 5:
                made[at : at + 1] = random.choice(EDGES)
            case _:
                other = random.randrange(len(made) + 1)
                low, high = sorted((at, other))
                made[low:high] = made[low:high][::-1] if high - low < 3 else made[low + 1 : high] + made[low : low + 1]
    return bytes(made)


def _payload(random: Random, tally: Tally) -> None:
    payload = random.choice(seeds.payloads())
    if random.random() < 0.5:
        contents, body = seeds.parted(seeds.unwrap(payload))
        if random.random() < 0.5:
            contents = bent(random, contents)
        else:
            body = bent(random, body)
        payload = seeds.wrap(seeds.joined(contents, body))
    else:
        payload = bent(random, payload)
    error: ProtocolError | None = None
    for read in (SMALL_CODEC.directory, SMALL_CODEC.decode):
        try:
            read(payload)
        except ProtocolError as refused:
            error = refused
    tally.note("payload", error)


def _stream(random: Random, tally: Tally) -> None:
    """A piece of a conversation as bytes, bent after its checksums were made."""
    frames = random.choice(seeds.transcripts())[1]
    stream = bent(random, seeds.stream_of(random.choices(frames, k=random.randrange(1, 4))))
    size = random.choice((1 << 16, 1 << 16, 100, 7))
    decoder = FrameDecoder(FRAMES)
    error: ProtocolError | None = None
    try:
        for at in range(0, len(stream), size):
            decoder.receive(stream[at : at + size])
    except ProtocolError as refused:
        error = refused
    tally.note("frames", error)


def _conversation(random: Random, tally: Tally) -> None:
    """A whole conversation of one half, with frames bent, left out, repeated, swapped, or another conversation's."""
    half, heard = random.choice(seeds.transcripts())
    frames = list(heard)
    for _ in range(random.choice((1, 1, 2, 4))):
        _SHUFFLES[random.randrange(len(_SHUFFLES))](random, frames)
    owner = Owner(half)
    size = random.choice((1 << 16, 1 << 16, 200))
    broken = random.randrange(2 * len(frames))
    for place, (kind, head, payload) in enumerate(frames):
        if kind == ACT:
            owner.act(head[0] if head else 0)
            continue
        said = b"".join(encode_frame(kind, head, payload))
        if place == broken:
            said = bent(random, said)
        for at in range(0, len(said), size):
            owner.hear(said[at : at + size])
    owner.hear(b"after the end")
    owner.session.receive_eof()
    tally.note(half.value, owner.error)


def _bend_frame(random: Random, frames: Frames) -> None:
    at = random.randrange(len(frames))
    kind, head, payload = frames[at]
    if payload and random.random() < 0.3:
        payload = bent(random, payload)
    else:
        head = bent(random, head)
    frames[at] = (kind, head, payload)


def _leave_out(random: Random, frames: Frames) -> None:
    if len(frames) > 1:
        del frames[random.randrange(len(frames))]


def _repeat(random: Random, frames: Frames) -> None:
    frames.insert(random.randrange(len(frames) + 1), random.choice(frames))


def _swap(random: Random, frames: Frames) -> None:
    one, other = random.randrange(len(frames)), random.randrange(len(frames))
    frames[one], frames[other] = frames[other], frames[one]


def _splice(random: Random, frames: Frames) -> None:
    frames.insert(random.randrange(len(frames) + 1), random.choice(random.choice(seeds.transcripts())[1]))


def _other_kind(random: Random, frames: Frames) -> None:
    at = random.randrange(len(frames))
    frames[at] = (random.randrange(13), *frames[at][1:])


_SHUFFLES: tuple[Callable[[Random, Frames], None], ...] = (
    _bend_frame,
    _bend_frame,
    _bend_frame,
    _leave_out,
    _repeat,
    _swap,
    _splice,
    _other_kind,
)
