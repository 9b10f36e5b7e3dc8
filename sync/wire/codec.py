"""Batches as bytes, and back.

The rule it keeps: `decode(encode(batch).payload)` is the same batch to the last bit, and whatever else is given to
`decode` or `directory` raises `ProtocolError`, having allocated no more than the limits say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import sub
from typing import Final

import msgpack

from sync.errors import ProtocolError
from sync.model.batch import Batch, Chunk, Commit, Encoded
from sync.model.change import Block, Columns, Op
from sync.model.position import POSITION_MAX, Position
from sync.model.schema import TableSchema
from sync.model.tuples import Tuples
from sync.wire.checks import INT64_MAX, UNPACK_ERRORS, malformed
from sync.wire.columns import (
    RUN,
    NotEncodable,
    Pack,
    Unpack,
    decode_column,
    decode_integers,
    encode_column,
    encode_integers,
)
from sync.wire.contents import (
    CANONICAL,
    RAW,
    SHORT,
    BlockEntry,
    ChunkEntry,
    Contents,
    ContentsLimits,
    block_entry,
    chunk_entry,
    pack_contents,
    read_contents,
)
from sync.wire.envelope import Envelope, EnvelopeLimits
from sync.wire.schemas import SchemaCodec, SchemaLimits
from sync.wire.short import restored, shortened

OPS: Final = frozenset(map(int, Op))


@dataclass(frozen=True, slots=True)
class CodecLimits:
    """What one batch may be, on both ends."""

    payload_bytes_max: int = 64 << 20
    """Compressed."""
    raw_bytes_max: int = 64 << 20
    """Decompressed."""
    rows_max: int = 1 << 20
    """Changes and chunk rows together."""
    cells_max: int = 8 << 20
    """Rows times columns: 64 MiB of references, which a constant column makes out of nothing."""
    transactions_max: int = 1 << 20
    columns_max: int = 1000


@dataclass(frozen=True, slots=True)
class Directory:
    """What a payload holds. `schemas` are those of its blocks, then of its chunks, in order."""

    origin: str
    epoch: int
    schemas: tuple[TableSchema, ...]

    @property
    def tables(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Table and column names, for the walls of the filter."""
        return tuple((schema.name, schema.column_names) for schema in self.schemas)


class Codec:
    """Encodes and decodes. One for each thread: it holds the zstd contexts and the caches of schemas."""

    def __init__(self, limits: CodecLimits = CodecLimits(), level: int = 1) -> None:
        self._contents = ContentsLimits(limits.rows_max, limits.cells_max, limits.transactions_max)
        self._envelope = Envelope(EnvelopeLimits(limits.payload_bytes_max, limits.raw_bytes_max), level)
        self._schemas = SchemaCodec(SchemaLimits(limits.columns_max))
        self._pack: Pack = msgpack.Packer(use_bin_type=True, unicode_errors="surrogatepass").pack

    def encode(self, batch: Batch) -> Encoded:
        """Encode. Raises `NotEncodable` where the batch exceeds the limits or holds what is not a value."""
        try:
            contents, body = self._pack_batch(batch)
            # Read back at once: what no peer would take must not get as far as the spool.
            read_contents(contents, self._schemas, self._contents)
        except ProtocolError as error:
            raise NotEncodable("could not encode a batch", error.why, "Lower limits.batch_bytes_max.") from error
        except OverflowError as error:
            remedy = "Carry such numbers in a DECIMAL column."
            raise NotEncodable("could not encode a batch", "an integer is outside of 64 bits", remedy) from error
        payload, bytes_raw = self._envelope.close(contents, body)
        return describe(batch, payload, bytes_raw)

    def decode(self, payload: bytes) -> Batch:
        """Decode. Raises `ProtocolError`, and nothing else, for anything malformed or beyond the limits."""
        packed, body = self._envelope.open(payload)
        contents = read_contents(bytes(packed), self._schemas, self._contents)
        unpacker = msgpack.Unpacker(
            read_size=len(body) + 1,
            max_buffer_size=len(body) + 1,
            unicode_errors="surrogatepass",
            max_array_len=RUN,
            max_map_len=0,
            max_ext_len=0,
        )
        unpacker.feed(body)
        try:
            batch = _read_body(contents, unpacker.unpack)
        except UNPACK_ERRORS as error:
            malformed("body", str(error) or type(error).__name__)
        if unpacker.tell() != len(body):
            malformed("body", f"{len(body) - unpacker.tell()} bytes are left over")
        return batch

    def directory(self, payload: bytes) -> Directory:
        """Tables and columns of a payload, without its columns' values. Raises `ProtocolError`."""
        contents = read_contents(self._envelope.contents(payload), self._schemas, self._contents)
        schemas = [entry.schema for entry in contents.blocks] + [entry.schema for entry in contents.chunks]
        return Directory(contents.origin, contents.epoch, tuple(schemas))

    def _pack_batch(self, batch: Batch) -> tuple[bytes, list[bytes]]:
        pack = self._pack
        body = _pack_commits(batch.commits, pack)
        blocks: list[object] = []
        chunks: list[object] = []
        for block in batch.blocks:
            first = _first_ordinal(block.ordinals)
            body.append(pack(_short_ops(block.ops)))
            if first is None:
                body += encode_integers(block.ordinals, pack)
            family, encodings = CANONICAL, b""
            if isinstance(block.columns, Tuples):
                family = _pack_raw(block.columns, body, pack)
            else:
                encodings = _pack_columns(block.columns, body, pack)
            blocks.append(block_entry(family, self._schemas.pack(block.schema), len(block), first, encodings))
        for chunk in batch.chunks:
            encodings = _pack_columns(chunk.columns, body, pack)
            chunks.append(chunk_entry(self._schemas.pack(chunk.schema), chunk, encodings))
        return pack_contents(batch, blocks, chunks), body


