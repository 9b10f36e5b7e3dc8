"""The two databases of a world, each behind a server that can crash under an open connection.

The rule it keeps: after a crash a connection is dead until it is closed and opened again, whatever its server does.
What a world has to know of a kind of database is said once, by `Server`; most worlds are of the memory adapter's kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

from adapters.memory import MemoryDatabase, MemorySite, MemorySource, MemoryTarget
from sync.errors import DatabaseBusy, DatabaseRefused, RowRefused
from sync.model.alteration import Alteration
from sync.model.batch import Checkpoint, ChunkRequest, Transaction
from sync.model.change import Change, Columns, Row
from sync.model.lines import Lines
from sync.model.position import START, Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.model.writes import Writes
from sync.ports import Site, Source, Target
from tests.sim.books import COLUMNS, in_scope
from tests.sim.judge import TargetRows
from tests.sim.tables import SCHEMAS
from tests.sim.workload import Operation, as_changes

_ADDED_MAX = 2
"""Columns that one table gains at most; then they are widened."""


class Server(ABC):
    """A database server: its database, and the faults under way."""

    restorable = True
    """Whether an earlier state can be put in its database's place."""

    def __init__(self, name: str, random: Random) -> None:
        self.name = name
        self.random = random
        self.life = 0
        """Counts the crashes."""
        self.busy_rate = 0.0
        self.unsure_commit_rate = 0.0
        """How often a commit happens and its answer is lost."""
        self.down = False
        self.refused_tables: set[str] = set()
        self.disk_full = False

    def ask(self) -> None:
        """Let one call come through, or fail it."""
        if self.down:
            raise DatabaseBusy("the server is down", "it is simulated", "Wait.")
        if self.busy_rate and self.random.random() < self.busy_rate:
            raise DatabaseBusy("the server is busy", "it is simulated", "Wait.")

    @abstractmethod
    def commit(self, operations: Sequence[Operation]) -> int:
        """Run one transaction of an application. Its own position is the given one or higher, and below the next."""

    @abstractmethod
    def site(self) -> Site: ...
    @abstractmethod
    def source(self, part_rows_max: int) -> Source: ...
    @abstractmethod
    def target(self) -> Target: ...

    @abstractmethod
    def forget(self) -> None:
        """Let the source know nothing of what was committed until now."""

    @abstractmethod
    def rows(self, *, durable: bool = False) -> TargetRows:
        """What a reader sees; or what a crash would leave, as far as that is known."""

    @abstractmethod
    def checkpoints(self, *, durable: bool = False) -> Sequence[Checkpoint]:
        """Those that go with `rows`."""

    @property
    @abstractmethod
    def settled(self) -> bool:
        """Whether a crash would lose nothing."""

    @abstractmethod
    def crash(self) -> None:
        """Lose what was not made durable, and every connection."""

    @abstractmethod
    def disconnect(self) -> None:
        """Notice that a process is gone: what its connections had begun is rolled back."""

    @abstractmethod
    def backup(self) -> Any:  # noqa: ANN401  whatever `restore` takes
        """The database as a crash would leave it."""

    @abstractmethod
    def restore(self, backup: Any) -> None:  # noqa: ANN401  as above
        """Put an earlier state in its place."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    def alter(self, table: str) -> bool:
        """Add a column with a default, or widen one; whether anything was done."""
        return False

    def is_of_this_form(self, backup: Any) -> bool:  # noqa: ANN401  what `backup` gave
        """Whether the tables in a backup have the columns that they have now."""
        return True

    def added(self, tables: Iterable[str]) -> dict[str, list[Row]]:
        """The rows of altered tables, with the columns that were added."""
        return {}

    def reachable_checkpoint(self, *, durable: bool = False) -> Checkpoint | None:
        return max(self.checkpoints(durable=durable), key=lambda stored: stored.position, default=None)


class MemoryServer(Server):
    """The memory adapter's database."""

    def __init__(
        self, name: str, random: Random, schemas: Iterable[TableSchema], wall_us: Callable[[], int] = lambda: 0
    ) -> None:
        super().__init__(name, random)
        self.database = MemoryDatabase(schemas, name=name, wall_us=wall_us)

    def commit(self, operations: Sequence[Operation]) -> int:
        return self.database.commit(as_changes(operations))

    def site(self) -> Site:
        return MemorySite(self.database)

    def source(self, part_rows_max: int) -> Source:
        return MemorySource(self.database, part_rows_max=part_rows_max)

    def target(self) -> Target:
        return MemoryTarget(self.database)

    def forget(self) -> None:
        self.database.history.clear()

    def rows(self, *, durable: bool = False) -> TargetRows:
        return (self.database.durable if durable else self.database.state).rows

    def checkpoints(self, *, durable: bool = False) -> Sequence[Checkpoint]:
        return tuple((self.database.durable if durable else self.database.state).checkpoints.values())

    @property
    def settled(self) -> bool:
        return self.database.state is self.database.durable

    def crash(self) -> None:
        self.database.crash()

    def disconnect(self) -> None:
        """A draft is nothing that another connection could meet."""

    def backup(self) -> dict[str, Any]:
        saved = dict(self.database.__dict__)
        return saved | {"state": self.database.durable, "history": list(self.database.history)}

    def restore(self, backup: dict[str, Any]) -> None:
        self.database.__dict__.update(backup)
        self.database.history = list(self.database.history)
        self.database.fail_next = []

    def close(self) -> None:
        """It goes with the object."""

    def alter(self, table: str) -> bool:
        now = self.database.tables[table]
        if not now.key:
            return False  # the applications name rows by the columns that they know, which identify no row any more
        more = len(now.columns) - len(SCHEMAS[table].columns)
        if more < _ADDED_MAX:
            column = Column(f"later{more}", Type(Kind.VARCHAR, 8))
            self.database.define(TableSchema(table, (*now.columns, column), now.key), {column.name: f"d{more}"})
        else:
            wider = Column(now.columns[-1].name, Type(Kind.VARCHAR, now.columns[-1].type.length * 2))
            self.database.define(TableSchema(table, (*now.columns[:-1], wider), now.key))
        return True

    def is_of_this_form(self, backup: dict[str, Any]) -> bool:
        tables: dict[str, TableSchema] = backup["state"].tables
        return tables == self.database.tables

    def added(self, tables: Iterable[str]) -> dict[str, list[Row]]:
        found = {}
        for table in tables:
            now = self.database.tables[table]
            if len(now.columns) > len(SCHEMAS[table].columns):
                held = [dict(zip(now.column_names, row, strict=True)) for row in self.database.rows(table)]
                names = (*COLUMNS[table], *now.column_names[len(SCHEMAS[table].columns) :])
                rows = [tuple(row[name] for name in names) for row in held if in_scope(table, row)]
                found[table] = sorted(rows, key=repr)
        return found


