"""pgoutput's messages, protocol version 1, as the replication stream carries them: bytes in, columns out.

The rule it keeps: every row message is brought into one layout (header, operation, relation, tuple), so that whole runs
of them are taken apart together. Source of facts: "Logical Replication Message Formats" in PostgreSQL's manual.

    frame    w, WAL start u64, WAL end u64, sent at i64 (µs since 2000); then one message, at offset 25
    row      I | U | D, relation u32, N | K | O, columns u16, then for each column  n | u | t length u32, text
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter, methodcaller
from struct import Struct
from typing import Final

from sync.model.change import ABSENT, Value
from sync.model.texts import Raw

FRAME: Final = 25
"""Where the message begins."""
OPERATION: Final = itemgetter(FRAME)
"""The first byte of a frame's message."""

INSERT, UPDATE, DELETE, TRUNCATE = b"IUDT"
MOVED: Final = ord("X")
"""Ours: the new state of a row whose key changed."""
BEGIN, COMMIT, ORIGIN, RELATION, TYPE, MESSAGE = b"BCORYM"

_TEXT, _NULL, _UNCHANGED = b"tnu"
_NEW, _KEY, _OLD = b"NKO"
_TUPLE: Final = FRAME + 8
"""Where the columns of a row message begin."""
_LAYOUT: Final = FRAME + 5
"""Where a row message says which tuple follows."""
_SHORT_TEXT: Final = b"t\0\0"
"""How a text of less than 64 KiB begins. No text of PostgreSQL holds a zero byte, so this is found nowhere else."""

_columns_of = itemgetter(slice(_TUPLE, None))
_value_of = itemgetter(slice(2, None))
_marks_of = methodcaller("count", _SHORT_TEXT, _TUPLE)
_length_at: Final = Struct(">I").unpack_from
_count_at: Final = Struct(">H").unpack_from
_begin_at: Final = Struct(">QqI").unpack_from
_commit_at: Final = Struct(">BQQq").unpack_from
_relation_at: Final = Struct(">I").unpack_from
_attribute_at: Final = Struct(">Ii").unpack_from
_message_at: Final = Struct(">BQ").unpack_from


class Malformed(ValueError):
    """A message that pgoutput does not send."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column of a relation, as of the moment that the stream is at."""

    name: str
    in_key: bool
    type_oid: int
    modifier: int


@dataclass(frozen=True, slots=True)
class RelationMessage:
    """What a relation is from here on in the stream."""

    oid: int
    namespace: str
    name: str
    replica: str
    attributes: tuple[Attribute, ...]


def begin(frame: bytes) -> tuple[int, int, int]:
    """The commit record's LSN, the time of the commit (µs since 2000), and the 32-bit transaction number."""
    lsn, at_us, xid = _begin_at(frame, FRAME + 1)
    return lsn, at_us, xid


def commit(frame: bytes) -> int:
    """The LSN behind the commit record."""
    return int(_commit_at(frame, FRAME + 1)[2])


def origin(frame: bytes) -> str:
    """The name of the replication origin that the transaction came with."""
    return _string(frame, FRAME + 9)[0]


def message(frame: bytes) -> tuple[bool, str, str]:
    """Whether it belongs to the transaction, its prefix and its text (bytes that are no text are replaced)."""
    flags, _ = _message_at(frame, FRAME + 1)
    prefix, at = _string(frame, FRAME + 10)
    (size,) = _length_at(frame, at)
    content = frame[at + 4 : at + 4 + size]
    if len(content) != size:
        raise Malformed("a logical message ends early")
    return bool(flags & 1), prefix, content.decode(errors="replace")


def relation(frame: bytes) -> RelationMessage:
    """A relation's name and columns."""
    (oid,) = _relation_at(frame, FRAME + 1)
    namespace, at = _string(frame, FRAME + 5)
    name, at = _string(frame, at)
    replica = chr(frame[at])
    (count,) = _count_at(frame, at + 1)
    at += 3
    attributes = []
    for _ in range(count):
        in_key = bool(frame[at] & 1)
        column, at = _string(frame, at + 1)
        attributes.append(Attribute(column, in_key, *_attribute_at(frame, at)))
        at += 8
    # An empty name stands for the server's own schema.
    return RelationMessage(oid, namespace or "pg_catalog", name, replica, tuple(attributes))


def relation_of(frame: bytes) -> int:
    """Which relation a row message belongs to."""
    return int(_relation_at(frame, FRAME + 1)[0])


def truncated(frame: bytes) -> list[int]:
    """The relations that a truncate empties."""
    (count,) = _relation_at(frame, FRAME + 1)
    if len(frame) != FRAME + 6 + 4 * count:
        raise Malformed("a truncate ends early")
    return [_relation_at(frame, FRAME + 6 + 4 * at)[0] for at in range(count)]


