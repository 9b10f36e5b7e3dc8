"""Tail shows changes in source order, and never slows the road (invariant 7)."""

from __future__ import annotations

import asyncio
import json

from sync.model.batch import Batch, Commit
from sync.model.change import ABSENT, Block, Op
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.node.tail import QUEUE_BATCHES_MAX, Tail, lines_of

USERS = TableSchema("users", (Column("id", Type(Kind.INT64)), Column("photo", Type(Kind.BYTES))), (0,))
LINES = TableSchema("lines", (Column("step", Type(Kind.INT64)),))


def batch(position: int = 1) -> Batch:
    """Two transactions whose changes lie in two blocks, interleaved."""
    users = Block(USERS, bytes([Op.UPSERT, Op.DELETE]), ([1, 1], [b"\x00\xff", ABSENT]), [0, 3])
    lines = Block(LINES, bytes([Op.INSERT, Op.INSERT]), ([7, 8],), [1, 2])
    commits = (Commit(Position(position), 10, 2), Commit(Position(position + 1), 20, 4))
    return Batch("east-1", 1, commits, (users, lines))


def test_lines_are_in_source_order_with_their_transaction() -> None:
    lines = list(lines_of(batch()))
    assert [(line["position"], line["table"], line["op"]) for line in lines] == [
        (1, "users", "upsert"),
        (1, "lines", "insert"),
        (2, "lines", "insert"),
        (2, "users", "delete"),
    ]
    assert lines[0]["row"] == {"id": 1, "photo": {"hex": "00ff"}}
    assert lines[3]["row"] == {"id": 1}, "what was not sent is not shown as null"
    json.dumps(lines)


def test_a_batch_without_changes_has_no_lines() -> None:
    assert list(lines_of(Batch("east-1", 1, (Commit(Position(1), 0, 0),), ()))) == []


def test_a_listener_gets_its_tables_from_now_on() -> None:
    async def story() -> None:
        tail = Tail(asyncio.get_running_loop())
        tail.offer(batch())  # nobody listens yet
        wanted = [tail.wanted]
        lines = tail.lines(["users"])
        first = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        wanted.append(tail.wanted)
        await asyncio.to_thread(tail.offer, batch(5))
        assert (await first)["position"] == 5
        assert (await anext(lines))["op"] == "delete"
        tail.close()
        assert [line async for line in lines] == []
        assert [*wanted, tail.wanted] == [False, True, False]

    asyncio.run(story())


def test_who_reads_too_slowly_misses_some_and_holds_nothing_up() -> None:
    """Invariant 7: the oldest goes, the newest comes."""

    async def story() -> None:
        tail = Tail(asyncio.get_running_loop())
        lines = tail.lines()
        first = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        for position in range(1, QUEUE_BATCHES_MAX + 50):
            tail._offer(batch(position))
        await first
        tail.close()
        seen = [line["position"] async for line in lines]
        assert seen[-1] == QUEUE_BATCHES_MAX + 50
        assert len(seen) <= 4 * QUEUE_BATCHES_MAX

    asyncio.run(story())
