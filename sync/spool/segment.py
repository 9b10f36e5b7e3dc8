"""The format of a segment file: a header block, then records one after the other. Pure bytes, no disk.

    header   magic 8, version 2, origin length 2, serial 8, after 8, floor 8, origin, zeros, crc 4: 512 bytes
    record   magic 4, payload length 4, payload crc 4, part 4, last 1, transactions 4, changes 4, first 8, position 8,
             bytes raw 8, committed at 8, synced bytes 8, crc of all these 4, then the payload

All numbers are little-endian; checksums are CRC-32. A record's head is checked on its own, so that a reader trusts a
length before it follows it, and its checksum starts from the one of the segment's header, so that a record counts only
in the file it was written to.

The rule it keeps: a tear can be told from a wound. Every record says how many bytes of its file were synced when it was
written. Where a record does not check, and one behind it says that this place was synced, the disk lost what it had
promised; where none says so, it is the tail that a crash tore off, and nobody relied on it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from sync.errors import SpoolCorrupt
from sync.model.batch import Encoded
from sync.model.position import POSITION_MAX, Position

HEADER_BYTES = 512
ORIGIN_BYTES_MAX = 400
PAYLOAD_BYTES_MAX = 2**30

VERSION = 1
_HEADER_MAGIC = b"ASYNCSPL"
_RECORD_MAGIC = b"\xa5Rc\x00"
_HEADER = struct.Struct("<8sHHQQQ")
_RECORD = struct.Struct("<4sIIIBIIQQQqQ")
_CRC = struct.Struct("<I")

HEAD_BYTES = _RECORD.size + _CRC.size
"""Bytes that a record takes beside its payload."""

REMEDY = "All tables are copied again; check the disk that holds `node.state_dir`."


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says of itself.

    `after` is the last complete transaction before the segment. Everything after `floor` is still whole in this
    segment and the later ones: it is greater than `after` where the segment starts inside a large transaction.
    """

    serial: int
    after: Position
    floor: Position
    origin: str

    @property
    def name(self) -> str:
        """File name; sorts like the segments."""
        return f"{self.after:019d}-{self.serial:010d}.spool"


class Record(NamedTuple):
    """The head of a record as it stands in the file."""

    magic: bytes
    payload_bytes: int
    payload_crc: int
    part: int
    last: int
    transactions: int
    changes: int
    first: Position
    position: Position
    bytes_raw: int
    committed_at_us: int
    synced_bytes: int


def encode_header(header: Header) -> bytes:
    """Give the header block; the origin must have at most `ORIGIN_BYTES_MAX` bytes in UTF-8."""
    origin = header.origin.encode()
    assert len(origin) <= ORIGIN_BYTES_MAX
    fixed = _HEADER.pack(_HEADER_MAGIC, VERSION, len(origin), header.serial, header.after, header.floor)
    block = (fixed + origin).ljust(HEADER_BYTES - _CRC.size, b"\0")
    return block + _CRC.pack(zlib.crc32(block))


def decode_header(block: bytes, name: str) -> Header:
    """Read a header block; raises `SpoolCorrupt` naming the file."""
    if len(block) < HEADER_BYTES or block[:8] != _HEADER_MAGIC:
        raise SpoolCorrupt(f"spool file {name} has no header", f"{len(block)} bytes were read", REMEDY)
    if _CRC.unpack_from(block, HEADER_BYTES - _CRC.size)[0] != zlib.crc32(block[: HEADER_BYTES - _CRC.size]):
        raise SpoolCorrupt(f"the header of spool file {name} does not check", "its checksum differs", REMEDY)
    _, version, origin_bytes, serial, after, floor = _HEADER.unpack_from(block)
    if version != VERSION:
        why = f"it has version {version}, this program knows {VERSION}"
        raise SpoolCorrupt(f"could not read spool file {name}", why, "Run the release that wrote it.")
    try:
        origin = block[_HEADER.size : _HEADER.size + origin_bytes].decode()
    except UnicodeDecodeError as error:
        raise SpoolCorrupt(f"the header of spool file {name} is no header", f"its origin: {error}", REMEDY) from error
    if origin_bytes > ORIGIN_BYTES_MAX or not after <= floor <= POSITION_MAX:
        why = f"origin of {origin_bytes} bytes, positions {after} and {floor}"
        raise SpoolCorrupt(f"the header of spool file {name} is no header", why, REMEDY)
    return Header(serial, Position(after), Position(floor), origin)


