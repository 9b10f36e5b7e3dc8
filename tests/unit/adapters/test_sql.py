"""SQL text: names never become syntax, and values are always bound."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters.informix  # noqa: F401 - registers its dialect
from adapters import sql

_NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: not name.lower().startswith("sqlite_")
)


@given(table=_NAMES, columns=st.lists(_NAMES, min_size=2, max_size=4, unique_by=lambda name: name.lower()))
def test_any_name_is_only_a_name(table: str, columns: list[str]) -> None:
    connection = sqlite3.connect(":memory:")
    names = sql.names(columns, "sqlite")
    connection.execute(f"CREATE TABLE {sql.quote(table, 'sqlite')} ({names}, PRIMARY KEY ({names}))")
    row = tuple(range(len(columns)))
    connection.execute(sql.insert(table, columns, "sqlite"), row)
    connection.execute(sql.upsert(table, columns, columns, columns[1:], "sqlite"), row)
    matches = [sql.equals(column, nulls=True, collation="BINARY") for column in columns]
    assert connection.execute(sql.select(table, columns, matches, "sqlite"), row).fetchall() == [row]
    assert connection.execute(sql.delete(table, columns, "sqlite", nulls=False), row).rowcount == 1
    connection.close()


def test_null_safe_comparison_in_each_dialect() -> None:
    assert "IS ?" in sql.delete("t", ["a"], "sqlite", nulls=True)
    assert "IS NOT DISTINCT FROM" in sql.delete("t", ["a"], "postgres", nulls=True)


@given(st.text())
def test_any_text_is_a_query_or_none(text: str) -> None:
    assert sql.tables_in(text, "sqlite") is None or isinstance(sql.tables_in(text, "sqlite"), tuple)


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("CREATE VIEW v AS SELECT * FROM a JOIN b USING (x)", ("a", "b")),
        ("SELECT 1 WHERE EXISTS (WITH c AS (SELECT 1) SELECT * FROM C, d)", ("d",)),
        ("CREATE VIEW v AS VALUES (1)", ()),
    ],
)
def test_tables_of_a_query(query: str, tables: tuple[str, ...]) -> None:
    assert sql.tables_in(query, "sqlite") == tables


def test_tables_of_a_view_are_unknown_where_it_is_kept_as_text(caplog: pytest.LogCaptureFixture) -> None:
    assert sql.tables_in("CREATE VIEW v AS SELECT a FROM t", "sqlite") == ("t",)
    assert sql.tables_in('create view "cms".v (a) as select x0.a from "cms".t x0 ;', "informix") == ("t",)
    assert sql.tables_in("CREATE VIEW v AS SELECT x0.a FROM t x0, OUTER(u x1)", "informix") is None
    assert "unsupported syntax" in caplog.text
