"""A table's schema as a value: columns, logical types and key, with a fingerprint.

Two tables with the same fingerprint hold the same rows in the same canonical values, whatever the database.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """Logical types. The value is the name on the wire.

    The canonical values are int for BOOL's neighbours INT16 to INT64, bool for BOOL, float for FLOAT, str for the
    texts, bytes for BYTES, and canonical text (docs/types.md) for everything from DECIMAL on. ANY is what a
    dynamically typed column holds (SQLite): any of None, int, float, str, bytes.
    """

    BOOL = "bool"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT = "float"
    CHAR = "char"
    VARCHAR = "varchar"
    TEXT = "text"
    BYTES = "bytes"
    DECIMAL = "decimal"
    MONEY = "money"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    INTERVAL = "interval"
    UUID = "uuid"
    JSON = "json"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Type:
    """A logical type with its bounds; 0 or "" where a bound does not apply."""

    kind: Kind
    length: int = 0
    """Characters of CHAR and VARCHAR, digits of DECIMAL and MONEY."""
    scale: int = 0
    """Digits after the point of DECIMAL and MONEY."""
    qualifier: str = ""
    """Of DATETIME and INTERVAL, for example `year to second`; of TEXT the name of a type that has no kind."""

    def __str__(self) -> str:
        if self.kind is Kind.TEXT and self.qualifier:
            return self.qualifier
        bounds = f"({self.length},{self.scale})" if self.scale else f"({self.length})" if self.length else ""
        return f"{self.kind.value}{bounds} {self.qualifier}".rstrip()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: Type
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The replicated columns of one table.

    `name` is the bare catalog name in the default schema, `schema.table` elsewhere. `key` holds the indexes into
    `columns` of the row's identity, in key order. An empty key means that a row is identified by all its columns,
    and that equal rows may stand there several times. A key value that contains NULL is not unique either: SQL
    lets a unique index hold many of them.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[int, ...] = ()
    fingerprint: str = field(init=False, compare=False, default="")

    def __post_init__(self) -> None:
        """Check the shape and compute the fingerprint."""
        if len(set(self.column_names)) != len(self.columns):
            message = f"table {self.name} names a column twice"
            raise ValueError(message)
        if len(set(self.key)) != len(self.key) or not all(0 <= index < len(self.columns) for index in self.key):
            message = f"table {self.name} has a key outside its columns: {self.key}"
            raise ValueError(message)
        digest = hashlib.blake2b(repr(self._identity()).encode(), digest_size=8)
        object.__setattr__(self, "fingerprint", digest.hexdigest())

    def _identity(self) -> tuple[object, ...]:
        columns = [
            (c.name, c.type.kind.value, c.type.length, c.type.scale, c.type.qualifier, c.nullable) for c in self.columns
        ]
        return (self.name, columns, self.key)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in column order."""
        return tuple(column.name for column in self.columns)

    @property
    def identity(self) -> tuple[int, ...]:
        """Indexes of the columns that identify a row: the key, or all columns where there is none."""
        return self.key or tuple(range(len(self.columns)))

    @property
    def key_names(self) -> tuple[str, ...]:
        """Names of the identity columns, in key order."""
        return tuple(self.columns[index].name for index in self.identity)
