"""Types: a replay of the catalog's rows, one for every coltype, length and qualifier that is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.informix import qualifiers
from adapters.informix.types import column_type, declared
from sync.model.schema import Kind, Type

FRACTION = Type(Kind.TIME, qualifier="fraction to fraction(5)")
DAYS = Type(Kind.INTERVAL, qualifier="day to fraction(5)")
CATALOG = [
    (0, 20, "", "CHAR(20)", Type(Kind.CHAR, 20)),
    (256, 1, "", "CHAR(1)", Type(Kind.CHAR, 1)),
    (1, 2, "", "SMALLINT", Type(Kind.INT16)),
    (2, 4, "", "INTEGER", Type(Kind.INT32)),
    (3, 8, "", "FLOAT", Type(Kind.FLOAT)),
    (4, 4, "", "SMALLFLOAT", Type(Kind.FLOAT)),
    (5, 8 * 256 + 2, "", "DECIMAL(8,2)", Type(Kind.DECIMAL, 8, 2)),
    (5, 32 * 256, "", "DECIMAL(32,0)", Type(Kind.DECIMAL, 32)),
    (5, 16 * 256 + 255, "", "DECIMAL(16)", Type(Kind.DECIMAL)),
    (6 + 256, 4, "", "SERIAL", Type(Kind.INT32)),
    (7, 4, "", "DATE", Type(Kind.DATE)),
    (8, 16 * 256 + 2, "", "MONEY(16,2)", Type(Kind.MONEY, 16, 2)),
    (10, 3594, "", "DATETIME YEAR TO SECOND", Type(Kind.DATETIME, qualifier="year to second")),
    (10, 4365, "", "DATETIME YEAR TO FRACTION(3)", Type(Kind.DATETIME, qualifier="year to fraction(3)")),
    (10, 4879, "", "DATETIME YEAR TO FRACTION(5)", Type(Kind.DATETIME, qualifier="year to fraction(5)")),
    (10, 8 * 256 + 4, "", "DATETIME YEAR TO DAY", Type(Kind.DATE)),
    (10, 4 * 256 + 2 * 16 + 4, "", "DATETIME MONTH TO DAY", Type(Kind.DATETIME, qualifier="month to day")),
    (10, 1642, "", "DATETIME HOUR TO SECOND", Type(Kind.TIME, qualifier="hour to second")),
    (10, 5 * 256 + 12 * 16 + 15, "", "DATETIME FRACTION TO FRACTION(5)", FRACTION),
    (14, 6 * 256 + 0 * 16 + 2, "", "INTERVAL YEAR TO MONTH", Type(Kind.INTERVAL, qualifier="year to month")),
    (14, 9 * 256 + 4 * 16 + 10, "", "INTERVAL DAY(3) TO SECOND", Type(Kind.INTERVAL, qualifier="day(3) to second")),
    (14, 13 * 256 + 4 * 16 + 15, "", "INTERVAL DAY TO FRACTION(5)", DAYS),
    (14, 9 * 256 + 6 * 16 + 6, "", "INTERVAL HOUR(9) TO HOUR", Type(Kind.INTERVAL, qualifier="hour(9) to hour")),
    (11, 56, "", "BYTE", Type(Kind.BYTES)),
    (12, 56, "", "TEXT", Type(Kind.TEXT)),
    (13, 40, "", "VARCHAR(40)", Type(Kind.VARCHAR, 40)),
    (13, 5 * 256 + 20, "", "VARCHAR(20,5)", Type(Kind.VARCHAR, 20)),
    (13, 200 * 256 + 255 - 65536, "", "VARCHAR(255,200)", Type(Kind.VARCHAR, 255)),
    (15, 9, "", "NCHAR(9)", Type(Kind.CHAR, 9)),
    (16, 255, "", "NVARCHAR(255)", Type(Kind.VARCHAR, 255)),
    (17, 10, "", "INT8", Type(Kind.INT64)),
    (18 + 256, 10, "", "SERIAL8", Type(Kind.INT64)),
    (40, 2048, "lvarchar", "LVARCHAR(2048)", Type(Kind.VARCHAR, 2048)),
    (43, 32739, "", "LVARCHAR(32739)", Type(Kind.VARCHAR, 32739)),
    (40 + 0x800 + 0x2000, 300, "postcode", "LVARCHAR(300)", Type(Kind.VARCHAR, 300)),
    (41, 1, "boolean", "BOOLEAN", Type(Kind.BOOL)),
    (41 + 0x800 + 0x4000, 1, "yesno", "BOOLEAN", Type(Kind.BOOL)),
    (45, 1, "", "BOOLEAN", Type(Kind.BOOL)),
    (41, 72, "blob  ", "BLOB", Type(Kind.BYTES)),
    (41 + 256, 72, "clob", "CLOB", Type(Kind.TEXT)),
    (2 + 0x800, 4, "acd_id", "INTEGER", Type(Kind.INT32)),
    (52, 8, "", "BIGINT", Type(Kind.INT64)),
    (53 + 256, 8, "", "BIGSERIAL", Type(Kind.INT64)),
]  # fmt: skip


@pytest.mark.parametrize(("coltype", "collength", "extended", "sql", "logical"), CATALOG)
def test_a_row_of_the_catalog(coltype: int, collength: int, extended: str, sql: str, logical: Type) -> None:
    found = column_type(coltype, collength, extended)
    assert (found.sql, found.type, found.obstacle) == (sql, logical, "")
    assert found.nullable == (not coltype & 256)
    assert found.serial == ("SERIAL" in sql)
    assert found.large == (sql in {"BYTE", "TEXT", "BLOB", "CLOB"})


@pytest.mark.parametrize(
    ("coltype", "extended", "names"),
    [
        (19, "", "SET"),
        (20, "", "MULTISET"),
        (21 + 256, "", "LIST"),
        (22, "", "ROW"),
        (23, "", "COLLECTION"),
        (4118, "person", "ROW"),
        (40, "json", "JSON"),
        (41, "", "OPAQUE"),
        (2061, "", "IDSSECURITYLABEL"),
        (2061 + 256, "", "IDSSECURITYLABEL"),
        (9, "", "coltype 9"),
        (99, "", "coltype 99"),
    ],
)
def test_what_can_not_be_carried_says_why(coltype: int, extended: str, names: str) -> None:
    found = column_type(coltype, 0, extended)
    assert found.obstacle.startswith(names)
    assert not found.sql


@given(st.integers(-70_000, 70_000), st.integers(-70_000, 70_000), st.text(max_size=8))
def test_any_row_of_a_catalog_has_a_type_or_an_obstacle(coltype: int, collength: int, extended: str) -> None:
    found = column_type(coltype, collength, extended)
    assert bool(found.sql) != bool(found.obstacle)


@st.composite
def spans(draw: st.DrawFn) -> qualifiers.Qualifier:
    first, last = sorted(draw(st.tuples(st.integers(0, 6), st.integers(0, 6))))
    scale = draw(st.integers(1, 5)) if last == 6 else 0
    return qualifiers.Qualifier(qualifiers.UNITS[first], qualifiers.UNITS[last], 0, scale)


@given(spans())
def test_a_qualifier_is_packed_and_read_again(span: qualifiers.Qualifier) -> None:
    assert qualifiers.parse(span.sql) == span
    assert qualifiers.unpacked(qualifiers.packed(span), interval=False) == span


@pytest.mark.parametrize("length", [16, 0x04_A0, 0x04_10, 0x04_D0, 0x04_F0])
def test_a_length_that_is_no_qualifier_raises(length: int) -> None:
    with pytest.raises(ValueError, match="no qualifier"):
        qualifiers.unpacked(length, interval=False)


@pytest.mark.parametrize(
    ("logical", "sql"),
    [
        *((logical, sql) for _, _, _, sql, logical in CATALOG if sql.split("(")[0] in {"CHAR", "SMALLINT", "INTEGER"}),
        (Type(Kind.BOOL), "BOOLEAN"),
        (Type(Kind.INT64), "BIGINT"),
        (Type(Kind.VARCHAR, 255), "VARCHAR(255)"),
        (Type(Kind.VARCHAR, 256), "LVARCHAR(256)"),
        (Type(Kind.VARCHAR, 40_000), "TEXT"),
        (Type(Kind.CHAR, 40_000), "TEXT"),
        (Type(Kind.TEXT), "TEXT"),
        (Type(Kind.JSON), "TEXT"),
        (Type(Kind.BYTES), "BYTE"),
        (Type(Kind.DECIMAL, 8, 2), "DECIMAL(8,2)"),
        (Type(Kind.DECIMAL, 8), "DECIMAL(8,0)"),
        (Type(Kind.DECIMAL), "DECIMAL(32)"),
        (Type(Kind.MONEY, 16, 2), "MONEY(16,2)"),
        (Type(Kind.DATE), "DATE"),
        (Type(Kind.TIME, qualifier="hour to fraction(6)"), "DATETIME HOUR TO FRACTION(5)"),
        (Type(Kind.DATETIME, qualifier="year to second"), "DATETIME YEAR TO SECOND"),
        (Type(Kind.INTERVAL), "INTERVAL DAY(9) TO FRACTION(5)"),
        (Type(Kind.INTERVAL, qualifier="year to month"), "INTERVAL YEAR TO MONTH"),
        (Type(Kind.UUID), "CHAR(36)"),
    ],
)
def test_a_logical_type_is_declared(logical: Type, sql: str) -> None:
    assert declared(logical) == sql


@pytest.mark.parametrize(
    "logical",
    [Type(Kind.ANY), Type(Kind.DECIMAL, 33, 2), Type(Kind.DATETIME, qualifier="year to second with time zone")],
)
def test_a_type_without_a_counterpart_is_refused(logical: Type) -> None:
    with pytest.raises(ValueError, match=r".+"):
        declared(logical)
