"""What may be under way between two nodes: sequence, positions, parts, credit and acknowledgements.

The rule it keeps: both halves judge with the same functions. What a sender would be wrong to send is what a receiver
refuses, and the other way round for acknowledgements. Each judgement gives the reason in words, or nothing.
"""

from __future__ import annotations

from sync.model.batch import Encoded
from sync.model.position import START, Position
from sync.wire.messages import Ack


class Flow:
    """The batches and acknowledgements of one session, seen from either end.

    `credit_max` batches may be under way that the receiver has not taken over. `base` is where the receiver stood
    when the session began; a batch at or below it is a repetition, which is allowed.
    """

    def __init__(self, epoch: int, credit_max: int, base: Position, durable: Position) -> None:
        self.epoch = epoch
        self.credit_max = credit_max
        self.batches = 0
        self.ack = Ack(0, base, durable)
        self._base = base
        self._position: Position = START
        self._part = 0
        self._last = True
        self._whole: Position = START
        """Position of the last batch that ended its transaction."""

    @property
    def credit(self) -> int:
        """Batches that may be sent now."""
        return self.credit_max - (self.batches - self.ack.received)

    def batch_problem(self, sequence: int, epoch: int, encoded: Encoded) -> str:
        """Why this batch may not be the next."""
        if sequence != self.batches + 1:
            return f"batch {sequence} came after batch {self.batches}"
        if epoch != self.epoch:
            return f"its epoch is {epoch}, the session's is {self.epoch}"
        if self.credit < 1:
            return f"more than {self.credit_max} batches would be under way"
        if encoded.position < encoded.first or (not encoded.last and encoded.first != encoded.position):
            return f"it goes from position {encoded.first} to {encoded.position}"
        if self._last:
            if encoded.part:
                return f"part {encoded.part} has no part before it"
            if self.batches and encoded.first <= self._position:
                return f"position {encoded.first} came after {self._position}"
        elif (encoded.position, encoded.first, encoded.part) != (self._position, self._position, self._part + 1):
            return f"part {encoded.part} of {encoded.position} came after part {self._part} of {self._position}"
        return ""

    def pass_batch(self, encoded: Encoded) -> None:
        self.batches += 1
        self._position = encoded.position
        self._part = encoded.part
        self._last = encoded.last
        if encoded.last:
            self._whole = encoded.position

    def ack_problem(self, ack: Ack) -> str:
        """Why this acknowledgement can not be true."""
        before = self.ack
        if ack.received > self.batches:
            return f"{ack.received} batches are acknowledged, {self.batches} were sent"
        if ack.received < before.received or ack.applied < before.applied or ack.durable < before.durable:
            return "an acknowledgement goes back"
        if ack.applied > max(self._base, self._whole):
            return f"position {ack.applied} is acknowledged, {max(self._base, self._whole)} was the last one sent whole"
        if ack.durable > ack.applied:
            return f"position {ack.durable} is called durable, only {ack.applied} is applied"
        return ""
