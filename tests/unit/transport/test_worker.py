"""One thread for one connection: calls run there, one after the other, to their end."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from sync.transport.worker import Worker


def test_calls_run_in_order_on_one_thread_of_that_name() -> None:
    async def story() -> None:
        worker, done = Worker("target"), list[int]()

        def note(number: int) -> str:
            done.append(number)
            return threading.current_thread().name

        names = await asyncio.gather(*(worker.call(note, number) for number in range(20)))
        assert done == list(range(20))
        assert len(set(names)) == 1
        assert names[0].startswith("target")
        await worker.close()

    asyncio.run(story())


def test_what_a_call_raises_is_raised() -> None:
    async def story() -> None:
        worker = Worker("target")
        with pytest.raises(ZeroDivisionError):
            await worker.call(lambda: 1 // 0)
        assert await worker.call(lambda: "it goes on") == "it goes on"
        await worker.close()

    asyncio.run(story())


def test_a_cancelled_caller_leaves_and_the_call_goes_on() -> None:
    """A statement can not be stopped half-way: what follows waits until it is over."""

    async def story() -> None:
        worker, running, release, done = Worker("target"), threading.Event(), threading.Event(), list[str]()

        def long() -> None:
            running.set()
            release.wait(10)
            done.append("first")

        calling = asyncio.ensure_future(worker.call(long))
        await asyncio.to_thread(running.wait, 10)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        following = asyncio.ensure_future(worker.call(done.append, "second"))
        release.set()
        await following
        assert done == ["first", "second"]
        await worker.close()

    asyncio.run(story())


def test_what_an_abandoned_call_raises_is_nobodys_news() -> None:
    """An orderly end must not look like a defect in the log."""

    async def story() -> None:
        worker, running, release = Worker("target"), threading.Event(), threading.Event()
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))

        def failing() -> None:
            running.set()
            release.wait(10)
            raise OSError("the database is locked")

        calling = asyncio.ensure_future(worker.call(failing))
        await asyncio.to_thread(running.wait, 10)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        release.set()
        await worker.close(lambda: None)
        gc.collect()
        assert complaints == []

    asyncio.run(story())


def test_close_runs_the_last_call_and_ends_the_thread() -> None:
    async def story() -> None:
        worker, done = Worker("closing"), list[str]()
        calls = [asyncio.ensure_future(worker.call(done.append, "work"))]
        await asyncio.sleep(0)
        await worker.close(lambda: done.append("close"))
        await asyncio.gather(*calls)
        assert done == ["work", "close"]
        with pytest.raises(RuntimeError):
            await worker.call(done.append, "too late")

    asyncio.run(story())