def header_seed(block: bytes) -> int:
    """Where the checksums of a segment's records start from: the header's own.

    It leaves the stored checksum out: the CRC of anything together with its own CRC is the same number for all.
    """
    return zlib.crc32(block[: HEADER_BYTES - _CRC.size])


def encode_record(encoded: Encoded, seed: int, synced_bytes: int) -> bytes:
    """Give the head of a record; the payload follows it in the file."""
    payload = encoded.payload
    head = _RECORD.pack(
        _RECORD_MAGIC,
        len(payload),
        zlib.crc32(payload),
        encoded.part,
        encoded.last,
        encoded.transactions,
        encoded.changes,
        encoded.first,
        encoded.position,
        encoded.bytes_raw,
        encoded.committed_at_us,
        synced_bytes,
    )
    return head + _CRC.pack(zlib.crc32(head, seed))


def decode_record(block: bytes, at: int, seed: int) -> Record | None:
    """Read the head of the record at `at`; None where it does not check."""
    end = at + _RECORD.size
    if end + _CRC.size > len(block) or _CRC.unpack_from(block, end)[0] != zlib.crc32(block[at:end], seed):
        return None
    return Record._make(_RECORD.unpack_from(block, at))


def build(record: Record, payload: bytes) -> Encoded | None:
    """Join head and payload; None where the payload does not check, or is not all there."""
    if len(payload) != record.payload_bytes or zlib.crc32(payload) != record.payload_crc:
        return None
    return Encoded(
        payload=payload,
        first=record.first,
        position=record.position,
        part=record.part,
        last=bool(record.last),
        transactions=record.transactions,
        changes=record.changes,
        bytes_raw=record.bytes_raw,
        committed_at_us=record.committed_at_us,
    )


def synced_witness(block: bytes, at: int, seed: int) -> int:
    """The most synced bytes that any record head behind `at` witnesses; 0 where none checks."""
    synced_bytes = 0
    at = block.find(_RECORD_MAGIC, at + 1)
    while at >= 0:
        if (record := decode_record(block, at, seed)) is not None:
            synced_bytes = max(synced_bytes, record.synced_bytes)
        at = block.find(_RECORD_MAGIC, at + 1)
    return synced_bytes


@dataclass(slots=True)
class Order:
    """Checks that batches follow each other: whole transactions upwards, the parts of a large one without a gap."""

    newest: Position
    """Last complete transaction."""
    unfinished: Position | None = None
    """The large transaction whose last part has not come yet."""
    parts: int = 0
    """Parts of it that have come."""

    def refusal(self, batch: Encoded | Record) -> str:
        """Why this batch can not come next; empty where it can."""
        if batch.position > POSITION_MAX:
            return f"{batch.position} is beyond the last possible position"
        if self.unfinished is None:
            if batch.part:
                return f"part {batch.part} of {batch.position} came without the parts before it"
            if not self.newest < batch.first <= batch.position:
                return f"transactions {batch.first} to {batch.position} came after {self.newest}"
        elif (batch.position, batch.part) != (self.unfinished, self.parts):
            expected = f"part {self.parts} of {self.unfinished}"
            return f"part {batch.part} of {batch.position} came where {expected} had to"
        return ""

    def take(self, batch: Encoded | Record) -> None:
        """Go on behind this batch."""
        if batch.last:
            self.newest, self.unfinished, self.parts = batch.position, None, 0
        else:
            self.unfinished, self.parts = batch.position, batch.part + 1
