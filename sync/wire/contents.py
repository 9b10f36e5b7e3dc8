"""What stands in front of a batch's columns: the one place that says which tables and columns a payload holds.

The rule it keeps: `Codec.decode` and `Codec.directory` read the same contents with the same function, so the outbound
wall judges exactly what the receiver will get. Counts are checked here, before any column is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sync.model.batch import Batch, Chunk, Purpose
from sync.model.change import Row
from sync.model.schema import TableSchema
from sync.wire.checks import (
    ARRAY_LENGTH_MAX,
    INT64_MAX,
    array,
    binary,
    boolean,
    integer,
    malformed,
    name,
    pack,
    text,
    unpack,
)
from sync.wire.columns import VALUE_TYPES, Encoding, NotEncodable
from sync.wire.schemas import SchemaCodec

CANONICAL: Final = 0
"""Encoding family: canonical values, column by column."""
RAW: Final = 1
"""Encoding family of blocks alone: pgoutput's text tuples, row after row."""
SHORT: Final = 2
"""The same, made shorter by `sync.wire.short`."""
ORIGIN_CHARS_MAX: Final = 512
MARK_CHARS_MAX: Final = 1024
SCHEMA_BYTES_MAX: Final = 1 << 20
DIGEST_BYTES_MAX: Final = 64

_PARTIAL: Final = bytes((Encoding.ABSENT, Encoding.MASKED))
_PURPOSES: Final = {purpose.value: purpose for purpose in Purpose}


@dataclass(frozen=True, slots=True)
class ContentsLimits:
    rows_max: int
    cells_max: int
    transactions_max: int


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """One block: `first_ordinal` is None where the ordinals have gaps and stand in the body.

    `encodings` has one number for each column, and is empty where the rows are raw.
    """

    schema: TableSchema
    count: int
    first_ordinal: int | None
    encodings: bytes
    family: int = CANONICAL


@dataclass(frozen=True, slots=True)
class ChunkEntry:
    """One chunk: `sent` rows are in the body, `count` were digested."""

    schema: TableSchema
    run: int
    number: int
    purpose: Purpose
    after: Row | None
    upto: Row | None
    count: int
    sent: int
    digest: bytes
    encodings: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    origin: str
    epoch: int
    part: int
    last: bool
    transactions: int
    marks: tuple[str, ...]
    blocks: tuple[BlockEntry, ...]
    chunks: tuple[ChunkEntry, ...]


def pack_contents(batch: Batch, blocks: list[object], chunks: list[object]) -> bytes:
    """Pack the contents around the entries of `block_entry` and `chunk_entry`."""
    commits = len(batch.commits)
    return pack([batch.origin, batch.epoch, batch.part, batch.last, commits, list(batch.marks), blocks, chunks])


def block_entry(family: int, schema: bytes, count: int, first_ordinal: int | None, encodings: bytes) -> list[object]:
    return [family, schema, count, first_ordinal, encodings]


def chunk_entry(schema: bytes, chunk: Chunk, encodings: bytes) -> list[object]:
    sent = len(chunk.columns[0]) if chunk.columns else 0
    bounds = [_pack_bound(chunk.after), _pack_bound(chunk.upto)]
    head = [CANONICAL, schema, chunk.run, chunk.number, chunk.purpose.value]
    return [*head, *bounds, chunk.count, sent, chunk.digest, encodings]


def _pack_bound(row: Row | None) -> list[object] | None:
    if row is None:
        return None
    if not VALUE_TYPES.issuperset(map(type, row)):
        raise NotEncodable("could not encode a chunk", "a bound of its range holds what is not a value")
    return list(row)


