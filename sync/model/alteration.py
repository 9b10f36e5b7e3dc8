"""Alterations: what is done to a target's table so that it can hold the stream. Never SQL: each target renders it.

The rule they keep: each of them adds or widens, and takes nothing away.
"""

from __future__ import annotations

from dataclasses import dataclass

from sync.model.schema import Column, TableSchema


@dataclass(frozen=True, slots=True)
class CreateTable:
    """Make the table with its key. Columns outside of the key may be NULL: see `AddColumn`."""

    schema: TableSchema

    def __str__(self) -> str:
        return "created"


@dataclass(frozen=True, slots=True)
class AddColumn:
    """Add a column. It may be NULL whatever the source says, and has no default.

    The rows that are there get their values from the copy that follows; until then NULL says that they are not known.
    That the source refuses NULL holds here too, because nobody else writes.
    """

    column: Column

    def __str__(self) -> str:
        return f"column {self.column.name} added"


@dataclass(frozen=True, slots=True)
class WidenColumn:
    """Give a column this type, which holds all that the old one held."""

    column: Column

    def __str__(self) -> str:
        return f"column {self.column.name} widened to {self.column.type}"


Alteration = CreateTable | AddColumn | WidenColumn
