"""The replication stream: messages from the walsender, and what it is told of our progress.

The rule it keeps: nothing here blocks but `wait`, and the server is told only of positions that its caller made
durable. What arrives between two calls stays in order. Source of facts: "Streaming Replication Protocol" in
PostgreSQL's manual.

The server names in keepalives how far it has read its log: everything that was committed up to there, and is
published, has been sent. It sends one whenever it has caught up, as long as we report less than that.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Sequence
from struct import Struct
from typing import Final

import psycopg
from psycopg import pq

from adapters.postgres.connection import connect_replication
from adapters.postgres.publication import PUBLICATION
from sync.errors import DatabaseBusy

_REPORT: Final = Struct(">cQQQqB")
_PREFIX: Final = Struct(">cI")
_BYTES_MAX: Final = 1 << 20
"""How much is taken at once."""
_REPORT_INTERVAL_S: Final = 5.0
_SILENCE_MAX_S: Final = 60.0
_END_S: Final = 2.0
_ACTIVE_S: Final = 10.0
"""How long a predecessor may take to let go of the slot."""
_IN_USE: Final = "55006"


class Stream:
    """One session of the replication protocol on one slot. Used by one thread."""

    def __init__(self, url: str, password: str | None) -> None:
        self._session: pq.abc.PGconn = connect_replication(url, password=password)
        self._copying = False
        self._reported_at = self._heard_at = time.monotonic()
        self.sent = 0
        """What the server said in a keepalive (see `heard`): everything committed up to here has been taken."""
        self.drained = False
        """Whether the last `take` took everything that had arrived."""
        self.flushed = 0
        """What was reported as durable."""

    @property
    def socket(self) -> int:
        """The file descriptor to wait on."""
        return int(self._session.socket)

    def identify(self) -> tuple[str, int, int]:
        """The server's system identifier, its timeline, and how far its log is written."""
        row = self._query(b"IDENTIFY_SYSTEM")
        return str(row[0]), int(row[1]), lsn(row[2])

    def left_at(self, earlier: int) -> int | None:
        """Up to which LSN the server's log is that of an earlier timeline; None where it does not come from it."""
        timeline = self.identify()[1]
        if earlier >= timeline:
            return None
        history = self._query(f"TIMELINE_HISTORY {timeline}".encode())[1]
        steps = [line.split() for line in history.splitlines() if line.strip() and not line.startswith("#")]
        return next((lsn(step[1]) for step in steps if step[0] == str(earlier)), None)

    def start(self, slot: str, after: int, confirmed: int) -> None:
        """Begin behind an LSN; the slot was confirmed up to another. Waits for a predecessor that still holds it."""
        command = (
            f'START_REPLICATION SLOT "{slot}" LOGICAL {text_of(after)}'
            f" (proto_version '1', publication_names '{PUBLICATION}', messages 'true')"
        )
        until = time.monotonic() + _ACTIVE_S
        while True:
            result = self._session.exec_(command.encode())
            if result.status == pq.ExecStatus.COPY_BOTH:
                break
            error = psycopg.errors.error_from_result(result)
            if error.sqlstate != _IN_USE or time.monotonic() > until:
                raise error
            time.sleep(0.02)
        self._copying = True
        self._session.nonblocking = 1
        self.flushed = confirmed
        self._heard_at = time.monotonic()

    def take(self) -> bytes:
        """The messages that have arrived, each with its kind and length, without waiting; the rest stays for later."""
        messages: list[bytes | memoryview] = []
        add, get, prefix = messages.append, self._session.get_copy_data, _PREFIX.pack
        size = 0
        self.drained = False
        self._session.consume_input()
        while size < _BYTES_MAX:
            count, view = get(1)
            if count <= 0:
                if count < 0:
                    self._ended()
                self.drained = True
                break
            add(prefix(b"d", count + 4))
            add(view)
            size += count
        now = time.monotonic()
        if messages:
            self._heard_at = now
        if now - self._reported_at > _REPORT_INTERVAL_S:
            self.report(self.flushed)
        if now - self._heard_at > _SILENCE_MAX_S:
            raise DatabaseBusy("could not read the server's log", "the server is silent", "It is tried again")
        return b"".join(messages)

    def heard(self, sent: int, *, asked: bool) -> None:
        """Take note of a keepalive, and answer where the server asked."""
        self.sent = max(self.sent, sent)
        if asked:
            self.report(self.flushed)

    def report(self, flushed: int, *, answer: bool = False) -> None:
        """Tell the server what is durable here; it may forget what is below. With `answer` it says where it stands."""
        self.flushed = max(self.flushed, flushed)
        written = max(self.sent, self.flushed)
        now_us = int(time.time() * 1_000_000) - 946_684_800_000_000
        self._session.put_copy_data(_REPORT.pack(b"r", written, self.flushed, self.flushed, now_us, answer))
        self._session.flush()
        self._reported_at = time.monotonic()

    def wait(self, timeout_s: float, wake: Sequence[int] = ()) -> bool:
        """Block until the server sent something (True), a descriptor of `wake` is readable, or the timeout."""
        waiting = select.poll()
        waiting.register(self.socket, select.POLLIN)
        for descriptor in wake:
            waiting.register(descriptor, select.POLLIN)
        ready = waiting.poll(max(0.0, min(timeout_s, _REPORT_INTERVAL_S)) * 1000)
        return any(descriptor == self.socket for descriptor, _ in ready)

    def close(self) -> None:
        """End the session; in order where possible, so that the server has taken in our last report."""
        if self._copying:
            self._copying = False
            with contextlib.suppress(psycopg.Error):
                self._session.put_copy_end()
                self._session.flush()
                self._await_end()
        self._session.finish()

    def _await_end(self) -> None:
        """Read on until the server has let go of the slot, which it has when the command is complete."""
        until = time.monotonic() + _END_S
        copying = True
        while (left := until - time.monotonic()) > 0:
            if copying:
                count, _ = self._session.get_copy_data(1)
                copying = count >= 0
                if count:
                    continue
            elif not self._session.is_busy() and self._session.get_result() is None:
                return
            if (copying or self._session.is_busy()) and self.wait(left):
                self._session.consume_input()

    def _ended(self) -> None:
        """Raise what the server ended the stream with."""
        self._copying = False
        self._session.nonblocking = 0
        result = self._session.get_result()
        if result is not None and result.status == pq.ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
        raise DatabaseBusy("could not read the server's log", "the server ended the stream", "It is tried again")

    def _query(self, command: bytes) -> list[str]:
        result = self._session.exec_(command)
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(result)
        return [(result.get_value(0, column) or b"").decode() for column in range(result.nfields)]


def lsn(text: str) -> int:
    """An LSN from its text, `16/B374D848`."""
    high, _, low = text.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def text_of(number: int) -> str:
    """An LSN as text."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"
