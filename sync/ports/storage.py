"""What the engine asks of a disk, and what the rest asks of the spool on it."""

from __future__ import annotations

from typing import Protocol

from sync.model.batch import Encoded
from sync.model.position import Position


class Spool(Protocol):
    """The durable log of encoded batches, in position order."""

    @property
    def oldest(self) -> Position:
        """Everything after this position can still be read: a reader at or above it misses nothing."""
        ...

    @property
    def newest(self) -> Position:
        """Position of the last complete transaction appended (0 where there never was one)."""
        ...

    @property
    def durable(self) -> Position:
        """Position up to which everything is on disk."""
        ...

    @property
    def bytes(self) -> int:
        """Size on disk."""
        ...

    def append(self, encoded: Encoded) -> None:
        """Append; readers see it at once. Raises `SpoolFull` before anything is written."""
        ...

    def sync(self) -> Position:
        """Make all that was appended durable; gives the new `durable`. May run on another thread than append."""
        ...

    def read(self, after: Position) -> SpoolReader:
        """Open a reader that gives every batch with a position above `after`."""
        ...

    def release(self, position: Position) -> None:
        """Allow to forget batches up to `position`: every peer made them durable."""
        ...


class SpoolReader(Protocol):
    """A cursor in the spool. Used by one thread, beside a writer."""

    def next(self) -> Encoded | None:
        """Give the next batch; None where there is none yet."""
        ...

    def close(self) -> None:
        """Let go of the open segment."""
        ...


class AppendFile(Protocol):
    """A file open for appending."""

    def write(self, piece: bytes) -> None:
        """Append all of it or raise OSError."""
        ...

    def sync(self) -> None:
        """Make the file's content durable."""
        ...

    def close(self) -> None:
        """Close without syncing."""
        ...


class Disk(Protocol):
    """One flat directory. Names contain no separators. Errors are OSError, as the operating system gives them."""

    def names(self) -> list[str]:
        """All file names, sorted."""
        ...

    def size(self, name: str) -> int:
        """Bytes in the file."""
        ...

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; shorter at the end of the file."""
        ...

    def append(self, name: str) -> AppendFile:
        """Open for appending, creating it."""
        ...

    def truncate(self, name: str, size: int) -> None:
        """Cut to `size` bytes, durably."""
        ...

    def replace(self, name: str, content: bytes) -> None:
        """Write a whole file atomically and durably: after a crash it is the old or the new one."""
        ...

    def remove(self, name: str) -> None:
        """Delete; no error where it is missing."""
        ...

    def sync(self) -> None:
        """Make creations and removals durable."""
        ...
