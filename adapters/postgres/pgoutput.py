"""pgoutput's messages, protocol version 1, one by one, as the replication stream carries them: bytes in, values out.

The rule it keeps: nothing is looked at that stands behind the message. Rows that come by the thousand are the work of
`runs.py`. Source of facts: "Logical Replication Message Formats" in PostgreSQL's manual.

    frame    w, WAL start u64, WAL end u64, sent at i64 (µs since 2000); then one message, at offset 25
    row      I | U | D, relation u32, N | K | O, columns u16, then for each column  n | u | t length u32, text
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from sync.model.change import Op

FRAME: Final = 25
"""Where the message begins."""
INSERT, UPDATE, DELETE, TRUNCATE = b"IUDT"
BEGIN, COMMIT, ORIGIN, RELATION, TYPE, MESSAGE = b"BCORYM"

_TEXT: Final = ord("t")
_NEW, _KEY, _OLD = b"NKO"
_TUPLE: Final = FRAME + 8
"""Where the columns of a row message begin."""
_LAYOUT: Final = FRAME + 5
"""Where a row message says which tuple follows."""
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


def is_plain(frame: bytes) -> bool:
    """Whether an update comes without the old row, which means that its key is the same."""
    return frame[_LAYOUT] == _NEW


def row(frame: bytes) -> tuple[bytes, int]:
    """The tuple of a row message that comes without an old row, and how many columns it has."""
    return frame[_TUPLE:], _count_at(frame, _LAYOUT + 1)[0]


def unfolded(frame: bytes, key: Sequence[int]) -> list[tuple[Op, bytes]]:
    """An update that carries its old row, as one update where the key is the same, else as a delete and a new row.

    `key` holds the places of the key in the tuple. Where the old row was sent whole, what the new one leaves unchanged
    is taken from it. Gives each row's operation and tuple.
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
    if all(old[place] == fields[place] for place in key):
        return [(Op.UPDATE, b"".join(fields))]
    return [(Op.DELETE, b"".join(old)), (Op.UPSERT, b"".join(fields))]


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
