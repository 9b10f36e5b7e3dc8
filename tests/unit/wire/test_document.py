"""docs/wire.md tells the truth: its names and numbers are those of the code, and version 1 stays readable."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from sync.model.batch import Batch, Chunk, Commit, Purpose
from sync.model.change import ABSENT, Block, Op
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.wire.checks import ARRAY_LENGTH_MAX, MAP_LENGTH_MAX
from sync.wire.codec import Codec, CodecLimits
from sync.wire.columns import Encoding
from sync.wire.conversation import SessionLimits
from sync.wire.dictionary import DICTIONARY_V1
from sync.wire.messages import BeatAnswer, Hello, RefusalCode, Resume
from sync.wire.state import MessageKind
from tests.unit.wire.batches import exact, users

DOCUMENT = (Path(__file__).parents[3] / "docs" / "wire.md").read_text(encoding="utf-8")

GOLDEN_V1 = bytes.fromhex(
    "0128b52ffd602b024d0c009413000001cc98b1636d732d656173742f33663261393062630400c30291a66d61726b2031929500c4b5ae79"
    "65617220746f207365636f6e64c30300c40804010501010404019500c45593a3742e7591009796a1616263646566670cc0c40705000102"
    "030406919b0203a66469676573749105c00900c41030313233343536373839616263646566c4070092070c92ce000f4240d2fff0bdbb92"
    "64ccc8c40102ba73757030003132a541646d696e93010101041eab5220300052203100522032ba3535352d30303030003132b332303236"
    "2d31312d32342032333a30303a3030c40c01049c010101020305080d152237599c6401019cc0c301cb3ff0cb8000a178c40179cf7fffd3"
    "a3eda080a0cb3fe0a473616d650393a170a171c0c40c000102d955746578742030003132333435363738393131c40c000101072300f956"
    "251006868071603030048c03838121601c18a672655d013147d449046e9cd5c02f334c5056b93d001103f901399664028b870f64a1613e"
    "200c6c01fbc066608bcbbea3215b81484a193d"
)


def sample() -> Batch:
    """A batch with every encoding, a chunk and a mark. It must not change: `GOLDEN_V1` was made of it."""
    schema = TableSchema("t.u", tuple(Column(name, Type(Kind.ANY)) for name in "abcdefg"), (0,))
    count = 12
    block = Block(
        schema,
        bytes([Op.INSERT, Op.DELETE] * 6),
        (
            [*range(100, 100 + count)],
            [None, True, 1, 1.0, -0.0, "x", b"y", 2**63 - 1, -(2**63), "\ud800", "", 0.5],
            ["same"] * count,
            [ABSENT] * count,
            ["p", "q", None] * 4,
            [f"text {n}" for n in range(count)],
            [ABSENT, 7] * 6,
        ),
        [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233],
    )
    chunk = Chunk(2, 3, schema, Purpose.DIGEST, (5,), None, ([], [], [], [], [], [], []), 9, b"0123456789abcdef")
    commits = (Commit(Position(7), 1_000_000, 100), Commit(Position(19), -5, 300))
    whole = users(3)
    return replace(whole, commits=commits, blocks=(*whole.blocks, block), chunks=(chunk,), marks=("mark 1",))


def test_the_payload_of_version_1_stays_readable() -> None:
    """A spool outlives a release: whoever changes what these bytes mean has lost somebody's changes."""
    assert exact(Codec().decode(GOLDEN_V1)) == exact(sample())


def test_the_dictionary_of_version_1_never_changes() -> None:
    assert hashlib.sha256(DICTIONARY_V1).hexdigest() in DOCUMENT
    assert f"{len(DICTIONARY_V1):,} bytes" in DOCUMENT


@pytest.mark.parametrize("code", RefusalCode)
def test_every_refusal_code_is_explained(code: RefusalCode) -> None:
    assert re.search(rf"^\| `{code.value}` \| .{{10,}} \|", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize("kind", MessageKind)
def test_every_frame_kind_stands_there_with_its_limits(kind: MessageKind) -> None:
    row = re.search(rf"^\| {int(kind)} \| {kind.name} \| \w+ \| (.*) \| (.*) \|$", DOCUMENT, re.MULTILINE)
    assert row
    limit = SessionLimits().frames()[kind]
    units = {"0": 0, "KiB": 1 << 10, "MiB": 1 << 20}
    told = [int(cell.split()[0]) * units[cell.split()[-1]] if cell != "0" else 0 for cell in row.groups()]
    assert told == [limit.head_bytes_max, limit.payload_bytes_max]
    assert f"**{kind.name}** ({int(kind)})" in DOCUMENT


@pytest.mark.parametrize("encoding", Encoding)
def test_every_encoding_stands_there(encoding: Encoding) -> None:
    assert re.search(rf"^\| {int(encoding)} \| {encoding.name} \|", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize("record", [Hello, Resume, BeatAnswer])
def test_every_field_stands_there(record: type) -> None:
    for field in fields(record):
        assert f"`{field.name}`" in DOCUMENT


def test_the_numbers_stand_there() -> None:
    limits, session = CodecLimits(), SessionLimits()
    assert f"{limits.payload_bytes_max >> 20} MiB compressed, {limits.raw_bytes_max >> 20} MiB decompressed" in DOCUMENT
    for number in (limits.rows_max, limits.cells_max, limits.transactions_max, limits.columns_max):
        assert f"{number:,}" in DOCUMENT
    assert f"No array is longer than {ARRAY_LENGTH_MAX:,} items, no map has more than {MAP_LENGTH_MAX:,}" in DOCUMENT
    assert f"({session.in_flight_batches_max})" in DOCUMENT
    assert f"at most {session.requests_max} may wait" in DOCUMENT
    assert f"({session.beat_interval_s:.0f} s)" in DOCUMENT
    assert f"missed intervals ({session.beats_missed_max})" in DOCUMENT
    assert f"In the handshake {session.handshake_timeout_s:.0f} s" in DOCUMENT


def test_states_stand_there() -> None:
    for state in ("GREETING", "WAITING", "JUDGING", "OPEN", "LEAVING", "LEFT", "CLOSED"):
        assert state in DOCUMENT
