"""A link: one session joined to one TLS stream, pumped by the event loop that owns both.

The session decides everything; the link only waits. Whoever has something to say kicks, and what the connection takes
is written there and then: a task that would have to be woken for it costs more than the rest. Nothing here ever blocks
on a database or a codec.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable

from sync.errors import PeerRefused, PeerUnreachable, ProtocolError
from sync.ports import Clock
from sync.transport.inbox import Inbox
from sync.wire.arrivals import Arrival, Disconnected, PeerSilent, Refused
from sync.wire.session import NEVER, Session
from sync.wire.state import State

GOODBYE_TIMEOUT_S = 5.0
JOINED_BYTES_MAX = 16 * 1024
"""What is smaller is copied together: the most that one TLS record carries."""


class Link:
    """Runs one session until it ends. Set `on_arrival` and `feed` before; they run on the loop and must not block."""

    def __init__(
        self,
        session: Session,
        inbox: Inbox,
        writer: asyncio.StreamWriter,
        clock: Clock,
    ) -> None:
        self.session = session
        self._inbox = inbox
        self._writer = writer
        self._clock = clock
        self.on_arrival: Callable[[Arrival], None] = lambda _: None
        self.feed: Callable[[], None] = lambda: None
        self._unsent: deque[bytes] = deque()
        self._busy = True
        """Whether `_pump` would come at a wrong moment: it runs already, or will at once, or the link does not yet."""
        self._kicked = False
        self._full = False
        """Whether the connection takes no more for now."""
        self._stuck = asyncio.Event()
        """Set where it is full, and where all is said."""
        self._ended = False
        self._over = asyncio.Event()
        """Set with `_ended`."""
        self._failure: Exception | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_state = session.state

    def kick(self) -> None:
        """Send what the session or the feed has to send."""
        self._kicked = True
        if not self._busy:
            self._pump()

    def fail(self, error: Exception) -> None:
        """End the link with this error; what the session queued (a refusal) is still sent."""
        self._end(error)
        self.kick()

    async def run(self) -> None:
        """Pump until an orderly end (returns) or anything else (raises a `PeerError`, or what `fail` was given)."""
        self.session.start()
        self._busy = False
        self.kick()
        writing = asyncio.create_task(self._write(), name="link-write")
        ending = asyncio.create_task(self._over.wait(), name="link-end")
        try:
            await self._inbox.hand_to(self._hear, self._lost)
            await asyncio.wait((writing, ending), return_when=asyncio.FIRST_COMPLETED)
            self._end()
            self.kick()
            # A refusal or goodbye that is queued still goes out, if the peer takes it.
            await asyncio.wait((writing,), timeout=GOODBYE_TIMEOUT_S)
        finally:
            self._busy = self._ended = True
            for task in (writing, ending):
                task.cancel()
            if self._alarm is not None:
                self._alarm.cancel()
            written, _ = await asyncio.gather(writing, ending, return_exceptions=True)
            self._writer.transport.abort()
        if self._failure is None and isinstance(written, Exception):
            self._failure = _translated(written)
        if self._failure is not None:
            raise self._failure

    def _hear(self, piece: bytes) -> None:
        """Take what came, an empty piece at the end. What the owner answers to all of it leaves together."""
        if self._ended:
            return
        self._busy = True
        try:
            if not piece:
                arrivals = self.session.receive_eof()
            else:
                arrivals = self.session.receive(piece, self._clock.monotonic(), self._clock.wall_us())
            for arrival in arrivals:
                if self._deliver(arrival):
                    self._end()
                    break
        except Exception as error:  # noqa: BLE001  the connection has nothing to do with it
            self._end(_translated(error))
        finally:
            self._busy = False
        self.kick()

    def _lost(self, error: Exception) -> None:
        self._end(_translated(error))

    def _end(self, failure: Exception | None = None) -> None:
        """Go to the end, of which the first reason counts."""
        if not self._ended:
            self._failure = failure
        self._ended = True
        self._over.set()
        self._stuck.set()

    def _pump(self) -> None:
        """Write, as long as there is something to write and the connection takes it."""
        self._busy = True
        try:
            while self._kicked and not self._full:
                self._kicked = False
                self._fill()
                while self._unsent and not self._full:
                    self._kicked = True
                    self._writer.write(self._unsent.popleft())
                    # Nothing waits here, so nothing is to be waited for; the stream itself holds little.
                    self._full = self._writer.transport.get_write_buffer_size() > 0
        except Exception as error:  # noqa: BLE001  whoever kicked has nothing to do with it
            self._end(_translated(error))
        finally:
            self._busy = False
        if self._full or self._is_over:
            self._stuck.set()
        else:
            self._set_alarm()

    def _fill(self) -> None:
        if not self._unsent:
            if not self._ended:
                self.feed()
            self._unsent.extend(_joined(self.session.data_to_send()))

    @property
    def _is_over(self) -> bool:
        return self._ended or self.session.state is State.CLOSED

    async def _write(self) -> None:
        """Wait for a connection that is full; ends when all is said."""
        while self._full or not self._is_over:
            await self._stuck.wait()
            self._stuck.clear()
            if self._full:
                await self._drain()
                self._full = False
                self.kick()

    async def _drain(self) -> None:
        """Wait until the peer takes what was written. Time goes on: one that takes nothing may be silent too."""
        while True:
            try:
                async with asyncio.timeout(self.session.due(self._clock.monotonic())):
                    await self._writer.drain()
            except TimeoutError:
                self._tick()
            else:
                return

    def _set_alarm(self) -> None:
        """Be woken when the session is due. With each message that is later, and waking early costs nothing."""
        if self._alarm is not None:
            if self._alarm_state is self.session.state:
                return
            self._alarm.cancel()
            self._alarm = None
        due_s = self.session.due(self._clock.monotonic())
        if due_s != NEVER:
            self._alarm_state = self.session.state
            self._alarm = asyncio.get_running_loop().call_later(due_s, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._full:
            return  # who waits for room looks at the time too
        try:
            self._tick()
        except PeerUnreachable as error:
            self.fail(error)
        else:
            self.kick()

    def _tick(self) -> None:
        for arrival in self.session.tick(self._clock.monotonic(), self._clock.wall_us()):
            if self._deliver(arrival):
                self._end()

    def _deliver(self, arrival: Arrival) -> bool:
        """Hand one arrival on; True where it ends the link in good order."""
        if isinstance(arrival, Refused):
            refusal = arrival.refusal
            raise PeerRefused(refusal.code.value, refusal.what, refusal.why, refusal.remedy)
        if isinstance(arrival, PeerSilent):
            what = "the peer is silent"
            raise PeerUnreachable(what, f"nothing came for {arrival.silent_s:.1f} s", "The connection is made again.")
        if isinstance(arrival, Disconnected):
            if arrival.orderly:
                return True
            what = "the peer closed the connection"
            raise PeerUnreachable(what, remedy="The connection is made again.")
        self.on_arrival(arrival)
        return False


def _joined(pieces: list[bytes]) -> list[bytes]:
    """The same bytes, small pieces together: each is a TLS record, a call of the system, and wakes the peer."""
    made: list[bytes] = []
    small: list[bytes] = []
    for piece in pieces:
        if len(piece) < JOINED_BYTES_MAX:
            small.append(piece)
            continue
        made += [b"".join(small), piece] if small else [piece]
        small = []
    if small:
        made.append(b"".join(small))
    return made


def _translated(error: Exception) -> Exception:
    """Give socket and TLS failures the name that a person can act on."""
    if isinstance(error, ssl.SSLError):
        code = "unknown_peer"
        what = "the peer refused this node's certificate, or showed one that is not paired"
        return PeerRefused(code, what, error.reason or str(error), "Pair the two nodes again.")
    if isinstance(error, (OSError, EOFError)) and not isinstance(error, ProtocolError):
        what = "the connection broke"
        return PeerUnreachable(what, str(error) or type(error).__name__, "The connection is made again.")
    return error
