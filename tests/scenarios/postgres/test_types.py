"""Values of every type, at their edges, in rows and in keys."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres

VALUES = {
    "smallint": ("-32768", "32767", "0"),
    "integer": ("-2147483648", "2147483647"),
    "bigint": ("-9223372036854775808", "9223372036854775807"),
    "oid": ("4294967295",),
    "boolean": ("true", "false"),
    "real": ("'1e-45'", "'3.4028235e38'", "'NaN'", "'-Infinity'", "'-0'", "0.1"),
    "double precision": ("'5e-324'", "'1.7976931348623157e308'", "'NaN'", "'Infinity'", "'-0'", "0.1"),
    "numeric": ("'NaN'", "'Infinity'", "'-Infinity'", "1.50", "0.00", "10::numeric ^ 200", "'1e-300'", "-0.000001"),
    "numeric(12,3)": ("123456789.125", "-0.001", "0"),
    "numeric(3,-2)": ("12300",),
    "money": ("'-92233720368547758.08'", "'12.34'"),
    "text": ("''", "' '", r"E'tab\t nl\n cr\r bs\\ \\. \\N \b\f\v'", "'äß€😀'", "repeat('long ', 20000)"),
    "varchar(5)": ("'12345'", "''", "'äöüß€'"),
    "char(4)": ("'ab'", "''", "'    '", "'abcd'"),
    '"char"': ("'x'",),
    "name": ("'a name'",),
    "bytea": (r"'\x'", r"'\x00ff5c0a'", "decode(repeat('00', 70000), 'hex')"),
    "date": ("'2024-02-29'", "'0044-03-15 BC'", "'infinity'", "'-infinity'", "'5874897-12-31'"),
    "time": ("'00:00:00'", "'24:00:00'", "'23:59:59.999999'"),
    "time(2)": ("'12:34:56.78'",),
    "timetz": ("'12:34:56.5+05:30'", "'00:00:00-15:59:59'"),
    "timestamp": ("'2024-01-02 03:04:05.000001'", "'infinity'", "'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59'"),
    "timestamptz": ("'2024-06-01 12:00:00+02'", "'-infinity'", "'0001-01-01 00:00:00+00 BC'"),
    "interval": ("'1 year -2 days 3:04:05.6'", "'-178000000 years'", "'0'", "'1 mon -1 day -1 us'", "'infinity'"),
    "interval day to second": ("'4 days 5:06:07'",),
    "uuid": ("'00000000-0000-0000-0000-000000000000'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    "json": ("""'{"a" : 1,  "a": [null, "\\u00e4"]}'""", "'null'"),
    "jsonb": ("""'{"b": 1.50, "a": [null, "x"]}'""",),
    "jsonpath": ("'$.a[*] ? (@ > 2)'",),
    "inet": ("'10.1.2.3/8'", "'::1'"),
    "cidr": ("'10.0.0.0/8'",),
    "macaddr": ("'08:00:2b:01:02:03'",),
    "macaddr8": ("'08:00:2b:01:02:03:04:05'",),
    "bit(5)": ("B'10101'",),
    "bit varying": ("B''", "B'1100110'"),
    "tsvector": ("'a:1A fat:2B,4C cat:5D'",),
    "tsquery": ("'fat & (rat | !cat)'",),
    "point": ("'(1.5,-2)'",),
    "lseg": ("'[(0,0),(1,1)]'",),
    "box": ("'(1,1),(0,0)'",),
    "path": ("'[(0,0),(1,1),(2,0)]'", "'((0,0),(1,1))'"),
    "polygon": ("'((0,0),(1,1),(2,0))'",),
    "circle": ("'<(1,2),3>'",),
    "line": ("'{1,-1,0}'",),
    "int4range": ("'[1,10)'", "'empty'", "'(,)'"),
    "tstzrange": ("'[2024-01-01 00:00+00, infinity)'",),
    "nummultirange": ("'{[1.5,2.5),(9,)}'", "'{}'"),
    "int[]": ("'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[0:1]={5,6}'"),
    "text[]": (r"""'{"", "NULL", NULL, "a,b", "q\"q", "back\\\\slash"}'""",),
    "bytea[]": (r"""ARRAY['\x00'::bytea, '\x5c']""",),
    "pg_lsn": ("'FF/FFFFFFFF'",),
    "txid_snapshot": ("'10:20:10,14,15'",),
    "aclitem": ("'=r/postgres'",),
    "regclass": ("'pg_class'",),
    "xid": ("'123'",),
    "int2vector": ("'1 2 3'",),
    "mood": ("'glad'", "'so so'"),
    "positive": ("7",),
    "word": ("'ok'",),
    "address": ("""ROW('Main St', 5, ARRAY['a b', NULL, '"q"'])""", "ROW(NULL, NULL, NULL)"),
    "address[]": ("""ARRAY[ROW('a,b', 1, '{}'), NULL]::address[]""",),
    "floats": ("'[1.5, 2.5]'",),
}
"""Values by type, as SQL."""
OWN_TYPES = (
    "CREATE TYPE mood AS ENUM ('sad', 'so so', 'glad')",
    "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "CREATE DOMAIN word AS varchar(9) NOT NULL DEFAULT 'none' CHECK (VALUE !~ ' ')",
    "CREATE TYPE address AS (street text, number int, notes text[])",
    "CREATE TYPE floats AS RANGE (subtype = float8, subtype_diff = float8mi)",
)


def test_every_type_at_its_edges(pair: Pair) -> None:
    """Invariant 1: a value comes as it was, the first time as a copy, then as a change."""
    columns = ", ".join(f"c{at} {name}" for at, name in enumerate(VALUES))
    pair.create(*OWN_TYPES, f"CREATE TABLE t (id int PRIMARY KEY, {columns})")
    rounds = max(map(len, VALUES.values()))
    rows = [[values[n % len(values)] for values in VALUES.values()] for n in range(rounds)]
    for number, row in enumerate(rows):
        pair.east.run(f"INSERT INTO t VALUES ({number}, {', '.join(row)})")
    pair.begin()
    pair.equal()
    names = [f"c{at}" for at, _ in enumerate(VALUES)]
    nothing = [
        f"{column} = {'DEFAULT' if name == 'word' else 'NULL'}" for column, name in zip(names, VALUES, strict=True)
    ]
    pair.do(f"UPDATE t SET {', '.join(nothing)} WHERE id < 3")
    for number, row in enumerate(rows):
        put = ", ".join(f"{name} = {value}" for name, value in zip(names, row, strict=True))
        pair.east.run(f"UPDATE t SET {put} WHERE id = {(number + 1) % rounds}")
    pair.equal()
    assert pair.verify()["equal"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("text", ("'b'", "'B'", "'ä'", "'a b'", "''", "'\\'", "'z'")),
        ("char(5)", ("'b'", "'B'", "''", "'a b'")),
        ("numeric", ("1.50", "-3", "'NaN'", "1e30", "0.001", "'Infinity'")),
        ("double precision", ("'-0'", "1e300", "'NaN'", "0.1", "'-Infinity'")),
        ("bytea", (r"'\x00'", r"'\x'", r"'\xff'", r"'\x0a5c'")),
        ("timestamptz", ("'2024-01-01 00:00+05'", "'infinity'", "'2024-01-01 00:00 BC'")),
        ("date", ("'2024-01-01'", "'-infinity'", "'0001-01-01 BC'")),
        ("uuid", ("'ffffffff-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-00000000000a'")),
        ("boolean", ("true", "false")),
        ("inet", ("'10.0.0.1'", "'::1'", "'10.0.0.0/8'")),
        ("mood", ("'glad'", "'sad'", "'so so'")),
        ("int[]", ("'{1,2}'", "'{}'", "'{NULL}'", "'{10}'")),
        ("address", ("ROW('a', 1, NULL)::address", "ROW('b', NULL, NULL)::address")),
        ("int4range", ("'[1,5)'", "'empty'")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keys_of_every_type(pair: Pair, name: str, values: tuple[str, ...]) -> None:
    """Invariants 1 and 4: a row is found again by its key, and a copy walks in an order that both sides share."""
    pair.create(*OWN_TYPES, f"CREATE TABLE t (k {name} PRIMARY KEY, v int)")
    pair.west.run(f"INSERT INTO t VALUES ({values[0]}, -1)")
    pair.east.run(*(f"INSERT INTO t VALUES ({value}, {at})" for at, value in enumerate(values[1:])))
    pair.begin()
    pair.equal()
    pair.do(f"INSERT INTO t VALUES ({values[0]}, 99)", "UPDATE t SET v = v + 1")
    pair.do(f"DELETE FROM t WHERE k = {values[1]}", "UPDATE t SET v = -v")
    assert pair.verify()["equal"]


SETTINGS = (
    "datestyle = 'German'",
    "timezone = 'Asia/Kolkata'",
    "intervalstyle = 'sql_standard'",
    "extra_float_digits = -3",
    "bytea_output = 'escape'",
    "standard_conforming_strings = off",
)


def test_settings_of_databases_do_not_change_what_values_are(pair: Pair) -> None:
    """Invariant 1: how a session writes a date is its own matter."""
    for setting in SETTINGS:
        pair.east.alone(f"ALTER DATABASE {pair.east.database} SET {setting}")
    pair.west.alone(f"ALTER DATABASE {pair.west.database} SET datestyle = 'SQL, DMY'")
    pair.create("CREATE TABLE t (id int PRIMARY KEY, d date, z timestamptz, i interval, f float8, b bytea, m text)")
    row = r"'2024-12-03', '2024-06-01 12:00:00.5+02', '1 year 2 days -3:00', 0.1::float8 + 0.2, '\x5c00ff', E'a\\b'"
    pair.east.run(f"INSERT INTO t VALUES (1, {row})")
    pair.begin()
    pair.do(f"INSERT INTO t VALUES (2, {row})")
    pair.do("UPDATE t SET d = d + 40, z = z + interval '1 month' WHERE id = 1")
