"""What the spool knows of its files, shared between the thread that writes and those that read.

The rule it keeps: one lock, held for list and dict work only, never while a disk is busy. A reader asks where to go
on, reads without the lock, and then asks to advance; if the tail was cut back in between, it is told to look again.
"""

from __future__ import annotations

import threading
import weakref
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from sync.errors import PositionLost, SpoolError
from sync.model.batch import Encoded
from sync.model.position import START, Position
from sync.spool.segment import HEADER_BYTES, Header

MARK_BYTES = 2**20
"""How far apart a segment's marks are: at most so much is skipped to find a position."""


class Rewound(SpoolError):
    """What a reader gave was taken back: the transaction never became whole, or never durable.

    The sender closes its session, and the next one starts from the peer's checkpoint.
    """


class End(NamedTuple):
    """A place behind a complete transaction. Compares in file order."""

    serial: int
    offset: int
    position: Position


class Extent(NamedTuple):
    """Where a cursor's next record lies on disk; records are whole below `limit`."""

    name: str
    seed: int
    offset: int
    limit: int
    generation: int


@dataclass(slots=True)
class Segment:
    """One file and what is in it."""

    header: Header
    seed: int
    size: int = HEADER_BYTES
    last: Position = START
    """Highest position in it, or that it starts from."""
    mark_positions: list[Position] = field(default_factory=list)
    mark_offsets: list[int] = field(default_factory=list)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Start from what the header says."""
        self.name = self.header.name
        self.last = self.header.floor

    def grow(self, position: Position, size: int) -> None:
        """Note a record that ends at `size`."""
        if self.size - (self.mark_offsets[-1] if self.mark_offsets else HEADER_BYTES) >= MARK_BYTES:
            self.mark_positions.append(position)
            self.mark_offsets.append(self.size)
        self.size, self.last = size, position

    def cut(self, end: End) -> None:
        """Forget everything behind `end`."""
        keep = bisect_left(self.mark_offsets, end.offset)
        del self.mark_positions[keep:], self.mark_offsets[keep:]
        self.size, self.last = end.offset, end.position

    def offset_after(self, after: Position) -> int:
        """An offset before which every record is at or below `after`."""
        found = bisect_right(self.mark_positions, after)
        return self.mark_offsets[found - 1] if found else HEADER_BYTES


@dataclass(slots=True, eq=False, weakref_slot=True)
class Cursor:
    """Where a reader stands."""

    serial: int
    offset: int
    rewound: bool = False


class Index:
    """The segments in order, the last batches in memory, and where the readers stand."""

    def __init__(self, cache_bytes_max: int) -> None:
        self._lock = threading.Lock()
        self._cache_bytes_max = cache_bytes_max
        # Not a dict: that would search for its first key through all those removed before.
        self._cache: OrderedDict[tuple[int, int], tuple[Encoded, int]] = OrderedDict()
        self._cache_bytes = 0
        self._cursors: weakref.WeakSet[Cursor] = weakref.WeakSet()
        self._segments: list[Segment] = []
        self._dropped = (0, 0)
        self.bytes = 0
        self.generation = 0
        """Grows whenever something that readers could see is taken back."""

    def load(self, segments: list[Segment]) -> None:
        """Start anew from these; whoever reads must start anew as well."""
        with self._lock:
            self._segments = segments
            self._dropped = (0, 0)
            self.bytes = sum(segment.size for segment in segments)
            self._cache.clear()
            self._cache_bytes = 0
            self._rewind(End(0, 0, START))

    @property
    def segments(self) -> list[Segment]:
        """For the writing thread, which alone changes the list."""
        return self._segments

    @property
    def active(self) -> Segment:
        """The segment that is written to."""
        return self._segments[-1]

    @property
    def oldest(self) -> Position:
        """Everything after it is still here; START before anything was loaded."""
        with self._lock:
            return self._segments[0].header.floor if self._segments else START

    def appended(self, encoded: Encoded, record_bytes: int) -> None:
        """Show a record, which is on disk, to the readers."""
        with self._lock:
            segment = self._segments[-1]
            start, end = segment.size, segment.size + record_bytes
            segment.grow(encoded.position, end)
            self.bytes += record_bytes
            self._cache[segment.header.serial, start] = encoded, end
            self._cache_bytes += record_bytes
            while self._cache_bytes > self._cache_bytes_max:
                self._forget(next(iter(self._cache)))

    def add(self, segment: Segment) -> None:
        """Go on in a new segment."""
        with self._lock:
            self._segments.append(segment)
            self.bytes += segment.size

    def drop_first(self) -> None:
        """Forget the oldest segment; what the cache has of it leaves the cache in its turn."""
        with self._lock:
            segment = self._segments.pop(0)
            self._dropped = segment.header.serial, segment.size
            self.bytes -= segment.size

    def cut(self, end: End) -> None:
        """Forget everything behind `end`."""
        with self._lock:
            while self._segments[-1].header.serial > end.serial:
                self._segments.pop()
            self._segments[-1].cut(end)
            self.bytes = sum(segment.size for segment in self._segments)
            for place in [place for place in self._cache if place >= end[:2]]:
                self._forget(place)
            self._rewind(end)

    def _forget(self, place: tuple[int, int]) -> None:
        _, end = self._cache.pop(place)
        self._cache_bytes -= end - place[1]

    def _rewind(self, end: End) -> None:
        self.generation += 1
        for cursor in self._cursors:
            cursor.rewound |= (cursor.serial, cursor.offset) > end[:2]

    def enter(self, after: Position) -> Cursor:
        """Place a cursor before the first batch above `after`; raises `PositionLost` where some are gone."""
        with self._lock:
            oldest = self._segments[0].header.floor
            if after < oldest:
                why = f"the oldest that it still has is {oldest}"
                remedy = "Run `admin-sync snapshot`: the peer was away for longer than the spool could keep."
                raise PositionLost(f"the spool can not continue after {after}", why, remedy)
            cursor = Cursor(self._segments[-1].header.serial, self._segments[-1].size)
            for segment in self._segments:
                if segment.last > after:
                    cursor = Cursor(segment.header.serial, segment.offset_after(after))
                    break
            self._cursors.add(cursor)
            return cursor

    def step(self, cursor: Cursor) -> Encoded | Extent | None:
        """Give the next batch from memory (the cursor is then behind it), or where it lies; None at the end."""
        with self._lock:
            if cursor.rewound:
                remedy = "Start again from the peer's checkpoint."
                raise Rewound("the spool took back its tail", "a transaction in it could not be completed", remedy)
            while True:
                if (found := self._cache.get((cursor.serial, cursor.offset))) is not None:
                    cursor.offset = found[1]
                    return found[0]
                place = cursor.serial, cursor.offset
                segment = self._segment(cursor)
                if place != (cursor.serial, cursor.offset):
                    continue  # what comes next may be in memory
                if cursor.offset < segment.size:
                    return Extent(segment.name, segment.seed, cursor.offset, segment.size, self.generation)
                if segment is self._segments[-1]:
                    return None
                cursor.serial, cursor.offset = cursor.serial + 1, HEADER_BYTES

    def _segment(self, cursor: Cursor) -> Segment:
        if (cursor.serial, cursor.offset) == self._dropped:  # it had given all of it
            cursor.serial, cursor.offset = cursor.serial + 1, HEADER_BYTES
        place = cursor.serial - self._segments[0].header.serial
        if place < 0:
            why = f"spool segment {cursor.serial} was released while it was read"
            raise PositionLost("the spool can not continue", why, "Start again from the peer's checkpoint.")
        return self._segments[place]

    def stands(self, cursor: Cursor, extent: Extent) -> bool:
        """Whether `extent` still lies where the cursor was told; asking moves nothing."""
        with self._lock:
            if cursor.rewound or self.generation != extent.generation:
                return False
            return any(segment.name == extent.name for segment in self._segments)

    def advance(self, cursor: Cursor, extent: Extent, offset: int) -> bool:
        """Move the cursor behind what was read from `extent`; False where the tail was cut in between."""
        with self._lock:
            if self.generation != extent.generation:
                return False
            cursor.offset = offset
            return True