def describe(batch: Batch, payload: bytes, bytes_raw: int) -> Encoded:
    """Say of a batch what spool and sender must know; a receiver compares it with what was announced."""
    return Encoded(
        payload=payload,
        first=batch.first,
        position=batch.position,
        part=batch.part,
        last=batch.last,
        transactions=len(batch.commits) if batch.last else 0,
        changes=batch.change_count,
        bytes_raw=bytes_raw,
        committed_at_us=batch.commits[-1].committed_at_us,
    )


def _pack_commits(commits: Sequence[Commit], pack: Pack) -> list[bytes]:
    body: list[bytes] = []
    for numbers in (
        [commit.position for commit in commits],
        [commit.committed_at_us for commit in commits],
        [commit.end for commit in commits],
    ):
        body += encode_integers(numbers, pack)
    return body


def _pack_raw(rows: Tuples, body: list[bytes], pack: Pack) -> int:
    """Append raw rows, shorter where that can be, and give the family that they are of."""
    if not rows.rows:
        return RAW
    short = shortened(rows.body)
    body.append(pack(rows.body if short is None else short))
    return RAW if short is None else SHORT


def _pack_columns(columns: Columns, body: list[bytes], pack: Pack) -> bytes:
    """Append the columns' bodies and give one encoding number for each."""
    encodings = bytearray()
    for column in columns:
        if column:
            encoding, pieces = encode_column(column, pack)
            encodings.append(encoding)
            body += pieces
        else:
            encodings.append(0)
    return bytes(encodings)


def _first_ordinal(ordinals: Sequence[int]) -> int | None:
    """The first, where the others only count on; they are strictly increasing by contract."""
    if not ordinals:
        return 0
    return ordinals[0] if ordinals[-1] - ordinals[0] == len(ordinals) - 1 else None


def _short_ops(ops: bytes) -> bytes:
    return ops[:1] if ops.count(ops[:1]) == len(ops) else ops


def _read_body(contents: Contents, unpack: Unpack) -> Batch:
    commits = _read_commits(contents.transactions, unpack)
    end = commits[-1].end
    blocks = tuple(_read_block(entry, end, unpack) for entry in contents.blocks)
    chunks = tuple(_read_chunk(entry, unpack) for entry in contents.chunks)
    origin, epoch = contents.origin, contents.epoch
    return Batch(origin, epoch, commits, blocks, chunks, contents.marks, contents.part, contents.last)


def _read_commits(count: int, unpack: Unpack) -> tuple[Commit, ...]:
    positions = decode_integers(count, unpack, "positions")
    times = decode_integers(count, unpack, "commit times")
    ends = decode_integers(count, unpack, "transaction ends")
    if positions[0] < 0 or positions[-1] > POSITION_MAX or not _rising(positions, 1):
        malformed("positions", "they do not rise inside of their range")
    if ends[0] < 0 or ends[-1] > INT64_MAX or not _rising(ends, 0):
        malformed("transaction ends", "they do not rise inside of their range")
    if not -INT64_MAX <= min(times) <= max(times) <= INT64_MAX:
        malformed("commit times", "they are outside of 64 bits")
    return tuple(Commit.each(map(Position, positions), times, ends))


def _rising(numbers: Sequence[int], least: int) -> bool:
    return min(map(sub, numbers[1:], numbers), default=least) >= least


def _read_block(entry: BlockEntry, end: int, unpack: Unpack) -> Block:
    where = f"block of {entry.schema.name}"
    count = entry.count
    ops = unpack()
    if type(ops) is not bytes or len(ops) not in {min(count, 1), count} or not OPS.issuperset(ops):
        malformed(where, f"its operations are not {count} of those that exist")
    ordinals: Sequence[int]
    if entry.first_ordinal is None:
        ordinals = decode_integers(count, unpack, where)
        if ordinals and (ordinals[0] < 0 or not _rising(ordinals, 1)):
            malformed(where, "its ordinals do not rise")
    else:
        ordinals = range(entry.first_ordinal, entry.first_ordinal + count)
    if ordinals and ordinals[-1] >= end:
        malformed(where, f"ordinal {ordinals[-1]} is behind the last transaction's end {end}")
    columns = _read_columns(entry, count, unpack) if entry.family == CANONICAL else _read_raw(entry, unpack)
    return Block(entry.schema, ops if len(ops) == count else ops * count, columns, ordinals)


def _read_chunk(entry: ChunkEntry, unpack: Unpack) -> Chunk:
    columns = _read_columns(entry, entry.sent, unpack)
    return Chunk(
        run=entry.run,
        number=entry.number,
        schema=entry.schema,
        purpose=entry.purpose,
        after=entry.after,
        upto=entry.upto,
        columns=columns,
        count=entry.count,
        digest=entry.digest,
    )


def _read_raw(entry: BlockEntry, unpack: Unpack) -> Tuples:
    """The rows as they are. What can not be made of them is found out where they are taken apart."""
    body = unpack() if entry.count else b""
    if entry.family == SHORT and type(body) is bytes:
        body = restored(body)
    if type(body) is not bytes or len(body) < entry.count * len(entry.schema.columns):
        malformed(f"block of {entry.schema.name}", f"its raw rows are not {entry.count}")
    return Tuples(entry.schema, body, entry.count)


def _read_columns(entry: BlockEntry | ChunkEntry, count: int, unpack: Unpack) -> Columns:
    if not count:
        return tuple([] for _ in entry.schema.columns)
    return tuple(
        decode_column(encoding, count, unpack, f"column {column.name} of {entry.schema.name}")
        for encoding, column in zip(entry.encodings, entry.schema.columns, strict=True)
    )
