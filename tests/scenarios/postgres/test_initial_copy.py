"""The first copy, and every later one."""

from __future__ import annotations

import threading

import psycopg
import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_what_was_there_before_is_copied(pair: Pair) -> None:
    """Invariant 1."""
    pair.create(
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        "CREATE TABLE nothing (id int PRIMARY KEY)",
        "CREATE TABLE pairs (a text, b int, PRIMARY KEY (b, a))",
    )
    pair.east.run(
        "INSERT INTO t SELECT n, repeat('v', n % 50) FROM generate_series(1, 5000) n",
        "INSERT INTO pairs SELECT 'a' || n % 30, n / 30 FROM generate_series(1, 2000) n",
    )
    pair.begin()
    pair.equal()
    assert pair.verify()["equal"]


def test_a_secondary_with_rows_of_its_own_becomes_equal(pair: Pair) -> None:
    """Invariant 1: rows too many go, rows that differ are mended, unique values held by the wrong row give way."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE, v text)")
    pair.east.run("INSERT INTO t SELECT n, 'name ' || n, 'v' FROM generate_series(1, 1000) n")
    pair.west.run(
        "INSERT INTO t SELECT n, 'name ' || n, 'v' FROM generate_series(1, 900) n",
        "UPDATE t SET v = 'other' WHERE id % 3 = 0",
        "DELETE FROM t WHERE id % 10 = 0",
        "UPDATE t SET name = 'name ' || (1501 - id) WHERE id BETWEEN 600 AND 800 AND id % 10 <> 0 AND false",
        "INSERT INTO t VALUES (5000, 'name 1000', 'stale'), (0, 'nobody', 'stale')",
    )
    pair.begin()
    pair.equal()


def test_rows_written_while_they_are_copied_come_once_and_last(pair: Pair) -> None:
    """Invariants 1 and 4: a writer changes keys all over the table while it is copied."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v int)")
    pair.east.run("INSERT INTO t SELECT n * 2, 0 FROM generate_series(1, 8000) n")
    stopping = threading.Event()

    def write() -> None:
        with psycopg.connect(pair.east.url, autocommit=True) as app:
            number = 0
            while not stopping.is_set():
                number += 1
                at = number * 7919 % 16000
                app.execute(f"INSERT INTO t VALUES ({at}, 1) ON CONFLICT (id) DO UPDATE SET v = t.v + 1".encode())
                app.execute(f"DELETE FROM t WHERE id = {number * 104729 % 16000}".encode())
                app.execute(f"UPDATE t SET id = -id WHERE id = {number * 31 % 16000} AND id > 0".encode())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        pair.begin()
    finally:
        stopping.set()
        writer.join()
    pair.equal()


def test_a_copy_goes_on_after_both_nodes_were_stopped(pair: Pair) -> None:
    """Invariant 1."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)")
    pair.east.run("INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 20000) n")
    pair.install()
    pair.start()
    for side in pair.sides:
        pair.some_of("t", beyond=len(pair.west.ask("SELECT id FROM t")))
        pair.stop(side)
        pair.start(side)
    pair.copied()
    pair.equal()


def test_a_table_can_be_copied_again(pair: Pair) -> None:
    """Invariant 1: what was damaged behind the guard's back is whole again."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)", "CREATE TABLE other (id int PRIMARY KEY)")
    pair.begin()
    pair.do("INSERT INTO t SELECT n, 'v' FROM generate_series(1, 100) n")
    pair.west.run("SET LOCAL admin_sync.applying = 'on'", "DELETE FROM t WHERE id < 50", "UPDATE t SET v = 'bad'")
    assert not pair.verify()["equal"]
    pair.snapshot("t")
    pair.copied(2)
    pair.equal()
    assert pair.verify()["equal"]
