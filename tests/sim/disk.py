"""A disk that fails the way disks fail, in memory and by seed: the ground the simulation stands on.

Intuition: what a program wrote is in the page cache; a crash keeps any part of it that the kernel had got to. So a file
is what can be read now, and how much of it is sure. A crash keeps everything sure, and of the rest a random prefix,
which may have holes (zeros) where a page was not written. Names are the same: a creation or removal that was not synced
may be lost, each on its own. After a failed fsync the pages count as clean: a later one that succeeds proves nothing
about them, so they may be zeros after a crash although they were "synced" in the end.

The rule it keeps: it never does what a real disk can not do. Everything random comes from the generator it was given.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from random import Random

PAGE_BYTES = 256
"""A small page: holes then fall inside of records."""


@dataclass(slots=True, eq=False)
class _Inode:
    content: bytearray = field(default_factory=bytearray)
    sure: int = 0
    """Bytes that a crash can not take, doubtful ones excepted."""
    doubtful: list[tuple[int, int]] = field(default_factory=list)
    """Ranges that a failed fsync left in the cache only."""

    def cut(self, size: int) -> None:
        del self.content[size:]
        self.sure = size
        self.doubtful = [(start, min(end, size)) for start, end in self.doubtful if start < size]


@dataclass(slots=True)
class _Fault:
    number: int
    times: int
    name_part: str


class SimDisk:
    """Implements `ports.Disk`.

    Faults are planned with `fail_next`, or come by chance at the rates in `rates` (operation to probability, always
    EIO). Operations are named `write`, `sync` (of a file), `sync_names`, `truncate`, `replace`, `remove`, `read`.
    """

    def __init__(self, random: Random, capacity_bytes: int | None = None) -> None:
        self.capacity_bytes = capacity_bytes
        self.rates: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        """How often each operation was asked for."""
        self.life = 0
        """Counts the crashes; files opened in an earlier life are dead."""
        self._random = random
        self._now: dict[str, _Inode] = {}
        self._sure_names: dict[str, _Inode] = {}
        self._faults: dict[str, list[_Fault]] = {}

    # What tests and simulations do to it.

    def fail_next(self, operation: str, number: int = errno.EIO, times: int = 1, name_part: str = "") -> None:
        """Fail the next calls of an operation on files whose name contains `name_part` with this errno."""
        self._faults.setdefault(operation, []).append(_Fault(number, times, name_part))

    def clear_faults(self) -> None:
        """Forget planned faults that did not come up."""
        self._faults.clear()

    def crash(self) -> None:
        """Lose power: keep what is sure, and what chance left of the rest. Planned faults are forgotten."""
        self.life += 1
        self.clear_faults()
        names = sorted({*self._now, *self._sure_names})
        survivors = {name: self._random.choice((self._now, self._sure_names)).get(name) for name in names}
        self._now = {name: inode for name, inode in survivors.items() if inode is not None}
        self._sure_names = dict(self._now)
        for name in sorted(self._now):
            self._tear(self._now[name])

    def flip(self, name: str, offset: int, mask: int = 0x01) -> None:
        """Rot: change bits of one byte on the platter."""
        self._now[name].content[offset] ^= mask

    @property
    def used_bytes(self) -> int:
        """Bytes in all files."""
        return sum(len(inode.content) for inode in self._now.values())

    def _tear(self, inode: _Inode) -> None:
        keep = self._random.randint(inode.sure, len(inode.content))
        del inode.content[keep:]
        holes = [(start, end) for start, end in inode.doubtful if self._random.random() < 0.5]
        first_page = -(-inode.sure // PAGE_BYTES)
        if self._random.random() < 0.5:
            pages = [page for page in range(first_page, -(-keep // PAGE_BYTES)) if self._random.random() < 0.3]
            holes += [(page * PAGE_BYTES, (page + 1) * PAGE_BYTES) for page in pages]
        for start, end in holes:
            length = min(end, keep) - start
            if length > 0:
                inode.content[start : start + length] = bytes(length)
        inode.sure, inode.doubtful = keep, []

    # The port.

    def names(self) -> list[str]:
        """All file names, sorted."""
        return sorted(self._now)

    def size(self, name: str) -> int:
        """Bytes in the file."""
        return len(self._inode(name).content)

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; shorter at the end of the file."""
        self._maybe_fail("read", name)
        return bytes(self._inode(name).content[offset : offset + length])

    def append(self, name: str) -> SimFile:
        """Open for appending, creating it."""
        return SimFile(self, name, self._now.setdefault(name, _Inode()))

    def truncate(self, name: str, size: int) -> None:
        """Cut to `size` bytes, durably. What lies below is made sure with it, as one fsync does both."""
        inode = self._inode(name)
        try:
            self._maybe_fail("truncate", name)
        except OSError:
            if self._random.random() < 0.5:  # it was cut, and what failed was the fsync
                sure = min(inode.sure, size)
                inode.cut(size)
                inode.sure = sure
            raise
        inode.cut(size)

    def replace(self, name: str, content: bytes) -> None:
        """Write a whole file atomically and durably."""
        self._maybe_fail("replace", name)
        if len(content) > self._room_bytes():
            raise _failure(errno.ENOSPC)
        self._now[name] = self._sure_names[name] = _Inode(bytearray(content), len(content))

    def remove(self, name: str) -> None:
        """Delete; no error where it is missing."""
        self._maybe_fail("remove", name)
        self._now.pop(name, None)

    def sync(self) -> None:
        """Make creations and removals durable."""
        self._maybe_fail("sync_names", "")
        self._sure_names = dict(self._now)

    # Shared with its files.

    def write_to(self, inode: _Inode, name: str, piece: bytes) -> None:
        """Append; where it fails, a random part of the piece is in the file."""
        try:
            self._maybe_fail("write", name)
        except OSError:
            inode.content += piece[: self._random.randint(0, min(len(piece), self._room_bytes()))]
            raise
        room_bytes = self._room_bytes()
        inode.content += piece[:room_bytes]
        if len(piece) > room_bytes:
            raise _failure(errno.ENOSPC)

    def sync_file(self, inode: _Inode, name: str) -> None:
        """Make a file's content sure; where it fails, what was not sure never will be."""
        start, inode.sure = inode.sure, len(inode.content)
        try:
            self._maybe_fail("sync", name)
        except OSError:
            inode.doubtful.append((start, inode.sure))
            raise

    def _room_bytes(self) -> int:
        return 2**62 if self.capacity_bytes is None else max(0, self.capacity_bytes - self.used_bytes)

    def _inode(self, name: str) -> _Inode:
        if name not in self._now:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self._now[name]

    def _maybe_fail(self, operation: str, name: str) -> None:
        self.calls[operation] = self.calls.get(operation, 0) + 1
        for fault in self._faults.get(operation, []):
            if fault.times and fault.name_part in name:
                fault.times -= 1
                raise _failure(fault.number)
        if self._random.random() < self.rates.get(operation, 0.0):
            raise _failure(errno.EIO)


class SimFile:
    """Implements `ports.AppendFile`; dead after a crash."""

    def __init__(self, disk: SimDisk, name: str, inode: _Inode) -> None:
        self._disk = disk
        self._name = name
        self._inode = inode
        self._life: int | None = disk.life

    def write(self, piece: bytes) -> None:
        """Append all of it or raise OSError."""
        self._check_alive()
        self._disk.write_to(self._inode, self._name, piece)

    def sync(self) -> None:
        """Make the file's content durable."""
        self._check_alive()
        self._disk.sync_file(self._inode, self._name)

    def close(self) -> None:
        """Close without syncing."""
        self._life = None

    def _check_alive(self) -> None:
        if self._life != self._disk.life:
            raise _failure(errno.EBADF)


def _failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))
