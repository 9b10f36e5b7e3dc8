"""Drift: a target's table held against the schema of the stream, and what follows from it.

The rule it keeps: what adds or widens is followed; what takes away, renames or narrows is for a person to decide, and
says what differs and what to do. A difference that was always there is nobody's change: it is left as it is, as long
as the table can be brought to hold the stream's columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sync.core.widening import fits, is_larger, widens
from sync.model.alteration import AddColumn, Alteration, CreateTable, WidenColumn
from sync.model.schema import Column, TableSchema, Type

_THEN = "The table is copied then, and goes on by itself"


@dataclass(frozen=True, slots=True)
class Drift:
    """What is to be done: nothing, these steps, or, where a `difference` is named, what the remedy says."""

    steps: tuple[Alteration, ...] = ()
    difference: str = ""
    remedy: str = ""

    @property
    def refused(self) -> bool:
        """Whether only a person can go on."""
        return bool(self.difference)


def drift(
    target: TableSchema | None, wanted: TableSchema, before: TableSchema | None, own: Callable[[Type], Type]
) -> Drift:
    """Compare the target's table (without its local columns; None where there is none) with the stream's schema.

    `before` is the schema of the stream that the target followed last, None where it is the first; `own` gives the
    type that the target's database has for one of the stream's.
    """
    if target is None:
        return Drift((CreateTable(wanted),))
    here = {column.name: column for column in target.columns}
    earlier = {column.name: column for column in before.columns} if before else {}
    gone = [name for name in earlier if name in here and name not in wanted.column_names]
    added = [column for column in wanted.columns if column.name not in here]
    if gone:
        return _lacking(wanted.name, gone, [column.name for column in added])
    steps: list[Alteration] = [AddColumn(column) for column in added]
    for column in wanted.columns:
        if column.name in here:
            found = _of_column(wanted.name, here[column.name], column, earlier.get(column.name), own)
            if isinstance(found, Drift):
                return found
            steps += found
    return Drift(tuple(steps))


def _lacking(table: str, gone: list[str], added: list[str]) -> Drift:
    names = ", ".join(gone)
    difference = f"{_columns(gone)} {names} of {table} {_are(gone)} gone on the primary"
    if added:
        difference += f", and {_columns(added)} {', '.join(added)} {_are(added)} new: perhaps renamed"
        return Drift((), difference, f"Rename or drop {names} in {table} on the secondary too. {_THEN}")
    return Drift((), difference, f"Drop {names} from {table} on the secondary too, or keep it as local column. {_THEN}")


def _of_column(
    table: str, here: Column, wanted: Column, earlier: Column | None, own: Callable[[Type], Type]
) -> list[Alteration] | Drift:
    have, want = here.type, wanted.type
    if have == own(want):
        return []
    was = earlier.type if earlier else None
    if was is None or was == want:
        # Never altered: the two tables were made unlike, and beyond mere size the values tell whether that works.
        return [WidenColumn(wanted)] if is_larger(want, have) else []
    if not widens(was, want) and not fits(want, have):
        difference = (
            f"column {wanted.name} of {table} was changed from {was} to {want} on the primary; here it is {have}"
        )
        return Drift((), difference, f"Give {wanted.name} in {table} the type {want} on the secondary too. {_THEN}")
    return [] if fits(have, want) else [WidenColumn(wanted)]


def _columns(names: list[str]) -> str:
    return "column" if len(names) == 1 else "columns"


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
