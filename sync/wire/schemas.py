"""A table's schema on the wire, and the caches that make it free the second time.

The rule it keeps: a schema stands in every block and chunk, so that a batch explains itself; both ends pack or read
the same one only once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sync.model.schema import Column, Kind, TableSchema, Type
from sync.wire.checks import UINT32_MAX, array, boolean, integer, malformed, name, pack, text, unpack

NAME_CHARS_MAX: Final = 512
QUALIFIER_CHARS_MAX: Final = 128
CACHED_MAX: Final = 1024

_KINDS: Final = {kind.value: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class SchemaLimits:
    columns_max: int = 1000
    """Columns of one table; no array of a message is longer than 1,024."""


class SchemaCodec:
    """Packs and reads schemas. One for each thread."""

    def __init__(self, limits: SchemaLimits) -> None:
        self._limits = limits
        self._packed: dict[str, tuple[TableSchema, bytes]] = {}
        self._read: dict[bytes, TableSchema] = {}

    def pack(self, schema: TableSchema) -> bytes:
        known = self._packed.get(schema.fingerprint)
        if known is not None and (known[0] is schema or known[0] == schema):
            return known[1]
        packed = pack(
            [
                schema.name,
                list(schema.key),
                [
                    [c.name, c.type.kind.value, c.type.length, c.type.scale, c.type.qualifier, c.nullable]
                    for c in schema.columns
                ],
            ]
        )
        if len(self._packed) >= CACHED_MAX:
            self._packed.clear()
        self._packed[schema.fingerprint] = (schema, packed)
        return packed

    def read(self, packed: bytes) -> TableSchema:
        """Read a schema; the same bytes give the same object. Raises `ProtocolError`."""
        known = self._read.get(packed)
        if known is None:
            known = self._parse(packed)
            if len(self._read) >= CACHED_MAX:
                self._read.clear()
            self._read[packed] = known
        return known

    def _parse(self, packed: bytes) -> TableSchema:
        title, key, columns = array(unpack(packed, "schema"), "schema", 3)
        table = name(title, "schema name", NAME_CHARS_MAX)
        if not table:
            malformed("schema name", "it is empty")
        parts = array(columns, f"columns of {table}")
        if not 0 < len(parts) <= self._limits.columns_max:
            malformed(f"columns of {table}", f"{len(parts)} are not 1 to {self._limits.columns_max}")
        where = f"key of {table}"
        indexes = tuple(integer(index, where, 0, UINT32_MAX) for index in array(key, where))
        try:
            return TableSchema(table, tuple(_column(part, table) for part in parts), indexes)
        except ValueError as error:  # a repeated column, or a key outside of the columns
            malformed("schema", str(error))


def _column(packed: object, table: str) -> Column:
    where = f"column of {table}"
    title, kind, length, scale, qualifier, nullable = array(packed, where, 6)
    logical = _KINDS.get(text(kind, where, NAME_CHARS_MAX))
    if logical is None:
        malformed(where, "its logical type is unknown")
    bounds = integer(length, where, 0, UINT32_MAX), integer(scale, where, 0, UINT32_MAX)
    column_type = Type(logical, *bounds, name(qualifier, where, QUALIFIER_CHARS_MAX))
    return Column(name(title, where, NAME_CHARS_MAX), column_type, boolean(nullable, where))
