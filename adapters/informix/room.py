"""Room: whether a row of images fits into Informix's limits.

The rule it keeps: it is asked before anything is installed, and counts at least what the server would, so that a
trigger never fails in a user's transaction because its image has no place. The limits, and the bytes of a value, are
those of the fact sheet's sections 2.1 and 4.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapters.informix.qualifiers import packed
from adapters.informix.statements.statement import Table
from adapters.informix.types import ColumnType
from sync.model.schema import Kind

ROW_BYTES_MAX: Final = 32_767
VARYING_MAX: Final = 195
"""Columns of varying length in one row."""
_OWN_BYTES: Final = 16
"""The number and the operation of an image, rounded up."""
_PLAIN: Final[Mapping[str, int]] = {
    "SMALLINT": 2,
    "INTEGER": 4,
    "SERIAL": 4,
    "DATE": 4,
    "BIGINT": 8,
    "BIGSERIAL": 8,
    "INT8": 10,
    "SERIAL8": 10,
    "FLOAT": 8,
    "SMALLFLOAT": 4,
    "BOOLEAN": 2,
}
_FLOATING_DIGITS: Final = 32
_VARYING: Final[Mapping[str, int]] = {"VARCHAR": 1, "NVARCHAR": 1, "LVARCHAR": 3}
"""With the bytes that each has beside its text."""


def stored_bytes(column: ColumnType) -> int:
    """The most bytes that a value has in a row."""
    if column.name in _PLAIN:
        return _PLAIN[column.name]
    if column.qualifier is not None:
        return (packed(column.qualifier) >> 8) // 2 + 2
    if column.type.kind in {Kind.DECIMAL, Kind.MONEY}:
        digits = column.type.length or _FLOATING_DIGITS
        return (digits + (column.type.scale & 1) + 3) // 2
    return column.type.length + _VARYING.get(column.name, 0)


def obstacle(table: Table) -> str:
    """Why images of this table do not fit; "" where they do."""
    columns = [column.type for column in (*table.keys, *table.small)]
    row_bytes = _OWN_BYTES + sum(map(stored_bytes, columns))
    if row_bytes > ROW_BYTES_MAX:
        return f"its old key and new row have up to {row_bytes} bytes, and a row of Informix at most {ROW_BYTES_MAX}"
    varying = sum(column.name in _VARYING for column in columns)
    if varying > VARYING_MAX:
        return f"its old key and new row have {varying} columns of varying length, and Informix at most {VARYING_MAX}"
    return ""
