"""A whole pair in this process: two nodes on two SQLite files, each with the board that `status --json` shows."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adapters import open_site
from adapters.sqlite.site import SqliteSite
from adapters.sqlite.source import SqliteSource
from adapters.sqlite.target import SqliteTarget
from sync.core.filter import Filter, Selection
from sync.model.notice import BeatPassed, Warned
from sync.node.service import Node
from sync.node.settings import NodeSettings
from sync.ops.clock import SystemClock
from sync.ops.logs import Observers
from sync.ops.status import StatusBoard
from sync.transport.tls import TlsMaterial
from tests.integration import world

SELECTION = Selection(profile="none", include=("room", "agent"))
SCHEMA = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE room (id INTEGER PRIMARY KEY, name TEXT, size INTEGER);
    CREATE TABLE agent (id INTEGER PRIMARY KEY, room INTEGER);
"""
DEADLINE_S = 30.0
ENDS_S = 4.0
"""An orderly end takes no longer, whatever the database does."""
Rows = list[tuple[Any, ...]]
Json = dict[str, Any]


async def eventually(condition: Callable[[], object], what: Callable[[], str] | str) -> None:
    """Wait until `condition` gives something true."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"did not come: {what if isinstance(what, str) else what()}"
        await asyncio.sleep(0.01)


class PragmaTarget(SqliteTarget):
    """A target whose every transaction begins with pragmas: what a full or read-only disk does to SQLite."""

    def __init__(self, half: Half) -> None:
        super().__init__(str(half.path))
        self._half = half

    def begin(self) -> None:
        with self._asking("could not begin to apply") as connection:
            for pragma in self._half.pragmas:
                connection.execute(f"PRAGMA {pragma}").fetchall()
        super().begin()


@dataclass
class Half:
    """One node: its file, and while it runs its board and notices."""

    name: str
    role: str
    place: Path
    tls: TlsMaterial
    selection: Selection = SELECTION
    pragmas: tuple[str, ...] = ()
    limits: Json = field(default_factory=dict)
    notices: world.Notices = field(default_factory=world.Notices)
    board: StatusBoard | None = None
    node: Node | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    running: asyncio.Task[None] | None = None

    @property
    def path(self) -> Path:
        return self.place / f"{self.name}.db"

    @property
    def state(self) -> Path:
        return self.place / f"{self.name}-state"

    def run(self, *statements: str) -> None:
        """Change the database in one transaction, as an application or an administrator does."""
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)

    def past_the_guard(self, *statements: str) -> None:
        """Write where only the applier may."""
        guard = "UPDATE admin_sync_guard SET applying ="
        self.run(f"{guard} 1", *statements, f"{guard} 0")

    def select(self, sql: str) -> Rows:
        with closing(sqlite3.connect(self.path, timeout=10)) as connection:
            return connection.execute(sql).fetchall()

    def install(self) -> None:
        site = open_site(f"sqlite:///{self.path}")
        try:
            captured = Filter(self.selection).captured(site.catalog())
            if self.role == "primary":
                site.install_capture(captured)
            else:
                site.install_guard(captured, "cms-east")
        finally:
            site.close()

    def start(self, port: int) -> None:
        settings = NodeSettings(
            f"cms-{self.name}",
            self.role,
            self.state,
            "cms-west" if self.role == "primary" else "cms-east",
            (("127.0.0.1", port),) if self.role == "primary" else (),
            ("127.0.0.1", port) if self.role == "secondary" else None,
            self.selection,
            interval_s=0.3,
        )
        settings = replace(settings, **self.limits)
        clock = SystemClock()
        self.board = StatusBoard(settings.name, self.role, settings.peer_name, settings.peer_addresses, clock)
        self.notices = world.Notices()
        observers = Observers([self.board, self.notices])
        path = str(self.path)
        self.node = Node(
            settings,
            lambda: SqliteSource(path),
            lambda: PragmaTarget(self),
            lambda: SqliteSite(path),
            self.tls,
            observers,
            clock,
        )
        self.stopping = asyncio.Event()
        self.running = asyncio.create_task(self.node.run(self.stopping, asyncio.Event()))

    async def stop(self) -> float:
        """End in good order; gives the seconds that it took."""
        began = time.monotonic()
        self.stopping.set()
        assert self.running is not None
        await asyncio.wait_for(self.running, DEADLINE_S)
        self.running = None
        return time.monotonic() - began

    @property
    def status(self) -> Json:
        assert self.board is not None
        assert self.running is not None
        if self.running.done():
            self.running.result()
        return self.board.report()

    @property
    def error(self) -> Json:
        return self.status["last_error"] or {}

    @property
    def warnings(self) -> str:
        """All that status warns of."""
        assert len(self.status["warnings"]) <= len(self.notices.of(Warned))
        return " | ".join(warning["what"] for warning in self.status["warnings"])

    def beats(self) -> list[BeatPassed]:
        return self.notices.of(BeatPassed)


@dataclass
class Site:
    """The pair."""

    east: Half
    west: Half
    port: int

    @property
    def halves(self) -> tuple[Half, Half]:
        return self.east, self.west

    def tables(self, half: Half) -> dict[str, Rows]:
        columns = {
            table: [row[1] for row in self.east.select(f"PRAGMA table_info({table})")]
            for table in self.east.selection.include
        }
        return {t: sorted(half.select(f"SELECT {', '.join(named)} FROM {t}"), key=repr) for t, named in columns.items()}

    def equal(self) -> bool:
        try:
            return self.tables(self.east) == self.tables(self.west)
        except sqlite3.Error:
            return False

    async def verified(self) -> Json:
        """What a verification of everything reports at its end."""
        assert self.east.node is not None
        reports = [report async for report in self.east.node.verify([], repair=False)]
        return reports[-1]

    async def until_equal(self) -> None:
        """Until both databases hold the same, and both nodes say that all is well."""
        await eventually(self._well, lambda: f"{self.east.status}\n{self.west.status}\n{self.tables(self.west)}")

    def _well(self) -> bool:
        east = self.east.status
        streaming = all(half.status["state"] == "streaming" for half in self.halves)
        copied = all(run["finished"] for run in east["snapshots"])
        return streaming and copied and east["apply"]["lag_s"] == 0 and self.equal()

    async def until_west_fails(self, *says: str) -> Json:
        """Until the secondary's status says that applying stands still, and why; gives that."""

        def stands() -> bool:
            text = repr(self.west.error)
            return self.west.status["state"] == "apply_failed" and all(word in text for word in says)

        await eventually(stands, lambda: f"{says} in {self.west.status}")
        return self.west.error

    async def until_east_fails(self, *says: str) -> Json:
        """Until the primary's status says that capture stands still, and why; gives that."""

        def stands() -> bool:
            text = repr(self.east.error)
            return self.east.status["state"] == "capture_failed" and all(word in text for word in says)

        await eventually(stands, lambda: f"{says} in {self.east.status}")
        assert self.east.status["capture"]["healthy"] is False
        return self.east.error

    async def lag_grows(self) -> None:
        """The primary measures that its peer falls behind, and the session stands."""
        first = self.east.status["apply"]["lag_s"]
        await eventually(lambda: self.east.status["apply"]["lag_s"] > first + 0.05, "a growing lag")


