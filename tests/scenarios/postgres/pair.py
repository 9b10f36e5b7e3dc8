"""Two databases of one real server and both nodes between them, in this process: what a scenario is told with.

The rule it keeps: nothing is compared before the secondary shows a mark that the primary wrote last, and then it is
compared once. As the stream is in order, whatever has not come by then is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import adapters
from sync.core.filter import Filter, Selection
from sync.model.notice import ApplyFailed, CaptureFailed, SnapshotMoved, TablePaused, TableResumed
from sync.model.schema import TableSchema
from sync.node.service import Node
from sync.node.settings import NodeSettings
from sync.ops.clock import SystemClock
from sync.transport.tls import TlsMaterial
from tests.integration.world import Notices, free_port, identities
from tests.postgres import cluster

TIMEOUT_S = 20.0
LOOK_S = 0.004
MARK = "scenario_mark"
Text = tuple[str | None, ...]
_FAILED = ApplyFailed | CaptureFailed


def eventually(condition: Callable[[], Any], what: str) -> Any:  # noqa: ANN401  whatever the condition gives
    """Wait until `condition` gives something true, and give it."""
    until = time.monotonic() + TIMEOUT_S
    while not (found := condition()):
        assert time.monotonic() < until, f"did not come within {TIMEOUT_S:g} s: {what}"
        time.sleep(LOOK_S)
    return found


class Side:
    """One of the databases, as an application sees it, and the node at it."""

    def __init__(self, name: str, url: str, user: str = "") -> None:
        self.name, self.url = name, url
        self.node_url = url.replace("postgres@", f"{user}@") if user else url
        self.app = self.connect()
        self.notices = Notices()
        self.node: Node | None = None
        self._stopping: asyncio.Event | None = None
        self._running: Future[None] | None = None

    @property
    def database(self) -> str:
        """Its name."""
        return self.app.info.dbname

    def run(self, *statements: str) -> None:
        """Run statements in one transaction."""
        with self.app.transaction():
            for statement in statements:
                self.app.execute(statement.encode())

    def alone(self, *statements: str) -> None:
        """Run statements each by itself, as those must that refuse a transaction around them."""
        for statement in statements:
            self.app.execute(statement.encode())

    def ask(self, query: str) -> list[Text]:
        """Rows as text, in the order of their bytes."""
        rows = self.app.execute(query.encode()).fetchall()
        return sorted((tuple(None if value is None else str(value) for value in row) for row in rows), key=repr)

    def texts(self, table: str, columns: Sequence[str]) -> list[str]:
        """Every row of a table as the server writes it, in the order of its bytes."""
        row = sql.SQL(", ").join(map(sql.Identifier, columns))
        name = sql.Identifier(*table.rsplit(".", 1))
        query = sql.SQL('SELECT ROW({})::text COLLATE "C" AS text FROM {} ORDER BY 1').format(row, name)
        return [str(text) for (text,) in self.app.execute(query).fetchall()]

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Another session of an application; what is not committed at its end is rolled back."""
        return psycopg.connect(self.url, autocommit=True, client_encoding="UTF8")

    def refuses(self, statement: str, because: str) -> None:
        """Try what an application must not be able to do."""
        with pytest.raises(psycopg.Error, match=because):
            self.run(statement)

    def start(self, loop: asyncio.AbstractEventLoop, settings: NodeSettings, tls: TlsMaterial) -> None:
        """Start the node on the loop."""

        async def run() -> None:
            stopping = self._stopping = asyncio.Event()
            await node.run(stopping, stopping)

        rule_of = Filter(settings.selection).row_rule
        node = self.node = Node(
            settings,
            partial(adapters.open_source, self.node_url, rule_of=rule_of),
            partial(adapters.open_target, self.node_url),
            partial(adapters.open_site, self.node_url, rule_of=rule_of),
            tls,
            self.notices,
            SystemClock(),
        )
        self._running = asyncio.run_coroutine_threadsafe(run(), loop)

    def stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the node at once; raises what it failed with."""
        if self._running is not None:
            running, self._running = self._running, None
            eventually(lambda: self._stopping or running.done(), f"{self.name} starts")
            if self._stopping is not None:
                loop.call_soon_threadsafe(self._stopping.set)
            running.result(TIMEOUT_S)


@dataclass
class Chosen:
    """What is replicated: the `[tables]` of both nodes."""

    include: Sequence[str] = ("*", "*.*")
    exclude: Sequence[str] = ()
    rows: Mapping[str, str] = field(default_factory=dict)
    local: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def selection(self) -> Selection:
        """As the configuration would give it."""
        return Selection("none", tuple(self.include), tuple(self.exclude), self.rows, self.local, "postgres")


class Pair:
    """A primary (`east`) and a secondary (`west`)."""

    def __init__(self, place: Path, urls: tuple[str, str], users: tuple[str, str] = ("", "")) -> None:
        self._place = place
        self._tls = identities(place)
        self.east, self.west = Side("east", urls[0], users[0]), Side("west", urls[1], users[1])
        self.chosen = Chosen()
        self._port = free_port()
        self._marks = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scenario", daemon=True)
        self._thread.start()
        self.create(f"CREATE TABLE {MARK} (id int PRIMARY KEY, number int)")

    @property
    def sides(self) -> tuple[Side, Side]:
        """Primary and secondary."""
        return self.east, self.west

    @property
    def version(self) -> int:
        """The server's major version."""
        return self.east.app.info.server_version // 10_000

    def create(self, *ddl: str) -> None:
        """Run the same statements in both databases."""
        for side in self.sides:
            side.alone(*ddl)

    def begin(self, **chosen: Any) -> None:  # noqa: ANN401  the fields of Chosen
        """Install, start both nodes, and wait until the first copy is over."""
        self.chosen = Chosen(**chosen)
        self.install()
        self.start()
        self.copied()

    def install(self) -> None:
        """What `admin-sync install` does on both."""
        for side in self.sides:
            rules = Filter(self.chosen.selection())
            with contextlib.closing(adapters.open_site(side.node_url, rule_of=rules.row_rule)) as site:
                captured = rules.captured(site.catalog())
                if side is self.east:
                    site.install_capture(captured)
                else:
                    site.install_guard(captured, "cms-east")

    def start(self, *sides: Side) -> None:
        """Start these nodes, or both."""
        for side in sides or (self.west, self.east):
            role = "primary" if side is self.east else "secondary"
            at = ("127.0.0.1", self._port)
            settings = NodeSettings(
                name=f"cms-{side.name}",
                role=role,
                state_dir=self._place / side.name,
                peer_name="cms-west" if side is self.east else "cms-east",
                peer_addresses=(at,) if side is self.east else (),
                listen=None if side is self.east else at,
                selection=self.chosen.selection(),
            )
            side.start(self._loop, settings, self._tls[side is self.west])

    def stop(self, *sides: Side) -> None:
        """End these nodes, or both."""
        for side in sides or self.sides:
            side.stop(self._loop)

    def close(self) -> None:
        """End everything; raises where a node had failed for good."""
        try:
            self.stop()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(TIMEOUT_S)
            self._loop.close()
            for side in self.sides:
                side.app.close()

    def copied(self, times: int = 1) -> None:
        """Wait until so many copies have ended since the pair was made."""

        def ended() -> bool:
            moved = self.east.notices.of(SnapshotMoved)
            return len([each for each in moved if each.kind == "snapshot" and each.finished]) >= times

        self._until(ended, "the copy")

    def settle(self) -> None:
        """Wait until the secondary shows everything that is committed on the primary."""
        self._marks += 1
        put = f"INSERT INTO {MARK} VALUES (1, {self._marks}) ON CONFLICT (id) DO UPDATE SET number = excluded.number"
        self.east.run(put)
        aim = [(str(self._marks),)]
        self._until(lambda: self.west.ask(f"SELECT number FROM {MARK}") == aim, f"mark {self._marks}")

    def captured(self) -> dict[str, TableSchema]:
        """What is replicated now, by the primary's catalog."""
        with contextlib.closing(adapters.open_site(self.east.url)) as site:
            return Filter(self.chosen.selection()).captured(site.catalog())

    def equal(self, *, without: Iterable[str] = ()) -> None:
        """Settle, then hold every replicated table of one side against the other's; `without` those named."""
        self.settle()
        for name, schema in self.captured().items():
            if name not in without:
                columns = schema.column_names
                assert self.west.texts(name, columns) == self.east.texts(name, columns), name

    def do(self, *statements: str) -> None:
        """One transaction on the primary, after which both sides must be equal."""
        self.east.run(*statements)
        self.equal()

    def refused(self) -> str:
        """Wait until the secondary's database refuses something, and give what is said of it."""
        failed = eventually(lambda: self.west.notices.of(ApplyFailed), "a refusal")
        return str(failed[-1].error)

    def paused(self, table: str) -> TablePaused:
        """Wait until the secondary has paused a table, and give what is said of it."""
        found: list[TablePaused] = eventually(
            lambda: [each for each in self.west.notices.of(TablePaused) if each.table == table], f"a pause of {table}"
        )
        return found[-1]

    def resumed(self, table: str) -> None:
        """Wait until the secondary goes on with a table, and its copy is over."""
        again = self.west.notices
        self._until(lambda: any(each.table == table for each in again.of(TableResumed)), f"{table} goes on")
        self._until(lambda: self.verify()["equal"], "its copy")

    def watch(self, query: str, until: str) -> set[str]:
        """Ask the secondary for one value again and again until it is this one; gives all that were seen."""
        seen: set[str] = set()

        def look() -> bool:
            seen.update(str(value) for (value,) in self.west.ask(query))
            return until in seen

        self._until(look, until)
        return seen

    def some_of(self, table: str, beyond: int) -> None:
        """Wait until the secondary has more rows of a table than this."""
        self._until(lambda: int(str(self.west.ask(f"SELECT count(*) FROM {table}")[0][0])) > beyond, f"rows of {table}")

    def snapshot(self, *tables: str) -> None:
        """What `admin-sync snapshot` does."""
        node = self.east.node
        assert node is not None
        asyncio.run_coroutine_threadsafe(node.snapshot(tables), self._loop).result(TIMEOUT_S)

    def verify(self) -> Mapping[str, Any]:
        """What `admin-sync verify` reports."""
        node = self.east.node
        assert node is not None

        async def last() -> Mapping[str, Any]:
            return [report async for report in node.verify((), repair=False)][-1]

        return asyncio.run_coroutine_threadsafe(last(), self._loop).result(TIMEOUT_S)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            eventually(condition, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._troubles()}") from None

    def _troubles(self) -> str:
        found = [each.error for side in self.sides for each in side.notices.all if isinstance(each, _FAILED)]
        return "\n".join(map(str, found[-4:]))


def make_pair(place: Path, users: tuple[str, str] = ("", ""), encodings: tuple[str, str] = ("UTF8", "UTF8")) -> Pair:
    """Make two empty databases with a pair at them."""
    one, other = (cluster().create("scenario", encoding=encoding) for encoding in encodings)
    return Pair(place, (one, other), users)
