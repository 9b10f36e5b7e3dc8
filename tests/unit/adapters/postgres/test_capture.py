"""What the log says about everything that an application may do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

import psycopg
import pytest

from adapters.postgres.source import PostgresSource
from adapters.postgres.stream import Stream
from sync.model.batch import ChunkRequest, Purpose, Transaction
from sync.model.change import ABSENT, Op, Row
from tests.unit.adapters.postgres.primary import Primary

Make = Callable[..., Primary]
KEYED = "CREATE TABLE t (id int PRIMARY KEY, v text)"
LARGE = "repeat(md5(random()::text), 400)"


def test_unchanged_large_values_are_absent(primary: Make) -> None:
    made = primary("CREATE TABLE t (id int PRIMARY KEY, small int, large text)")
    made.run("ALTER TABLE t ALTER large SET STORAGE EXTERNAL", "INSERT INTO t VALUES (1, 1, repeat('x', 9000))")
    made.read()
    made.run("UPDATE t SET small = 2")
    assert made.changes() == [("t", "UPDATE", (1, 2, ABSENT))]


def test_a_large_value_goes_along_with_a_row_that_moves(primary: Make) -> None:
    """Invariant 1."""
    made = primary("CREATE TABLE t (id int PRIMARY KEY, large text NOT NULL)")
    made.run("ALTER TABLE t ALTER large SET STORAGE EXTERNAL", "INSERT INTO t VALUES (1, repeat('x', 9000))")
    made.read()
    made.run("UPDATE t SET id = 2")
    assert made.changes() == [("t", "DELETE", (1, ABSENT)), ("t", "UPSERT", (2, "x" * 9000))]


def test_the_whole_old_row_tells_unchanged_values_and_moves(primary: Make) -> None:
    made = primary("CREATE TABLE t (id int PRIMARY KEY, v int, large text); ALTER TABLE t REPLICA IDENTITY FULL")
    made.run("ALTER TABLE t ALTER large SET STORAGE EXTERNAL", "INSERT INTO t VALUES (1, 1, repeat('x', 9000))")
    made.read()
    made.run("UPDATE t SET v = 2", "UPDATE t SET id = 2", "DELETE FROM t")
    assert made.changes() == [
        ("t", "UPDATE", (1, 2, "x" * 9000)),
        ("t", "DELETE", (1, ABSENT, ABSENT)),
        ("t", "UPSERT", (2, 2, "x" * 9000)),
        ("t", "DELETE", (2, ABSENT, ABSENT)),
    ]


def test_a_deferrable_key_is_the_identity_where_whole_rows_are_logged(primary: Make) -> None:
    made = primary("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v int); ALTER TABLE t REPLICA IDENTITY FULL")
    made.run("INSERT INTO t VALUES (1, 1), (2, 2)", "UPDATE t SET v = 3 WHERE id = 1", "UPDATE t SET id = 3 - id")
    assert sorted(made.changes()[2:]) == [
        ("t", "DELETE", (1, ABSENT)),
        ("t", "DELETE", (2, ABSENT)),
        ("t", "UPDATE", (1, 3)),
        ("t", "UPSERT", (1, 2)),
        ("t", "UPSERT", (2, 3)),
    ]


def test_a_reader_that_confirms_nothing_keeps_its_session(primary: Make) -> None:
    """However long the other side stands still: the server's questions are answered by whoever waits."""
    made = primary(KEYED)
    made.source.close()
    made.source = PostgresSource(f"{made.url}&options=-c%20wal_sender_timeout%3D1s")
    made.source.open(made.tables, made.position)
    made.run("INSERT INTO t VALUES (1, 'a')")
    assert len(made.changes()) == 1
    reader = "SELECT active_pid FROM pg_replication_slots WHERE database = current_database()"
    before, until = made.ask(reader), monotonic() + 3.5
    while monotonic() < until:
        made.source.wait(0.25)
    assert made.ask(reader) == before
    made.run("INSERT INTO t VALUES (2, 'b')")
    assert [row for _, _, row in made.changes()] == [(2, "b")]


