"""A cursor in the spool, for the sender: from memory when it keeps up, from disk when it catches up.

The rule it keeps: it gives every batch above its start once, in order, checked, and only while it stands in history
that still counts. Where the spool took back what this reader gave, `next` raises `Rewound`.
"""

from __future__ import annotations

from sync.errors import SpoolCorrupt, SpoolError
from sync.model.batch import Encoded
from sync.model.position import Position
from sync.ports import Disk
from sync.spool.index import Cursor, Extent, Index, Rewound
from sync.spool.segment import HEAD_BYTES, REMEDY, build
from sync.spool.window import Window

__all__ = ["Reader", "Rewound"]


class Reader:
    """Implements `ports.SpoolReader`. Used by one thread, beside a writer."""

    def __init__(self, disk: Disk, index: Index, after: Position) -> None:
        self._index = index
        self._after = after
        self._window = Window(disk)
        self._generation = index.generation
        self._cursor: Cursor | None = index.enter(after)

    @property
    def generation(self) -> int:
        """The generation of the spool that this reader last saw; it grows when a tail is taken back."""
        return self._generation

    def next(self) -> Encoded | None:
        """Give the next batch; None where there is none yet.

        Raises `Rewound` where what was given was taken back, `PositionLost` where what comes next was released,
        `SpoolCorrupt` where it does not check, `SpoolError` where the disk fails.
        """
        if self._cursor is None:
            raise SpoolError("the spool reader is closed", "its session has ended", "Open another one.")
        while True:
            found = self._index.step(self._cursor)
            if isinstance(found, Extent):
                found = self._load(self._cursor, found)
                if found is None:
                    continue
            if found is None or found.position > self._after:
                return found

    def close(self) -> None:
        """Let go of what was read ahead; safe twice."""
        self._cursor = None
        self._window.forget()

    def _load(self, cursor: Cursor, extent: Extent) -> Encoded | None:
        if extent.generation != self._generation:
            self._window.forget()
            self._generation = extent.generation
        try:
            found = self._window.record(extent.name, extent.seed, extent.offset, extent.limit)
        except OSError as error:
            if self._moved(cursor, extent):
                return None
            remedy = "Check the disk that holds `node.state_dir`."
            raise SpoolError(f"could not read spool file {extent.name}", str(error), remedy) from error
        encoded = build(*found) if found is not None else None
        if found is None or encoded is None:
            if self._moved(cursor, extent):
                return None
            why = f"the record at byte {extent.offset} of {extent.name} does not check"
            raise SpoolCorrupt("the spool is damaged", why, REMEDY)
        end = extent.offset + HEAD_BYTES + found[0].payload_bytes
        return encoded if self._index.advance(cursor, extent, end) else None

    def _moved(self, cursor: Cursor, extent: Extent) -> bool:
        """Whether the file changed under the read: then the read says nothing, and the cursor looks again."""
        self._window.forget()
        return not self._index.stands(cursor, extent)
