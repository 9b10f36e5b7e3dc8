"""The digest of rows: 16 bytes that are equal exactly where two sets of rows are, whatever their order.

The rule it keeps: two rows have the same digest where `values_equal` holds for each of their columns, so digest and
comparison never disagree. Numbers are equal by value: 1, 1.0 and True are one, -0.0 is 0, as in a database whose
column affinity decides how a number is stored. Every NaN equals every other. NULL equals NULL. Text never equals bytes.

A row's bytes are the MessagePack array of its canonical values, its digest the last 128 bits of their BLAKE2b-512, a
set's digest the sum modulo 2**128: rows may come in any order, and a row that stands twice counts twice.
"""

from __future__ import annotations

from hashlib import blake2b
from math import nan
from typing import Final

from msgspec import msgpack

from sync.model.change import ABSENT, Columns, Value
from sync.model.schema import TableSchema

DIGEST_BYTES: Final = 16
EMPTY: Final = bytes(DIGEST_BYTES)
"""The digest of no rows."""

_MODULUS: Final = 1 << (8 * DIGEST_BYTES)
_INT_MIN: Final = -(1 << 63)
_INT_MAX: Final = (1 << 64) - 1
_encode = msgpack.Encoder().encode


def digest(schema: TableSchema, columns: Columns) -> bytes:
    """Digest rows given as one list for each column of the schema; `EMPTY` for no rows.

    Raises `ValueError` where a value is ABSENT: a row that is not known has no digest.
    """
    if not columns or not columns[0]:
        return EMPTY
    canonical = [_canonical(schema, index, column) for index, column in enumerate(columns)]
    try:
        hashes = [blake2b(_encode(row)).digest() for row in zip(*canonical, strict=True)]
    except (UnicodeEncodeError, OverflowError):
        # Half surrogates, or integers beyond 64 bits: no database holds them in a typed column, so speed is no matter.
        hashes = [blake2b(_encode(tuple(map(_packable, row)))).digest() for row in zip(*canonical, strict=True)]
    return (sum(map(int.from_bytes, hashes)) % _MODULUS).to_bytes(DIGEST_BYTES, "big")


def values_equal(one: Value, other: Value) -> bool:
    """Whether two canonical values are the same value, as the digest sees it."""
    return one == other or (one != one and other != other)  # noqa: PLR0124 - only NaN differs from itself


def canonical_column(column: list[Value]) -> list[Value]:
    """Bring equal values into one form; the very same list where it is that already."""
    types = set(map(type, column))
    return list(map(_plain, column)) if float in types or bool in types else column


def _canonical(schema: TableSchema, index: int, column: list[Value]) -> list[Value]:
    if ABSENT in column:
        message = f"column {schema.columns[index].name} of {schema.name} is absent in a row that is to be digested"
        raise ValueError(message)
    return canonical_column(column)


def _plain(value: Value) -> Value:
    if value is True or value is False:
        return int(value)
    if type(value) is not float:
        return value
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return nan
    return int(value) if value.is_integer() and _INT_MIN <= value <= _INT_MAX else value


def _packable(value: Value) -> object:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return msgpack.Ext(1, value.encode(errors="surrogatepass"))
    if isinstance(value, int) and not _INT_MIN <= value <= _INT_MAX:
        return msgpack.Ext(2, str(value).encode())
    return value
