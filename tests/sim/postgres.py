"""Worlds whose databases are those of a real PostgreSQL server.

The rule it keeps: the server runs in its own time, so that a seed gives the same plan and not the same story to the
last call; whatever comes of it, the judge's invariants hold. A position of the source is the place of a commit in the
server's log: the place just before it, read inside of the transaction, tells every commit from the one before.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import TypeVar

import psycopg
from psycopg import sql

from adapters.postgres.schema import CHECKPOINT
from adapters.postgres.site import PostgresSite
from adapters.postgres.source import PostgresSource
from adapters.postgres.stream import lsn
from adapters.postgres.target import PostgresTarget
from sync.model.batch import Checkpoint
from sync.model.change import ABSENT
from sync.model.position import Position
from sync.model.schema import Kind, TableSchema
from sync.model.writes import Writes
from sync.ports import Site, Source, Target
from tests.postgres import cluster
from tests.sim.databases import MemoryServer, Server
from tests.sim.judge import TargetRows
from tests.sim.workload import Operation
from tests.sim.world import World

T = TypeVar("T")
NEWS_S = 0.2
"""How long the server may take to send what was committed."""
LOOK_S = 0.002
RECOVERY_S = 30.0
TYPES = {Kind.INT64: "bigint", Kind.VARCHAR: "varchar(64)"}
KINDS = (("postgres", "postgres"), ("memory", "postgres"), ("postgres", "memory"))


class NewsSource(PostgresSource):
    """Waits in real time where something must be coming, and hardly where nothing is."""

    def __init__(self, url: str, part_rows_max: int, expects: Callable[[], bool]) -> None:
        super().__init__(url, part_rows_max=part_rows_max)
        self._expects = expects

    def wait(self, timeout_s: float) -> bool:
        return super().wait(NEWS_S if self._expects() else LOOK_S)


class PostgresServer(Server):
    """One database of this process's server."""

    restorable = False

    def __init__(self, name: str, random: Random, schemas: Iterable[TableSchema]) -> None:
        super().__init__(name, random)
        self._url = cluster().create(f"sim_{name}")
        self._schemas = {schema.name: schema for schema in schemas}
        self._app = psycopg.connect(self._url, autocommit=True)
        self._news = False
        self._durable: tuple[Checkpoint, ...] = ()
        self._unflushed = False
        self._made: list[Source | Target] = []
        for schema in self._schemas.values():
            self._app.execute(_table(schema))

    def commit(self, operations: Sequence[Operation]) -> int:
        return self._tried(lambda: self._commit(operations))

    def _commit(self, operations: Sequence[Operation]) -> int:
        with self._app.transaction():
            for table, operation, row in operations:
                self._run(self._schemas[table], operation, row)
            found = self._app.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
        assert found is not None
        self._news = True
        return lsn(str(found[0]))

    def site(self) -> Site:
        return PostgresSite(self._url)

    def source(self, part_rows_max: int) -> Source:
        made = NewsSource(self._url, part_rows_max, self._has_news)
        self._made.append(made)
        return made

    def target(self) -> Target:
        server = self

        class Noting(PostgresTarget):
            def apply(self, writes: Sequence[Writes], checkpoint: Checkpoint) -> int:
                server._unflushed = True
                return super().apply(writes, checkpoint)

            def commit(self, checkpoint: Checkpoint) -> None:
                server._unflushed = True
                super().commit(checkpoint)

            def flush(self) -> None:
                super().flush()
                server._durable, server._unflushed = tuple(server.checkpoints()), False

        made = Noting(self._url)
        self._made.append(made)
        return made

    def forget(self) -> None:
        """The slot begins where it was made."""

    def rows(self, *, durable: bool = False) -> TargetRows:
        return self._tried(self._rows)

    def _rows(self) -> TargetRows:
        found = {}
        with self._app.transaction():
            self._app.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            for name, schema in self._schemas.items():
                columns = sql.SQL(", ").join(map(sql.Identifier, schema.column_names))
                rows = self._app.execute(sql.SQL("SELECT {} FROM {}").format(columns, sql.Identifier(name)))
                found[name] = {"all": rows.fetchall()}
        return found

    def checkpoints(self, *, durable: bool = False) -> Sequence[Checkpoint]:
        if durable:
            return self._durable
        rows = self._tried(
            lambda: self._app.execute(f"SELECT origin, epoch, position FROM {CHECKPOINT}".encode()).fetchall()
        )
        return [Checkpoint(str(origin), int(epoch), Position(int(position))) for origin, epoch, position in rows]

    @property
    def settled(self) -> bool:
        return not self._unflushed

    def crash(self) -> None:
        """Kill a server process: PostgreSQL then ends all others, and recovers from its log."""
        found = self._app.execute("SELECT pg_backend_pid()").fetchone()
        assert found is not None
        os.kill(int(found[0]), signal.SIGKILL)
        before = max(self._durable, key=lambda stored: stored.position, default=None)
        self._durable, self._unflushed = tuple(self.checkpoints()), False
        after = self.reachable_checkpoint(durable=True)
        if before is not None:
            assert after is not None
            assert after.position >= before.position, "invariant 9: what was flushed is gone"

    def disconnect(self) -> None:
        self._tried(
            lambda: self._app.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        for each in self._made:
            each.close()
        self._made.clear()

    def backup(self) -> None:
        """None is made: no earlier state can be put in its place."""

    def restore(self, backup: None) -> None:
        """See `backup`."""

    def close(self) -> None:
        self.disconnect()
        self._app.close()
        cluster().drop(self._url)

    def _has_news(self) -> bool:
        news, self._news = self._news, False
        return news

    def _tried(self, ask: Callable[[], T]) -> T:
        """Ask again where the server is recovering from a crash."""
        until_s = time.monotonic() + RECOVERY_S
        while True:
            try:
                if self._app.closed:
                    self._app = psycopg.connect(self._url, autocommit=True)
                return ask()
            except psycopg.OperationalError:
                if time.monotonic() > until_s:
                    raise
                if not self._app.closed:
                    self._app.close()
                time.sleep(LOOK_S)

    def _run(self, schema: TableSchema, operation: str, row: Mapping[str, object]) -> None:
        table = sql.Identifier(schema.name)
        if operation == "truncate":
            self._app.execute(sql.SQL("TRUNCATE {}").format(table))
            return
        if operation == "delete":
            names = [schema.column_names[index] for index in schema.identity]
            same = [sql.SQL("{} IS NOT DISTINCT FROM %s").format(sql.Identifier(name)) for name in names]
            where = sql.SQL(" AND ").join(same)
            self._app.execute(sql.SQL("DELETE FROM {} WHERE {}").format(table, where), [row[name] for name in names])
            return
        given = {name: value for name, value in row.items() if value is not ABSENT}
        others = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in given]
        columns, marks = (
            sql.SQL(", ").join(map(sql.Identifier, given)),
            sql.SQL(", ").join(sql.Placeholder() * len(given)),
        )
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(table, columns, marks)
        if schema.key:
            keys = sql.SQL(", ").join(map(sql.Identifier, schema.key_names))
            statement += sql.SQL(" ON CONFLICT ({}) DO UPDATE SET {}").format(keys, sql.SQL(", ").join(others))
        self._app.execute(statement, list(given.values()))


