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
from contextlib import closing
from pathlib import Path
from random import Random

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


def create(path: Path, *, with_rows: bool) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        if with_rows:
            connection.executemany("INSERT INTO account VALUES (?, 1000)", [(i,) for i in range(ACCOUNTS)])
            connection.executemany("INSERT INTO seat VALUES (?, ?)", [(i, f"agent {i}") for i in range(SEATS)])
            connection.executemany("INSERT INTO parent VALUES (?, 0)", [(i,) for i in range(PARENTS)])
            connection.execute("INSERT INTO step VALUES (1, 0)")


def lines_of(step: int) -> int:
    """How many equal lines a step writes."""
    return step % 3 + 1


def lines_until(step: int) -> int:
    return sum(map(lines_of, range(1, step + 1)))


class Load(threading.Thread):
    """Changes the primary until told to stop, one transaction a step."""

    def __init__(self, path: Path, seed: int, pause_s: float = 0.005) -> None:
        super().__init__(name="load", daemon=True)
        self.steps = 0
        self.failure: BaseException | None = None
        self._path = path
        self._random = Random(seed)
        self._pause_s = pause_s
        self._ending = threading.Event()

    def run(self) -> None:
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None, timeout=30)) as connection:
                while not self._ending.wait(self._pause_s):
                    self._step(connection)
        except BaseException as error:
            self.failure = error
            raise

    def end(self) -> None:
        self._ending.set()
        self.join(30)
        assert self.failure is None

    def _step(self, connection: sqlite3.Connection) -> None:
        number = self.steps + 1
        run = connection.execute
        run("BEGIN IMMEDIATE")
        amount, giver, taker = self._random.randint(1, 50), *self._random.sample(range(ACCOUNTS), 2)
        run("UPDATE account SET balance = balance - ? WHERE id = ?", (amount, giver))
        run("UPDATE account SET balance = balance + ? WHERE id = ?", (amount, taker))
        self._swap(connection)
        self._children(connection, number)
        connection.executemany("INSERT INTO line VALUES (?, ?)", [(number, f"line of {number}")] * lines_of(number))
        run("UPDATE step SET number = ?", (number,))
        run("COMMIT")
        self.steps = number

    def _swap(self, connection: sqlite3.Connection) -> None:
        one, other = self._random.sample(range(SEATS), 2)
        names = dict(connection.execute("SELECT place, holder FROM seat WHERE place IN (?, ?)", (one, other)))
        put = "UPDATE seat SET holder = ? WHERE place = ?"
        connection.execute(put, (None, one))
        connection.execute(put, (names[one], other))
        connection.execute(put, (names[other], one))

    def _children(self, connection: sqlite3.Connection, number: int) -> None:
        parent = self._random.randrange(PARENTS)
        if self._random.random() < 0.3:
            gone = connection.execute("DELETE FROM child WHERE parent = ?", (parent,)).rowcount
            connection.execute("UPDATE parent SET children = children - ? WHERE id = ?", (gone, parent))
        else:
            connection.execute("INSERT INTO child VALUES (?, ?, ?)", (parent, number, f"child {number}"))
            connection.execute("UPDATE parent SET children = children + 1 WHERE id = ?", (parent,))


class Reader(threading.Thread):
    """Looks at the secondary as fast as it can, each time in one snapshot, and keeps what can not be."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="reader", daemon=True)
        self.looks = 0
        self.torn: list[str] = []
        self._path = path
        self._newest = 0
        self._ending = threading.Event()

    def run(self) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=30)) as connection:
            while not self._ending.wait(0.002):
                connection.execute("BEGIN")
                self.torn += [f"look {self.looks}: {problem}" for problem in self._problems(connection)]
                connection.execute("COMMIT")
                self.looks += 1

    def end(self) -> None:
        self._ending.set()
        self.join(30)
        assert self.looks > 0
        assert self.torn == []

    def _problems(self, connection: sqlite3.Connection) -> list[str]:
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
