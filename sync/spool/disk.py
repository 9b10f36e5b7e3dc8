"""The real disk: one directory, and the lock that makes one process its owner.

The rule it keeps: nothing here is readable by anyone else (0700, 0600), and whatever is called durable was fsynced,
the directory included.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from sync.errors import SpoolError, StateLocked

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600
_TEMPORARY = ".tmp"


class LocalFile:
    """Implements `ports.AppendFile` without a buffer: what was written is the operating system's at once."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _FILE_MODE)

    def write(self, piece: bytes) -> None:
        """Append all of it or raise OSError; then some of it may be in the file."""
        written = os.write(self._fd, piece)
        while written < len(piece):
            # The kernel writes less than asked for only where it stops at a limit; the next call says which.
            rest = memoryview(piece)[written:]
            if (more := os.write(self._fd, rest)) == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written += more

    def sync(self) -> None:
        """Make the content durable, with the length but without the times."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close without syncing; safe twice."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class LocalDisk:
    """Implements `ports.Disk` on a directory, which it makes where it is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
            path.chmod(_DIRECTORY_MODE)
            for temporary in path.glob(f".*{_TEMPORARY}"):  # a crash left it
                temporary.unlink()
        except OSError as error:
            remedy = "Check `node.state_dir`, and that this user owns it."
            raise SpoolError(f"could not use the directory {path}", error.strerror or str(error), remedy) from error

    def names(self) -> list[str]:
        """All file names, sorted."""
        return sorted(path.name for path in self._path.iterdir() if path.suffix != _TEMPORARY)

    def size(self, name: str) -> int:
        """Bytes in the file."""
        return (self._path / name).stat().st_size

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; shorter at the end of the file."""
        fd = os.open(self._path / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, length, offset)
        finally:
            os.close(fd)

    def append(self, name: str) -> LocalFile:
        """Open for appending, creating it."""
        return LocalFile(self._path / name)

    def truncate(self, name: str, size: int) -> None:
        """Cut to `size` bytes, durably."""
        fd = os.open(self._path / name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def replace(self, name: str, content: bytes) -> None:
        """Write a whole file atomically and durably: after a crash it is the old or the new one."""
        temporary = self._path / f".{name}{_TEMPORARY}"
        with suppress(FileNotFoundError):
            temporary.unlink()
        file = LocalFile(temporary)
        try:
            file.write(content)
            file.sync()
            temporary.replace(self._path / name)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise
        finally:
            file.close()
        self.sync()

    def remove(self, name: str) -> None:
        """Delete; no error where it is missing."""
        with suppress(FileNotFoundError):
            (self._path / name).unlink()

    def sync(self) -> None:
        """Make creations and removals durable."""
        fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class StateLock:
    """Makes this process the owner of a state directory, until it releases it or dies.

    The kernel holds the lock (flock on the file `lock`), so a crash leaves nothing to clean up. The file stays: to
    remove it would let two processes lock two files of the same name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def acquire(self) -> None:
        """Become the owner; raises `StateLocked` naming the process that is."""
        if self._fd >= 0:
            return
        try:
            self._path.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
            fd = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        except OSError as error:
            remedy = "Check `node.state_dir`, and that this user owns it."
            raise StateLocked(f"could not lock {self._path}", error.strerror or str(error), remedy) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise self._refusal(error, owner) from error
        self._fd = fd

    def _refusal(self, error: OSError, owner: str) -> StateLocked:
        if not isinstance(error, BlockingIOError):
            remedy = "Check that `node.state_dir` is on a local disk with room."
            return StateLocked(f"could not lock {self._path}", error.strerror or str(error), remedy)
        pid = owner or "unknown"
        remedy = f"Stop that process (`kill {pid}`, or `systemctl stop` its unit), or use another `node.state_dir`."
        return StateLocked(f"{self._path} is in use", f"process {pid} owns it", remedy)

    def release(self) -> None:
        """Stop being the owner; safe twice."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()
