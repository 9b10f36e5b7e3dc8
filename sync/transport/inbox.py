"""What comes in on a stream, handed straight on, without a task that has to be woken for it.

The rule it keeps: nothing is lost where waiting for bytes ends and taking them begins. Before that it is an ordinary
reader, which holds a peer back that says more than is read; afterwards it holds nothing, and the taker bounds what it
keeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Inbox(asyncio.StreamReader):
    """The reading half of a connection. Belongs to one event loop."""

    def __init__(self) -> None:
        super().__init__()
        self._over = False
        self._take: Callable[[bytes], None] | None = None
        self._lose: Callable[[Exception], None] | None = None

    async def hand_to(self, take: Callable[[bytes], None], lose: Callable[[Exception], None]) -> None:
        """From now on `take` what came already and what comes, in the end an empty piece; or `lose` the connection.

        Neither may raise.
        """
        failure, over = self.exception(), self._over
        if isinstance(failure, Exception):
            lose(failure)
            return
        # At its end a reader gives what it holds, and waits for nothing: no piece can come in between.
        super().feed_eof()
        held = await self.read()
        self._take, self._lose = take, lose
        if held:
            take(held)
        if over:
            take(b"")

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # connections give nothing else
        """Take what the connection gives."""
        if self._take is None:
            super().feed_data(data)
        else:
            self._take(data)

    def feed_eof(self) -> None:
        """Take that the peer says no more."""
        self._over = True
        if self._take is None:
            super().feed_eof()
        else:
            self._take(b"")

    def set_exception(self, exc: Exception) -> None:
        """Take that the connection broke."""
        if self._lose is None:
            super().set_exception(exc)
        else:
            self._lose(exc)
