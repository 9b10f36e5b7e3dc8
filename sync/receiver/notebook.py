"""What the secondary remembers of each table of the stream, as the text that its database keeps beside the rows.

The rule it keeps: a text that can not be read (an older release, a hand that touched it) is a table that was never
seen, which costs a comparison and never a row.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sync.model.schema import Column, Kind, TableSchema, Type


@dataclass(frozen=True, slots=True)
class Paused:
    """Why a table is paused."""

    wanted: TableSchema
    """The schema that the target could not be brought to."""
    difference: str
    remedy: str
    since_us: int


@dataclass(frozen=True, slots=True)
class Page:
    """One table: the schema that was followed last, and whether it is paused."""

    schema: TableSchema | None = None
    pause: Paused | None = None


def written(page: Page) -> str:
    """The page as text."""
    pause = page.pause
    return json.dumps(
        {
            "schema": page.schema and _plain(page.schema),
            "pause": pause and [_plain(pause.wanted), pause.difference, pause.remedy, pause.since_us],
        }
    )


def read(text: str) -> Page:
    """The page that `written` gave; an empty one where it did not."""
    try:
        found = json.loads(text)
        schema, pause = found["schema"], found["pause"]
        return Page(
            schema and _schema(schema),
            pause and Paused(_schema(pause[0]), str(pause[1]), str(pause[2]), int(pause[3])),
        )
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return Page()


def _plain(schema: TableSchema) -> list[object]:
    columns = [
        [c.name, c.type.kind.value, c.type.length, c.type.scale, c.type.qualifier, c.nullable] for c in schema.columns
    ]
    return [schema.name, list(schema.key), columns]


def _schema(plain: Any) -> TableSchema:  # noqa: ANN401  whatever stood there
    name, key, columns = plain
    made = tuple(
        Column(str(title), Type(Kind(kind), int(length), int(scale), str(qualifier)), bool(nullable))
        for title, kind, length, scale, qualifier, nullable in columns
    )
    return TableSchema(str(name), made, tuple(map(int, key)))
