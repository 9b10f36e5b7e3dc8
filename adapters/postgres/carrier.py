"""How a replication stream's bytes come in and ours go out, beneath the protocol's meaning.

The rule it keeps: both ways give the same bytes, `d` messages with their lengths, cut anywhere. Through libpq every
message is handed over one by one, which costs more than all that is done with a row. So where nothing is encrypted the
connection that libpq has made is read directly, many messages at a time. Source of facts: "Message Formats" in
PostgreSQL's manual; what each way costs stands in docs/performance.md.
"""

from __future__ import annotations

import os
import select
import time
from struct import Struct
from typing import Final, Protocol

import psycopg
from psycopg import pq

from sync.errors import DatabaseBusy

READ_BYTES: Final = 256 << 10
"""How much is read at once."""
_PREFIX: Final = Struct(">cI")
_PREFIX_BYTES: Final = 5
_ANSWER_S: Final = 10.0
_COMPLETE: Final = b"Z\0\0\0\5I"
"""What the server says last of all, when the command is over."""
_NEWS: Final = b"NSA"
"""Notices, parameters and notifications, which may come at any time."""


class Carrier(Protocol):
    """The connection of one stream."""

    def start(self, command: str) -> None:
        """Begin to stream. Raises `psycopg.Error` where the server refuses."""
        ...

    def read(self) -> bytes:
        """What has arrived, without waiting, about `READ_BYTES` at most; empty where nothing. Raises as `is_news`."""
        ...

    def send(self, content: bytes) -> None:
        """Send one message of the stream."""
        ...

    def end(self, timeout_s: float) -> None:
        """Say that this is over, and wait until the server has let go."""
        ...


def carrier_of(session: pq.abc.PGconn, *, encrypted: bool) -> Carrier:
    """The fastest way to use this session for a stream; `encrypted` says that somebody beneath libpq encrypts it."""
    return ThroughLibpq(session) if encrypted else Direct(session)


class ThroughLibpq:
    """Message by message, whatever stands between."""

    def __init__(self, session: pq.abc.PGconn) -> None:
        self._session = session
        self._over = False

    def start(self, command: str) -> None:
        result = self._session.exec_(command.encode())
        if result.status != pq.ExecStatus.COPY_BOTH:
            raise psycopg.errors.error_from_result(result)
        self._session.nonblocking = 1

    def read(self) -> bytes:
        messages: list[bytes | memoryview] = []
        add, get, prefix = messages.append, self._session.get_copy_data, _PREFIX.pack
        if not self._over:
            # Once: where the server has closed, a second call would lose what it said before.
            self._session.consume_input()
            while (got := get(1))[0] > 0:
                count, view = got
                add(prefix(b"d", count + 4))
                add(view)
            self._over = got[0] < 0
        if self._over and not messages:
            self._ended()
        return b"".join(messages)

    def send(self, content: bytes) -> None:
        self._session.put_copy_data(content)
        self._session.flush()

    def end(self, timeout_s: float) -> None:
        session = self._session
        session.put_copy_end()
        session.flush()
        until = time.monotonic() + timeout_s
        copying = True
        while (left := until - time.monotonic()) > 0:
            if copying:
                count, _ = session.get_copy_data(1)
                copying = count >= 0
                if count:
                    continue
            elif not session.is_busy() and session.get_result() is None:
                return
            if (copying or session.is_busy()) and _is_ready(session.socket, select.POLLIN, left):
                session.consume_input()

    def _ended(self) -> None:
        self._session.nonblocking = 0
        result = self._session.get_result()
        if result is not None and result.status == pq.ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
        raise _over()


class Direct:
    """On the descriptor of a session that nobody encrypts, and whose server has nothing left to say."""

    def __init__(self, session: pq.abc.PGconn) -> None:
        self._descriptor = int(session.socket)
        self._left = b""
        os.set_blocking(self._descriptor, False)

    def start(self, command: str) -> None:
        content = command.encode() + b"\0"
        self._write(_PREFIX.pack(b"Q", len(content) + 4) + content)
        refused: psycopg.Error | None = None
        while True:
            kind, content = self._message(time.monotonic() + _ANSWER_S)
            if kind == b"W":
                return
            if kind == b"E":
                refused = error_of(content)
            elif kind == b"Z":
                raise refused or psycopg.OperationalError("the server did not start the stream")

    def read(self) -> bytes:
        if self._left:
            piece, self._left = self._left, b""
            return piece
        try:
            piece = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise psycopg.OperationalError(f"the connection failed: {error.strerror}") from error
        if not piece:
            raise psycopg.OperationalError("the server closed the connection")
        return piece

    def send(self, content: bytes) -> None:
        self._write(_PREFIX.pack(b"d", len(content) + 4) + content)

    def end(self, timeout_s: float) -> None:
        self._write(_PREFIX.pack(b"c", 4))
        until = time.monotonic() + timeout_s
        tail = b""
        while not tail.endswith(_COMPLETE) and (left := until - time.monotonic()) > 0:
            if _is_ready(self._descriptor, select.POLLIN, left):
                tail = (tail + self.read())[-len(_COMPLETE) :]

    def _message(self, until: float) -> tuple[bytes, bytes]:
        """The next message before the stream begins."""
        while len(self._left) < _PREFIX_BYTES or len(self._left) <= _PREFIX.unpack_from(self._left)[1]:
            left, self._left = self._left, b""
            if not _is_ready(self._descriptor, select.POLLIN, until - time.monotonic()):
                raise psycopg.OperationalError("the server does not answer")
            self._left = left + self.read()
        kind, length = _PREFIX.unpack_from(self._left)
        content, self._left = self._left[_PREFIX_BYTES : 1 + length], self._left[1 + length :]
        return kind, content

    def _write(self, message: bytes) -> None:
        until = time.monotonic() + _ANSWER_S
        while message:
            try:
                message = message[os.write(self._descriptor, message) :]
            except BlockingIOError:
                if not _is_ready(self._descriptor, select.POLLOUT, until - time.monotonic()):
                    raise psycopg.OperationalError("the server takes nothing in") from None
            except OSError as error:
                raise psycopg.OperationalError(f"the connection failed: {error.strerror}") from error


def is_news(message: bytes) -> bool:
    """Whether a message that is none of the stream can be passed over.

    Else the stream has ended: raises `psycopg.Error` with what the server says, or `DatabaseBusy`.
    """
    if message[:1] in _NEWS:
        return True
    raise error_of(message[_PREFIX_BYTES:]) if message.startswith(b"E") else _over()


def _over() -> DatabaseBusy:
    return DatabaseBusy("could not read the server's log", "the server ended the stream", "It is tried again")


def error_of(content: bytes) -> psycopg.Error:
    """The error of an ErrorResponse: its class is that of the SQLSTATE."""
    fields = {field[:1]: field[1:].decode(errors="replace") for field in content.split(b"\0") if field}
    text = "; ".join(fields[name] for name in (b"M", b"D") if name in fields)
    try:
        kind = psycopg.errors.lookup(fields.get(b"C", ""))
    except KeyError:
        kind = psycopg.OperationalError
    return kind(text)


def _is_ready(descriptor: int, what: int, timeout_s: float) -> bool:
    waiting = select.poll()
    waiting.register(descriptor, what)
    return bool(waiting.poll(max(0.0, timeout_s) * 1000))
