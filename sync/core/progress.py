"""Progress of one peer: what was sent, what it applied, what it made durable, and how far it lags behind.

The rule it keeps: durable <= applied <= sent, and inside one session none of them goes back, so that nothing is
released upstream that this peer has not made durable (invariant 9). The clock is an argument.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sync.errors import ProtocolError
from sync.model.batch import Encoded
from sync.model.position import START, Position


@dataclass(frozen=True, slots=True)
class InFlight:
    """One batch that was sent and not yet applied. Only the last part of a large transaction counts as one."""

    sequence: int
    position: Position
    committed_at_us: int
    bytes: int
    transactions: int


class Progress:
    """The cursor of the sender for one peer; it outlives sessions, and begins each with `resumed`."""

    def __init__(self, in_flight_batches_max: int, start: Position = START) -> None:
        self._in_flight_batches_max = in_flight_batches_max
        self._window: deque[InFlight] = deque()
        self._sequence = 0
        self._sent = self._applied = self._durable = start

    @property
    def newest_sent(self) -> Position:
        """Position of the last batch that was sent in this session."""
        return self._sent

    @property
    def applied(self) -> Position:
        """What the peer's target shows."""
        return self._applied

    @property
    def durable(self) -> Position:
        """What the peer's target keeps through a crash; at most `applied`."""
        return self._durable

    @property
    def credit(self) -> int:
        """How many more batches fit into the window; never below 0."""
        return max(0, self._in_flight_batches_max - len(self._window))

    @property
    def in_flight(self) -> int:
        """How many batches were sent and are not applied yet. May be asked from any thread."""
        return len(self._window)

    def resumed(self, applied: Position, durable: Position) -> None:
        """Begin a session where the peer's target stands, which may be behind what it said before (it was restored)."""
        self._window.clear()
        self._sequence = 0
        self._sent = self._applied = applied
        self._durable = min(durable, applied)

    def sent(self, sequence: int, encoded: Encoded) -> None:
        """Note a batch as sent; a session counts them upwards. Raises `ValueError` where one went back."""
        if sequence <= self._sequence or encoded.position < self._sent:
            message = f"batch {sequence} at {encoded.position} was sent after {self._sequence} at {self._sent}"
            raise ValueError(message)
        size, transactions = len(encoded.payload), encoded.transactions
        self._window.append(InFlight(sequence, encoded.position, encoded.committed_at_us, size, transactions))
        self._sequence = sequence
        self._sent = encoded.position

    def acknowledged(self, sequence: int, applied: Position, durable: Position) -> None:
        """Take the peer's word: it received up to `sequence`, and its target stands at these positions.

        An older word changes nothing, and positions beyond what was sent count as far as that. Raises `ProtocolError`
        where it speaks of a batch that was never sent.
        """
        if sequence > self._sequence:
            what = "the peer acknowledged a batch that was never sent to it"
            why = f"batch {sequence}, and the last one was {self._sequence}"
            raise ProtocolError(what, why, "Restart the secondary; if it comes again, please report it.")
        self._applied = max(self._applied, min(applied, self._sent))
        self._durable = max(self._durable, min(durable, self._applied))
        while self._window and self._window[0].position <= self._applied:
            self._window.popleft()

    @property
    def lag_bytes(self) -> int:
        """Bytes that were sent and are not applied yet."""
        return sum(batch.bytes for batch in self._window)

    @property
    def lag_transactions(self) -> int:
        """Transactions that were sent and are not applied yet."""
        return sum(batch.transactions for batch in self._window)

    def lag_s(self, now_us: int, newest: Position, newest_committed_at_us: int) -> float:
        """Seconds since the oldest known commit that is not applied; 0 where everything up to `newest` is.

        `newest` is the last position in the spool with its commit time. What waits there unsent is as old as at least
        the newest commit.
        """
        if self.applied >= newest:
            return 0.0
        oldest_us = self._window[0].committed_at_us if self._window else newest_committed_at_us
        return max(0, now_us - oldest_us) / 1e6
