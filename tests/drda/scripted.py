"""An engine without SQL: it answers known statements with prepared results, and notes what it was asked.

For tests of the protocol and of the driver, where the rows that a statement changed are no matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.drda.engine import Field, Isolation, NoSuchDatabase, Refused, Result, Row


@dataclass(frozen=True, slots=True)
class Script:
    """A statement, and what comes of it. With `rows` and `refused`, the rows come first, and then the error."""

    columns: Sequence[Field] = ()
    parameters: Sequence[Field] = ()
    rows: Sequence[Row] = ()
    affected: int = 0
    refused: Refused | None = None


Told = tuple[str, tuple[object, ...]]


@dataclass(slots=True)
class Scripted:
    """One database, one password. `told` is what happened, in order, on all connections."""

    scripts: Mapping[str, Script]
    database: str = "DB1"
    password: str = "secret"
    commit_refused: Refused | None = None
    told: list[Told] = field(default_factory=list)
    isolations: list[Isolation] = field(default_factory=list)

    def admits(self, user: str, password: str) -> bool:
        return password == self.password

    def connect(self, database: str) -> ScriptedConnection:
        if database.upper() != self.database:
            raise NoSuchDatabase
        return ScriptedConnection(self)

    def history(self) -> list[Told]:
        return list(self.told)

    def isolation_levels(self) -> list[Isolation]:
        return list(self.isolations)


@dataclass(frozen=True, slots=True)
class ScriptedStatement:
    engine: Scripted
    sql: str
    script: Script

    @property
    def columns(self) -> Sequence[Field]:
        return self.script.columns

    @property
    def parameters(self) -> Sequence[Field]:
        return self.script.parameters

    def execute(self, values: Row) -> Result:
        if self.script.refused and not self.script.rows:
            raise self.script.refused
        self.engine.told.append((self.sql, tuple(values)))
        return Result(self._rows(), self.script.affected)

    def _rows(self) -> Iterator[Row]:
        yield from self.script.rows
        if self.script.refused:
            raise self.script.refused


@dataclass(frozen=True, slots=True)
class ScriptedConnection:
    engine: Scripted

    def prepare(self, sql: str, isolation: Isolation) -> ScriptedStatement:
        if sql not in self.engine.scripts:
            raise Refused(-201)
        self.engine.isolations.append(isolation)
        return ScriptedStatement(self.engine, sql, self.engine.scripts[sql])

    def commit(self) -> None:
        if self.engine.commit_refused:
            raise self.engine.commit_refused
        self.engine.told.append(("commit", ()))

    def rollback(self) -> None:
        self.engine.told.append(("rollback", ()))

    def close(self) -> None:
        self.engine.told.append(("close", ()))