def truncate_row(frame: bytes, oid: int, count: int) -> bytes:
    """A truncate of one relation in the layout of a row: nothing is known of any column."""
    return frame[:FRAME] + b"T" + oid.to_bytes(4, "big") + b"N" + count.to_bytes(2, "big") + b"u" * count


def is_plain(frame: bytes) -> bool:
    """Whether an update comes without the old row, which means that its key is the same."""
    return frame[_LAYOUT] == _NEW


def unfolded(frame: bytes, key: Sequence[int]) -> list[bytes]:
    """An update that carries its old row, as one update where the key is the same, else as a delete and a new row.

    `key` holds the places of the key in the tuple. Where the old row was sent whole, what the new one leaves unchanged
    is taken from it.
    """
    count = _count_at(frame, _LAYOUT + 1)[0]
    old, at = _fields(frame, _TUPLE, count)
    if frame[_LAYOUT] not in (_KEY, _OLD) or frame[at : at + 1] != b"N" or _count_at(frame, at + 1)[0] != count:
        raise Malformed("an update holds no new row")
    new, end = _fields(frame, at + 3, count)
    if end != len(frame):
        raise Malformed("an update is longer than its columns")
    whole = frame[_LAYOUT] == _OLD
    unchanged = [place in key or whole for place in range(count)]
    fields = [o if n == b"u" and may else n for o, n, may in zip(old, new, unchanged, strict=True)]
    head = frame[FRAME + 1 : _LAYOUT] + b"N" + frame[_LAYOUT + 1 : _TUPLE]
    if all(old[place] == fields[place] for place in key):
        return [frame[:FRAME] + b"U" + head + b"".join(fields)]
    return [
        frame[:FRAME] + b"D" + head + b"".join(old),
        frame[:FRAME] + b"X" + head + b"".join(fields),
    ]


def split(frames: Sequence[bytes], count: int) -> list[list[Raw | Value]]:
    """Row messages of one relation as one list for each column: text as bytes, None for NULL, ABSENT for unchanged.

    Rows whose columns are all short texts are taken apart together, the others one by one. Raises `Malformed`.
    """
    if not count:
        return []
    width = count.to_bytes(2, "big")
    if any(frame[_LAYOUT + 1 : _TUPLE] != width for frame in frames):
        raise Malformed("a row has another number of columns than its relation")
    pieces = b"".join(map(_columns_of, frames)).split(_SHORT_TEXT)
    if len(pieces) == count * len(frames) + 1 and not pieces[0]:
        # No text holds the mark, so as many marks as columns means that every column is one of them.
        return [list(map(_value_of, pieces[1 + at :: count])) for at in range(count)]
    marks = list(map(_marks_of, frames))
    if 2 * marks.count(count) < len(frames):
        return _split_each(frames, count)
    short = [found == count for found in marks]
    together = split([frame for frame, easy in zip(frames, short, strict=True) if easy], count)
    others = _split_each([frame for frame, easy in zip(frames, short, strict=True) if not easy], count)
    return [_interleaved(short, *pair) for pair in zip(together, others, strict=True)]


def _interleaved(first: Sequence[bool], one: Sequence[Raw | Value], other: Sequence[Raw | Value]) -> list[Raw | Value]:
    ones, others = iter(one), iter(other)
    return [next(ones) if choice else next(others) for choice in first]


def _split_each(frames: Sequence[bytes], count: int) -> list[list[Raw | Value]]:
    flat: list[Raw | Value] = []
    add = flat.append
    columns = range(count)
    for frame in frames:
        at = _TUPLE
        for _ in columns:
            kind = frame[at]
            if kind == _TEXT:
                start = at + 5
                at = start + _length_at(frame, at + 1)[0]
                add(frame[start:at])
            elif kind == _NULL:
                add(None)
                at += 1
            elif kind == _UNCHANGED:
                add(ABSENT)
                at += 1
            else:
                raise Malformed(f"a column is of the unknown kind {kind}")
        if at != len(frame):
            raise Malformed("a row is longer or shorter than its columns")
    return [flat[at::count] for at in range(count)]


def _fields(frame: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """The columns of a tuple as they stand there, and where it ends."""
    fields = []
    for _ in range(count):
        end = at + 1 if frame[at] != _TEXT else at + 5 + _length_at(frame, at + 1)[0]
        fields.append(frame[at:end])
        at = end
    return fields, at


def _string(frame: bytes, at: int) -> tuple[str, int]:
    end = frame.index(0, at)
    return frame[at:end].decode(errors="replace"), end + 1
