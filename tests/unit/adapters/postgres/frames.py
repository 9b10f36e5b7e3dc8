"""Frames of a replication stream, built as a walsender builds them."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from sync.model.change import ABSENT, Value
from sync.model.schema import Column, Kind, TableSchema, Type

HEADER = b"w" + bytes(24)
OID = 4711
SCHEMA = TableSchema(
    "t",
    (
        Column("id", Type(Kind.INT64), nullable=False),
        Column("name", Type(Kind.TEXT)),
        Column("large", Type(Kind.TEXT)),
    ),
    (0,),
)

Text = Sequence[Value]


def frame(message: bytes) -> bytes:
    """One message in its frame."""
    return HEADER + message


def stream(*frames: bytes) -> bytes:
    """Frames as the connection carries them."""
    return b"".join(b"d" + pack(">I", len(each) + 4) + each for each in frames)


def keepalive(sent: int, *, asked: bool = False) -> bytes:
    return b"k" + pack(">QqB", sent, 0, asked)


def begin(lsn: int, xid: int = 7, at_us: int = 0) -> bytes:
    return frame(b"B" + pack(">QqI", lsn, at_us, xid))


def commit(lsn: int) -> bytes:
    return frame(b"C" + pack(">BQQq", 0, lsn, lsn + 40, 0))


def relation(
    names: Sequence[str] = SCHEMA.column_names, oid: int = OID, name: str = "t", namespace: str = "public"
) -> bytes:
    columns = b"".join(b"\0" + column.encode() + b"\0" + pack(">Ii", 25, -1) for column in names)
    head = b"R" + pack(">I", oid) + namespace.encode() + b"\0" + name.encode() + b"\0d"
    return frame(head + pack(">H", len(names)) + columns)


def fields(values: Text) -> bytes:
    """A tuple: text, NULL or unchanged."""
    made = pack(">H", len(values))
    for value in values:
        if value is None:
            made += b"n"
        elif value is ABSENT:
            made += b"u"
        else:
            text = str(value).encode()
            made += b"t" + pack(">I", len(text)) + text
    return made


def insert(values: Text, oid: int = OID) -> bytes:
    return frame(b"I" + pack(">I", oid) + b"N" + fields(values))


def update(values: Text, old: Text | None = None, how: bytes = b"K", oid: int = OID) -> bytes:
    before = b"" if old is None else how + fields(old)
    return frame(b"U" + pack(">I", oid) + before + b"N" + fields(values))


def delete(key: Text, how: bytes = b"K", oid: int = OID) -> bytes:
    return frame(b"D" + pack(">I", oid) + how + fields(key))


def truncate(*oids: int) -> bytes:
    return frame(b"T" + pack(">IB", len(oids), 0) + b"".join(pack(">I", oid) for oid in oids))


def origin(name: str) -> bytes:
    return frame(b"O" + pack(">Q", 0) + name.encode() + b"\0")


def message(prefix: str, text: str, *, transactional: bool = True) -> bytes:
    content = text.encode()
    return frame(b"M" + pack(">BQ", transactional, 0) + prefix.encode() + b"\0" + pack(">I", len(content)) + content)


def transaction(lsn: int, *rows: bytes, xid: int = 7) -> list[bytes]:
    return [begin(lsn, xid), *rows, commit(lsn)]
