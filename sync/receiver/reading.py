"""Reading batches: from encoded bytes to what the applier writes, on another thread while the target works.

The rule it keeps: whoever reads a batch, and when, it comes to the same. Only what is large is read ahead, no more than
one batch, and a batch that is wanted before its turn is read by who wants it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from threading import Lock
from typing import Final

from sync.core.lines import Opened, lines, opened
from sync.model.batch import Batch, Encoded
from sync.model.lines import Lines
from sync.wire.checks import malformed
from sync.wire.codec import Codec, describe

LINES_ROWS_MIN: Final = 100
"""Fewer rows are written faster as values."""
_AHEAD_MAX: Final = 1
"""Reading a batch takes a fraction of the time of writing one, and its lines as much room again."""
_ANNOUNCED: Final = ("first", "position", "part", "last", "transactions", "changes", "committed_at_us")


@dataclass(slots=True)
class Read:
    """A decoded batch."""

    batch: Batch
    wire_bytes: int
    opened: Sequence[Opened | None] | None = None
    """Its blocks taken apart, where that was done ahead; whoever uses them takes them away, for they are large."""


def read(codec: Codec, encoded: Encoded, *, opening: bool) -> Read:
    """Open a payload, and hold it against what was announced: order and credit were judged by that alone.

    Raises `ProtocolError`.
    """
    batch = codec.decode(encoded.payload)
    found = describe(batch, encoded.payload, encoded.bytes_raw)
    if found != encoded:
        unlike = [name for name in _ANNOUNCED if getattr(found, name) != getattr(encoded, name)]
        shown = ", ".join(f"{name} {getattr(encoded, name)} instead of {getattr(found, name)}" for name in unlike)
        malformed("BATCH", f"it announced {shown}")
    return Read(batch, len(encoded.payload), list(map(opened, batch.blocks)) if opening else None)


def lines_of(batches: Sequence[Read]) -> list[Lines] | None:
    """The net effect of batches as lines; None where there is no such thing, or where it would not pay."""
    if sum(each.batch.change_count for each in batches) < LINES_ROWS_MIN:
        return None
    if any(each.batch.marks for each in batches):
        # A table that is being copied: rows out of date may have to give way.
        return None
    taken: list[Opened] = []
    for each in batches:
        blocks, each.opened = each.opened, None
        for block in map(opened, each.batch.blocks) if blocks is None else blocks:
            if block is None:
                return None
            taken.append(block)
    return lines(taken)


class Ahead:
    """The batches of one session that are read ahead. `offer` on one thread, `take` on another."""

    def __init__(self, thread: Executor, codec: Codec) -> None:
        self._thread = thread
        self._codec = codec
        """The thread's own."""
        self._lock = Lock()
        self._waiting: deque[Encoded] = deque()
        self._reading: dict[int, tuple[Encoded, Future[Read]]] = {}

    def offer(self, encoded: Encoded) -> None:
        """Tell of a batch that will be taken."""
        if encoded.changes >= LINES_ROWS_MIN:
            with self._lock:
                self._waiting.append(encoded)
                self._go_on()

    def take(self, encoded: Encoded) -> Read | None:
        """What the batch holds; None where nobody reads it. Raises as `read`."""
        with self._lock:
            found = self._reading.pop(id(encoded), None)
            if found is None:
                self._waiting = deque(each for each in self._waiting if each is not encoded)
            self._go_on()
        return found[1].result() if found is not None else None

    def _go_on(self) -> None:
        while self._waiting and len(self._reading) < _AHEAD_MAX:
            encoded = self._waiting.popleft()
            reading = self._thread.submit(read, self._codec, encoded, opening=True)
            self._reading[id(encoded)] = encoded, reading
