"""Relations of the stream held against the catalog: which column of a tuple is which captured one.

The rule it keeps: what is newer in the log than the catalog that was read is never guessed at. What is older is read as
far as it means the same today; the table was altered since, so that a copy of all its rows follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.postgres.pgoutput import RelationMessage
from sync.errors import CatalogChanged
from sync.model.schema import TableSchema

_ALIKE: Final = (frozenset({20, 21, 23, 26}), frozenset({25, 1043}))
"""OIDs of types that write a value in the same way: integers, texts."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is captured of one table."""

    schema: TableSchema
    known: Mapping[str, tuple[int, int]]
    """All columns that the table has in the catalog: the OID of the type, and its modifier."""


def places_of(wanted: Wanted, message: RelationMessage, *, newer: bool) -> tuple[int, ...] | None:
    """Where each captured column stands in the relation's tuples; -1 where it does not, or means something else.

    None where the tuples do not tell which row is meant. `newer` says that the transaction was committed after the
    catalog was read: raises `CatalogChanged` then where they differ.
    """
    schema = wanted.schema
    sent = {each.name: (place, each.type_oid, each.modifier) for place, each in enumerate(message.attributes)}
    places = tuple(_place(sent.get(name), wanted.known.get(name)) for name in schema.column_names)
    if newer and (-1 in places or any(wanted.known.get(name) != found[1:] for name, found in sent.items())):
        what = f"table {schema.name} was altered"
        raise CatalogChanged(what, "its columns in the server's log are others", "Capture is opened anew")
    return None if any(places[at] < 0 for at in schema.key) else places


def _place(sent: tuple[int, int, int] | None, known: tuple[int, int] | None) -> int:
    if sent is None or known is None:
        return -1
    same = sent[1] == known[0] or any({sent[1], known[0]} <= alike for alike in _ALIKE)
    return sent[0] if same else -1