def read_contents(packed: bytes, schemas: SchemaCodec, limits: ContentsLimits) -> Contents:
    """Read and check the contents. Raises `ProtocolError`."""
    origin, epoch, part, last, transactions, marks, blocks, chunks = array(unpack(packed, "contents"), "contents", 8)
    contents = Contents(
        name(origin, "origin", ORIGIN_CHARS_MAX),
        integer(epoch, "epoch"),
        integer(part, "part"),
        boolean(last, "last"),
        integer(transactions, "transactions", 1, limits.transactions_max),
        tuple(text(mark, "mark", MARK_CHARS_MAX) for mark in array(marks, "marks")),
        tuple(_read_block(entry, schemas) for entry in array(blocks, "blocks")),
        tuple(_read_chunk(entry, schemas) for entry in array(chunks, "chunks")),
    )
    if (contents.part or not contents.last) and contents.transactions != 1:
        malformed("contents", "a part of a transaction holds more than one")
    if len({entry.schema.name for entry in contents.blocks}) != len(contents.blocks):
        malformed("contents", "a table has two blocks")
    _refuse_too_much(contents, limits)
    return contents


def _refuse_too_much(contents: Contents, limits: ContentsLimits) -> None:
    entries: list[BlockEntry | ChunkEntry] = [*contents.blocks, *contents.chunks]
    rows = sum(entry.count for entry in entries)
    if rows > limits.rows_max:
        malformed("contents", f"{rows} rows are more than {limits.rows_max}")
    cells = sum(entry.count * len(entry.schema.columns) for entry in entries)
    if cells > limits.cells_max:
        malformed("contents", f"{cells} values are more than {limits.cells_max}")


def _read_schema(
    family: object, families: range, schema: object, encodings: object, schemas: SchemaCodec
) -> tuple[TableSchema, bytes]:
    if integer(family, "encoding family") not in families:
        malformed("block", f"its encoding family {family} is unknown")
    known = schemas.read(binary(schema, "schema", SCHEMA_BYTES_MAX))
    numbers = binary(encodings, "column encodings", ARRAY_LENGTH_MAX)
    wanted = len(known.columns) if family == CANONICAL else 0
    if len(numbers) != wanted:
        malformed(f"block of {known.name}", f"{len(numbers)} encodings stand for {wanted} columns")
    return known, numbers


def _read_block(entry: object, schemas: SchemaCodec) -> BlockEntry:
    family, schema, count, first, encodings = array(entry, "block", 5)
    known, numbers = _read_schema(family, range(SHORT + 1), schema, encodings, schemas)
    number = None if first is None else integer(first, "first ordinal")
    return BlockEntry(known, integer(count, "count"), number, numbers, integer(family, "encoding family"))


def _read_chunk(entry: object, schemas: SchemaCodec) -> ChunkEntry:
    family, schema, run, number, purpose, after, upto, count, sent, digest, encodings = array(entry, "chunk", 11)
    known, numbers = _read_schema(family, range(CANONICAL + 1), schema, encodings, schemas)
    meaning = _PURPOSES.get(text(purpose, "purpose"))
    if meaning is None:
        malformed(f"chunk of {known.name}", "its purpose is unknown")
    chunk = ChunkEntry(
        schema=known,
        run=integer(run, "run", 0, INT64_MAX),
        number=integer(number, "chunk number"),
        purpose=meaning,
        after=_read_bound(after, known),
        upto=_read_bound(upto, known),
        count=integer(count, "count"),
        sent=integer(sent, "rows sent"),
        digest=binary(digest, "digest", DIGEST_BYTES_MAX),
        encodings=numbers,
    )
    if chunk.sent and any(number in _PARTIAL for number in numbers):
        malformed(f"chunk of {known.name}", "a value of its rows is absent, and a chunk states whole rows")
    if chunk.sent != chunk.count and (chunk.sent or meaning is not Purpose.DIGEST):
        malformed(f"chunk of {known.name}", f"it counts {chunk.count} rows and holds {chunk.sent}")
    return chunk


def _read_bound(bound: object, schema: TableSchema) -> Row | None:
    if bound is None:
        return None
    values = array(bound, f"range of {schema.name}", len(schema.identity))
    if not VALUE_TYPES.issuperset(map(type, values)):
        malformed(f"range of {schema.name}", "it holds something that is not a value")
    return tuple(values)  # type: ignore[arg-type]  # their types were just checked
