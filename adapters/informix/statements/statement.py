"""What a statement is, and the tables that statements are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.informix.ddl import is_plain
from adapters.informix.facts import FACTS, RESTS_ON, Fact
from adapters.informix.types import ColumnType
from adapters.informix.values import selected
from sync.errors import DatabaseRefused

PREFIX: Final = "admin_sync_"
"""All of ours bears it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `kind` is one of `RESTS_ON`. Its parameters, if any, are the `?` in the order of the text."""

    kind: str
    sql: str

    def __post_init__(self) -> None:
        """Let none be made that rests on nothing."""
        assert self.kind in RESTS_ON, f"no fact is named for {self.kind}"

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(FACTS[name] for name in RESTS_ON[self.kind])


@dataclass(frozen=True, slots=True)
class Column:
    """A replicated column."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Table:
    """A replicated table. `key` names the columns of its identity; empty where rows have none."""

    owner: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    complete: bool = True
    """Whether `columns` are all that the table has."""

    def __post_init__(self) -> None:
        """Let no column come this far that can not be carried."""
        obstacles = [column.type.obstacle for column in self.columns if column.type.obstacle]
        assert not obstacles, f"{self.name} has {obstacles}"

    @property
    def sql(self) -> str:
        """The table's name, with its owner in quotes, which keep the owner's case."""
        return f"{text(self.owner)}.{name(self.name)}" if self.owner else name(self.name)

    @property
    def small(self) -> tuple[Column, ...]:
        """Columns that a trigger can read."""
        return tuple(column for column in self.columns if not column.type.large)

    @property
    def keys(self) -> tuple[Column, ...]:
        """Columns of the key, in its order; every small one where there is none."""
        by_name = {column.name: column for column in self.columns}
        return tuple(by_name[part] for part in self.key) or self.small


def name(identifier: str) -> str:
    """A name as SQL. Raises `DatabaseRefused` where it needs quotes: without DELIMIDENT these hold strings."""
    if not is_plain(identifier):
        raise DatabaseRefused(
            f"can not write the name {identifier!r} in Informix SQL",
            "it is not of lower-case letters, digits and _, and double quotes hold strings",
            "Exclude the table, or the column in tables.columns",
        )
    return identifier


def names(identifiers: Iterable[str], prefix: str = "") -> str:
    return ", ".join(prefix + name(identifier) for identifier in identifiers)


def text(value: str) -> str:
    """A constant of ours as SQL; what comes from a database is bound instead."""
    return "'" + value.replace("'", "''") + "'"


def marks(count: int) -> str:
    return ", ".join("?" * count)


def read(columns: Sequence[Column]) -> str:
    """What a SELECT lists, so that a driver gives values that `values` can decode."""
    return ", ".join(selected(column.type, name(column.name)) for column in columns)
