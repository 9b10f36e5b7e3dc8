"""Two sessions joined by a wire without a network, and a clock that only the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sync.model.batch import Checkpoint, Encoded
from sync.model.position import START, Position
from sync.wire.arrivals import Arrival
from sync.wire.frame import encode_frame
from sync.wire.messages import Hello, Resume
from sync.wire.session import Session, SessionLimits
from sync.wire.state import Half, MessageKind

ORIGIN = "cms-east/3f2a90bc"
EPOCH = 4
WALL_US = 1_795_563_142_000_000
SENDER_HELLO = Hello(
    "cms-east", Half.SENDER, EPOCH, "21.0", "21.0.0.0", ORIGIN, {"users": "12ab"}, WALL_US, Position(9)
)
RECEIVER_HELLO = Hello("cms-west", Half.RECEIVER, 3, "21.0", "21.0.0.0", fingerprints={"users": "12ab"})


def encoded(position: int, part: int = 0, *, last: bool = True, first: int | None = None, size: int = 10) -> Encoded:
    start = position if first is None else first
    return Encoded(b"p" * size, Position(start), Position(position), part, last, int(last), 1, 2 * size, WALL_US)


@dataclass
class ConnectionPair:
    """`left` is the sender, `right` the receiver. Everything that arrived is kept, also what a test overlooks."""

    limits: SessionLimits = field(default_factory=SessionLimits)
    sender_hello: Hello = SENDER_HELLO
    receiver_hello: Hello = RECEIVER_HELLO
    now: float = 100.0
    piece_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        self.left = Session(Half.SENDER, self.sender_hello, self.limits, self.now)
        self.right = Session(Half.RECEIVER, self.receiver_hello, self.limits, self.now)
        self.arrived: dict[Half, list[Arrival]] = {Half.SENDER: [], Half.RECEIVER: []}
        self.left.start()
        self.right.start()

    def carry(self, source: Session) -> list[Arrival]:
        """Bring what one session has to say to the other, in pieces; gives what arrived there."""
        target = self.right if source is self.left else self.left
        stream = b"".join(source.data_to_send())
        arrivals: list[Arrival] = []
        for start in range(0, len(stream), self.piece_bytes):
            arrivals += target.receive(stream[start : start + self.piece_bytes], self.now, WALL_US)
        self.arrived[target.half] += arrivals
        return arrivals

    def settle(self) -> None:
        """Carry both ways until nobody has anything to say."""
        for _ in range(20):
            before = self.left.bytes_sent + self.right.bytes_sent
            self.carry(self.left)
            self.carry(self.right)
            if before == self.left.bytes_sent + self.right.bytes_sent:
                return
        message = "the sessions never fall silent"
        raise AssertionError(message)

    def tick(self, later_s: float) -> list[Arrival]:
        self.now += later_s
        return self.left.tick(self.now, WALL_US) + self.right.tick(self.now, WALL_US)

    def open(self, position: int = 5, credit: int = 0) -> ConnectionPair:
        """Shake hands; the receiver stands at `position`."""
        self.settle()
        self.right.accept(Resume(Checkpoint(ORIGIN, EPOCH, Position(position)), Position(position), credit))
        self.settle()
        return self

    def forge(self, target: Session, kind: MessageKind, head: bytes, payload: bytes = b"") -> list[Arrival]:
        """Put a frame on the wire that the session on the other side would never send."""
        return target.receive(b"".join(encode_frame(kind, head, payload)), self.now, WALL_US)


def without_wall(hello: Hello) -> Hello:
    """The receiver's hello carries the moment of its answer."""
    return replace(hello, wall_us=0)


__all__ = ["EPOCH", "ORIGIN", "START", "WALL_US", "ConnectionPair", "encoded", "without_wall"]
