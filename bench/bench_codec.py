"""The stages between source and spool, and back: filter, batcher, encode, compress, decode, net effect."""

from __future__ import annotations

import time

import msgpack
import pytest
import zstandard

from bench.admin import MIX, batches, blocks
from bench.measure import SIZE, Stage
from bench.pair import json_bytes
from sync.core.filter import Filter, Selection
from sync.core.net import net
from sync.wire.codec import Codec
from sync.wire.dictionary import DICTIONARY_V1

# These wait for nothing: what else the machine does is left out.
pytestmark = pytest.mark.benchmark(timer=time.process_time)

CHANGES = sum(map(len, blocks(SIZE.rows)))
BATCHES = batches(SIZE.rows)
ENCODED = [Codec().encode(batch) for batch in BATCHES]
WIRE_BYTES = sum(len(encoded.payload) for encoded in ENCODED)
RAW_BYTES = sum(encoded.bytes_raw for encoded in ENCODED)
ROWS = [list(zip(*block.columns, strict=True)) for block in blocks(SIZE.rows)]


def _pack_rows(_: object) -> None:
    pack = msgpack.Packer().pack
    for rows in ROWS:
        pack(rows)


def test_filter(stage: Stage) -> None:
    rules = Filter(Selection(rows={"synonyms": "acd_no IN (1, 2)"}))
    stage(
        "filter (a row rule on synonyms)",
        lambda _: [rules.judge(block) for block in blocks(SIZE.rows)],
        _pack_rows,
        limit="msgpack of the rows",
        changes=CHANGES,
    )


def test_encode(stage: Stage) -> None:
    codec = Codec()
    stage(
        "encode and compress",
        lambda _: [codec.encode(batch) for batch in BATCHES],
        _pack_rows,
        limit="msgpack of the rows",
        changes=CHANGES,
        bytes_=WIRE_BYTES,
    )


def test_decode(stage: Stage) -> None:
    codec = Codec()
    packed = [msgpack.packb(rows) for rows in ROWS]
    stage(
        "decompress and decode",
        lambda _: [codec.decode(encoded.payload) for encoded in ENCODED],
        lambda _: [msgpack.unpackb(each) for each in packed],
        limit="msgpack of the rows",
        changes=CHANGES,
        bytes_=WIRE_BYTES,
    )


def test_net_effect(stage: Stage) -> None:
    stage(
        "net effect",
        lambda _: [net(batch.blocks) for batch in BATCHES],
        lambda _: [dict.fromkeys(rows) for rows in ROWS],
        limit="dict of the rows",
        changes=CHANGES,
    )


@pytest.mark.parametrize("level", [1, 3, 6])
def test_compress(stage: Stage, level: int) -> None:
    """The level alone, on what the codec compresses: its columns as they stand in the content."""
    shared = zstandard.ZstdCompressionDict(DICTIONARY_V1, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    opener = zstandard.ZstdDecompressor(dict_data=shared)
    contents = [opener.decompress(encoded.payload[1:]) for encoded in ENCODED]
    press = zstandard.ZstdCompressor(level=level, dict_data=shared, write_dict_id=False)
    bytes_ = sum(len(press.compress(content)) for content in contents)
    stage(
        f"compress, level {level}",
        lambda _: [press.compress(content) for content in contents],
        lambda _: [bytearray(content) for content in contents],
        limit="memcpy of the bytes",
        changes=CHANGES,
        bytes_=bytes_,
    )


def test_bytes_on_the_wire(stage: Stage) -> None:
    stage.once()
    json_bytes = sum(_json_bytes(table) for table in MIX)
    stage.figure("bytes on the wire, share of JSON", WIRE_BYTES / json_bytes, "", "at most 0.10")
    stage.figure("bytes before compression", RAW_BYTES / CHANGES, "a change")


def _json_bytes(table: str) -> int:
    mine = [block for block in blocks(SIZE.rows) if block.schema.name == table]
    return sum(json_bytes(block.schema.column_names, list(zip(*block.columns, strict=True))) for block in mine)
