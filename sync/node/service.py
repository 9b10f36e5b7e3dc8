"""The node: one process, one role at a time, one half of the road."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from sync.errors import UsageError
from sync.node.primary import Primary, Surroundings
from sync.node.secondary import Secondary
from sync.node.settings import NodeSettings
from sync.node.state import load
from sync.ports import Clock, Observer, Site, Source, Target
from sync.spool.disk import LocalDisk
from sync.transport.tls import TlsMaterial

SPOOL_FOLDER = "spool"
Report = dict[str, object]


class Node:
    """Puts a half together and runs it. The caller owns the state directory's lock and the signals."""

    def __init__(
        self,
        settings: NodeSettings,
        source_factory: Callable[[], Source],
        target_factory: Callable[[], Target],
        site_factory: Callable[[], Site],
        tls: TlsMaterial,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._source_factory = source_factory
        self._target_factory = target_factory
        self._site_factory = site_factory
        self._tls, self._observer, self._clock = tls, observer, clock
        self._half: Primary | Secondary | None = None

    async def run(self, stopping: asyncio.Event, abort: asyncio.Event) -> None:
        """Run until `stopping` is set, then end in order; `abort` ends at once. Nothing is lost by either."""
        settings = self._settings
        disk = LocalDisk(settings.state_dir)
        state = load(disk, settings.role)
        around = Surroundings(settings, state, disk, self._tls, self._observer, self._clock)
        if state.role == "primary":
            spool_disk = LocalDisk(settings.state_dir / SPOOL_FOLDER)
            self._half = Primary(around, spool_disk, self._source_factory, self._site_factory)
        else:
            self._half = Secondary(around, self._target_factory)
        await self._half.run(stopping, abort)

    async def snapshot(self, tables: Sequence[str]) -> int:
        """Start a snapshot; gives the run's number, which its progress notices carry."""
        return await self._running().snapshot(tables)

    def verify(self, tables: Sequence[str], repair: bool) -> AsyncIterator[Report]:  # noqa: FBT001  the control API's form
        """Compare both sides; yields progress and, last, the report with `final`."""
        return self._running().verify(tables, repair=repair)

    def tail(self, tables: Sequence[str]) -> AsyncIterator[Report]:
        """Yield changes as they pass."""
        return self._running().tail(tables)

    def _running(self) -> Primary | Secondary:
        if self._half is None:
            what = "the node is still starting"
            raise UsageError(what, remedy="Try again in a moment.")
        return self._half
