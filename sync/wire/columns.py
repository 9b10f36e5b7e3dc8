"""One column of values as bytes, and back.

The rule it keeps: a column costs a few calls into C, whatever its length, and comes back exactly: type, sign of zero,
NaN, lone surrogates and the difference between NULL and ABSENT included. Python calls 1, 1.0 and True equal, so
nothing is merged unless all values have one type.

A body is a row of msgpack objects; which ones depends on the column's encoding (docs/wire.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from itertools import accumulate, chain, compress, repeat
from operator import is_not, sub
from types import NoneType
from typing import Any, Final

from sync.errors import AdminSyncError
from sync.model.change import ABSENT, Value
from sync.wire.checks import ARRAY_LENGTH_MAX, array, integer, malformed

Pack = Callable[[object], bytes]
Unpack = Callable[[], Any]


class Encoding(IntEnum):
    """How a column's values stand in the body. The number is the byte on the wire."""

    PLAIN = 0
    """The values as they are, in runs."""
    CONSTANT = 1
    """One value, as often as the block is long."""
    ABSENT = 2
    """Every value is ABSENT; no body."""
    DICTIONARY = 3
    """The distinct values once, in runs, then one small number for each row."""
    JOINED = 4
    """Texts without a NUL character, joined by it."""
    DELTA = 5
    """Integers: the first, then the differences, in runs."""
    MASKED = 6
    """One byte a row tells whether it has a value; the values follow in an encoding of their own."""


RUN: Final = ARRAY_LENGTH_MAX
JOINT: Final = "\0"
MASK_SET: Final = frozenset((0, 1))
DICTIONARY_MAX: Final = 256
"""A row's code is one byte. Two bytes were measured: larger after compression, and slower."""
DICTIONARY_REPEAT_MIN: Final = 4
"""A dictionary pays from this many rows for each distinct value."""
SAMPLE: Final = 512
"""Rows at the start of a column, or spread over it, that decide whether an encoding is worth trying."""

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**64 - 1
"""What msgpack can carry; the logical types stay inside of it."""

ABSENT_TYPE: Final = type(ABSENT)
VALUE_TYPES: Final = frozenset((NoneType, bool, int, float, str, bytes))
MERGEABLE: Final = tuple(frozenset(types) for kind in (bool, int, str, bytes) for types in ((kind,), (kind, NoneType)))
"""Type sets inside which equal values are the same value. Not float: 0.0 equals -0.0, and NaN nothing."""


class NotEncodable(AdminSyncError):
    """A batch that the wire format can not carry: beyond its limits, or a value that is none."""


def encode_column(values: Sequence[Value], pack: Pack) -> tuple[Encoding, list[bytes]]:
    """Choose the encoding and give the body's pieces.

    Raises `NotEncodable` for what is not a Value, `OverflowError` for an integer outside of 64 bits.
    """
    types = set(map(type, values))
    if ABSENT_TYPE in types:
        if len(types) == 1:
            return Encoding.ABSENT, []
        mask = bytes(map(is_not, values, repeat(ABSENT)))
        inner, pieces = encode_column(list(compress(values, mask)), pack)
        return Encoding.MASKED, [pack(mask), pack(int(inner)), *pieces]
    if not types <= VALUE_TYPES:
        strange = ", ".join(sorted(kind.__name__ for kind in types - VALUE_TYPES))
        raise NotEncodable("could not encode a batch", f"a column holds {strange}", "Please report this defect.")
    return _encode_values(values, types, pack)


def _encode_values(values: Sequence[Value], types: set[type], pack: Pack) -> tuple[Encoding, list[bytes]]:
    count = len(values)
    if count == 1 or types == {NoneType}:
        return Encoding.CONSTANT, [pack(values[0])]
    if types in MERGEABLE:
        first = values[0]
        if first == values[-1] and values.count(first) == count:
            return Encoding.CONSTANT, [pack(first)]
        pieces = _dictionary(values, pack)
        if pieces:
            return Encoding.DICTIONARY, pieces
        if types == {str}:
            joined = JOINT.join(values)  # type: ignore[arg-type]  # the type set says so
            if joined.count(JOINT) == count - 1:
                return Encoding.JOINED, [pack(joined)]
        elif types == {int} and _rises(values[:SAMPLE]):
            try:
                return Encoding.DELTA, encode_integers(values, pack)  # type: ignore[arg-type]  # the type set says so
            except OverflowError:
                pass  # a step between two 64-bit numbers can need 65 bits; the numbers themselves may still fit
    return Encoding.PLAIN, _runs(values, pack)


def _rises(sample: Sequence[Value]) -> bool:
    """Whether differences pay: for keys in order, not for numbers that go up and down."""
    return list(sample) == sorted(sample)  # type: ignore[type-var]  # the caller saw only ints