class PostgresWorld(World):
    """Source, target or both are PostgreSQL's, by seed."""

    options = "--postgres "

    def make_servers(self) -> tuple[Server, Server]:
        made: list[Server] = []
        for kind, (name, schemas) in zip(KINDS[self.seed % len(KINDS)], self.sides, strict=True):
            if kind == "postgres":
                made.append(PostgresServer(name, self.random, schemas))
            else:
                made.append(MemoryServer(name, self.random, schemas, self.timeline.wall_us))
        source, target = made
        return source, target

    def crash_target(self) -> None:
        super().crash_target()
        if isinstance(self.target, PostgresServer) and isinstance(self.source, PostgresServer):
            self.source.life += 1  # they are databases of one server

    def close(self) -> None:
        for server in (self.source, self.target):
            server.close()


def _table(schema: TableSchema) -> sql.Composed:
    lines = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.name),
            sql.SQL(TYPES[column.type.kind]),
            sql.SQL("" if column.nullable else " NOT NULL"),
        )
        for column in schema.columns
    ]
    if schema.key:
        loose = any(schema.columns[index].nullable for index in schema.key)
        keys = sql.SQL(", ").join(map(sql.Identifier, schema.key_names))
        lines.append(sql.SQL("UNIQUE ({})" if loose else "PRIMARY KEY ({})").format(keys))
    return sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(schema.name), sql.SQL(", ").join(lines))
