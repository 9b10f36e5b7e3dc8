"""Chunks: every row once, whatever the key (1); shown on SQLite, through the dialect."""

from __future__ import annotations

import sqlite3
from functools import cache
from itertools import pairwise

import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from adapters.informix.statements import chunks
from adapters.informix.statements.statement import Column, Statement, Table
from adapters.informix.types import column_type

INTEGER = column_type(2, 4)
TABLE = Table("", "t", tuple(Column(name, INTEGER) for name in "abcd"), ("b", "a", "c"))
ROWS = st.sets(st.tuples(*[st.integers(0, 2)] * 4), max_size=25)


@cache
def for_sqlite(sql: str) -> str:
    return sqlglot.transpile(sql, "informix", "sqlite")[0]


def run(connection: sqlite3.Connection, statement: Statement, *parameters: object) -> list[tuple[int, ...]]:
    return connection.execute(for_sqlite(statement.sql), parameters).fetchall()


def filled(rows: set[tuple[int, ...]]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a, b, c, d)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    return connection


def key(row: tuple[int, ...]) -> tuple[int, ...]:
    return row[1], row[0], row[2]


@given(ROWS, st.integers(1, 5))
def test_a_walk_sees_every_row_once_and_its_ranges_hold_the_same(rows: set[tuple[int, ...]], size: int) -> None:
    one_each = {key(row): row for row in rows}
    connection = filled(set(one_each.values()))
    found = [run(connection, chunks.first(TABLE, size))]
    while found[-1]:
        behind = chunks.bound(key(found[-1][-1]))
        found.append(run(connection, chunks.following(TABLE, size), *behind))
    assert [row for chunk in found for row in chunk] == [one_each[k] for k in sorted(one_each)]
    ends: list[tuple[int, ...] | None] = [None, *(key(chunk[-1]) for chunk in found if chunk), None]
    for (low, high), chunk in zip(pairwise(ends), found, strict=True):
        statement = chunks.between(TABLE, above=low is not None, below=high is not None)
        limits = [value for end in (low, high) if end is not None for value in chunks.bound(end)]
        assert sorted(run(connection, statement, *limits)) == sorted(chunk)
    connection.close()


@given(ROWS, st.integers(1, 5))
def test_pages_of_a_table_without_a_key_hold_every_row_once(rows: set[tuple[int, ...]], size: int) -> None:
    connection = filled(rows)
    table = Table("", "t", TABLE.columns)
    pages = [run(connection, chunks.page(table, skipped, size)) for skipped in range(0, len(rows) + 1, size)]
    assert [row for page in pages for row in page] == sorted(rows)
    connection.close()
