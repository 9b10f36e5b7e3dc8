"""Work on the primary whose every intermediate state is recognisable, and a reader that looks for impossible ones.

The tables hold invariants that a transaction breaks in its middle and mends before its end: money moved between
accounts, seats swapped under a unique index, a parent that counts its children, and a journal without a key that has
as many equal lines as its step number says. A reader of the secondary that ever sees one broken saw part of a
transaction (invariant 2); one that sees the step number go back saw a wrong order (invariant 3); lines too many were
applied twice (invariant 4).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psycopg

ACCOUNTS, SEATS, PARENTS = 20, 10, 8
SUM = 1000 * ACCOUNTS
REPLICATED = {
    "account": "id, balance",
    "seat": "place, holder",
    "parent": "id, children",
    "child": "parent, number, note",
    "line": "step, note",
    "step": "id, number",
}
TABLES = ('profile = "none"', f"include = [{', '.join(f'{chr(34)}{name}{chr(34)}' for name in REPLICATED)}]")
SCHEMA = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
    CREATE TABLE seat (place INTEGER PRIMARY KEY, holder TEXT UNIQUE);
    CREATE TABLE parent (id INTEGER PRIMARY KEY, children INTEGER NOT NULL);
    CREATE TABLE child (parent INTEGER NOT NULL, number INTEGER NOT NULL, note TEXT, PRIMARY KEY (parent, number));
    CREATE TABLE line (step INTEGER, note TEXT);
    CREATE TABLE step (id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
"""
_NO_PRAGMA = "PRAGMA journal_mode = WAL;", ""
_KEYED_LINE = "line (", "line (n INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
"""A log names a row by its key."""
Database = Path | str
"""A SQLite file, or the URL of a PostgreSQL database."""


def create(database: Database, *, with_rows: bool) -> None:
    """Make the tables, and on a primary the rows that the work starts from."""
    with connected(database) as connection:
        script = SCHEMA if isinstance(database, Path) else SCHEMA.replace(*_NO_PRAGMA).replace(*_KEYED_LINE)
        for statement in filter(str.strip, script.split(";")):
            connection.execute(statement)
        rows = [f"INSERT INTO account VALUES ({i}, 1000)" for i in range(ACCOUNTS)]
        rows += [f"INSERT INTO seat VALUES ({i}, 'agent {i}')" for i in range(SEATS)]
        rows += [f"INSERT INTO parent VALUES ({i}, 0)" for i in range(PARENTS)]
        for statement in [*rows, "INSERT INTO step VALUES (1, 0)"] if with_rows else ():
            connection.execute(statement)


@contextmanager
def connected(database: Database) -> Iterator[Any]:
    """A connection that commits what nothing else makes part of a transaction."""
    if isinstance(database, Path):
        with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
            yield connection
    else:
        with psycopg.connect(database, autocommit=True) as server:
            yield server


def lines_of(step: int) -> int:
    """How many equal lines a step writes."""
    return step % 3 + 1


def lines_until(step: int) -> int:
    return sum(map(lines_of, range(1, step + 1)))


