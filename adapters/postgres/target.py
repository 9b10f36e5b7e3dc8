"""The target: net effects and the checkpoint in one transaction, past the write guard.

The rule it keeps: rows and checkpoint commit together or not at all, and the checkpoint table itself refuses an epoch
lower than one it holds. A commit does not wait for the disk; `flush` does, once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Final

import psycopg

from adapters.postgres import ranges
from adapters.postgres.alter import alter, note, notes, own_type
from adapters.postgres.apply import REMEDY, is_small, of_change, steps
from adapters.postgres.bulk import Script
from adapters.postgres.catalog import Table, read_tables
from adapters.postgres.connection import Connection, connect, place_of
from adapters.postgres.errors import is_row_error, reason, refusals, sqlstate
from adapters.postgres.exchange import inlined
from adapters.postgres.log import Log
from adapters.postgres.mend import is_stale
from adapters.postgres.schema import CHECKPOINT, has_table
from adapters.postgres.session import Session
from adapters.postgres.statements import Statements
from adapters.postgres.work import Work
from sync.errors import DatabaseRefused, RoleError, RowRefused
from sync.model.alteration import Alteration
from sync.model.batch import Checkpoint
from sync.model.change import Change, Columns, Row
from sync.model.lines import Lines
from sync.model.position import Position
from sync.model.schema import TableSchema, Type
from sync.model.writes import Writes

_ALL: Final = "whole_write"
_FENCED: Final = "23502"
# A NULL is what the table refuses.
_ADVANCE: Final = (
    f"INSERT INTO {CHECKPOINT} SELECT $1::text, CASE WHEN EXISTS (SELECT FROM {CHECKPOINT} WHERE epoch > $2::int8)"
    " THEN NULL ELSE $2::int8 END, $3::int8"
    " ON CONFLICT (origin) DO UPDATE SET epoch = excluded.epoch, position = excluded.position"
)
# Makes the question and the answer one moment. The replication origin does too: only one session can have it.
_LOCK: Final = f"LOCK TABLE {CHECKPOINT} IN SHARE ROW EXCLUSIVE MODE"


class PostgresTarget:
    """See `sync.ports.Target`."""

    loads = True

    def __init__(self, url: str, *, password: str | None = None) -> None:
        self._url = url
        self._password = password
        self._place = place_of(url)
        self._session: Session | None = None
        self._tables: dict[str, Table] = {}
        self._statements: dict[str, Statements] = {}
        self._log = Log()

    def open(self) -> None:
        self.close()
        what = f"could not open {self._place} as a target"
        connection = connect(self._url, password=self._password)
        try:
            with refusals(what):
                self._demand_installation(connection)
                self._session = Session(connection)
        except BaseException:
            connection.close()
            raise
        # What an earlier session committed may not be durable yet.
        self._log = Log(is_behind=True)

    def tables(self) -> Mapping[str, TableSchema]:
        with self._asking("could not read the catalog") as session:
            return {name: table.schema for name, table in read_tables(session.connection).items()}

    def own_type(self, wanted: Type) -> Type:
        with self._asking("could not read the catalog") as session:
            return own_type(session.connection, wanted)

    def notes(self) -> Mapping[str, str]:
        with self._asking("could not read what is known of the tables") as session:
            return notes(session)

    def note(self, table: str, text: str) -> None:
        with self._asking(f"could not note what is known of table {table}") as session:
            note(session, table, text)

    def alter(self, schema: TableSchema, steps: Sequence[Alteration]) -> None:
        with self._asking(f"could not alter table {schema.name}") as session:
            alter(session, schema, steps)
            self._forget()

    def checkpoint(self, origin: str) -> Checkpoint | None:
        with self._asking("could not read the checkpoint") as session:
            rows = session.ask(f"SELECT epoch, position FROM {CHECKPOINT} WHERE origin = $1", (origin,))
        return Checkpoint(origin, int(str(rows[0][0])), Position(int(str(rows[0][1])))) if rows else None

    def epoch(self) -> int:
        with self._asking("could not read the epoch") as session:
            return _highest(session)

    def begin(self) -> None:
        with self._asking("could not begin to apply") as session:
            session.begin()

    def write(self, writes: Sequence[Writes]) -> int:
        with self._asking("could not apply") as session:
            return self._write(session, writes)

    def apply(self, writes: Sequence[Writes], checkpoint: Checkpoint) -> int:
        with self._asking("could not apply") as session:
            session.begin()
            repairs = self._write(session, writes, checkpoint)
        if session.is_open:
            self.commit(checkpoint)
        return repairs

    def load(self, lines: Sequence[Lines], checkpoint: Checkpoint | None) -> bool:
        with self._asking("could not apply") as session:
            if checkpoint is not None:
                session.begin()
            return self._load(session, lines, checkpoint)

    def write_ordered(self, changes: Iterable[Change]) -> int:
        with self._asking("could not apply") as session:
            return sum(self._write(session, [of_change(change)]) for change in changes)

    def read_range(self, schema: TableSchema, after: Row | None, upto: Row | None, limit: int | None = None) -> Columns:
        with self._asking(f"could not read table {schema.name}") as session:
            session.start()
            table = self._for(session, schema).table
            return ranges.read_range(session.connection, table, schema, after, upto, limit)

    def commit(self, checkpoint: Checkpoint) -> None:
        with self._asking("could not commit") as session:
            if not session.is_open:
                raise DatabaseRefused("could not commit", "no transaction is open", "Report this as a defect")
            self._conclude(session, checkpoint)

    def rollback(self) -> None:
        if self._session is not None:
            try:
                self._session.rollback()
            except psycopg.Error:
                # Broken: the server rolls back by itself when it notices, and the next call says what is wrong.
                self._session.connection.close()

    def flush(self) -> None:
        """Wait until the server's log is on its disk; where it has standbys, theirs are not waited for."""
        with self._asking("could not flush") as session:
            if not session.is_open:
                self._log.flush(session)
            elif self._log.is_behind:
                # Its commit would be the open transaction's.
                with closing(connect(self._url, password=self._password)) as other:
                    self._log.flush_by(other)

    def durable(self, applied: Position) -> Position:
        with self._asking("could not ask how far the log is written") as session:
            return self._log.written(session, applied)

    def close(self) -> None:
        self._forget()
        if self._session is not None:
            session, self._session = self._session, None
            session.connection.close()

    def _demand_installation(self, connection: Connection) -> None:
        if not has_table(connection, CHECKPOINT):
            what = f"could not apply to {self._place}"
            raise DatabaseRefused(what, "nothing is installed", "Run `admin-sync install`")

    def _write(self, session: Session, writes: Sequence[Writes], checkpoint: Checkpoint | None = None) -> int:
        """Write, and commit too where a checkpoint is given and nothing has to be looked at before."""
        work = self._prepare(session, writes)
        # What comes first needs no savepoint: the transaction itself can be begun anew.
        first = not session.is_begun
        undo = session.restart if first else partial(session.back_to, _ALL)
        missing = 0
        try:
            if any(part.is_loose for part in work):
                session.start()
                with session.savepoint(_ALL):
                    return sum(part.perform(session) for part in work)
            elif all(is_small(part.steps) for part in work):
                self._exchange(session, work, first, checkpoint)
            else:
                script = Script(session, *([] if first else [f"SAVEPOINT {_ALL}"]))
                for part in work:
                    script.add(*([part.statements.empty] if part.writes.truncate else []))
                    script.take(part.steps)
                missing = self._run(session, script, first, checkpoint)
            if not missing:
                return 0
            undo()
        except psycopg.Error as error:
            self._demand_retry(session, checkpoint, error)
            if first or session.has_failed:
                undo()
        self._forget()
        return missing + sum(part.mend(session) for part in self._prepare(session, writes))

    def _load(self, session: Session, lines: Sequence[Lines], checkpoint: Checkpoint | None) -> bool:
        try:
            found = [(self._for(session, each.schema), each) for each in lines]
        except RowRefused:
            return False
        if not all(statements.loads for statements, _ in found):
            return False
        first = not session.is_begun
        try:
            script = Script(session, *([] if first else [f"SAVEPOINT {_ALL}"]))
            for statements, each in found:
                script.load(statements, each)
            if not self._run(session, script, first, checkpoint):
                return True
        except RowRefused:
            return False
        except psycopg.Error as error:
            self._demand_retry(session, checkpoint, error)
        undo = (
            session.rollback if checkpoint is not None else session.restart if first else partial(session.back_to, _ALL)
        )
        undo()
        return False

    def _demand_retry(self, session: Session, checkpoint: Checkpoint | None, error: psycopg.Error) -> None:
        """Raise what another form of the same work would meet again."""
        if not session.is_usable or not (is_row_error(error) or is_stale(error)):
            raise error
        if checkpoint is not None and _is_fencing(error):
            self._explain(session, checkpoint, error)

    def _exchange(self, session: Session, work: Sequence[Work], first: bool, checkpoint: Checkpoint | None) -> None:  # noqa: FBT001
        """Few rows: one pipeline of prepared statements."""
        with session.pipelined():
            if not first:
                session.run(f"SAVEPOINT {_ALL}")
            for part in work:
                part.perform(session)
            if not first:
                session.run(f"RELEASE {_ALL}")
            if checkpoint is not None:
                for statement, parameters in _ending(session, checkpoint):
                    session.run(statement, parameters)
        if checkpoint is not None:
            self._committed(session)

    def _run(self, session: Session, script: Script, first: bool, checkpoint: Checkpoint | None) -> int:  # noqa: FBT001
        """Many rows: one script; gives how many rows were not there to be updated, and then it has to be undone."""
        ending = _ending(session, checkpoint) if checkpoint is not None and script.is_sure else []
        script.add(*(inlined(*each) for each in ending))
        missing = script.run()
        if ending:
            self._committed(session)
        elif not first and not missing:
            session.run(f"RELEASE {_ALL}")
        elif checkpoint is not None and not missing:
            self._conclude(session, checkpoint)
        return missing

    def _conclude(self, session: Session, checkpoint: Checkpoint) -> None:
        try:
            with session.pipelined():
                for statement, parameters in _ending(session, checkpoint):
                    session.run(statement, parameters)
        except psycopg.Error as error:
            self._explain(session, checkpoint, error)
            raise
        self._committed(session)

    def _committed(self, session: Session) -> None:
        session.committed()
        self._log.is_behind = True

    def _prepare(self, session: Session, writes: Sequence[Writes]) -> list[Work]:
        try:
            return [Work(each, found, steps(found, each)) for each, found in self._found(session, writes)]
        except RowRefused:
            # Perhaps only by a table as it was some time ago.
            session.start()
            self._forget()
            return [Work(each, found, steps(found, each)) for each, found in self._found(session, writes)]

    def _found(self, session: Session, writes: Sequence[Writes]) -> list[tuple[Writes, Statements]]:
        return [(each, self._for(session, each.schema)) for each in writes]

    def _for(self, session: Session, schema: TableSchema) -> Statements:
        found = self._statements.get(schema.fingerprint)
        if found is None:
            if schema.name not in self._tables:
                self._tables = read_tables(session.connection)
            found = Statements(self._tables.get(schema.name), schema)
            self._statements[schema.fingerprint] = found
        return found

    def _forget(self) -> None:
        self._statements.clear()
        self._tables = {}

    def _explain(self, session: Session, checkpoint: Checkpoint, error: psycopg.Error) -> None:
        """Raise what the refusal of a commit means, where it means something."""
        if not session.is_usable:
            return
        session.rollback()
        if _is_fencing(error):
            raise RoleError(
                "could not commit",
                f"epoch {checkpoint.epoch} is over, this database has seen epoch {_highest(session)}",
                "The sender is no longer the primary; see `admin-sync status` on both nodes",
            ) from error
        if is_row_error(error):
            # A deferred constraint: the server names it, and not always the row.
            table, constraint = error.diag.table_name or "", error.diag.constraint_name or ""
            raise RowRefused(table, f"constraint {constraint}", "", reason(error), REMEDY) from error

    @contextmanager
    def _asking(self, what: str) -> Iterator[Session]:
        if self._session is None:
            raise DatabaseRefused(what, "the target is not open", "Report this as a defect")
        with refusals(what):
            yield self._session


def _ending(session: Session, checkpoint: Checkpoint) -> list[tuple[str, tuple[str | int, ...]]]:
    """What ends a transaction, each with its parameters."""
    advance = (_ADVANCE, (checkpoint.origin, checkpoint.epoch, checkpoint.position))
    lock: list[tuple[str, tuple[str | int, ...]]] = [] if session.marked else [(_LOCK, ())]
    return [*lock, advance, ("COMMIT", ())]


def _is_fencing(error: psycopg.Error) -> bool:
    """Whether the checkpoint table refused an epoch."""
    return sqlstate(error) == _FENCED and error.diag.table_name == CHECKPOINT.rpartition(".")[2]


def _highest(session: Session) -> int:
    return int(str(session.ask(f"SELECT coalesce(max(epoch), 0) FROM {CHECKPOINT}")[0][0]))