def test_a_unique_index_can_be_the_identity(primary: Make) -> None:
    ddl = (
        "CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, b int NOT NULL, v int); CREATE UNIQUE INDEX u ON t (b, a)"
    )
    made = primary(f"{ddl}; ALTER TABLE t REPLICA IDENTITY USING INDEX u")
    assert made.tables["t"].key_names == ("b", "a")
    made.run("INSERT INTO t VALUES (1, 'a', 2, 3)", "DELETE FROM t")
    assert made.changes()[1] == ("t", "DELETE", (ABSENT, "a", 2, ABSENT))


def test_partitions_are_their_root(primary: Make) -> None:
    made = primary(
        "CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE t2 (v text, id int NOT NULL); ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (10) TO (20)"
    )
    assert list(made.tables) == ["t"]
    made.run("INSERT INTO t VALUES (1, 'a'), (12, 'b')", "UPDATE t SET id = 13 WHERE id = 1", "DELETE FROM t2")
    made.run("TRUNCATE t")
    assert made.changes() == [
        ("t", "INSERT", (1, "a")),
        ("t", "INSERT", (12, "b")),
        ("t", "DELETE", (1, ABSENT)),
        ("t", "INSERT", (13, "a")),
        ("t", "DELETE", (12, ABSENT)),
        ("t", "DELETE", (13, ABSENT)),
        ("t", "TRUNCATE", (ABSENT, ABSENT)),
    ]


def test_truncate_of_several_tables_with_cascade(primary: Make) -> None:
    made = primary("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a)")
    made.run("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)")
    made.read()
    made.run("TRUNCATE a CASCADE")
    assert sorted(made.changes()) == [("a", "TRUNCATE", (ABSENT,)), ("b", "TRUNCATE", (ABSENT,))]


def test_names_schemas_and_generated_columns(primary: Make) -> None:
    made = primary(
        'CREATE SCHEMA "O\'ther"; CREATE TABLE "O\'ther"."Mixed ""Case" ("Id" int PRIMARY KEY, "or\'der" text,'
        ' twice int GENERATED ALWAYS AS ("Id" * 2) STORED, "ü" int GENERATED ALWAYS AS IDENTITY)'
    )
    made.run('INSERT INTO "O\'ther"."Mixed ""Case" ("Id", "or\'der") VALUES (1, \'x\')')
    assert made.changes() == [("O'ther.Mixed \"Case", "INSERT", (1, "x", 1))]


def test_an_encrypted_stream_is_read_through_libpq(primary: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stream, "_is_encrypted", lambda stream: True)
    test_interleaved_transactions_come_one_after_the_other(primary)


def test_what_is_rolled_back_never_comes(primary: Make) -> None:
    made = primary(KEYED)
    made.run("BEGIN", "INSERT INTO t VALUES (1, 'a')", "ROLLBACK")
    made.run("BEGIN", "INSERT INTO t VALUES (2, 'a')", "SAVEPOINT s", "INSERT INTO t VALUES (3, 'a')")
    assert made.changes() == []
    made.run("ROLLBACK TO s", "INSERT INTO t VALUES (4, 'a')", "COMMIT", "BEGIN", "COMMIT")
    assert [row for _, _, row in made.changes()] == [(2, "a"), (4, "a")]


def test_interleaved_transactions_come_one_after_the_other(primary: Make) -> None:
    """Invariant 3."""
    made = primary(KEYED, part_rows_max=50)
    with psycopg.connect(made.url) as one, psycopg.connect(made.url) as other:
        for number in range(100):
            one.execute("INSERT INTO t VALUES (%s, 'one')", (number,))
            other.execute("INSERT INTO t VALUES (%s, 'other')", (1000 + number,))
        other.commit()
        one.commit()
    assert [row[1] for _, _, row in made.changes()] == ["other"] * 100 + ["one"] * 100