@contextmanager
def moved_away(half: Half) -> Iterator[None]:
    """Take the database away from under a running node, as it is, and put it back."""
    there = [path for suffix in ("", "-wal", "-shm") if (path := Path(f"{half.path}{suffix}")).exists()]
    away = [path.rename(path.with_name(f"away-{path.name}")) for path in there]
    yield
    for path, home in zip(away, there, strict=True):
        path.rename(home)


@asynccontextmanager
async def pair(place: Path, *, rows: Sequence[str] = ()) -> AsyncIterator[Site]:
    """Make and run a pair; at its end both nodes must still be there, and end in good time."""
    (place / "ids").mkdir()
    one, other = world.identities(place / "ids")
    east, west = Half("east", "primary", place, one), Half("west", "secondary", place, other)
    for half in (east, west):
        with closing(sqlite3.connect(half.path)) as connection:
            connection.executescript(SCHEMA)
    if rows:
        east.run(*rows)
    site = Site(east, west, world.free_port())
    for half in site.halves:
        half.install()
    try:
        west.start(site.port)
        east.start(site.port)
        await eventually(lambda: east.status["snapshots"], "the first copy")
        await site.until_equal()
        yield site
    finally:
        took = [await half.stop() for half in site.halves if half.running is not None]
    assert all(seconds < ENDS_S for seconds in took), took
