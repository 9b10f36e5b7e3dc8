"""One thread for one database connection.

Drivers block, and some may only be used from the thread that connected, so every connection gets a thread of its
own and all calls to it go through here. The event loop never waits for a database or a codec.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Call = tuple[Callable[[], Any], asyncio.Future[Any]]


class Worker:
    """Runs calls one after the other on one named thread. Used from one event loop.

    A thread and a queue: an executor's futures, which other threads could wait for, cost more than a small batch.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` on the thread and give what it returns or raise what it raises.

        A cancelled caller leaves at once, but the call itself goes on to its end: a database statement can not be
        interrupted half-way without losing track of what it did. How it ended, nobody hears then.
        """
        if self._closed:
            what = f"the worker {self._name} was used after its end"
            raise RuntimeError(what)
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(loop,), name=self._name, daemon=True)
            self._thread.start()
        ended: asyncio.Future[T] = loop.create_future()
        self._calls.put((partial(function, *args, **kwargs), ended))
        return await ended

    async def close(self, last: Callable[[], None] | None = None) -> None:
        """Run `last` (typically the connection's close) behind all other calls, then end the thread."""
        if last is not None:
            await self.call(last)
        self._closed = True
        self._calls.put(None)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while (call := self._calls.get()) is not None:
            function, ended = call
            try:
                told = partial(_succeeded, ended, function())
            except BaseException as error:  # noqa: BLE001  it belongs to the caller
                told = partial(_failed, ended, error)
            # A loop that was closed has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(told)
            # What a call gave must not live here until the next one.
            del call, function, ended, told


def _succeeded(ended: asyncio.Future[T], result: T) -> None:
    if not ended.done():
        ended.set_result(result)


def _failed(ended: asyncio.Future[Any], error: BaseException) -> None:
    if not ended.done():
        ended.set_exception(error)
