"""Row rules in Informix SQL: what holds there holds here (5), and what only Informix knows is refused by its name."""

from __future__ import annotations

import pytest

import adapters.informix  # noqa: F401 - registers the dialect, as the installed entry point does
from sync.core.predicate import parse
from sync.errors import UsageError
from sync.model.change import Columns
from sync.model.schema import Column, Kind, TableSchema, Type

TABLE = TableSchema(
    "synonyms",
    (
        Column("acd_no", Type(Kind.INT16)),
        Column("item_name", Type(Kind.CHAR, 100)),
        Column("value", Type(Kind.VARCHAR, 40)),
        Column("day", Type(Kind.DATE)),
        Column("active", Type(Kind.BOOL)),
        Column("price", Type(Kind.DECIMAL, 8, 2)),
    ),
    (0, 1),
)
ROWS: Columns = (
    [1, 2, None],
    ["Berlin*", "bonn", None],
    ["a]b", "x-y", ""],
    ["2026-02-03", "1999-12-31", None],
    [True, False, None],
    ["12.50", "0.00", None],
)


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("acd_no IN (1, 2)", [True, True, False]),
        ('item_name = "Berlin*"', [True, False, False]),
        ("item_name = 'bonn   '", [False, True, False]),
        ("item_name MATCHES 'B*'", [True, False, False]),
        (r"item_name MATCHES '*\*'", [True, False, False]),
        ("item_name MATCHES '*!*' ESCAPE '!'", [True, False, False]),
        ("item_name MATCHES '[a-c]o?n'", [False, True, False]),
        ("item_name MATCHES '[^a-c]*'", [True, False, False]),
        ("item_name NOT MATCHES 'B*'", [False, True, False]),
        ("value MATCHES 'a[]]b'", [True, False, False]),
        ("value MATCHES 'x[-]y'", [False, True, False]),
        ("value MATCHES 'x['", [False, False, False]),
        ("value MATCHES ''", [False, False, True]),
        ("item_name LIKE 'B%'", [True, False, False]),
        ("day = MDY(2, 3, 2026)", [True, False, False]),
        ("day < DATETIME(2000-01-01) YEAR TO DAY", [False, True, False]),
        ("active = 't'", [True, False, False]),
        ("active = 'F' OR acd_no IS NULL", [False, True, True]),
        ("active", [True, False, False]),
        ("NVL(acd_no, 7) = 7", [False, False, True]),
        ("price >= 12.5", [True, False, False]),
        ("value::LVARCHAR || '!' = '!'", [False, False, True]),
        ("CHAR_LENGTH(value) = 3", [True, True, False]),
        ("MOD(acd_no, 2) = 0 {even}", [False, True, False]),
        ("synonyms.acd_no = 1", [True, False, False]),
    ],
)
def test_holds(rule: str, holds: list[bool]) -> None:
    assert parse(rule, "informix").bind(TABLE).holds(ROWS) == holds


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ("day = TODAY", "TODAY"),
        ("day < CURRENT YEAR TO DAY", "CURRENT"),
        ("value = USER", "USER"),
        ("LENGTH(value) = 3", "LENGTH"),
        ("DBINFO('sessionid') = 3", "DBINFO"),
        ("acd_no = (SELECT FIRST 1 a FROM t)", "SELECT"),
        ("item_name MATCHES value", "MATCHES"),
        ("CHAR_LENGTH(item_name) = 3", "CHAR_LENGTH"),
        ("acd_no MATCHES '1*'", "MATCHES"),
        ("acd_no / 2 = 1", "quotient"),
        ("value ILIKE 'a'", "ILIKE|LIKE"),
        ("active = 'yes'", "yes"),
        ("day = '02/03/2026'", "02/03/2026"),
    ],
)
def test_refused_by_name(rule: str, names: str) -> None:
    with pytest.raises(UsageError, match=names):
        parse(rule, "informix").bind(TABLE)


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_matches_is_no_other_database_s(dialect: str) -> None:
    with pytest.raises(UsageError):
        parse("value GLOB 'a*'", dialect).bind(TABLE)
