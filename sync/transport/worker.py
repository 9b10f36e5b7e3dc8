"""One thread for one database connection.

Drivers block, and some may only be used from the thread that connected, so every connection gets a thread of its
own and all calls to it go through here. The event loop never waits for a database or a codec.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Runs calls one after the other on one named thread."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` on the thread and give what it returns or raise what it raises.

        A cancelled caller leaves at once, but the call itself goes on to its end: a database statement can not be
        interrupted half-way without losing track of what it did.
        """
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._pool, lambda: function(*args, **kwargs))
        # Who has left does not hear how it ended; asyncio would call that an error nobody looked at.
        running.add_done_callback(_looked_at)
        return await asyncio.shield(running)

    async def close(self, last: Callable[[], None] | None = None) -> None:
        """Run `last` (typically the connection's close) behind all other calls, then end the thread."""
        if last is not None:
            await self.call(last)
        self._pool.shutdown(wait=False)


def _looked_at(ended: asyncio.Future[T]) -> None:
    if not ended.cancelled():
        ended.exception()
