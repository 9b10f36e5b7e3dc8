"""What is fuzzed, and what must hold for every input: one function a target, each takes any bytes.

The rule it keeps: a target returns whether its input was accepted, and lets through nothing but what nobody promised;
only the documented errors of a module count as a refusal.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from adapters import dialect_of
from sync.errors import ConfigError, PeerRefused, ProtocolError, SpoolError
from sync.model.batch import Encoded
from sync.model.position import POSITION_MAX, Position
from sync.ops.config import read_config
from sync.ops.identity import Identity
from sync.ops.pairing import Handshake, Party
from sync.spool.log import SegmentedSpool
from sync.spool.segment import HEADER_BYTES, decode_header
from sync.wire.checks import pack
from sync.wire.codec import Codec
from sync.wire.frame import FrameDecoder, encode_frame
from sync.wire.session import SessionLimits
from sync.wire.state import Half
from tests.fuzz import seeds
from tests.fuzz.owner import Owner, explained
from tests.fuzz.scripts import Cutter, mend_segment, play, script_of, steps
from tests.sim.disk import SimDisk
from tests.unit.wire.batches import exact

FRAMES = SessionLimits().frames()
SMALL_CODEC = Codec(seeds.SMALL)
RAW, WRAPPED, PARTED, MODES = 0, 1, 2, 3
EXACT_CELLS_MAX = 2_000
"""Larger batches are decoded, not compared: their text would cost more than it shows."""


def decode(given: bytes) -> bool:
    """A payload, a content or its two parts; what decodes is encoded and decoded again to the same."""
    mode, rest = given[:1], given[1:]
    return decodes(payload_of(mode[0] % MODES if mode else RAW, rest))


def payload_of(mode: int, rest: bytes) -> bytes:
    if mode == PARTED:
        length = int.from_bytes(rest[:2], "big")
        rest = seeds.joined(rest[2 : 2 + length], rest[2 + length :])
    return rest if mode == RAW else seeds.wrap(rest)


def decodes(payload: bytes) -> bool:
    """Decode, and hold the two readers against each other."""
    codec = SMALL_CODEC
    schemas = None
    with contextlib.suppress(ProtocolError):
        schemas = codec.directory(payload).schemas
    try:
        batch = codec.decode(payload)
    except ProtocolError as error:
        explained(error)
        return False
    assert schemas == (*(b.schema for b in batch.blocks), *(c.schema for c in batch.chunks)), "the readers disagree"
    for block in batch.blocks:
        # Raw rows are looked into late.
        with contextlib.suppress(ProtocolError):
            assert {len(column) for column in block.columns} == {len(block)}
    if sum(len(block) * len(block.columns) for block in batch.blocks) <= EXACT_CELLS_MAX:
        assert exact(codec.decode(codec.encode(batch).payload)) == exact(batch)
    return True


def frames(given: bytes) -> bool:
    """A stream in pieces gives the same frames as in one; what it gives is what was put in."""
    size = given[0] + 1 if given else 1
    stream = b"".join(piece for _, piece, _ in steps(given[1:]))
    whole, failed = _frames_of([stream])
    pieces, failed_in_pieces = _frames_of([stream[at : at + size] for at in range(0, len(stream), size)])
    # One piece fails as a whole; of small ones, those before the bad one have given their frames.
    assert failed == failed_in_pieces
    assert failed or whole == pieces
    again = b"".join(piece for frame in pieces for piece in encode_frame(frame.kind, frame.head, frame.payload))
    assert stream.startswith(again)
    return not failed


def _frames_of(pieces: list[bytes]) -> tuple[list[Any], bool]:
    decoder = FrameDecoder(FRAMES)
    found: list[Any] = []
    try:
        for piece in pieces:
            found += decoder.receive(piece)
    except ProtocolError:
        return found, True
    return found, False


def sender(given: bytes) -> bool:
    """A primary's session hears a script."""
    return _session(Half.SENDER, given)


def receiver(given: bytes) -> bool:
    """A secondary's session hears a script."""
    return _session(Half.RECEIVER, given)


def _session(half: Half, given: bytes) -> bool:
    """The first byte tells whether the conversation is open already: most mutations of a hello end it at once."""
    owner = Owner(half)
    if given and given[0] % 2:
        play(owner, _opening(half))
        owner.take()
    play(owner, given[1:])
    return owner.error is None


@cache
def _opening(half: Half) -> bytes:
    heard = next(frames for whose, frames in seeds.transcripts() if whose is half)
    return script_of(heard[: 2 if half is Half.SENDER else 1])


