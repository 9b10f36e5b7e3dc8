"""Key ranges: every row in exactly one, in the order of bytes whatever collation the column declares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.postgres.catalog import Table, read_tables
from adapters.postgres.connection import Connection, connect
from adapters.postgres.ranges import last_key, read_range
from sync.errors import DatabaseRefused
from sync.model.change import Row, Value
from sync.model.schema import Column, Kind, TableSchema, Type
from tests.postgres import cluster

pytestmark = pytest.mark.postgres

DDL = """
CREATE TABLE keyed (b text COLLATE "C.utf8", a int, v text, PRIMARY KEY (a, b));
CREATE TABLE loose (a int, b text, c bytea);
CREATE TABLE odd (k text[] PRIMARY KEY);
"""
_TEXT = st.sampled_from(["", "a", "B", "b", "é", "z", "ab", " ", "😀", "\uffff"])
_LOOSE = st.tuples(
    st.one_of(st.none(), st.integers(-1, 1)), st.one_of(st.none(), _TEXT), st.sampled_from([None, b"", b"\0", b"a"])
)
_KEYED = st.tuples(_TEXT, st.integers(-2, 2), st.none())


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """A database with both tables."""
    with cluster().database() as url:
        made = connect(url)
        made.execute(DDL.encode())
        yield made
        made.close()


def sort_key(schema: TableSchema, row: Row) -> list[tuple[int, bytes]]:
    """NULL first, then numbers by value and texts by bytes."""

    def of(value: Value) -> tuple[int, bytes]:
        if value is None:
            return 0, b""
        if isinstance(value, int):
            return value + 10, b""
        return 1, value.encode() if isinstance(value, str) else bytes(value)  # type: ignore[arg-type]

    return [of(row[index]) for index in schema.identity]


def fill(connection: Connection, table: Table, rows: list[Row]) -> None:
    """The table holds exactly these rows."""
    connection.execute(f"DELETE FROM {table.quoted}".encode())
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table.quoted} VALUES (%s, %s, %s)".encode(), rows)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.one_of(
        st.tuples(st.just("loose"), st.lists(_LOOSE, max_size=12)),
        st.tuples(st.just("keyed"), st.lists(_KEYED, max_size=12, unique_by=lambda row: row[:2])),
    ),
    limit=st.integers(1, 5),
)
def test_ranges_tile_a_table(connection: Connection, rows: tuple[str, list[Row]], limit: int) -> None:
    """Every row stands in exactly one range, equal ones together, and ranges come in key order."""
    name, held = rows
    table = read_tables(connection)[name]
    fill(connection, table, held)
    seen: list[Row] = []
    after: Row | None = None
    while True:
        upto = last_key(connection, table, table.schema, after, limit)
        found = list(zip(*read_range(connection, table, table.schema, after, upto), strict=True))
        assert upto is None or len(found) >= limit
        seen += found
        if upto is None:
            break
        after = upto
    assert seen == sorted(held, key=lambda row: sort_key(table.schema, row))


def test_a_missing_column_is_named(connection: Connection) -> None:
    table = read_tables(connection)["loose"]
    schema = TableSchema("loose", (*table.schema.columns, Column("gone", Type(Kind.TEXT))))
    with pytest.raises(DatabaseRefused, match="gone"):
        read_range(connection, table, schema, None, None)


def test_a_type_with_an_order_of_its_own_is_ordered_by_its_text(connection: Connection) -> None:
    """As the other end orders it, which may be a database without such a type."""
    table = read_tables(connection)["odd"]
    connection.execute("""INSERT INTO odd VALUES ('{B}'), ('{a}'), ('{"a b"}'), ('{}')""")
    (keys,) = read_range(connection, table, table.schema, None, None)
    assert keys == sorted(map(str, keys))
    assert last_key(connection, table, table.schema, None, 2) == (keys[1],)
    assert read_range(connection, table, table.schema, (keys[1],), (keys[2],)) == ([keys[2]],)