def test_local_columns_do_not_leave(primary: Make) -> None:
    """Invariant 5."""
    made = primary("CREATE TABLE t (id int PRIMARY KEY, v text, mine text)", "t.mine")
    made.run("INSERT INTO t VALUES (1, 'a', 'secret')")
    assert made.changes() == [("t", "INSERT", (1, "a"))]
    # What stays behind is named nowhere, so that it can be dropped.
    made.run("ALTER TABLE t DROP COLUMN mine")


def test_a_column_that_was_added_is_absent_from_older_rows(primary: Make) -> None:
    made = primary(KEYED)
    made.run(
        "INSERT INTO t VALUES (1, 'a')", "ALTER TABLE t ADD COLUMN w int DEFAULT 5", "INSERT INTO t VALUES (2, 'b')"
    )
    made.tables = made.survey()
    made.install()
    made.reopen()
    assert made.changes() == [("t", "INSERT", (1, "a", ABSENT)), ("t", "INSERT", (2, "b", 5))]


def test_a_table_that_is_rewritten_says_nothing(primary: Make) -> None:
    made = primary(KEYED)
    made.run("INSERT INTO t VALUES (1, '5')", "VACUUM FULL t", "ALTER TABLE t ALTER v TYPE varchar(9)")
    assert made.changes() == [("t", "INSERT", (1, "5"))]


@pytest.mark.slow
def test_chunks_are_exact_while_others_write(primary: Make) -> None:
    """Invariant 1: chunk and stream together are the table, at every chunk's position."""
    made = primary(
        "CREATE TABLE t (id text PRIMARY KEY, v int); INSERT INTO t SELECT n, 0 FROM generate_series(1, 60) n"
    )
    stopping = threading.Event()

    def write() -> None:
        with psycopg.connect(made.url, autocommit=True) as app:
            number = 0
            while not stopping.is_set():
                number += 1
                app.execute("INSERT INTO t VALUES ((%s %% 90)::text, %s) ON CONFLICT (id) DO UPDATE SET v = excluded.v",
                            (number * 7, number))  # fmt: skip
                app.execute("DELETE FROM t WHERE id = (%s %% 90)::text", (number * 11,))

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        _hold_chunks_against_the_stream(made)
    finally:
        stopping.set()
        for writer in writers:
            writer.join()


def test_a_chunk_of_a_table_that_is_being_rewritten_is_not_empty(primary: Make) -> None:
    """Invariant 1: a snapshot from before a rewrite shows no row, and every row of the target would be deleted."""
    made = primary("CREATE TABLE t (id int PRIMARY KEY, mine int)", "t.mine")
    made.run("INSERT INTO t VALUES (1, 1), (2, 2)")
    made.read()
    with psycopg.connect(made.url) as app:
        app.execute("ALTER TABLE t ALTER mine TYPE bigint")
        found: list[Transaction] = []
        request = ChunkRequest(1, 0, "t", Purpose.REPLACE)
        reader = threading.Thread(target=lambda: found.extend(made.read(request)))
        reader.start()
        made.await_lock()
        app.commit()
        reader.join()
    assert found[-1].chunks[0].columns == ([1, 2],)


def _hold_chunks_against_the_stream(made: Primary) -> None:
    rows: dict[Row, Row] = {}
    covered: Row | None = None
    # The first pass fills; every later one must find what the stream made of it.
    for number in range(60):
        found = made.read(ChunkRequest(1, number, "t", Purpose.REPLACE, covered, limit=13))
        for transaction in found:
            _replay(transaction, rows)
        (chunk,) = found[-1].chunks
        inside = {
            key: row
            for key, row in rows.items()
            if (covered is None or covered < key) and (chunk.upto is None or key <= chunk.upto)
        }
        read: dict[Row, Row] = {(row[0],): row for row in zip(*chunk.columns, strict=True)}
        if number > 15:
            assert read == inside
        for key in inside:
            del rows[key]
        rows.update(read)
        covered = chunk.upto


def _replay(transaction: Transaction, rows: dict[Row, Row]) -> None:
    for block in transaction.blocks:
        for change in block.changes():
            if change.op is Op.DELETE:
                rows.pop(change.key, None)
            else:
                rows[change.key] = change.row
