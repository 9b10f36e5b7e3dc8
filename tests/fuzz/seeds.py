"""Valid things of every kind: what mutations start from, and the first corpus."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from random import Random

import zstandard

from sync.model.batch import Batch, Chunk, Commit, Encoded, Purpose
from sync.model.change import ABSENT, Block, Op, Value
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.model.tuples import Tuples
from sync.spool.log import SegmentedSpool
from sync.spool.segment import HEADER_BYTES
from sync.wire import coding
from sync.wire.codec import Codec, CodecLimits
from sync.wire.dictionary import DICTIONARY_V1
from sync.wire.envelope import VERSION
from sync.wire.frame import FrameDecoder, encode_frame
from sync.wire.messages import BeatAnswer, Refusal, RefusalCode, Request
from sync.wire.results import pack_results
from sync.wire.session import SessionLimits
from sync.wire.state import Half, MessageKind
from tests.fuzz.owner import RESULT, Owner
from tests.sim.disk import SimDisk
from tests.unit.wire.batches import users

SHARED = zstandard.ZstdCompressionDict(DICTIONARY_V1, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
SMALL = CodecLimits(payload_bytes_max=1 << 20, raw_bytes_max=1 << 20, rows_max=20_000, cells_max=40_000)
SPOOL_ORIGIN = "east"
Frames = list[tuple[int, bytes, bytes]]
"""Kind, head and payload of each frame that one half heard; between them what its owner did, as kind `ACT`."""
ACT = 0
"""No kind of a real frame. The head is the number for `Owner.act`."""


def wrap(content: bytes) -> bytes:
    """A well-formed envelope around any content."""
    compressor = zstandard.ZstdCompressor(level=1, dict_data=SHARED, write_dict_id=False)
    return bytes((VERSION,)) + compressor.compress(content)


def unwrap(payload: bytes) -> bytes:
    """What is inside of a sound payload."""
    content: bytes = zstandard.ZstdDecompressor(dict_data=SHARED).decompress(payload[1:])
    return content


def parted(content: bytes) -> tuple[bytes, bytes]:
    """Contents and body of a sound content."""
    length = struct.unpack_from(">I", content)[0]
    return content[4 : 4 + length], content[4 + length :]


def joined(contents: bytes, body: bytes) -> bytes:
    """The opposite of `parted`."""
    return struct.pack(">I", len(contents)) + contents + body


@cache
def batches() -> tuple[Batch, ...]:
    """A batch for every encoding, with chunks, marks, parts and gaps in the ordinals."""
    columns = tuple(Column(f"c{n}", Type(Kind.ANY)) for n in range(7))
    schema = TableSchema("t", columns, (0,))
    count = 40
    table: list[list[Value]] = [
        list(range(7, 7 + count)),
        ["same"] * count,
        [ABSENT] * count,
        ["a", "b", None, "a"] * (count // 4),
        [f"text {n}" for n in range(count)],
        [ABSENT if n % 3 else n * 1.5 for n in range(count)],
        [None, True, b"\0\1", -0.0, float("nan"), 2**63 - 1, -(2**63), "\udc80"] * (count // 8),
    ]
    ops = bytes([Op.INSERT, Op.UPDATE, Op.UPSERT, Op.DELETE] * (count // 4))
    gaps = Block(schema, ops, tuple(table), [n * 2 for n in range(count)])
    keys: list[Value] = ["x", "y"]
    keyed = TableSchema("k", (Column("k", Type(Kind.TEXT)),), (0,))
    rows = Chunk(1, 0, keyed, Purpose.REPLACE, None, ("y",), (keys,), 2, b"d" * 16)
    digest = Chunk(1, 1, keyed, Purpose.DIGEST, ("y",), None, ([],), 9, b"e" * 16)
    commits = (Commit(Position(5), -7, 11), Commit(Position(2**62), 2**50, 80))
    return (
        users(1),
        users(20),
        users(3, Op.DELETE),
        Batch("o", 1, commits, (gaps,), (rows, digest), ("mark", "m2")),
        Batch("o", 2, (Commit(Position(9), 0, 80),), (gaps,), part=3, last=False),
        Batch("o", 2, (Commit(Position(9), 0, 0),), (Block(schema, b"", tuple([] for _ in columns), ()),)),
        Batch("o", 3, (Commit(Position(9), 0, 0),), (), (), ("only a mark",)),
        *raw_batches(),
    )


def raw_batches() -> tuple[Batch, ...]:
    """Raw rows: nothing but short texts, and with NULL, what was not sent and what is no number."""
    schema = TableSchema("r", (Column("a", Type(Kind.INT32)), Column("b", Type(Kind.TEXT))), (0,))
    short = b"".join(b"t\0\0\0\1%dt\0\0\0\3one" % n for n in range(8))
    mixed = b"t\0\0\0\0011n" + b"t\0\0\0\0012u" + b"t\0\0\0\1xt\0\0\0\0"
    return tuple(
        Batch("o", 4, (Commit(Position(9), 0, rows),), (Block(schema, ops, Tuples(schema, body, rows), range(rows)),))
        for body, rows, ops in (
            (short, 8, bytes([Op.INSERT]) * 8),
            (mixed, 3, bytes([Op.INSERT, Op.UPDATE, Op.DELETE])),
        )
    )


@cache
def payloads() -> tuple[bytes, ...]:
    codec = Codec()
    return tuple(codec.encode(batch).payload for batch in batches())


@cache
def transcripts() -> tuple[tuple[Half, Frames], ...]:
    """What each half of a few honest conversations heard."""
    found: list[tuple[Half, Frames]] = []
    for acts in ((), ((1, 1), (4, 2), (1, 4)), ((1,), (0, 1, 2, 4), (3,)), ((4,), (1, 1, 1), (), (0, 3))):
        found += _conversation(acts)
    return tuple(found)


def _conversation(acts: tuple[tuple[int, ...], ...]) -> list[tuple[Half, Frames]]:
    left, right = Owner(Half.SENDER), Owner(Half.RECEIVER)
    heard: dict[Half, Frames] = {Half.SENDER: [], Half.RECEIVER: []}
    _carry(left, right, heard)
    for some in acts:
        for act in some:
            for owner in (left, right):
                owner.act(act)
                heard[owner.half].append((ACT, bytes((act,)), b""))
        _carry(left, right, heard)
    assert left.error is None is right.error
    return list(heard.items())


def _carry(left: Owner, right: Owner, heard: dict[Half, Frames]) -> None:
    while True:
        to_right, to_left = left.take(), right.take()
        heard[Half.RECEIVER] += frames_of(to_right)
        heard[Half.SENDER] += frames_of(to_left)
        if not (to_left or to_right):
            return
        right.hear(to_right)
        left.hear(to_left)


def frames_of(stream: bytes) -> Frames:
    return [(frame.kind, frame.head, frame.payload) for frame in FrameDecoder(SessionLimits().frames()).receive(stream)]


def stream_of(frames: Frames) -> bytes:
    return b"".join(piece for frame in frames if frame[0] != ACT for piece in encode_frame(*frame))


def messages() -> Iterator[tuple[int, bytes]]:
    """A sound head of every kind that a conversation does not bring by itself."""
    yield MessageKind.REFUSE, coding.pack_refusal(Refusal(RefusalCode.BUSY, "no", "because", "wait"))
    yield MessageKind.RESULTS, next(iter(pack_results([RESULT])))
    yield MessageKind.REQUEST, coding.pack_request(Request(1, "verify", {"tables": ["users"]}))
    yield MessageKind.BEAT_ANSWER, coding.pack_beat_answer(1, BeatAnswer(note="fine"))
    yield MessageKind.GOODBYE, coding.pack_goodbye("bye")


@cache
def segments() -> tuple[bytes, ...]:
    """Two segment files of one spool, with a transaction in parts across them."""
    disk = SimDisk(Random(1))
    spool = SegmentedSpool(disk, origin=SPOOL_ORIGIN, bytes_max=1 << 20, segment_bytes_max=HEADER_BYTES + 700)
    spool.open()
    for position, part, last in ((1, 0, True), (2, 0, True), (4, 0, False), (4, 1, False), (4, 2, True), (5, 0, True)):
        spool.append(Encoded(b"r" * 60, Position(position), Position(position), part, last, int(last), 1, 100, 0))
        spool.sync()
    spool.close()
    return tuple(disk.read(name, 0, 1 << 20) for name in disk.names())[:2]


CONFIGS = (
    """[node]
name = "cms-east"
role = "primary"
state_dir = "state"
[database]
url = "sqlite:///cms.db"
""",
    """[node]
name = "w.1"
role = "secondary"
state_dir = "s"
release = "21.0"
[database]
url = "postgresql://a@b:5432/c"
password_file = "p"
capture = "journal"
[tables]
profile = "none"
include = ["users", "syn*", "s.t"]
exclude = ["x?"]
[tables.rows]
synonyms = "acd_no IN (1, 2) AND NOT value LIKE 'a%' OR descr IS NULL"
[tables.columns]
timetables = { local = ["run_on"] }
[listen]
address = "[::1]:7443"
[peer]
name = "e"
addresses = ["10.0.0.2:7443"]
[heartbeat]
interval_s = 0.5
missed_max = 3
[failover]
mode = "manual"
[limits]
batch_bytes_max = 8192
spool_bytes_max = 65536
in_flight_batches_max = 1
[http]
address = "127.0.0.1:7480"
""",
)