class _Connection:
    """A connection of an adapter, as long as its server lives."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._life = -1

    def _opening(self) -> None:
        self._server.ask()
        self._life = self._server.life

    def _alive(self) -> None:
        self._server.ask()
        if self._life != self._server.life:
            raise DatabaseBusy("the connection broke", "the server was restarted", "Connect again.")


class SimSource(_Connection):
    """Lets the world do something between two transactions of a read."""

    def __init__(
        self, server: Server, part_rows_max: int, between: Callable[[], None], told: Callable[[int], None]
    ) -> None:
        super().__init__(server)
        self._source = server.source(part_rows_max)
        self._between, self._confirming = between, told
        self.mode = self._source.mode

    @property
    def origin(self) -> str:
        return self._source.origin

    def open(self, captured: Mapping[str, TableSchema], after: Position) -> None:
        self._opening()
        self._source.open(captured, after)

    def wait(self, timeout_s: float) -> bool:
        self._alive()
        return self._source.wait(timeout_s)

    def wake(self) -> None:
        self._source.wake()

    def read(self, chunk: ChunkRequest | None = None) -> Iterator[Transaction]:
        self._alive()
        for transaction in self._source.read(chunk):
            yield transaction
            self._between()
            self._alive()

    def confirm(self, position: Position) -> None:
        self._alive()
        self._confirming(position)
        self._source.confirm(position)

    def close(self) -> None:
        self._source.close()


class SimTarget(_Connection):
    """Tells the judge of every commit."""

    def __init__(self, server: Server, committed: Callable[[], None], flushed: Callable[[], None]) -> None:
        super().__init__(server)
        self._target = server.target()
        self._committed, self._flushed = committed, flushed

    def open(self) -> None:
        self._opening()
        self._target.open()

    def tables(self) -> Mapping[str, TableSchema]:
        self._alive()
        return self._target.tables()

    def own_type(self, wanted: Type) -> Type:
        return self._target.own_type(wanted)

    def notes(self) -> Mapping[str, str]:
        self._alive()
        return self._target.notes()

    def note(self, table: str, text: str) -> None:
        self._alive()
        self._target.note(table, text)

    def alter(self, schema: TableSchema, steps: Sequence[Alteration]) -> None:
        self._alive()
        self._target.alter(schema, steps)

    def checkpoint(self, origin: str) -> Checkpoint | None:
        self._alive()
        return self._target.checkpoint(origin)

    def epoch(self) -> int:
        self._alive()
        return self._target.epoch()

    def begin(self) -> None:
        self._alive()
        self._target.begin()

    def write(self, writes: Sequence[Writes]) -> int:
        for each in writes:
            self._check(each.schema)
        self._alive()
        return self._target.write(writes)

    def write_ordered(self, changes: Iterable[Change]) -> int:
        listed = list(changes)
        for change in listed:
            self._check(change.schema)
        self._alive()
        return self._target.write_ordered(listed)

    def read_range(self, schema: TableSchema, after: Row | None, upto: Row | None, limit: int | None = None) -> Columns:
        self._alive()
        return self._target.read_range(schema, after, upto, limit)

    def apply(self, writes: Sequence[Writes], checkpoint: Checkpoint) -> int:
        for each in writes:
            self._check(each.schema)
        with self._committing():
            return self._target.apply(writes, checkpoint)

    @property
    def loads(self) -> bool:
        return self._target.loads

    def load(self, lines: Sequence[Lines], checkpoint: Checkpoint | None) -> bool:
        try:
            for each in lines:
                self._check(each.schema)
        except RowRefused:
            return False
        if checkpoint is None:
            self._alive()
            return self._target.load(lines, None)
        with self._committing():
            return self._target.load(lines, checkpoint)

    def commit(self, checkpoint: Checkpoint) -> None:
        with self._committing():
            self._target.commit(checkpoint)

    @contextmanager
    def _committing(self) -> Iterator[None]:
        server = self._server
        if server.disk_full:
            raise DatabaseRefused("could not commit", "the disk is full", "Make room.")
        self._alive()
        yield
        self._committed()
        if server.unsure_commit_rate and server.random.random() < server.unsure_commit_rate:
            self._life = -1
            raise DatabaseBusy("the connection broke", "the answer to a commit was lost", "Connect again.")

    def rollback(self) -> None:
        self._target.rollback()

    def flush(self) -> None:
        self._alive()
        self._target.flush()
        self._flushed()

    def durable(self, applied: Position) -> Position:
        self.flush()
        return applied

    def close(self) -> None:
        self._target.close()

    def _check(self, schema: TableSchema) -> None:
        if schema.name in self._server.refused_tables:
            raise RowRefused(schema.name, "1", "", "it is simulated", "Wait.")


def position_of(checkpoint: Checkpoint | None) -> Position:
    return START if checkpoint is None else checkpoint.position
