"""The catalog: types, identities, views and what is never captured."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sqlite.catalog import read_facts, read_table, type_of
from adapters.sqlite.index import qualify
from sync.model.catalog import Relation
from sync.model.schema import Kind, Type

MakeDatabase = Callable[[str], sqlite3.Connection]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("SMALLINT", Type(Kind.INT16)),
        ("integer", Type(Kind.INT64)),
        ("BigInt", Type(Kind.INT64)),
        ("CHAR(20)", Type(Kind.VARCHAR, 20)),
        ("varchar ( 7 )", Type(Kind.VARCHAR, 7)),
        ("CHARACTER  VARYING(9)", Type(Kind.VARCHAR, 9)),
        ("VARCHAR", Type(Kind.TEXT)),
        ("TEXT", Type(Kind.TEXT)),
        ("BLOB", Type(Kind.BYTES)),
        ("DOUBLE PRECISION", Type(Kind.FLOAT)),
        ("DECIMAL(10, 2)", Type(Kind.ANY)),
        ("DATE", Type(Kind.ANY)),
        ("BOOLEAN", Type(Kind.ANY)),
        ("", Type(Kind.ANY)),
        (None, Type(Kind.ANY)),
        ("CHAR(20", Type(Kind.ANY)),
    ],
)
def test_declared_types(declared: str | None, expected: Type) -> None:
    assert type_of(declared) == expected


@given(st.text())
def test_any_declared_type_has_a_logical_one(declared: str) -> None:
    assert isinstance(type_of(declared), Type)


@pytest.mark.parametrize(
    ("ddl", "key", "nullable"),
    [
        ("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", ("a",), "b"),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY DESC, b)", ("a",), "ab"),
        ("CREATE TABLE t (a INT PRIMARY KEY, b)", ("a",), "ab"),
        ("CREATE TABLE t (a INT PRIMARY KEY, b) WITHOUT ROWID", ("a",), "b"),
        ("CREATE TABLE t (a NOT NULL, b NOT NULL, PRIMARY KEY (b, a))", ("b", "a"), ""),
        ("CREATE TABLE t (a NOT NULL UNIQUE, b)", ("a",), "b"),
        ("CREATE TABLE t (a PRIMARY KEY, b NOT NULL UNIQUE)", ("b",), "a"),
        ("CREATE TABLE t (a UNIQUE, b)", (), "ab"),
        ("CREATE TABLE t (a NOT NULL, b); CREATE UNIQUE INDEX i ON t (a) WHERE b", (), "b"),
        ("CREATE TABLE t (a NOT NULL, b); CREATE UNIQUE INDEX i ON t (abs(a))", (), "b"),
        ("CREATE TABLE t (a NOT NULL, b); CREATE INDEX i ON t (a)", (), "b"),
        ("CREATE TABLE t (a, b)", (), "ab"),
    ],
)
def test_identity_is_unique_only_where_sqlite_makes_it_so(
    database: MakeDatabase, ddl: str, key: tuple[str, ...], nullable: str
) -> None:
    table = read_table(database(ddl), "t")
    assert table is not None
    assert tuple(table.schema.columns[index].name for index in table.schema.key) == key
    assert "".join(column.name for column in table.schema.columns if column.nullable) == nullable


def test_views_name_their_tables_through_other_views(database: MakeDatabase) -> None:
    """Invariant 5: a view over call data must be known as one."""
    facts = read_facts(
        database("""
        CREATE TABLE calls (a); CREATE TABLE "Other Calls" (a); CREATE TABLE z (a);
        CREATE VIEW inner_view AS SELECT c.a FROM calls AS c UNION SELECT a FROM "Other Calls";
        CREATE VIEW outer_view (x) AS WITH q AS (SELECT * FROM INNER_VIEW)
            SELECT q.a FROM q, z WHERE EXISTS (SELECT 1 FROM q);
        """)
    )
    found = {fact.name: fact for fact in facts}
    assert found["outer_view"].relation is Relation.VIEW
    assert {"calls", "Other Calls", "z"} <= set(found["outer_view"].bases)
    assert found["outer_view"].schema.column_names == ("x",)
    assert set(found["inner_view"].bases) == {"calls", "Other Calls"}


def test_virtual_and_shadow_tables_are_other(database: MakeDatabase) -> None:
    facts = read_facts(database("CREATE VIRTUAL TABLE texts USING fts5 (body); CREATE TABLE plain (a)"))
    relations = {fact.name: fact.relation for fact in facts}
    assert relations.pop("plain") is Relation.TABLE
    assert len(relations) > 3
    assert set(relations.values()) == {Relation.OTHER}


def test_a_broken_view_does_not_break_the_catalog(database: MakeDatabase) -> None:
    facts = read_facts(database("CREATE TABLE t (a); CREATE VIEW v AS SELECT a FROM t; DROP TABLE t"))
    assert [(fact.name, fact.bases, fact.schema.columns) for fact in facts] == [("v", ("t",), ())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lower(a)", "lower(NEW.a)"),
        ("a || 'a' || \"A\"", "NEW.a || 'a' || NEW.\"A\""),
        ("lower(lower)", "lower(NEW.lower)"),
        ("[a] + `a` -- a\n", "NEW.[a] + NEW.`a` -- a\n"),
        ("t.a COLLATE a", "t.a COLLATE a"),
        ("json_extract(b, '$.a')", "json_extract(NEW.b, '$.a')"),
    ],
)
def test_only_column_names_are_qualified(text: str, expected: str) -> None:
    assert qualify(text, ["a", "b", "lower"], "NEW") == expected
