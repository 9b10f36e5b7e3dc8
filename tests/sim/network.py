"""A network that fails the way TCP over a bad line does.

Inside one connection bytes never change, overtake each other or repeat; but they come late, in any pieces, or not at
all. A connection breaks at any byte, in one direction or both, and each end may or may not be told. A direction that is
blocked keeps what was sent until it is opened again or the connection is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.sim.timeline import Life, Timeline

Tap = Callable[["End", bytes], None]


@dataclass(slots=True)
class Weather:
    """How the line is right now; times in seconds."""

    latency_s: float = 0.002
    jitter_s: float = 0.003
    fragment_rate: float = 0.0
    """How often a delivery is cut into pieces."""
    blocked: set[str] = field(default_factory=set)
    """Nodes whose words do not get through."""
    unreachable: bool = False
    """No new connection can be made."""


class End:
    """One end of a connection. `on_bytes` and `on_eof` are set by its owner; until then what comes waits."""

    def __init__(self, network: Network, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.life: Life | None = None
        self.on_bytes: Callable[[bytes], None] | None = None
        self.on_eof: Callable[[], None] | None = None
        self.peer: End = self
        self.closed = False
        self._network = network
        self._waiting = bytearray()
        """On the way to the peer."""
        self._scheduled = False
        self._eof = False
        self._last = 0.0

    def send(self, pieces: list[bytes]) -> None:
        """Hand bytes to the line."""
        if self.closed or self._eof:
            return
        sent = b"".join(pieces)
        self._network.tap(self, sent)
        self._waiting += sent
        self._schedule()

    def close(self) -> None:
        """End the connection from here: what is on its way still arrives, and then the end of it."""
        if not self.closed:
            self.closed = True
            self._eof = True
            self._schedule()

    def lose(self, *, keep_bytes: int, tell: bool) -> None:
        """Break this direction: of what is on its way only a part arrives, and perhaps the news of the break."""
        del self._waiting[keep_bytes:]
        self._eof = True
        if not tell:
            self._waiting.clear()
            self._scheduled = True
        self._schedule()

    @property
    def in_flight_bytes(self) -> int:
        return len(self._waiting)

    def _schedule(self) -> None:
        if self._scheduled:
            return
        self._scheduled = True
        self._network.timeline.at(self._network.delay_s(), self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        peer, network = self.peer, self._network
        if peer.closed:
            self._waiting.clear()
            return
        if self.name in network.weather.blocked or peer.on_bytes is None:
            self._scheduled = True
            network.timeline.at(0.05, self._deliver)
            return
        size = network.piece_bytes(len(self._waiting))
        piece = bytes(self._waiting[:size])
        del self._waiting[:size]
        if self._waiting or (self._eof and piece):
            self._schedule()
        network.into(peer, piece or None)


class Network:
    """Makes connections between the two nodes and keeps them until they end."""

    def __init__(self, timeline: Timeline, random: Random, tap: Tap) -> None:
        self.timeline = timeline
        self.random = random
        self.tap = tap
        self.weather = Weather()
        self.connections: list[End] = []
        """The dialling ends of those that were made."""

    def connect(self, dialler: str, listener: str, life: Life) -> tuple[End, End]:
        """Make a connection; the dialler's end and the listener's."""
        number = len(self.connections) + 1
        near, far = End(self, dialler, number), End(self, listener, number)
        near.peer, far.peer = far, near
        near.life = life
        self.connections.append(near)
        return near, far

    def cut(self, near: End) -> None:
        """Break a connection at any byte; each end may learn of it or not."""
        for end in (near, near.peer):
            keep_bytes = self.random.randint(0, end.in_flight_bytes)
            end.lose(keep_bytes=keep_bytes, tell=self.random.random() < 0.7)

    def delay_s(self) -> float:
        return self.weather.latency_s + self.random.random() * self.weather.jitter_s

    def piece_bytes(self, waiting_bytes: int) -> int:
        if waiting_bytes > 1 and self.random.random() < self.weather.fragment_rate:
            return self.random.randint(1, waiting_bytes)
        return waiting_bytes

    def into(self, end: End, piece: bytes | None) -> None:
        """Give an end what came, as part of its own process's life."""
        life = end.life
        if life is None or not life.alive:
            return
        call = end.on_eof if piece is None else None
        on_bytes = end.on_bytes

        def arrive() -> None:
            if piece is not None and on_bytes is not None and not end.closed:
                on_bytes(piece)
            elif call is not None and not end.closed:
                call()

        self.timeline.at(0.0, arrive, life)
