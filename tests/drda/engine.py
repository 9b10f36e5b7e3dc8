"""The seam between the protocol and whatever answers the SQL.

The protocol asks an engine to prepare, execute, commit and roll back, and knows nothing of SQL. An engine describes
what goes in and what comes out in the driver's terms (`Field`); what Informix would describe is told by `assumptions`.

Values on both sides: None, int (also for booleans), float, Decimal, str, bytes. Dates and times are ISO text with a
blank between date and time, as many fraction digits as the field has. The driver trusts every length it was told, and
would return stray memory for a longer value: an engine cuts or refuses, and the protocol raises for what is left.

An engine lives in the process of `host`, where tests send it, so it can be pickled until it is connected to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Protocol

Value = int | float | Decimal | str | bytes | None
Row = Sequence[Value]


class Kind(Enum):
    """What the driver can be told that a column or parameter is."""

    SMALLINT = auto()
    INTEGER = auto()
    BIGINT = auto()
    FLOAT = auto()
    SMALLFLOAT = auto()
    DECIMAL = auto()
    DATE = auto()
    TIME = auto()
    TIMESTAMP = auto()
    CHAR = auto()
    VARCHAR = auto()
    VARBINARY = auto()
    LONG_VARCHAR = auto()
    LONG_VARBINARY = auto()
    CLOB = auto()
    BLOB = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a result, or a parameter (whose name is empty).

    `length` is in bytes of UTF-8 for text, in characters for TIMESTAMP (19, or 20 and the fraction digits), and without
    meaning for numbers; `precision` and `scale` are for DECIMAL.
    """

    name: str
    kind: Kind
    length: int = 0
    precision: int = 0
    scale: int = 0
    nullable: bool = True


class Isolation(Enum):
    """What the connection's package says, beside any SET ISOLATION."""

    DIRTY_READ = auto()
    CURSOR_STABILITY = auto()
    REPEATABLE_READ = auto()
    DEFAULT = auto()


class Refused(Exception):
    """The statement fails with an SQLCODE; the session goes on. Text and SQLSTATE are looked up by it."""

    def __init__(self, sqlcode: int, *tokens: str) -> None:
        assert sqlcode < 0
        super().__init__(sqlcode, *tokens)
        self.sqlcode = sqlcode
        self.tokens = tokens


class NoSuchDatabase(Exception):
    """The engine does not have the database that a client asks for."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an execution gives. `rows` may raise `Refused` on the way; its `close`, if any, is called at the end."""

    rows: Iterable[Row] = ()
    affected: int = 0


class Statement(Protocol):
    """A prepared statement. `columns` is empty where it gives no rows."""

    @property
    def parameters(self) -> Sequence[Field]: ...

    @property
    def columns(self) -> Sequence[Field]: ...

    def execute(self, values: Row) -> Result: ...


class Connection(Protocol):
    """One session of a client, used by one thread. Every method may raise `Refused`, but for `close`.

    The driver commits after each statement by itself where its user left autocommit on. `BEGIN WORK`, `SET ISOLATION`
    and `SET LOCK MODE` arrive as statements. After `Refused` from `commit` the engine has rolled back.
    """

    def prepare(self, sql: str, isolation: Isolation) -> Statement: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None:
        """Rolls back what was not committed; also called when the client is gone."""


class Engine(Protocol):
    """A database server. Called by one thread for each client."""

    def admits(self, user: str, password: str) -> bool: ...

    def connect(self, database: str) -> Connection:
        """Raise `NoSuchDatabase`. The driver has turned the name into upper case."""
