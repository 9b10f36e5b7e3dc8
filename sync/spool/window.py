"""Reads a segment in blocks, so that small records do not cost a system call each.

The rule it keeps: it never reads past the limit it is given, because behind it a record may be half written.
"""

from __future__ import annotations

from sync.ports import Disk
from sync.spool.segment import HEAD_BYTES, Record, decode_record

BLOCK_BYTES = 2**18


class Window:
    """The bytes around the place that is read now."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._name = ""
        self._start = 0
        self._block = b""
        self._want_bytes = BLOCK_BYTES

    def forget(self) -> None:
        """Drop what was read ahead: the file is not what it was."""
        self._name, self._block = "", b""

    def record(self, name: str, seed: int, offset: int, limit: int) -> tuple[Record, bytes] | None:
        """Give head and payload of the record at `offset`; None where its head does not check. Raises OSError.

        The payload is not checked yet, and is shorter than the head says where the file ends inside it.
        """
        at = self._fetch(name, offset, min(HEAD_BYTES, limit - offset), limit)
        if (record := decode_record(self._block, at, seed)) is None:
            return None
        record_bytes = min(HEAD_BYTES + record.payload_bytes, limit - offset)
        at = self._fetch(name, offset, record_bytes, limit)
        return record, self._block[at + HEAD_BYTES : at + record_bytes]

    def _fetch(self, name: str, offset: int, length: int, limit: int) -> int:
        at = offset - self._start
        if name == self._name and at >= 0 and at + length <= len(self._block):
            return at
        # Records are mostly of a size: the next one comes with one read, too.
        self._want_bytes = max(BLOCK_BYTES, length)
        self._block = self._disk.read(name, offset, min(self._want_bytes, limit - offset))
        self._name, self._start = name, offset
        return 0
