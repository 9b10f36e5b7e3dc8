"""Finds out, at start, what a spool's files hold, and cuts off what does not count.

The rule it keeps: every byte is read and checked before anything is promised. What a crash tore off the tail, and a
large transaction whose last part never came, are cut away: the source still has them and gives them again. What was
synced and does not check is never cut away in silence: that is `SpoolCorrupt`, and a person must know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sync.errors import SpoolCorrupt, UsageError
from sync.model.position import START, Position
from sync.ports import Disk
from sync.spool.index import End, Segment
from sync.spool.segment import (
    HEAD_BYTES,
    HEADER_BYTES,
    ORIGIN_BYTES_MAX,
    REMEDY,
    Header,
    Order,
    Record,
    build,
    decode_header,
    encode_header,
    header_seed,
    synced_witness,
)
from sync.spool.window import Window

_NAME = re.compile(r"\d{19}-\d{10}\.spool")


@dataclass(slots=True)
class Found:
    """What the files hold. `end` is behind the last complete transaction; nothing lies behind it any more."""

    segments: list[Segment]
    end: End
    discarded_origin: str = ""
    """Another history that the files belonged to; they were removed."""


def recover(disk: Disk, origin: str) -> Found:
    """Read, check and repair; makes the first segment where there is none.

    Raises `SpoolCorrupt` where synced records are damaged, and OSError.
    """
    if not 0 < len(origin.encode()) <= ORIGIN_BYTES_MAX:
        why = f"an origin has 1 to {ORIGIN_BYTES_MAX} bytes"
        raise UsageError(f"{origin!r} can not name a spool", why, "Run `admin-sync install` again.")
    names = segment_names(disk)
    blocks = {name: disk.read(name, 0, HEADER_BYTES) for name in names}
    headers = [decode_header(blocks[name], name) for name in names]
    if all(header.origin != origin for header in headers):
        segment = start_anew(disk, origin, START)
        end = End(segment.header.serial, HEADER_BYTES, START)
        return Found([segment], end, headers[0].origin if headers else "")
    _check_sequence(headers, names, origin)
    seeds = [header_seed(blocks[name]) for name in names]
    return _scan(disk, [Segment(header, seed) for header, seed in zip(headers, seeds, strict=True)])


def segment_names(disk: Disk) -> list[str]:
    """The spool's files, oldest first; other files are not ours to touch."""
    return [name for name in disk.names() if _NAME.fullmatch(name)]


def create(disk: Disk, header: Header) -> Segment:
    """Make an empty segment, durably; after a crash it is whole or not there. Raises OSError."""
    block = encode_header(header)
    disk.replace(header.name, block)
    return Segment(header, header_seed(block))


def start_anew(disk: Disk, origin: str, after: Position) -> Segment:
    """Remove every segment, whatever is in it, and make an empty one behind `after`. Raises OSError."""
    names = segment_names(disk)
    for name in names:
        disk.remove(name)
    disk.sync()
    serial = 1 + max((int(name[20:30]) for name in names), default=0)
    return create(disk, Header(serial, after, after, origin))


def cut_files(disk: Disk, end: End) -> None:
    """Cut the files back to `end`, durably, newest first, so that a crash on the way leaves no gap. Raises OSError."""
    for name in reversed(segment_names(disk)):
        serial = int(name[20:30])
        if serial > end.serial:
            disk.remove(name)
            disk.sync()
        elif serial == end.serial and disk.size(name) > end.offset:
            disk.truncate(name, end.offset)


def _check_sequence(headers: list[Header], names: list[str], origin: str) -> None:
    for number, (header, name) in enumerate(zip(headers, names, strict=True), headers[0].serial):
        if header.origin != origin or header.name != name or header.serial != number:
            why = (
                f"found segment {header.serial} of {header.origin} in {name} where segment {number} of {origin} belongs"
            )
            raise SpoolCorrupt("the spool has a gap", why, REMEDY)


def _scan(disk: Disk, segments: list[Segment]) -> Found:
    """Walk all records; the end of the last complete transaction is where the spool goes on."""
    floor = segments[0].header.floor
    order = Order(floor)
    end = End(segments[0].header.serial, HEADER_BYTES, floor)
    window = Window(disk)
    for segment in segments:
        size = disk.size(segment.name)
        serial = segment.header.serial
        if order.unfinished is None:
            end = End(serial, HEADER_BYTES, order.newest)
        while segment.size < size:
            record = _record(window, segment, size)
            if record is None:
                _check_torn(disk, segment, size, is_last=segment is segments[-1])
                break
            # The first segment may start with the last parts of a transaction that was released with its first ones.
            if record.position > floor:
                if refusal := order.refusal(record):
                    why = f"{refusal}, at byte {segment.size} of {segment.name}"
                    raise SpoolCorrupt("the spool's records are out of order", why, REMEDY)
                order.take(record)
            segment.grow(record.position, segment.size + HEAD_BYTES + record.payload_bytes)
            if order.unfinished is None:
                end = End(serial, segment.size, order.newest)
    cut_files(disk, end)
    kept = [segment for segment in segments if segment.header.serial <= end.serial]
    kept[-1].cut(end)
    return Found(kept, end)


def _record(window: Window, segment: Segment, size: int) -> Record | None:
    found = window.record(segment.name, segment.seed, segment.size, size)
    if found is None or build(*found) is None:
        return None
    return found[0]


def _check_torn(disk: Disk, segment: Segment, size: int, *, is_last: bool) -> None:
    """Raise unless what does not check is a tail that nobody was promised."""
    name, offset = segment.name, segment.size
    witness = size  # a segment is synced before the next one is made
    if is_last:
        witness = synced_witness(disk.read(name, offset, size - offset), 0, segment.seed)
    if witness > offset:
        why = f"the record at byte {offset} of {name} does not check, and it had been synced"
        raise SpoolCorrupt(f"the spool is damaged after position {segment.last}", why, REMEDY)
