"""The shell around a session, as `sync.transport.link` is one: the same calls, on virtual time."""

from __future__ import annotations

from collections.abc import Callable

from sync.errors import AdminSyncError, PeerRefused, PeerUnreachable
from sync.wire.arrivals import Arrival, Disconnected, PeerSilent, Refused
from sync.wire.session import Session
from sync.wire.state import State
from tests.sim.network import End
from tests.sim.timeline import Life, Timeline

READ_DELAY_S = 0.0001


class SimLink:
    """Pumps one session over one connection until it ends; `on_end` is then told why, once."""

    def __init__(self, timeline: Timeline, life: Life, session: Session, end: End) -> None:
        self.session = session
        self.on_arrival: Callable[[Arrival], None] = lambda _: None
        self.feed: Callable[[], None] = lambda: None
        self.on_end: Callable[[AdminSyncError | None], None] = lambda _: None
        self.over = False
        self._timeline, self._life, self._end = timeline, life, end
        self._ended = False
        self._kicked = False
        self._failure: AdminSyncError | None = None
        self._tick_at = float("inf")

    def start(self) -> None:
        """Say the first words."""
        self._end.life = self._life
        self._end.on_bytes, self._end.on_eof = self._received, self._eof
        self.session.start()
        self.kick()

    def kick(self) -> None:
        """Have the writer look soon."""
        if not self._kicked and not self.over:
            self._kicked = True
            self._timeline.at(READ_DELAY_S, self._write, self._life)

    def fail(self, error: Exception) -> None:
        """End with this error; what the session queued is still sent."""
        assert isinstance(error, AdminSyncError)
        self._failure = self._failure or error
        self._ended = True
        self.kick()

    def _received(self, piece: bytes) -> None:
        self._read(lambda: self.session.receive(piece, self._timeline.monotonic(), self._timeline.wall_us()))

    def _eof(self) -> None:
        self._read(self.session.receive_eof)

    def _read(self, receive: Callable[[], list[Arrival]]) -> None:
        if self.over or self._ended:
            return
        try:
            for arrival in receive():
                if self._deliver(arrival):
                    self._ended = True
                    break
        except AdminSyncError as error:
            self._failure = self._failure or error
            self._ended = True
        self.kick()

    def _write(self) -> None:
        self._kicked = False
        if self.over:
            return
        try:
            if not self._ended:
                self.feed()
        except AdminSyncError as error:
            self._finish(error)
            return
        pieces = self.session.data_to_send()
        if pieces:
            self._end.send(pieces)
        if self._ended or self.session.state is State.CLOSED:
            self._finish(None)
            return
        self._plan_tick()

    def _plan_tick(self) -> None:
        due_s = self.session.due(self._timeline.monotonic())
        moment = self._timeline.now + due_s
        if moment < self._tick_at:
            self._tick_at = moment
            self._timeline.at(due_s, self._tick, self._life)

    def _tick(self) -> None:
        self._tick_at = float("inf")
        if self.over:
            return
        try:
            for arrival in self.session.tick(self._timeline.monotonic(), self._timeline.wall_us()):
                if self._deliver(arrival):
                    self._ended = True
        except AdminSyncError as error:
            self._finish(error)
            return
        self.kick()

    def _finish(self, error: AdminSyncError | None) -> None:
        if not self.over:
            self.over = True
            self._end.close()
            self.on_end(self._failure or error)

    def _deliver(self, arrival: Arrival) -> bool:
        if isinstance(arrival, Refused):
            refusal = arrival.refusal
            raise PeerRefused(refusal.code.value, refusal.what, refusal.why, refusal.remedy)
        if isinstance(arrival, PeerSilent):
            what = "the peer is silent"
            raise PeerUnreachable(what)
        if isinstance(arrival, Disconnected):
            if arrival.orderly:
                return True
            what = "the peer closed the connection"
            raise PeerUnreachable(what)
        self.on_arrival(arrival)
        return False
