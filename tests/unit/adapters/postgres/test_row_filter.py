"""A row filter is only said where the server judges every row as the filter in core does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.postgres.catalog import Table, read_tables
from adapters.postgres.connection import Connection, connect
from adapters.postgres.row_filter import filter_of
from sync.core.predicate import parse
from sync.model.change import Row
from tests.postgres import cluster

pytestmark = pytest.mark.postgres

_INTEGER = st.integers(-2, 2).map(str)
_TEXT = st.sampled_from(["'a'", "'A'", "'é'", "''", r"'\'", "'it''s'"])
_SIGN = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
_ATOM = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from(["n", '"N o"']), _SIGN, _INTEGER),
    st.builds("{} {} {}".format, _INTEGER, _SIGN, st.just("n")),
    st.builds("{} {} {}".format, st.just("t"), st.sampled_from(["=", "<>"]), _TEXT),
    st.builds("{} {}IN ({}, {})".format, st.just("n"), st.sampled_from(["", "NOT "]), _INTEGER, _INTEGER),
    st.builds("t IN ({}, {})".format, _TEXT, _TEXT),
    st.builds("n {}BETWEEN {} AND {}".format, st.sampled_from(["", "NOT "]), _INTEGER, _INTEGER),
    st.builds("{} IS {}NULL".format, st.sampled_from(["n", "t"]), st.sampled_from(["", "NOT "])),
)
_RULE = st.recursive(
    _ATOM,
    lambda inner: st.one_of(
        st.builds("({}) {} {}".format, inner, st.sampled_from(["AND", "OR"]), inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=5,
)
_ROWS: list[Row] = [
    (n, other, t) for n in (None, -2, 0, 1, 2) for other in (None, 1) for t in (None, "a", "A", "é", "", "\\", "it's")
]


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """A database with two tables."""
    with cluster().database() as url:
        made = connect(url)
        made.execute('CREATE TABLE r (n int, "N o" bigint, t text)')
        made.execute("ALTER TABLE r REPLICA IDENTITY FULL")
        with made.cursor() as cursor:
            cursor.executemany("INSERT INTO r VALUES (%s, %s, %s)", _ROWS)
        made.execute("CREATE TABLE k (id int PRIMARY KEY, v int, d date, m numeric)")
        yield made
        made.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_RULE)
def test_the_server_judges_as_core_does(connection: Connection, rule: str) -> None:
    """Invariants 1 and 5."""
    table = read_tables(connection)["r"]
    said, why = filter_of(table, rule)
    assert (bool(said), why) == (True, "")
    found = connection.execute(f'SELECT n, "N o", t FROM r WHERE {said}'.encode()).fetchall()
    columns = tuple(map(list, zip(*_ROWS, strict=True)))
    holds = parse(rule, "postgres").bind(table.schema).holds(columns)
    assert sorted(map(repr, found)) == sorted(repr(row) for row, inside in zip(_ROWS, holds, strict=True) if inside)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("v = 1", "replica identity"),
        ("id = 1.5", "another kind"),
        ("id = '1'", "another kind"),
        ("id = 99999999999999999999", "another kind"),
        ("id + 1 = 2", "more than comparisons"),
        ("d = '2026-01-01'", "neither an integer nor a text"),
        ("m = 1", "neither an integer nor a text"),
        ("id BETWEEN SYMMETRIC 2 AND 1", "form that is not known"),
        ("id = 1 = true", "more than comparisons"),
        ("id =", "more than comparisons"),
        ("(" * 3000 + "id = 1" + ")" * 3000, "more than comparisons"),
    ],
)
def test_all_else_stays_with_us(connection: Connection, rule: str, why: str) -> None:
    table: Table = read_tables(connection)["k"]
    said, found = filter_of(table, rule)
    assert said == ""
    assert why in found
