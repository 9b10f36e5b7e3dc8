"""The outermost layer of a payload: a version, a compressed frame, and inside it the contents before the columns.

The rule it keeps: sizes are known and allowed before anything is allocated, and the table of contents can be read
without the columns.

    payload  = version u8, zstd frame (with its content size)
    content  = contents length u32 big-endian, contents, body
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import zstandard

from sync.wire.checks import malformed
from sync.wire.columns import NotEncodable
from sync.wire.dictionary import DICTIONARY_V1

VERSION: Final = 1
BLOCK_BYTES: Final = 128 * 1024
"""The most that one zstd block expands to."""
BLOCK_BYTES_MIN: Final = 4
"""The least that a zstd block which expands to anything takes up."""

_LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class EnvelopeLimits:
    payload_bytes_max: int
    raw_bytes_max: int


class Envelope:
    """Compresses and opens payloads. One for each thread: it holds the zstd contexts."""

    def __init__(self, limits: EnvelopeLimits, level: int) -> None:
        self._limits = limits
        shared = zstandard.ZstdCompressionDict(DICTIONARY_V1, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        self._compressor = zstandard.ZstdCompressor(
            level=level, dict_data=shared, write_content_size=True, write_checksum=False, write_dict_id=False
        )
        self._decompressor = zstandard.ZstdDecompressor(dict_data=shared)

    def close(self, contents: bytes, body: list[bytes]) -> tuple[bytes, int]:
        """Give the payload and the size of its content. Raises `NotEncodable` beyond the limits."""
        content = b"".join([_LENGTH.pack(len(contents)), contents, *body])
        size = len(content)
        if size > self._limits.raw_bytes_max:
            raise _too_large("bytes before compression", size, self._limits.raw_bytes_max)
        payload = bytes((VERSION,)) + self._compressor.compress(content)
        if len(payload) > self._limits.payload_bytes_max:
            raise _too_large("bytes", len(payload), self._limits.payload_bytes_max)
        return payload, size

    def open(self, payload: bytes) -> tuple[memoryview, memoryview]:
        """Give contents and body. Raises `ProtocolError`."""
        self._size(payload)
        try:
            content = self._decompressor.decompress(memoryview(payload)[1:], allow_extra_data=False)
        except zstandard.ZstdError as error:
            malformed("payload", str(error))
        end = _LENGTH.size + self._contents_bytes(content[: _LENGTH.size], len(content))
        view = memoryview(content)
        return view[_LENGTH.size : end], view[end:]

    def contents(self, payload: bytes) -> bytes:
        """Give the contents only, decompressing no more than them. Raises `ProtocolError`."""
        size = self._size(payload)
        try:
            with self._decompressor.stream_reader(memoryview(payload)[1:]) as reader:
                length = self._contents_bytes(reader.read(_LENGTH.size), size)
                contents: bytes = reader.read(length)
        except zstandard.ZstdError as error:
            malformed("payload", str(error))
        if len(contents) != length:
            malformed("payload", "it ends inside its contents")
        return contents

    def _contents_bytes(self, prefix: bytes, size: int) -> int:
        if len(prefix) != _LENGTH.size:
            malformed("payload", "it has no contents")
        length: int = _LENGTH.unpack(prefix)[0]
        if length > size - _LENGTH.size:
            malformed("payload", f"its contents of {length} bytes do not fit into {size}")
        return length

    def _size(self, payload: bytes) -> int:
        """Size of the content, checked against the limits and against what so few bytes can possibly hold."""
        limits = self._limits
        if not payload or payload[0] != VERSION:
            version = payload[0] if payload else "none"
            malformed("payload", f"its format version is {version}, this release reads {VERSION}")
        if len(payload) > limits.payload_bytes_max:
            malformed("payload", f"{len(payload)} bytes are more than {limits.payload_bytes_max}")
        try:
            size = zstandard.frame_content_size(payload[1:19])
        except zstandard.ZstdError as error:
            malformed("payload", str(error))
        possible = len(payload) // BLOCK_BYTES_MIN * BLOCK_BYTES
        if not 0 <= size <= min(limits.raw_bytes_max, possible):
            malformed("payload", f"its content size is {size} bytes, allowed are {min(limits.raw_bytes_max, possible)}")
        return size


def _too_large(what: str, size: int, limit: int) -> NotEncodable:
    return NotEncodable(
        "could not encode a batch",
        f"it has {size} {what}, the wire format carries at most {limit}",
        "Lower limits.batch_bytes_max; if one row alone is so large, exclude its column.",
    )
