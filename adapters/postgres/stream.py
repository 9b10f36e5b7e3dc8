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

from adapters.postgres.carrier import Carrier, carrier_of
from adapters.postgres.connection import connect_replication
from adapters.postgres.publication import PUBLICATION
from sync.errors import DatabaseBusy

_REPORT: Final = Struct(">cQQQqB")
_FLOW_BYTES: Final = 8 << 10
_PACE_S: Final = 0.001
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
        self._carrier: Carrier | None = None
        self._reported_at = self._heard_at = time.monotonic()
        self.sent = 0
        """What the server said in a keepalive (see `heard`): everything committed up to here has been taken."""
        self.flowing = False
        """Whether the last `take` found so much that more will be there in a moment."""
        self.pace_s = 0.0 if self._session.host.startswith(b"/") else _PACE_S
        """How long to pause while it flows. Whoever sleeps on the connection is woken for every message, which costs
        both sides more than all the rest; but a Unix socket holds so little that a pause would hold the server up."""
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
        carrier = carrier_of(self._session, encrypted=self._is_encrypted())
        until = time.monotonic() + _ACTIVE_S
        while True:
            try:
                carrier.start(command)
                break
            except psycopg.Error as error:
                if error.sqlstate != _IN_USE or time.monotonic() > until:
                    raise
            time.sleep(0.02)
        self._carrier = carrier
        self.flushed = confirmed
        self._heard_at = time.monotonic()

    def take(self) -> bytes:
        """The messages that have arrived, without waiting, cut anywhere; the rest stays for later."""
        taken = self._streaming.read()
        self.flowing = len(taken) >= _FLOW_BYTES
        now = time.monotonic()
        if taken:
            self._heard_at = now
        if now - self._reported_at > _REPORT_INTERVAL_S:
            self.report(self.flushed)
        if now - self._heard_at > _SILENCE_MAX_S:
            raise DatabaseBusy("could not read the server's log", "the server is silent", "It is tried again")
        return taken

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
        self._streaming.send(_REPORT.pack(b"r", written, self.flushed, self.flushed, now_us, answer))
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
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            with contextlib.suppress(psycopg.Error, DatabaseBusy):
                carrier.end(_END_S)
        self._session.finish()

    @property
    def _streaming(self) -> Carrier:
        if self._carrier is None:
            raise DatabaseBusy("could not read the server's log", "the stream has ended", "It is tried again")
        return self._carrier

    def _is_encrypted(self) -> bool:
        """Whether libpq, or the system beneath it, encrypts this session."""
        if self._session.ssl_in_use or self._session.used_gssapi:
            return True
        return self._query(b"SELECT encrypted FROM pg_stat_gssapi WHERE pid = pg_backend_pid()") != ["f"]

    def _query(self, command: bytes) -> list[str]:
        result = self._session.exec_(command)
        if result.status != pq.ExecStatus.TUPLES_OK or not result.ntuples:
            raise psycopg.errors.error_from_result(result)
        return [(result.get_value(0, column) or b"").decode() for column in range(result.nfields)]


def lsn(text: str) -> int:
    """An LSN from its text, `16/B374D848`."""
    high, _, low = text.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def text_of(number: int) -> str:
    """An LSN as text."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"
