"""Types there and back: what was written is read as the same canonical value, in every way it can be read."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg.pq import Format

from adapters.postgres.connection import SESSION
from adapters.postgres.types import type_of, unbounded
from sync.errors import RowRefused
from sync.model.change import ABSENT, Value
from sync.model.schema import Column, Kind, Type
from sync.model.texts import decode
from tests.postgres import major
from tests.unit.adapters.postgres.secondary import ARRAY_ROWS_MAX, Secondary

pytestmark = pytest.mark.postgres

Make = Callable[..., Secondary]

TYPES: dict[str, tuple[Type, list[Value]]] = {
    "boolean": (Type(Kind.BOOL), [True, False]),
    "smallint": (Type(Kind.INT16), [-32768, 32767]),
    "integer": (Type(Kind.INT32), [-(2**31), 0]),
    "bigint": (Type(Kind.INT64), [-(2**63), 2**63 - 1]),
    "oid": (Type(Kind.INT64), [0, 2**32 - 1]),
    "real": (Type(Kind.FLOAT), [1.1, -0.0, float("inf"), 1e-38]),
    "double precision": (Type(Kind.FLOAT), [0.1, 5e-324, 1e308, float("-inf"), float("nan")]),
    "char(4)": (Type(Kind.CHAR, 4), ["", "ab", "äöüß"]),
    "bpchar": (Type(Kind.CHAR), ["", "ab"]),
    "varchar(4)": (Type(Kind.VARCHAR, 4), ["", " a ", "äöü€"]),
    "varchar": (Type(Kind.TEXT), ["", " a "]),
    "text": (Type(Kind.TEXT), ["", "\\N", "a\tb\r\nc\\", '{",}', "NULL", "😀\x01"]),
    "bytea": (Type(Kind.BYTES), [b"", b"\\x00", bytes(range(256))]),
    "numeric": (Type(Kind.DECIMAL), ["0", "1.500", "-1" + "0" * 40, "NaN", "0.000000000001"]),
    "numeric(6,2)": (Type(Kind.DECIMAL, 6, 2), ["1.50", "-1234.00", "0.01"]),
    "numeric(3,-2)": (Type(Kind.DECIMAL, 5), ["100", "-99900"]),
    "numeric(2,4)": (Type(Kind.DECIMAL, 4, 4), ["0.0099"]),
    "money": (Type(Kind.MONEY, 19, 2), ["-1234567.50", "0.00"]),
    "date": (Type(Kind.DATE), ["2024-02-29", "0044-03-15 BC", "infinity", "10000-01-01"]),
    "time": (Type(Kind.TIME, qualifier="hour to fraction(6)"), ["00:00:00", "23:59:59.999999"]),
    "time(0)": (Type(Kind.TIME, qualifier="hour to second"), ["24:00:00"]),
    "time with time zone": (Type(Kind.TIME, qualifier="hour to fraction(6) with time zone"), ["12:00:00.5+05:30"]),
    "timestamp": (Type(Kind.DATETIME, qualifier="year to fraction(6)"), ["2024-01-02 03:04:05.12", "-infinity"]),
    "timestamp(0)": (Type(Kind.DATETIME, qualifier="year to second"), ["2024-01-02 03:04:05"]),
    "timestamp(3) with time zone": (
        Type(Kind.DATETIME, qualifier="year to fraction(3) with time zone"),
        ["2024-01-02 03:04:05.123+00"],
    ),
    "interval": (Type(Kind.INTERVAL), ["P1Y2M3DT4H5M6.7S", "PT0S", "P-1D"]),
    "interval year to month": (Type(Kind.INTERVAL, qualifier="year to month"), ["P1Y2M"]),
    "uuid": (Type(Kind.UUID), ["123e4567-e89b-12d3-a456-426614174000"]),
    "json": (Type(Kind.JSON), ['{"b":1,  "a":"\\u00e4"}']),
    "jsonb": (Type(Kind.JSON), ['{"a": "ä", "b": [1, null]}']),
    "inet": (Type(Kind.TEXT, qualifier="inet"), ["10.0.0.1/8", "::1"]),
    "bit(3)": (Type(Kind.TEXT, qualifier="bit(3)"), ["101"]),
    "bit varying": (Type(Kind.TEXT, qualifier="bit varying"), ["", "1"]),
    "integer[]": (Type(Kind.TEXT, qualifier="integer[]"), ["{}", "{1,NULL,3}", "{{1,2},{3,4}}"]),
    "text[]": (Type(Kind.TEXT, qualifier="text[]"), ['{a,"b c","\\"",NULL}']),
    "box": (Type(Kind.TEXT, qualifier="box"), ["(1,1),(0,0)"]),
    "point": (Type(Kind.TEXT, qualifier="point"), ["(1,2.5)"]),
    "xml": (Type(Kind.TEXT, qualifier="xml"), ["<a>1</a>"]),
    "int4range": (Type(Kind.TEXT, qualifier="int4range"), ["[1,5)", "empty"]),
    '"Mood"': (Type(Kind.TEXT, qualifier='"Mood"'), ["it's fine"]),
    "short": (Type(Kind.VARCHAR, 3), ["abc"]),
    "pair": (Type(Kind.TEXT, qualifier="pair"), ['(1,"a b")']),
}
FINE = Type(Kind.DATETIME, qualifier="year to fraction(6)")
ZONED = Type(Kind.DATETIME, qualifier="year to fraction(6) with time zone")
MADE = """
CREATE TYPE "Mood" AS ENUM ('sad', 'it''s fine'); CREATE DOMAIN short AS varchar(3) CHECK (VALUE <> 'bad');
CREATE TYPE pair AS (a int, b text);
"""


@pytest.mark.parametrize("copies", [1, ARRAY_ROWS_MAX + 1], ids=["arrays", "copy"])
def test_every_type_comes_back_as_it_was(secondary: Make, copies: int) -> None:
    """Invariant 1, on the way in (arrays and COPY) and on both ways out (a query and the text form of the log)."""
    missing = {"xml"} if major() >= 15 else {"xml", "numeric(3,-2)", "numeric(2,4)"}
    columns = ", ".join(f"c{at} {declared}" for at, declared in enumerate(TYPES) if declared not in missing)
    on = secondary(f"{MADE} CREATE TABLE t (id int PRIMARY KEY, {columns})")
    schema = on.tables["t"]
    kinds = {declared: found for declared, found in TYPES.items() if declared not in missing}
    assert [column.type for column in schema.columns[1:]] == [logical for logical, _ in kinds.values()]
    depth = max(len(values) for _, values in kinds.values()) + 1
    rows = [tuple((values[n] if n < len(values) else None) for _, values in kinds.values()) for n in range(depth)]
    rows = rows * copies
    on.put("t", [(n, *row) for n, row in enumerate(rows)])
    expected = [list(column) for column in zip(*rows, strict=True)]
    assert repr(list(on.target.read_range(schema, None, None)[1:])) == repr(expected)
    on.app.execute(SESSION.encode())
    cursor = on.app.execute("SELECT * FROM t ORDER BY id")
    result = cursor.pgresult
    assert result is not None
    assert cursor.format is Format.TEXT
    for at, column in enumerate(schema.columns[1:], 1):
        texts = [result.get_value(row, at) for row in range(result.ntuples)]
        assert repr(decode(column.type, texts)) == repr(expected[at - 1])


def test_absent_and_null_pass_the_decoder() -> None:
    assert decode(Type(Kind.INT32), [b"1", None, ABSENT]) == [1, None, ABSENT]
    assert decode(Type(Kind.TEXT), [b"kept", None]) == ["kept", None]


@pytest.mark.parametrize(
    ("oid", "modifier", "declared", "bare"),
    [
        (1700, 655366, "numeric(10,2)", "numeric"),
        (1042, 8, "character(4)", "bpchar"),
        (1114, 3, "timestamp(3) without time zone", "timestamp without time zone"),
        (1560, 3, "bit(3)", '"bit"'),
        (99999, -1, '"odd(1)"', '"odd(1)"'),
    ],
)
def test_bounds_are_taken_off_a_declared_type(oid: int, modifier: int, declared: str, bare: str) -> None:
    assert unbounded(oid, modifier, declared) == bare


def test_a_long_type_name_fits_the_wire() -> None:
    assert len(type_of(99999, -1, "x" * 200).qualifier) == 128


@pytest.mark.parametrize(
    ("declared", "stream", "fits", "bad"),
    [
        ("numeric(6,2)", Type(Kind.DECIMAL), "1.5000", "1.505"),
        ("numeric(6,2)", Type(Kind.FLOAT), 1.5, 1e-5),
        ("money", Type(Kind.DECIMAL, 10, 4), "1.5", "1.505"),
        ("varchar(3)", Type(Kind.TEXT), "abc", "abc "),
        ("real", Type(Kind.FLOAT), 1.1, 3.14159265),
        ("timestamp(3)", FINE, "2024-01-01 00:00:00.125", "2024-01-01 00:00:00.1255"),
        ("timestamp", ZONED, None, "2024-01-01 00:00:00+00"),
        ("date", Type(Kind.DATETIME, qualifier="year to second"), "0044-03-15 BC", "2024-01-01 10:00:00"),
        ("time(0)", Type(Kind.TEXT), "10:00:00", "10:00:00.5"),
        ("interval year to month", Type(Kind.INTERVAL), None, "P1D"),
        ("name", Type(Kind.TEXT), "x" * 63, "ä" * 32),
        ('"char"', Type(Kind.TEXT), "x", "xy"),
        ("bytea", Type(Kind.ANY), b"\\x41", "\\x41"),
        ("text", Type(Kind.ANY), "a", b"a"),
        ("text", Type(Kind.TEXT), "a", "a\0b"),
        ("text", Type(Kind.TEXT), "a", "\ud800"),
        ("integer", Type(Kind.ANY), "12", "x"),
        ("boolean", Type(Kind.ANY), 1, "perhaps"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("copies", [1, ARRAY_ROWS_MAX + 1], ids=["arrays", "copy"])
def test_nothing_is_rounded_cut_or_reinterpreted_in_silence(
    secondary: Make, copies: int, declared: str, stream: Type, fits: Value, bad: Value
) -> None:
    """Values of other databases: what a column can not hold exactly is refused with table, key and column."""
    on = secondary(f"CREATE TABLE t (id int PRIMARY KEY, v {declared})")
    schema = on.typed("t", v=Column("v", stream))
    on.tables["t"] = schema
    on.put("t", [(n, fits) for n in range(copies)])
    with pytest.raises(RowRefused) as refused:
        on.put("t", [*((n, fits) for n in range(copies)), (copies, bad)])
    assert (refused.value.table, refused.value.key, refused.value.column) == ("t", f"(id={copies})", "v")
    assert on.ask("SELECT count(*) FROM t") == [(copies,)]


def test_session_settings_survive_those_of_the_role(url: str) -> None:
    """The text forms do not depend on what the database or role prescribes."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER ROLE postgres SET DateStyle = 'SQL, DMY'")
        connection.execute("ALTER ROLE postgres SET bytea_output = 'escape'")
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SESSION.encode())
            assert connection.execute("SELECT date '2024-02-03'::text, '\\x41'::bytea::text").fetchone() == (
                "2024-02-03",
                "\\x41",
            )
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER ROLE postgres RESET ALL")
