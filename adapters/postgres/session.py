"""The applier's session: what it may do, how it passes guard and constraints, and how its statements travel.

The rule it keeps: what a role without superuser's rights can not do is done another way or reported by `check`, and the
applied stream is told from local writes wherever the role may say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import pq

from adapters.postgres.connection import Connection
from adapters.postgres.decoder import APPLIED_MESSAGE
from adapters.postgres.errors import sqlstate
from adapters.postgres.exchange import Command, Exchange, Piece
from adapters.postgres.guard import APPLYING
from adapters.postgres.statements import Present, Statements

_SETTINGS: Final = (
    # `flush` waits for the disk, once for many commits.
    "SET synchronous_commit = off",
    "SET lock_timeout = '30s'",
    "SET jit = off",
    # Staged rows have no statistics: a plan that reads the whole table for a few of them must never be chosen.
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET plan_cache_mode = force_generic_plan",
)
_LOUD: Final = ("SET CONSTRAINTS ALL DEFERRED", f"SET LOCAL {APPLYING} = 'on'")
"""Begins a transaction in which triggers fire."""
_MARK: Final = (f"SELECT pg_logical_emit_message(true, '{APPLIED_MESSAGE}', '')",)
"""Begins a transaction that bears no origin."""
_ORIGIN: Final = "(SELECT 'admin_sync_' || oid FROM pg_database WHERE datname = current_database())"
_INSUFFICIENT_RIGHTS: Final = "42501"
_IN_USE: Final = "55006"
_NO_ROOM: Final = {"53400", "55000"}
"""As many origins as the server is set up for are in use, or it is set up for none."""
_ORIGIN_TRIES: Final = 40

MAY_SET_ORIGIN: Final = (
    "SELECT bool_and(has_function_privilege(name, 'EXECUTE')) FROM unnest(ARRAY["
    "'pg_replication_origin_create(text)', 'pg_replication_origin_session_setup(text)']) AS name"
)
ORIGIN_EXISTS: Final = f"SELECT EXISTS (SELECT FROM pg_replication_origin WHERE roname = {_ORIGIN})"
DROP_ORIGIN: Final = f"SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = {_ORIGIN}"


class Session:
    """One connection that applies. Errors are the driver's; the target translates them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._exchange = Exchange(connection.pgconn)
        self._queue: list[Command] | None = None
        self._cursor: psycopg.RawCursor[tuple[object, ...]] = psycopg.RawCursor(connection)
        for setting in _SETTINGS:
            connection.execute(setting.encode())
        self.replica = take_replica_role(connection)
        """Whether ordinary triggers and foreign keys stay quiet in this session."""
        self.marked = _set_origin(connection)
        """Whether what is applied is told from local writes in the log."""
        self._preamble = (*(() if self.marked else _MARK), *(() if self.replica else _LOUD))
        self._open = False
        self._begun = False
        self._staged: set[str] = set()
        self._stages: set[str] = set()
        self._new_stages: set[str] = set()

    def begin(self) -> None:
        """Begin a transaction; the server hears of it with the first statement."""
        self._open, self._begun = True, False
        self._staged.clear()

    @property
    def is_open(self) -> bool:
        """Whether a transaction was begun and not ended."""
        return self._open

    @property
    def is_begun(self) -> bool:
        """Whether the server has heard of the transaction."""
        return self._begun

    @property
    def is_usable(self) -> bool:
        """Whether the connection still stands."""
        return not self.connection.closed

    @property
    def has_failed(self) -> bool:
        """Whether the transaction can only be rolled back, all of it or to a savepoint."""
        return self.connection.info.transaction_status == pq.TransactionStatus.INERROR

    def start(self) -> None:
        """Make sure that the server has heard of the transaction, where one was begun."""
        if self._open and not self._begun:
            self._begun = True
            self.run("BEGIN")
            for statement in self._preamble:
                self.run(statement)

    def run(self, statement: str, parameters: Sequence[str | int | None] = ()) -> None:
        """Run one statement; `pipelined` collects it."""
        if self._queue is not None:
            self._queue.append(
                (statement.encode(), [str(value).encode() if value is not None else None for value in parameters])
            )
        else:
            self._cursor.execute(statement.encode(), parameters)

    def ask(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run one query."""
        return self._cursor.execute(query.encode(), parameters).fetchall()

    @contextmanager
    def pipelined(self) -> Iterator[None]:
        """Send what is run inside in one go at its end, and raise the first refusal; nothing where the block raises."""
        begun, self._queue = self._begun, []
        try:
            self.start()
            yield
        except BaseException:
            self._begun, self._queue = begun, None
            raise
        queue, self._queue = self._queue, None
        self._exchange.send(queue)

    @contextmanager
    def savepoint(self, name: str) -> Iterator[None]:
        """Undo what a block did where the database refuses it; the transaction goes on. Not inside of a pipeline."""
        self.run(f"SAVEPOINT {name}")
        try:
            yield
        except psycopg.Error:
            if not self.connection.closed:
                self.back_to(name)
            raise
        self.run(f"RELEASE {name}")

    def back_to(self, name: str) -> None:
        """Return to a savepoint, and forget it."""
        self.run(f"ROLLBACK TO {name}")
        self.run(f"RELEASE {name}")
        self._forget_new_stages()

    def script(self, pieces: Sequence[Piece]) -> list[int]:
        """Run a script; gives the rows of each of its statements."""
        opening: list[Piece] = []
        if self._open and not self._begun:
            self._begun = True
            opening = [(statement, None) for statement in ("BEGIN", *self._preamble)]
        return self._exchange.script([*opening, *pieces])[len(opening) :]

    def staging(self, statements: Statements, present: Present, lines: bytes) -> Iterator[Piece]:
        """What puts these lines into the staging table, and nothing else into it; it has to be run."""
        if statements.stage not in self._stages:
            yield statements.create_stage, None
            self._stages.add(statements.stage)
            self._new_stages.add(statements.stage)
        if statements.stage in self._staged:
            yield f"TRUNCATE {statements.stage}", None
        self._staged.add(statements.stage)
        yield statements.copy(present), lines

    def restart(self) -> None:
        """Undo all that was done in the transaction; it goes on from its beginning."""
        self._forget_new_stages()
        self._begun = False
        self.run("ROLLBACK")
        self.start()

    def committed(self) -> None:
        """Note that the transaction is over and kept."""
        self._open = self._begun = False
        self._new_stages.clear()

    def rollback(self) -> None:
        """Undo the transaction where there is one."""
        self._open = False
        self._forget_new_stages()
        if self._begun:
            self._begun = False
            self.run("ROLLBACK")

    def _forget_new_stages(self) -> None:
        self._stages -= self._new_stages
        self._staged -= self._new_stages
        self._new_stages.clear()


def take_replica_role(connection: Connection) -> bool:
    """Switch to the role in which ordinary triggers and foreign keys do not fire; False where that is not allowed."""
    try:
        connection.execute("SET session_replication_role = replica")
    except psycopg.Error as error:
        if sqlstate(error) != _INSUFFICIENT_RIGHTS:
            raise
        return False
    # What notes changes for capture fires in any role, and leaves out the applier's.
    connection.execute(f"SET {APPLYING} = 'on'".encode())
    return True


def _set_origin(connection: Connection) -> bool:
    """Bind the session to the replication origin of this database, making it; False where that is not possible."""
    allowed = connection.execute(MAY_SET_ORIGIN.encode()).fetchone()
    if allowed is None or not allowed[0]:
        return False
    for tries_left in reversed(range(_ORIGIN_TRIES)):
        try:
            exists = connection.execute(ORIGIN_EXISTS.encode()).fetchone()
            if exists is None or not exists[0]:
                connection.execute(f"SELECT pg_replication_origin_create({_ORIGIN})".encode())
            connection.execute(f"SELECT pg_replication_origin_session_setup({_ORIGIN})".encode())
        except psycopg.Error as error:
            if sqlstate(error) in _NO_ROOM:
                return False
            # The session before this one has not let go of it yet.
            if sqlstate(error) != _IN_USE or not tries_left:
                raise
            connection.execute("SELECT pg_sleep(0.05)")
        else:
            return True
    return False