def _dictionary(values: Sequence[Value], pack: Pack) -> list[bytes]:
    """The pieces of a dictionary, none where it does not pay."""
    count = len(values)
    sample = values[:SAMPLE]
    if len(set(sample)) * 2 > len(sample) or len(set(values[:: count // SAMPLE + 1])) > DICTIONARY_MAX:
        return []
    numbers = dict.fromkeys(values)
    if len(numbers) > DICTIONARY_MAX or len(numbers) * DICTIONARY_REPEAT_MIN > count:
        return []
    index = dict(zip(numbers, range(len(numbers)), strict=True))
    return [pack(len(index)), *_runs(list(index), pack), pack(bytes(map(index.__getitem__, values)))]


def _runs(values: Sequence[Value], pack: Pack) -> list[bytes]:
    """Short arrays instead of one long: the reader reserves no more than one run ahead of the bytes it has."""
    if len(values) <= RUN:
        return [pack(values)] if values else []
    return [pack(values[start : start + RUN]) for start in range(0, len(values), RUN)]


def encode_integers(values: Sequence[int], pack: Pack) -> list[bytes]:
    """First value and differences, in runs. Differences of 64-bit numbers may need 65 bits: then OverflowError."""
    return _runs([*values[:1], *map(sub, values[1:], values)], pack)


def decode_integers(count: int, unpack: Unpack, where: str) -> list[int]:
    """What `encode_integers` gave; the caller checks the range."""
    steps = _unrun(count, unpack, frozenset((int,)), where)
    return list(accumulate(steps))  # type: ignore[arg-type]  # checked to be ints


def decode_column(encoding: int, count: int, unpack: Unpack, where: str) -> list[Value]:
    """Read the values of one column. `ProtocolError` for what does not fit; the unpacker's own errors pass through."""
    reader = _READERS.get(encoding)
    if reader is None:
        malformed(where, f"it has the unknown encoding {encoding}")
    return reader(count, unpack, where)


def _absent(count: int, _unpack: Unpack, _where: str) -> list[Value]:
    return [ABSENT] * count


def _repeated(count: int, unpack: Unpack, where: str) -> list[Value]:
    return _values([unpack()], where) * count


def _unjoined(count: int, unpack: Unpack, where: str) -> list[Value]:
    joined = unpack()
    # Counted before it is split: a text of a million NULs must not become a million values.
    if type(joined) is not str or joined.count(JOINT) != count - 1:
        malformed(where, f"its joined texts are not {count}")
    return joined.split(JOINT)  # type: ignore[return-value]  # a list of str is a list of Values


def _summed(count: int, unpack: Unpack, where: str) -> list[Value]:
    integers = decode_integers(count, unpack, where)
    if integers and not INTEGER_MIN <= min(integers) <= max(integers) <= INTEGER_MAX:
        malformed(where, "it holds an integer outside of 64 bits")
    return integers  # type: ignore[return-value]  # as above


def _plain(count: int, unpack: Unpack, where: str) -> list[Value]:
    return _unrun(count, unpack, VALUE_TYPES, where)


def _unmask(count: int, unpack: Unpack, where: str) -> list[Value]:
    mask = unpack()
    if type(mask) is not bytes or len(mask) != count or not MASK_SET.issuperset(mask):
        malformed(where, f"its mask does not say yes or no for {count} rows")
    inner = integer(unpack(), where, 0, Encoding.DELTA)
    present = decode_column(inner, mask.count(1), unpack, where)
    values: list[Value] = [ABSENT] * count
    for index, value in zip(compress(range(count), mask), present, strict=True):
        values[index] = value
    return values


def _undictionary(count: int, unpack: Unpack, where: str) -> list[Value]:
    distinct = integer(unpack(), where, 1, min(count, DICTIONARY_MAX))
    values = _unrun(distinct, unpack, VALUE_TYPES, where)
    codes = unpack()
    if type(codes) is not bytes or len(codes) != count:
        malformed(where, f"its dictionary has not {count} codes")
    try:
        return list(map(values.__getitem__, codes))
    except IndexError:
        malformed(where, f"a code points outside of its dictionary of {distinct}")


def _unrun(count: int, unpack: Unpack, types: frozenset[type], where: str) -> list[Value]:
    runs: list[list[Value]] = []
    for start in range(0, count, RUN):
        run = array(unpack(), where, min(RUN, count - start))
        runs.append(_values(run, where, types))
    return runs[0] if len(runs) == 1 else list(chain.from_iterable(runs))


def _values(values: list[Any], where: str, types: frozenset[type] = VALUE_TYPES) -> list[Value]:
    if not types.issuperset(map(type, values)):
        malformed(where, "it holds something that is not a value")
    return values


_READERS: Final[dict[int, Callable[[int, Unpack, str], list[Value]]]] = {
    Encoding.PLAIN: _plain,
    Encoding.CONSTANT: _repeated,
    Encoding.ABSENT: _absent,
    Encoding.DICTIONARY: _undictionary,
    Encoding.JOINED: _unjoined,
    Encoding.DELTA: _summed,
    Encoding.MASKED: _unmask,
}
