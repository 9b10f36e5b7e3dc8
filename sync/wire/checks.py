"""Reading what a peer sent, distrusting every field.

The rule it keeps: whatever stands in a message, the only way out beside a checked value is a `ProtocolError` that
names the field. Nothing is allocated for a length that was only claimed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import msgpack

from sync.errors import ProtocolError
from sync.model.position import POSITION_MAX, Position

INT64_MAX: Final = 2**63 - 1
UINT32_MAX: Final = 2**32 - 1

ARRAY_LENGTH_MAX: Final = 1024
"""Longest array of any message or column run.

The unpacker reserves an array when it reads its length, and nests 1,024 deep: this bounds what a few hostile bytes
can reserve to 8 MiB.
"""
MAP_LENGTH_MAX: Final = 4096

UNPACK_ERRORS: Final = (ValueError, TypeError, OverflowError, msgpack.exceptions.UnpackException)
"""All that the unpacker raises on bad bytes (`UnicodeDecodeError`, stack depth and the limits are ValueErrors)."""


def malformed(where: str, why: str) -> NoReturn:
    """Refuse what the peer sent."""
    raise ProtocolError(
        f"malformed {where}", why, "Both nodes must run compatible releases; the connection is closed and tried again."
    )


def pack(value: object) -> bytes:
    """Pack one message or value; lone surrogates in texts pass as they are."""
    packed: bytes = msgpack.packb(value, use_bin_type=True, unicode_errors="surrogatepass")
    return packed


def unpack(packed: bytes, where: str) -> object:
    """Unpack exactly one value within the limits above."""
    try:
        value: object = msgpack.unpackb(
            packed,
            unicode_errors="surrogatepass",
            max_array_len=ARRAY_LENGTH_MAX,
            max_map_len=MAP_LENGTH_MAX,
            max_ext_len=0,
        )
    except UNPACK_ERRORS as error:
        malformed(where, str(error) or type(error).__name__)
    return value


def integer(value: object, where: str, low: int = 0, high: int = INT64_MAX) -> int:
    """An int (no bool) of a range, both ends included."""
    if type(value) is not int or not low <= value <= high:
        malformed(where, f"expected an integer from {low} to {high}, got {shown(value)}")
    return value


def text(value: object, where: str, chars_max: int = 1024) -> str:
    if type(value) is not str or len(value) > chars_max:
        malformed(where, f"expected a text of at most {chars_max} characters, got {shown(value)}")
    return value


def name(value: object, where: str, chars_max: int) -> str:
    """A text that names something: every database, file and screen has to be able to take it, so no lone surrogates."""
    named = text(value, where, chars_max)
    try:
        named.encode()
    except UnicodeEncodeError:
        malformed(where, "a name contains half of a surrogate pair")
    return named


def boolean(value: object, where: str) -> bool:
    if type(value) is not bool:
        malformed(where, f"expected true or false, got {shown(value)}")
    return value


def binary(value: object, where: str, length_max: int) -> bytes:
    if type(value) is not bytes or len(value) > length_max:
        malformed(where, f"expected at most {length_max} bytes, got {shown(value)}")
    return value


def array(value: object, where: str, length: int | None = None) -> list[object]:
    """A list, of exactly `length` items where that is given."""
    if type(value) is not list or (length is not None and len(value) != length):
        wanted = "a list" if length is None else f"a list of {length}"
        malformed(where, f"expected {wanted}, got {shown(value)}")
    return value


def mapping(value: object, where: str) -> dict[str, object]:
    """A map whose keys are texts (the unpacker also lets binary keys through)."""
    if type(value) is not dict or any(type(key) is not str for key in value):
        malformed(where, f"expected a map with text keys, got {shown(value)}")
    return value


def shown(value: object) -> str:
    """Describe a foreign value briefly, without printing what may be anybody's secret."""
    if isinstance(value, int | float):
        return f"{type(value).__name__} {value}"
    if isinstance(value, Sequence | Mapping):
        return f"{type(value).__name__} of length {len(value)}"
    return type(value).__name__


class Fields:
    """The named fields of one message. Fields that this release does not know are ignored."""

    def __init__(self, head: bytes, message: str) -> None:
        self._message = message
        self._fields = mapping(unpack(head, message), message)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def get(self, name: str) -> tuple[object, str]:
        """Value and the path for a complaint."""
        where = f"{self._message}.{name}"
        if name not in self._fields:
            malformed(where, "the field is missing")
        return self._fields[name], where

    def integer(self, name: str, low: int = 0, high: int = INT64_MAX) -> int:
        return integer(*self.get(name), low, high)

    def position(self, name: str) -> Position:
        return Position(integer(*self.get(name), 0, POSITION_MAX))

    def text(self, name: str, chars_max: int = 1024) -> str:
        return text(*self.get(name), chars_max)

    def name(self, field: str, chars_max: int) -> str:
        return name(*self.get(field), chars_max)

    def boolean(self, name: str) -> bool:
        return boolean(*self.get(name))

    def array(self, name: str) -> list[object]:
        return array(*self.get(name))

    def mapping(self, name: str) -> dict[str, object]:
        return mapping(*self.get(name))

    def texts(self, name: str, chars_max: int, count_max: int) -> tuple[str, ...]:
        value, where = self.get(name)
        items = array(value, where)
        if len(items) > count_max:
            malformed(where, f"{len(items)} are more than {count_max}")
        return tuple(text(item, where, chars_max) for item in items)
