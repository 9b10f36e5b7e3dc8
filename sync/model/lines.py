"""Rows as lines of PostgreSQL's COPY: the net effect of raw rows, which nobody took apart into values.

A target that takes lines (`Target.loads`) gets them where it pays; what a line means is what the column's type reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from sync.model.change import Op
from sync.model.schema import TableSchema


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows of one table that all want the same. No row stands there twice, unless it is said to be new.

    `said` is INSERT (the row is new), UPDATE (it is there), UPSERT (nobody knows) or DELETE. `body` holds a line for
    each row, ended by a newline: all columns of the schema, of a DELETE those of the key, both in the schema's order.
    """

    schema: TableSchema
    said: Op
    body: bytes
    rows: int
