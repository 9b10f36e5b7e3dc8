"""The spool: append-only segment files of encoded batches, in position order.

Why: the source may forget a change as soon as it is durable here, however long the peer is away. The rules it keeps:

- Durable means fsynced. A segment is synced before the next one is made, so only the last one can have a torn tail.
- A failed fsync is never tried again: the system may have dropped the pages and would report success the second time.
  What was not durable before is cut away at once (the source still has it), and the spool refuses to work until it is
  opened anew, which reads and checks everything.
- Forgetting takes whole segments, oldest first, and only what was released and is durable here.
- Locks are taken in this order: `_writing` (whoever changes files), `_syncing` (an fsync runs), the index's own. An
  append waits for a running fsync only where a segment is full.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from sync.errors import SpoolError, SpoolFull
from sync.model.batch import Encoded
from sync.model.position import START, Position
from sync.ports import AppendFile, Disk
from sync.spool.failure import (
    batch_refused,
    disk_failed,
    disk_refused,
    limit_reached,
    not_open,
    out_of_work,
    transaction_too_large,
)
from sync.spool.index import End, Index
from sync.spool.reader import Reader
from sync.spool.recovery import create, cut_files, recover, start_anew
from sync.spool.segment import HEAD_BYTES, HEADER_BYTES, PAYLOAD_BYTES_MAX, Header, Order, encode_record

SEGMENT_BYTES_MAX = 64 * 2**20
CACHE_BYTES_MAX = 8 * 2**20
_JOIN_BYTES_MAX = 2**16
"""Below this, one joined write is cheaper than two."""
_ROTATE_BYTES_MIN = 2**20
"""A released segment is worth replacing from this size on."""


class SegmentedSpool:
    """Implements `ports.Spool` on a disk of its own, bound to one origin. `open` comes first.

    `append`, `abandon`, `restart` and `open` belong to one thread; `sync`, `release`, `read` and the properties may be
    used from any. `release` may wait for the disk.
    """

    def __init__(
        self,
        disk: Disk,
        *,
        origin: str,
        bytes_max: int,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        cache_bytes_max: int = CACHE_BYTES_MAX,
    ) -> None:
        self._disk = disk
        self._origin = origin
        self._bytes_max = bytes_max
        self._segment_bytes_max = min(segment_bytes_max, bytes_max // 16)
        self._rotate_bytes_min = min(_ROTATE_BYTES_MIN, self._segment_bytes_max // 4)
        self._index = Index(cache_bytes_max)
        self._writing = threading.Lock()
        self._syncing = threading.Lock()
        self._file: AppendFile | None = None
        self._failed = False
        self._discarded_origin = ""
        self._order = Order(START)
        self._complete = self._durable = End(0, 0, START)
        self._synced_bytes = 0
        self._released = START

    @property
    def is_open(self) -> bool:
        """Whether the properties below say what the files hold; after a failed `open` or `sync` they do not."""
        return self._file is not None and not self._failed

    @property
    def oldest(self) -> Position:
        """Everything after this position can still be read."""
        return self._index.oldest

    @property
    def newest(self) -> Position:
        """Position of the last complete transaction appended (0 where there never was one)."""
        return self._complete.position

    @property
    def durable(self) -> Position:
        """Position up to which everything is on disk."""
        return self._durable.position

    @property
    def bytes(self) -> int:
        """Size of all segment files."""
        return self._index.bytes

    @property
    def generation(self) -> int:
        """Grows whenever a tail that readers could see is taken back."""
        return self._index.generation

    @property
    def origin(self) -> str:
        """The history that this spool is bound to."""
        return self._origin

    @property
    def discarded_origin(self) -> str:
        """The other history whose files `open` removed; empty where there was none."""
        return self._discarded_origin

    def open(self) -> None:
        """Read, check and repair the files, and make what survived durable. Also the way on after a failure.

        Raises `SpoolCorrupt` where synced records are damaged, `SpoolError` where the disk fails.
        """
        with self._writing, self._syncing:
            self._let_go()
            try:
                if self._failed:
                    cut_files(self._disk, self._durable)
                found = recover(self._disk, self._origin)
                self._file = self._disk.append(found.segments[-1].name)
                self._file.sync()
                self._disk.sync()
            except OSError as error:
                self._let_go()
                raise disk_failed("could not open the spool", error) from error
            self._discarded_origin = self._discarded_origin or found.discarded_origin
            self._index.load(found.segments)
            self._settle(found.end)
            self._failed = False

    def close(self) -> None:
        """Close the file without syncing; safe at any time, also twice."""
        with self._writing, self._syncing:
            self._let_go()

    def append(self, encoded: Encoded) -> None:
        """Append; readers see it at once.

        Raises `SpoolFull` before anything is written, or where the disk is full; the spool is then as it was before.
        After any other `SpoolError`, `open` the spool again. A single record may exceed the limit where nothing
        unreleased is held.
        """
        with self._writing:
            self._active_file()
            refusal = self._order.refusal(encoded)
            if len(encoded.payload) > PAYLOAD_BYTES_MAX:
                refusal = f"its {len(encoded.payload)} bytes are more than the {PAYLOAD_BYTES_MAX} a record can hold"
            if refusal:
                raise batch_refused(refusal)
            record_bytes = HEAD_BYTES + len(encoded.payload)
            self._make_room(record_bytes)
            self._write(encoded)
            self._order.take(encoded)
            self._index.appended(encoded, record_bytes)
            if encoded.last:
                active = self._index.active
                self._complete = End(active.header.serial, active.size, encoded.position)

    def sync(self) -> Position:
        """Make all that was appended durable; gives the new `durable`. May run on another thread than append.

        Raises `SpoolError` where the disk fails: what was not durable is then cut away, and `open` is the way on.
        """
        try:
            with self._syncing:
                file = self._active_file()
                complete = self._complete  # before the size: what it covers must not be younger than what is synced
                size = self._index.active.size
                if size > self._synced_bytes:
                    file.sync()
                    self._synced_bytes = size
                self._durable = complete
                return complete.position
        except OSError as error:
            self._failed = True
            with self._writing:
                raise self._fail("could not sync the spool", error) from error

    def read(self, after: Position) -> Reader:
        """Open a reader that gives every batch with a position above `after`.

        Raises `PositionLost` where `after` is below `oldest`: the peer needs a snapshot.
        """
        return Reader(self._disk, self._index, after)

    def release(self, position: Position) -> None:
        """Allow to forget batches up to `position`: every peer made them durable. Raises `SpoolError`."""
        with self._writing:
            self._active_file()
            self._released = max(self._released, min(position, self._complete.position))
            active = self._index.active
            if self._nothing_held() and active.size >= max(self._rotate_bytes_min, HEADER_BYTES + 1):
                # A full disk must not keep what could be forgotten: the new segment may have to wait for the removals.
                with suppress(SpoolFull):
                    self._rotate()
            self._drop()

    def abandon(self) -> Position:
        """Take back the parts of a large transaction that will not be completed; gives `newest`.

        Readers that were given one of them raise `Rewound`. Raises `SpoolError` where the disk fails.
        """
        with self._writing:
            self._active_file()
            if self._order.unfinished is not None:
                try:
                    with self._syncing:
                        self._cut(self._complete)
                except OSError as error:
                    raise self._fail("could not take back an unfinished transaction", error) from error
            return self._complete.position

    def restart(self, after: Position) -> None:
        """Forget everything, damaged or not, and go on after `after`: a snapshot will bring what is lost.

        Works on a spool that could not be opened. Raises `SpoolError` where the disk fails.
        """
        with self._writing, self._syncing:
            self._let_go()
            try:
                segment = start_anew(self._disk, self._origin, after)
                self._file = self._disk.append(segment.name)
            except OSError as error:
                raise disk_failed("could not restart the spool", error) from error
            self._index.load([segment])
            self._released = after
            self._settle(End(segment.header.serial, HEADER_BYTES, after))
            self._failed = False

    def _active_file(self) -> AppendFile:
        if self._failed:
            raise out_of_work()
        if self._file is None:
            raise not_open()
        return self._file

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _settle(self, end: End) -> None:
        """Everything up to `end` is on disk, and nothing lies behind it."""
        self._order = Order(end.position)
        self._complete = self._durable = end
        self._synced_bytes = end.offset

    def _nothing_held(self) -> bool:
        return self._order.unfinished is None and self._released >= self._complete.position

    def _make_room(self, record_bytes: int) -> None:
        active = self._index.active
        is_full = active.size > HEADER_BYTES and active.size + record_bytes > self._segment_bytes_max
        need = record_bytes + HEADER_BYTES * is_full
        if self._index.bytes + need > self._bytes_max:
            if not self._nothing_held():
                if self._released >= self._complete.position:
                    raise transaction_too_large(self._order.unfinished, self._bytes_max)
                raise limit_reached(self._index.bytes, self._bytes_max, record_bytes)
            is_full = active.size > HEADER_BYTES
        if is_full:
            self._rotate()
            self._drop()

    def _write(self, encoded: Encoded) -> None:
        file, active = self._active_file(), self._index.active
        head, payload = encode_record(encoded, active.seed, self._synced_bytes), encoded.payload
        try:
            if len(payload) < _JOIN_BYTES_MAX:
                file.write(head + payload)
            else:
                file.write(head)
                file.write(payload)
        except OSError as error:
            try:
                self._disk.truncate(active.name, active.size)
            except OSError as second:
                raise self._fail("could not take back half a record", second) from error
            raise disk_refused("could not write to the spool", error) from error

    def _rotate(self) -> None:
        """Seal the active segment and go on in a new one; where that can not be made, nothing has changed."""
        file = self._active_file()
        unfinished = self._order.unfinished
        try:
            with self._syncing:
                file.sync()
                self._synced_bytes, self._durable = self._index.active.size, self._complete
        except OSError as error:
            raise self._fail("could not sync the spool", error) from error
        newest = self._complete.position
        serial = self._index.active.header.serial + 1
        header = Header(serial, newest, newest if unfinished is None else unfinished, self._origin)
        try:
            segment = create(self._disk, header)
            successor = self._disk.append(header.name)
        except OSError as error:
            try:
                self._disk.remove(header.name)
                self._disk.sync()
            except OSError as second:
                raise self._fail("could not take back a new segment", second) from error
            raise disk_refused("could not go on in a new spool segment", error) from error
        with self._syncing:
            self._file = successor
            file.close()
            self._index.add(segment)
            self._synced_bytes = HEADER_BYTES
            if unfinished is None:
                self._complete = self._durable = End(serial, HEADER_BYTES, newest)

    def _drop(self) -> None:
        """Remove the segments that nobody needs, one by one, so that a crash leaves no gap."""
        limit = min(self._released, self._durable.position)
        segments = self._index.segments
        try:
            while len(segments) > 1 and segments[0].last <= limit:
                self._disk.remove(segments[0].name)
                self._disk.sync()
                self._index.drop_first()
        except OSError as error:
            raise disk_failed("could not remove a released spool segment", error) from error

    def _cut(self, end: End) -> None:
        """Cut back to a complete transaction. The caller holds `_writing` and `_syncing`. Raises OSError."""
        is_active = end.serial == self._index.active.header.serial
        synced_bytes = min(self._synced_bytes, end.offset) if is_active else end.offset
        if not is_active:
            self._let_go()
        self._index.cut(end)
        self._complete, self._order = end, Order(end.position)
        cut_files(self._disk, end)
        self._synced_bytes = synced_bytes
        if not is_active:
            self._file = self._disk.append(self._index.active.name)

    def _fail(self, what: str, error: OSError) -> SpoolError:
        """Stop work: keep what is known to be durable, and nothing else. The caller holds `_writing`."""
        self._failed = True
        with self._syncing, suppress(OSError):  # where this fails too, `open` does it
            self._cut(self._durable)
        return disk_failed(what, error)
