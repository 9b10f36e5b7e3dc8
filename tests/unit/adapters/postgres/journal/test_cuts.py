"""Invariants 1 to 3 where many write at once: who begins first may commit last, and no cut shows half of a work."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from sync.errors import DatabaseBusy
from sync.model.batch import ChunkRequest, Purpose, Transaction
from sync.model.change import Op, Row
from tests.unit.adapters.postgres.primary import Primary

Make = Callable[..., Primary]
KEYED = "CREATE TABLE t (id int PRIMARY KEY, v text)"


def keys(made: Primary) -> list[int]:
    return sorted(int(str(row[0])) for _, _, row in made.changes())


def test_late_committers_are_not_lost(journalled: Make) -> None:
    """Invariant 1: nothing is skipped by a high-water mark, and nothing deleted that was not given."""
    made = journalled(KEYED)
    with psycopg.connect(made.url) as early, psycopg.connect(made.url) as late:
        early.execute("INSERT INTO t VALUES (1, 'began first')")
        late.execute("INSERT INTO t VALUES (2, 'began second')")
        late.commit()
        assert keys(made) == [2]
        made.run("INSERT INTO t VALUES (3, 'began third')")
        made.source.confirm(made.position)
        assert keys(made) == [3]
        made.source.confirm(made.position)
        made.run("INSERT INTO t VALUES (4, 'after the confirmation')")
        early.commit()
    assert keys(made) == [1, 4]
    assert keys(made) == []
    made.source.confirm(made.position)
    assert made.ask("SELECT * FROM admin_sync.journal") == []


def test_what_was_not_confirmed_comes_again_with_what_came_late(journalled: Make) -> None:
    made = journalled(KEYED)
    with psycopg.connect(made.url) as early:
        early.execute("INSERT INTO t VALUES (1, 'a')")
        made.run("INSERT INTO t VALUES (2, 'b')")
        assert keys(made) == [2]
        made.source.confirm(made.position)
        made.run("INSERT INTO t VALUES (3, 'c')")
        assert keys(made) == [3]
        early.commit()
    made.reopen()
    assert keys(made) == [1, 3]


def test_savepoints_belong_to_their_transaction(journalled: Make) -> None:
    made = journalled(KEYED)
    with psycopg.connect(made.url) as app:
        app.execute("INSERT INTO t VALUES (1, 'a')")
        app.execute("SAVEPOINT s; INSERT INTO t VALUES (2, 'b'); RELEASE s")
        app.execute("SAVEPOINT s; INSERT INTO t VALUES (3, 'c'); ROLLBACK TO s")
        made.run("INSERT INTO t VALUES (9, 'z')")
        assert keys(made) == [9]
        app.commit()
    assert keys(made) == [1, 2]


def test_a_table_that_is_rewritten_while_it_is_read_is_not_seen_as_empty(journalled: Make) -> None:
    """Invariant 1: a snapshot from before a rewrite shows no row at all, and every noted one would be deleted."""
    made = journalled("CREATE TABLE t (id int PRIMARY KEY, v varchar(5), mine int)", "t.mine")
    made.run("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
    with psycopg.connect(made.url) as app:
        app.execute("ALTER TABLE t ALTER mine TYPE bigint")
        found: list[tuple[str, str, Row]] = []
        reader = threading.Thread(target=lambda: found.extend(made.changes()))
        reader.start()
        made.await_lock()
        app.commit()
        reader.join()
    assert sorted(found) == [("t", "UPSERT", (1, "a")), ("t", "UPSERT", (2, "b"))]


def test_a_lock_that_lasts_is_worth_another_try(journalled: Make) -> None:
    made = journalled(KEYED)
    made.run("INSERT INTO t VALUES (1, 'a')")
    made.source._connection.execute("SET lock_timeout = '50ms'")  # type: ignore[attr-defined]
    with psycopg.connect(made.url) as app:
        app.execute("LOCK TABLE t")
        with pytest.raises(DatabaseBusy):
            made.read()
    assert keys(made) == [1]


def test_what_the_server_could_still_lose_is_not_given(journalled: Make) -> None:
    """Invariant 9: a commit that did not wait for the disk is made durable before it leaves."""
    made = journalled(KEYED)
    made.run("SET synchronous_commit = off", "INSERT INTO t VALUES (1, 'a')")
    ((written,),) = made.ask("SELECT pg_current_wal_insert_lsn()::text")
    assert keys(made) == [1]
    assert made.ask(f"SELECT pg_current_wal_flush_lsn() >= '{written!s}'") == [(True,)]


@pytest.mark.slow
def test_every_cut_is_a_moment(journalled: Make) -> None:
    """Invariants 1, 2 and 4: money moves between accounts, and no cut and no chunk has more or less of it."""
    accounts_20 = "INSERT INTO t SELECT n, 100 FROM generate_series(0, 19) n"
    made = journalled(f"CREATE TABLE t (id int PRIMARY KEY, v int); {accounts_20}", part_rows_max=7)
    stopping = threading.Event()
    writers = [threading.Thread(target=move_money, args=(made.url, stopping, seed)) for seed in range(4)]
    for writer in writers:
        writer.start()
    accounts: dict[Row, Row] = {}
    try:
        until = time.monotonic() + 4
        for number in range(10_000):
            request = ChunkRequest(1, number, "t", Purpose.REPLACE) if number % 5 == 0 else None
            replay(made.read(request), accounts, known=number > 0)
            if number % 3 == 0:
                made.source.confirm(made.position)
            if time.monotonic() > until:
                break
    finally:
        stopping.set()
        for writer in writers:
            writer.join()
    replay(made.read(), accounts)
    assert sorted(accounts.values()) == made.ask("SELECT * FROM t ORDER BY 1")


def move_money(url: str, stopping: threading.Event, seed: int) -> None:
    """Transactions that overlap, some of them slow to commit, some never."""
    chance = random.Random(seed)
    with psycopg.connect(url) as app:
        while not stopping.is_set():
            one, other = sorted(chance.sample(range(20), 2))
            app.execute("UPDATE t SET v = v - 1 WHERE id = %s", (one,))
            if chance.random() < 0.3:
                stopping.wait(0.02)
            app.execute("UPDATE t SET v = v + 1 WHERE id = %s", (other,))
            if chance.random() < 0.2:
                app.rollback()
            else:
                app.commit()


def replay(found: list[Transaction], accounts: dict[Row, Row], *, known: bool = True) -> None:
    """Do to the accounts what was read, and count the money at the end of each transaction."""
    for transaction in found:
        for block in transaction.blocks:
            for change in block.changes():
                assert change.op is Op.UPSERT
                accounts[change.key] = change.row
        for chunk in transaction.chunks:
            rows: dict[Row, Row] = {row[:1]: row for row in zip(*chunk.columns, strict=True)}
            assert not known or rows == accounts
            accounts.update(rows)
        if transaction.last:
            assert sum(int(str(row[1])) for row in accounts.values()) == 2000
