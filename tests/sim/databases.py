"""The two databases of a world: the memory adapter, whose server can crash under an open connection.

The rule it keeps: after a crash a connection is dead until it is closed and opened again, whatever its server does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random

from adapters.memory import MemoryDatabase, MemorySource, MemoryTarget
from sync.errors import DatabaseBusy, DatabaseRefused, RowRefused
from sync.model.batch import Checkpoint, ChunkRequest, Transaction
from sync.model.position import START, Position
from sync.model.schema import TableSchema


class Server:
    """A database server: its database, and the faults under way."""

    def __init__(self, database: MemoryDatabase, random: Random) -> None:
        self.database = database
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

    def reachable_checkpoint(self, *, durable: bool = False) -> Checkpoint | None:
        state = self.database.durable if durable else self.database.state
        return max(state.checkpoints.values(), key=lambda stored: stored.position, default=None)


class SimSource(MemorySource):
    """Lets the world do something between two transactions of a read."""

    def __init__(
        self, server: Server, part_rows_max: int, between: Callable[[], None], told: Callable[[int], None]
    ) -> None:
        super().__init__(server.database, part_rows_max=part_rows_max)
        self._server, self._between, self._confirming = server, between, told
        self._life = -1

    def open(self, captured: Mapping[str, TableSchema], after: Position) -> None:
        self._server.ask()
        self._life = self._server.life
        super().open(captured, after)

    def wait(self, timeout_s: float) -> bool:
        self._alive()
        return super().wait(timeout_s)

    def read(self, chunk: ChunkRequest | None = None) -> Iterator[Transaction]:
        self._alive()
        for transaction in super().read(chunk):
            yield transaction
            self._between()
            self._alive()

    def confirm(self, position: Position) -> None:
        self._alive()
        self._confirming(position)
        super().confirm(position)

    def _alive(self) -> None:
        self._server.ask()
        if self._life != self._server.life:
            raise DatabaseBusy("the connection broke", "the server was restarted", "Connect again.")


class SimTarget(MemoryTarget):
    """Tells the judge of every commit."""

    def __init__(self, server: Server, committed: Callable[[], None], flushed: Callable[[], None]) -> None:
        super().__init__(server.database)
        self._server, self._committed, self._flushed = server, committed, flushed
        self._life = -1

    def open(self) -> None:
        self._server.ask()
        self._life = self._server.life
        super().open()

    def checkpoint(self, origin: str) -> Checkpoint | None:
        self._alive()
        return super().checkpoint(origin)

    def epoch(self) -> int:
        self._alive()
        return super().epoch()

    def begin(self) -> None:
        self._alive()
        super().begin()

    def _live(self):  # type: ignore[no-untyped-def]  # noqa: ANN202  the adapter's own draft
        self._alive()
        return super()._live()

    def write(self, writes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        for each in writes:
            self._check(each.schema)
        return super().write(writes)

    def write_ordered(self, changes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        listed = list(changes)
        for change in listed:
            self._check(change.schema)
        return super().write_ordered(listed)

    def commit(self, checkpoint: Checkpoint) -> None:
        server = self._server
        if server.disk_full:
            raise DatabaseRefused("could not commit", "the disk is full", "Make room.")
        super().commit(checkpoint)
        self._committed()
        if server.unsure_commit_rate and server.random.random() < server.unsure_commit_rate:
            self._life = -1
            raise DatabaseBusy("the connection broke", "the answer to a commit was lost", "Connect again.")

    def flush(self) -> None:
        self._alive()
        super().flush()
        self._flushed()

    def _alive(self) -> None:
        self._server.ask()
        if self._life != self._server.life:
            raise DatabaseBusy("the connection broke", "the server was restarted", "Connect again.")

    def _check(self, schema: TableSchema) -> None:
        if schema.name in self._server.refused_tables:
            raise RowRefused(schema.name, "1", "", "it is simulated", "Wait.")


def position_of(checkpoint: Checkpoint | None) -> Position:
    return START if checkpoint is None else checkpoint.position
