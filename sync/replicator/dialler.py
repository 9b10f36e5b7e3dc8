"""The dialler: keeps one session with the peer, for ever, over the first of its addresses that answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sync.core.backoff import Backoff
from sync.errors import AdminSyncError, PeerUnreachable
from sync.model.notice import SessionClosed
from sync.ports import Clock, Observer
from sync.replicator.sender import Sender
from sync.transport.dial import dial
from sync.transport.inbox import Inbox
from sync.transport.link import Link
from sync.transport.tls import TlsMaterial

Address = tuple[str, int]


@dataclass(slots=True)
class Dialler:
    """Dials, runs the session, and dials again with jittered backoff."""

    addresses: Sequence[Address]
    tls: TlsMaterial
    new_sender: Callable[[str], Sender]
    """Makes the sending half for a connection to this address."""
    observer: Observer
    clock: Clock
    backoff: Backoff
    _link: Link | None = None
    _sender: Sender | None = None
    _leaving: bool = False

    async def run(self) -> None:
        """Keep connected until `leave`."""
        for host, port in itertools.cycle(self.addresses):
            error, worked = await self._try(host, port)
            if worked:
                # The next break is a new one.
                self.backoff.reset()
            if self._leaving:
                return
            retry_s = self.backoff.next_s()
            self.observer.notice(SessionClosed(self.tls.peer_name, f"{host}:{port}", error, retry_s))
            await asyncio.sleep(retry_s)

    @property
    def connected(self) -> bool:
        """Whether a session is open now."""
        return self._link is not None and self._sender is not None and self._sender.welcomed

    def kick(self) -> None:
        """Wake the session: there is something to send."""
        if self._link is not None:
            self._link.kick()

    def fail(self, why: str) -> None:
        """End the session under way; a new one is made."""
        if self._link is not None:
            what = "the session starts again"
            self._link.fail(PeerUnreachable(what, why))

    def leave(self) -> None:
        """Say goodbye, and do not dial again."""
        self._leaving = True
        if self._link is not None:
            self._link.session.goodbye("this node is stopping")
            self._link.kick()

    async def _try(self, host: str, port: int) -> tuple[AdminSyncError | None, bool]:
        """Run one session; why it ended, and whether it ever opened."""
        try:
            inbox, writer = await dial(host, port, self.tls)
            sender = self.new_sender(f"{host}:{port}")
            try:
                await self._session(sender, inbox, writer)
            except AdminSyncError as error:
                return error, sender.welcomed
        except AdminSyncError as error:
            return error, False
        return None, sender.welcomed

    async def _session(self, sender: Sender, inbox: Inbox, writer: asyncio.StreamWriter) -> None:
        link = Link(sender.session, inbox, writer, self.clock)
        link.on_arrival, link.feed = sender.arrival, sender.feed
        self._sender, self._link = sender, link
        try:
            await link.run()
        finally:
            self._link = None
            sender.close()