class Load(threading.Thread):
    """Changes the primary until told to stop, one transaction a step; a server that is gone is waited for."""

    def __init__(self, database: Database, seed: int, pause_s: float = 0.005) -> None:
        super().__init__(name="load", daemon=True)
        self.steps = 0
        self.failure: BaseException | None = None
        self._database = database
        self._begin = "BEGIN IMMEDIATE" if isinstance(database, Path) else "BEGIN"
        self._random = Random(seed)
        self._pause_s = pause_s
        self._ending = threading.Event()

    def run(self) -> None:
        try:
            while not self._ending.is_set():
                try:
                    self._work()
                except psycopg.OperationalError:
                    self._ending.wait(0.05)
        except BaseException as error:
            self.failure = error
            raise

    def _work(self) -> None:
        with connected(self._database) as connection:
            # A commit whose answer was lost may have happened.
            self.steps = int(connection.execute("SELECT number FROM step").fetchone()[0])
            while not self._ending.wait(self._pause_s):
                self._step(connection)

    def end(self) -> None:
        self._ending.set()
        self.join(30)
        assert self.failure is None

    def _step(self, connection: Any) -> None:  # noqa: ANN401  either driver's
        number = self.steps + 1
        run = connection.execute
        run(self._begin)
        amount, giver, taker = self._random.randint(1, 50), *self._random.sample(range(ACCOUNTS), 2)
        run(f"UPDATE account SET balance = balance - {amount} WHERE id = {giver}")
        run(f"UPDATE account SET balance = balance + {amount} WHERE id = {taker}")
        self._swap(connection)
        self._children(connection, number)
        for _ in range(lines_of(number)):
            run(f"INSERT INTO line (step, note) VALUES ({number}, 'line of {number}')")
        run(f"UPDATE step SET number = {number}")
        run("COMMIT")
        self.steps = number

    def _swap(self, connection: Any) -> None:  # noqa: ANN401
        one, other = self._random.sample(range(SEATS), 2)
        names = dict(connection.execute(f"SELECT place, holder FROM seat WHERE place IN ({one}, {other})").fetchall())
        connection.execute(f"UPDATE seat SET holder = NULL WHERE place = {one}")
        connection.execute(f"UPDATE seat SET holder = '{names[one]}' WHERE place = {other}")
        connection.execute(f"UPDATE seat SET holder = '{names[other]}' WHERE place = {one}")

    def _children(self, connection: Any, number: int) -> None:  # noqa: ANN401
        parent = self._random.randrange(PARENTS)
        if self._random.random() < 0.3:
            gone = connection.execute(f"DELETE FROM child WHERE parent = {parent}").rowcount
            connection.execute(f"UPDATE parent SET children = children - {gone} WHERE id = {parent}")
        else:
            connection.execute(f"INSERT INTO child VALUES ({parent}, {number}, 'child {number}')")
            connection.execute(f"UPDATE parent SET children = children + 1 WHERE id = {parent}")


class Reader(threading.Thread):
    """Looks at the secondary as fast as it can, each time in one snapshot, and keeps what can not be."""

    def __init__(self, database: Database) -> None:
        super().__init__(name="reader", daemon=True)
        self.looks = 0
        self.setbacks = 0
        """How often a server that had died came back with fewer steps than it had shown."""
        self.torn: list[str] = []
        self._database = database
        self._begin = "BEGIN" if isinstance(database, Path) else "BEGIN ISOLATION LEVEL REPEATABLE READ"
        self._newest = 0
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                self._read()
            except psycopg.OperationalError:
                self._ending.wait(0.05)

    def _read(self) -> None:
        with connected(self._database) as connection:
            found = int(connection.execute("SELECT number FROM step").fetchone()[0])
            self.setbacks += found < self._newest
            self._newest = found
            while not self._ending.wait(0.002):
                connection.execute(self._begin)
                self.torn += [f"look {self.looks}: {problem}" for problem in self._problems(connection)]
                connection.execute("COMMIT")
                self.looks += 1

    def end(self) -> None:
        self._ending.set()
        self.join(30)
        assert self.looks > 0
        assert self.torn == []

    def _problems(self, connection: Any) -> list[str]:  # noqa: ANN401
        def one(sql: str) -> int:
            return int(connection.execute(sql).fetchone()[0])

        step = one("SELECT number FROM step")
        problems = []
        if (total := one("SELECT sum(balance) FROM account")) != SUM:
            problems.append(f"the accounts hold {total} at step {step}")
        if (held := one("SELECT count(DISTINCT holder) FROM seat")) != SEATS:
            problems.append(f"{held} agents sit at step {step}")
        wrong = "SELECT count(*) FROM parent p WHERE children <> (SELECT count(*) FROM child c WHERE c.parent = p.id)"
        if one(wrong):
            problems.append(f"a parent does not know its children at step {step}")
        if (lines := one("SELECT count(*) FROM line")) != lines_until(step):
            problems.append(f"{lines} lines instead of {lines_until(step)} at step {step}")
        if step < self._newest:
            problems.append(f"step {step} came after {self._newest}")
        self._newest = max(step, self._newest)
        return problems