def spool(given: bytes) -> bool:
    """Two files of any content, with right checksums or without: `SpoolError`, or a spool that works."""
    cutter = Cutter(given)
    mended, cut = cutter.number() % 2, cutter.number(2)
    files = [piece for piece in (cutter.take(cut), cutter.take(len(given))) if piece]
    disk = SimDisk(Random(0))
    for number, content in enumerate(files, 1):
        whole = mend_segment(content) if mended else content
        disk.replace(_name_of(whole, number), whole)
    return spool_works(disk)


def _name_of(content: bytes, number: int) -> str:
    try:
        return decode_header(content[:HEADER_BYTES], "a file").name
    except SpoolError:
        return f"{number:019d}-{number:010d}.spool"


def spool_works(disk: SimDisk) -> bool:
    """Open; where that succeeds, what is there can be read in order, and what is added is there after a restart."""
    spool = _spool_on(disk)
    try:
        spool.open()
    except SpoolError as error:
        explained(error)
        return False
    assert spool.newest == spool.durable
    last = spool.newest
    reader = spool.read(spool.oldest)
    while (found := reader.next()) is not None:
        assert found.position <= last, "out of order"
    reader.close()
    if last < POSITION_MAX:
        last = Position(last + 1)
        spool.append(Encoded(b"more", last, last, 0, True, 1, 1, 4, 0))
        spool.sync()
    spool.close()
    again = _spool_on(disk)
    again.open()
    assert again.newest == last
    again.close()
    return True


def _spool_on(disk: SimDisk) -> SegmentedSpool:
    return SegmentedSpool(disk, origin=seeds.SPOOL_ORIGIN, bytes_max=1 << 22, segment_bytes_max=1 << 16)


def config(given: bytes) -> bool:
    """The text of a node.toml: a configuration, or all findings with their paths."""
    try:
        read_config(given, Path("node.toml"), dialect_of)
    except ConfigError as error:
        findings = error.findings
    else:
        return True
    assert findings
    assert all(": " in finding for finding in findings), findings
    return False


def pairing(given: bytes) -> bool:
    """Messages to either side of a pairing, before and after the code is proved; the liar knows the code."""
    cutter = Cutter(given)
    number = cutter.number()
    dialling, greeted = bool(number & 1), bool(number & 2)
    sides = _greeted(dialling) if greeted else (Handshake(party(dialling), CODE, dialling=dialling), None)
    victim, liar = _clone(sides[0]), None if sides[1] is None else _clone(sides[1])
    while not cutter.empty:
        sealed, content = cutter.number() & 1, cutter.take(cutter.number(2))
        message = _sealed(liar, content) if sealed and liar is not None else content
        try:
            for answer in victim.receive(message):
                if liar is not None:
                    liar._note(answer)
        except (ProtocolError, PeerRefused):
            return False
    assert victim.peer is None or greeted, "a peer that proved nothing was believed"
    return victim.done


CODE = b"12345678"


@cache
def party(dialling: bool) -> Party:
    name = "cms-east" if dialling else "cms-west"
    with TemporaryDirectory() as place:
        identity = Identity.of(Path(place))
        identity.create(name)
        return Party(name, identity.own())


@cache
def _greeted(dialling: bool) -> tuple[Handshake, Handshake | None]:
    """Two sides whose hellos have passed; the first is the one to be lied to."""
    a, b = Handshake(party(True), CODE, dialling=True), Handshake(party(False), CODE, dialling=False)
    (to_b,) = a.open()
    (to_a,) = b.receive(to_b)
    if dialling:
        # Its introduction is out; the liar has heard it.
        (introduction,) = a.receive(to_a)
        b._note(introduction)
        return a, b
    before = _clone(b)
    a.receive(to_a)
    a._transcript = before._transcript.copy()
    return b, a


def _clone(side: Handshake) -> Handshake:
    twin = copy.copy(side)
    twin._transcript = side._transcript.copy()
    twin._spake = copy.copy(side._spake)
    return twin


def _sealed(liar: Handshake, content: bytes) -> bytes:
    """Any content under the liar's own key, as an honest node would seal it."""
    key = liar._keys["a" if liar._dialling else "b"]
    box = key.encrypt(liar._nonce(), content, liar._transcript.digest())
    message = pack({"t": "sealed", "box": box})
    liar._note(message)
    return message


TARGETS: dict[str, Callable[[bytes], bool]] = {
    "decode": decode,
    "frames": frames,
    "sender": sender,
    "receiver": receiver,
    "spool": spool,
    "config": config,
    "pairing": pairing,
}
