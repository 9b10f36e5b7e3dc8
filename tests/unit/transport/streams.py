"""A connection without a network: what the peer says is fed, what is written is kept."""

from __future__ import annotations

import asyncio
import time

from sync.wire.messages import Hello, Resume
from sync.wire.session import Session, SessionLimits
from sync.wire.state import Half

LIMITS = SessionLimits(handshake_timeout_s=0.05, beat_interval_s=0.02, beats_missed_max=2)


class RealClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def wall_us(self) -> int:
        return 0


class Transport:
    aborted = False
    held_bytes = 0

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.held_bytes


class Writer:
    """Stands in for asyncio.StreamWriter; `takes` cleared means that the peer takes nothing more."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.written = b""
        self.writes: list[int] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.failure: Exception | None = None

    def write(self, piece: bytes) -> None:
        self.written += piece
        self.writes.append(len(piece))
        self.transport.held_bytes = 0 if self.takes.is_set() and self.failure is None else len(piece)

    async def drain(self) -> None:
        if self.failure is not None:
            raise self.failure
        await self.takes.wait()

    def taken(self) -> bytes:
        piece, self.written = self.written, b""
        return piece


def session(half: Half) -> Session:
    node = "east" if half is Half.SENDER else "west"
    return Session(half, Hello(node, half, 1, origin="o" * (half is Half.SENDER)), LIMITS, time.monotonic())


def welcome(peer: Session, said: bytes) -> bytes:
    """Let the receiving peer hear the hello; gives what it answers."""
    peer.receive(said, time.monotonic(), 0)
    peer.accept(Resume(None))
    return b"".join(peer.data_to_send())
