"""What a database's catalog says about its tables, before any filter has judged them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sync.model.schema import TableSchema


class Relation(Enum):
    """What kind of object a name stands for."""

    TABLE = "table"
    VIEW = "view"
    SYNONYM = "synonym"
    OTHER = "other"
    """Virtual, temporary, foreign or system tables: never captured."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One object of the catalog.

    `schema` holds every stored column (generated ones are left out). `bases` names the tables behind a view or a
    synonym. `obstacles` says, one sentence each, why capture could not be trusted with this table; empty is good.
    """

    schema: TableSchema
    relation: Relation = Relation.TABLE
    bases: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    rows_estimated: int | None = None

    @property
    def name(self) -> str:
        """The name as in the catalog."""
        return self.schema.name


class Severity(Enum):
    """How much a finding of `check` matters."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a preflight: what was looked at, what was found, and the remedy."""

    subject: str
    severity: Severity
    message: str
    remedy: str = ""
