"""The secondary's shell: a listener, one session at a time, the target on its own thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from sync.core.filter import Filter
from sync.errors import AdminSyncError, PeerRefused, PeerUnreachable
from sync.model.notice import Listening, SessionClosed
from sync.node.primary import Surroundings, new_backoff, session_limits
from sync.node.tail import Line, Tail
from sync.ports import Target
from sync.receiver.applier import Applier
from sync.receiver.guard import Guard
from sync.receiver.intake import Intake
from sync.receiver.reading import Ahead
from sync.receiver.receiver import Receiver
from sync.transport.inbox import Inbox
from sync.transport.link import Link
from sync.transport.listen import Listener
from sync.transport.worker import Worker
from sync.wire.codec import Codec
from sync.wire.match import Expected
from sync.wire.messages import Hello
from sync.wire.session import Session
from sync.wire.state import Half

LEAVE_TIMEOUT_S = 5.0


class Secondary:
    """The secondary's half, from start to stop. `run` once."""

    def __init__(self, around: Surroundings, open_target: Callable[[], Target]) -> None:
        self._around = around
        self._worker = Worker("target")
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")
        self._tail = Tail(asyncio.get_running_loop())
        rules = Filter(around.settings.selection)
        self._applier = Applier(
            open_target(), Codec(), Guard(rules, around.observer), around.observer, around.clock, self._tail.offer
        )
        self._receiver: Receiver | None = None
        self._link: Link | None = None
        # Outlives sessions: a database that refuses the same transaction again is not hammered.
        self._backoff = new_backoff()
        self._turn = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self, stopping: asyncio.Event, abort: asyncio.Event) -> None:
        """Receive and apply until `stopping`; then leave in order, unless `abort` is set too."""
        settings = self._around.settings
        if settings.listen is None:
            return
        listener = Listener(*settings.listen, self._around.tls, self._around.observer, self._serve)
        await listener.open()
        self._around.observer.notice(Listening("{}:{}".format(*settings.listen)))
        try:
            await stopping.wait()
            leaving = asyncio.ensure_future(self._leave())
            aborted = asyncio.ensure_future(abort.wait())
            await asyncio.wait((leaving, aborted), return_when=asyncio.FIRST_COMPLETED, timeout=LEAVE_TIMEOUT_S)
            leaving.cancel()
            aborted.cancel()
        finally:
            self._tail.close()
            await listener.close()
            await self._worker.close(self._applier.target.close)
            self._reader.shutdown(wait=False, cancel_futures=True)

    async def snapshot(self, tables: Sequence[str]) -> int:
        """Ask the primary for a copy; gives the run's number there."""
        async for body in self._asked("snapshot", {"tables": list(tables)}):
            return int(body.get("run", 0))  # type: ignore[call-overload,no-any-return]
        return 0

    async def verify(self, tables: Sequence[str], *, repair: bool) -> AsyncIterator[dict[str, object]]:
        """Ask the primary to compare; yields what it reports."""
        async for body in self._asked("verify", {"tables": list(tables), "repair": repair}):
            yield dict(body)

    def tail(self, tables: Sequence[str]) -> AsyncIterator[Line]:
        """Show changes as they are applied."""
        return self._tail.lines(tables)

    def _asked(self, kind: str, body: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        if self._receiver is None or not self._receiver.open:
            what = f"could not {kind}: the primary is not connected"
            raise PeerUnreachable(what, remedy="See `admin-sync status`, and try again when the peer is connected.")
        return self._receiver.ask(kind, body)

    async def _leave(self) -> None:
        if self._receiver is not None:
            await self._receiver.leave()
        await self._idle.wait()

    async def _serve(self, inbox: Inbox, writer: asyncio.StreamWriter, address: str) -> None:
        if self._link is not None:
            # The peer dialled again: its old connection is dead, though this side may not have noticed yet.
            code = "busy"
            self._link.fail(PeerRefused(code, "the peer made a new connection"))
        async with self._turn:
            error: AdminSyncError | None = None
            try:
                await self._session(inbox, writer, address)
            except AdminSyncError as failure:
                error = failure
            self._around.observer.notice(SessionClosed(self._around.settings.peer_name, address, error))

    async def _session(self, inbox: Inbox, writer: asyncio.StreamWriter, address: str) -> None:
        settings, clock = self._around.settings, self._around.clock
        hello = Hello(
            node=settings.name,
            role=Half.RECEIVER,
            epoch=self._around.state.epoch,
            release=settings.release,
            base_load=settings.base_load,
            wall_us=clock.wall_us(),
        )
        session = Session(Half.RECEIVER, hello, session_limits(settings), clock.monotonic())
        link = Link(session, inbox, writer, clock)
        intake = Intake(
            session,
            self._applier,
            self._around.observer,
            Expected(settings.peer_name, settings.release, settings.base_load),
            self._around.state.epoch,
            self._backoff,
            link.kick,
            link.fail,
            address,
        )
        self._applier.ahead = Ahead(self._reader, Codec()) if self._applier.target.loads else None
        receiver = Receiver(intake, self._worker)
        link.on_arrival = receiver.arrival
        self._receiver, self._link = receiver, link
        self._idle.clear()
        applying = asyncio.create_task(receiver.run(), name="apply")
        # A session whose applying half is gone must not look open.
        applying.add_done_callback(lambda task: _end_on_defect(task, link))
        try:
            await link.run()
        finally:
            self._receiver = self._link = None
            self._idle.set()
            applying.cancel()
            await asyncio.wait((applying,))
            # Whatever the database still does for this session ends before the next one may begin.
            await self._worker.call(self._applier.target.rollback)


def _end_on_defect(applying: asyncio.Task[None], link: Link) -> None:
    """End the link where applying did not end by itself: what it raises as an error it has told the link already."""
    defect = None if applying.cancelled() else applying.exception()
    if defect is not None:
        what = "the session ended on an internal error"
        link.fail(AdminSyncError(what, repr(defect), "Please report it; the connection is made again."))
