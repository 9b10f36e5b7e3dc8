"""Every type there and back through the real driver, and what the driver does to values on its own (0, 10).

Several of these are traps for an adapter: what the driver wraps, cuts or leaves empty without a word.
"""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.drda.assumptions import Assumptions, field_of
from tests.drda.driver import connected, fails, needs_driver
from tests.drda.engine import Field, Kind, Value
from tests.drda.framing import Malformed
from tests.drda.host import Double, DoubleFailed, serving
from tests.drda.scripted import Script, Scripted
from tests.drda.values import WrongValue, decode, encode

moment = dt.datetime.fromisoformat
TYPES: list[tuple[str, Value, object]] = [
    ("SMALLINT", -32768, -32768),
    ("INTEGER", 2**31 - 1, 2**31 - 1),
    ("SERIAL", 1, 1),
    ("BIGINT", -(2**63), -(2**63)),
    ("INT8", 2**63 - 1, 2**63 - 1),
    ("FLOAT", 1.5e300, 1.5e300),
    ("SMALLFLOAT", 0.25, 0.25),
    ("DECIMAL(10,2)", Decimal("-12345678.90"), "-12345678.90"),
    ("DECIMAL(31,0)", Decimal(10**31 - 1), str(10**31 - 1)),
    ("DECIMAL(5,5)", Decimal("0.00001"), ".00001"),
    ("MONEY", Decimal("1.05"), "1.05"),
    ("DATE", "2024-02-29", dt.date(2024, 2, 29)),
    ("DATETIME HOUR TO SECOND", "23:59:58", dt.time(23, 59, 58)),
    ("DATETIME YEAR TO SECOND", "2024-02-29 23:59:58", moment("2024-02-29 23:59:58")),
    *(
        (f"DATETIME YEAR TO FRACTION({len(part)})", text, moment(f"{text:0<26}"))
        for part in ("1", "12", "123", "1234", "12345")
        for text in [f"0001-01-01 00:00:00.{part}"]
    ),
    ("DATETIME MONTH TO DAY", "02-29", "02-29"),
    ("INTERVAL DAY TO SECOND", "3 04:05:06", "3 04:05:06"),
    ("BOOLEAN", 1, 1),
    ("CHAR(4)", "é", "é  "),
    ("CHAR(2000)", "x", "x".ljust(2000)),
    ("VARCHAR(255)", "", ""),
    ("NVARCHAR(20)", "日本😀", "日本😀"),
    ("LVARCHAR(30000)", "x" * 30000, "x" * 30000),
    ("TEXT", "é" * 50_000, "é" * 50_000),
    ("TEXT", "", ""),
    ("BYTE", bytes(range(256)) * 500, bytes(range(256)) * 500),
    ("BYTE", b"", b""),
]  # fmt: skip


@needs_driver
@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize(("declared", "value", "shown"), TYPES, ids=itertools.count())
def test_a_value_comes_out_as_it_is(driver: ModuleType, declared: str, value: Value, shown: object, order: str) -> None:
    columns = [field_of("v", declared), field_of("w", declared, nullable=False), field_of("z", declared)]
    engine = Scripted({"select v, w, z from t": Script(columns=columns, rows=[(value, value, None)])})
    with serving(engine, Assumptions(byte_order=order)) as double, connected(double) as connection:
        statement = driver.exec_immediate(connection, "select v, w, z from t")
        assert driver.fetch_tuple(statement) == (shown, shown, None)
        assert driver.fetch_tuple(statement) is False


def sent(driver: ModuleType, double: Double, value: object) -> Value:
    with connected(double) as connection:
        assert driver.execute(driver.prepare(connection, "insert into t values (?)"), (value,))
    double.wait_gone()
    told: Value = double.engine("history")[0][1][0]
    return told


def taking(declared: str) -> Scripted:
    return Scripted({"insert into t values (?)": Script(parameters=[field_of("", declared)], affected=1)})


SENT: list[tuple[str, Any, Value]] = [
    ("SMALLINT", -32768, -32768),
    ("INTEGER", 2**31 - 1, 2**31 - 1),
    ("INTEGER", None, None),
    ("INTEGER", "17", 17),
    ("BIGINT", 2**63 - 1, 2**63 - 1),
    ("FLOAT", 1.5, 1.5),
    ("SMALLFLOAT", 0.25, 0.25),
    ("DECIMAL(10,2)", Decimal("-1234567.89"), Decimal("-1234567.89")),
    ("DECIMAL(10,2)", "1.05", Decimal("1.05")),
    ("DATE", "2024-02-29", "2024-02-29"),
    ("DATE", dt.date(2024, 2, 29), "2024-02-29"),
    ("DATETIME HOUR TO SECOND", "23:59:58", "23:59:58"),
    ("DATETIME YEAR TO SECOND", "2024-02-29 23:59:58", "2024-02-29 23:59:58"),
    ("DATETIME YEAR TO FRACTION(5)", "2024-02-29 23:59:58.12345", "2024-02-29 23:59:58.12345"),
    ("INTERVAL DAY TO SECOND", "3 04:05:06", "3 04:05:06"),
    ("BOOLEAN", True, 1),
    ("CHAR(4)", "é", "é"),
    ("VARCHAR(255)", "", ""),
    ("NVARCHAR(20)", "日本😀", "日本😀"),
    ("LVARCHAR(30000)", "x" * 30000, "x" * 30000),
    ("TEXT", "é" * 50_000, "é" * 50_000),
    ("TEXT", "", ""),
    ("BYTE", bytes(range(256)) * 500, bytes(range(256)) * 500),
    ("BYTE", b"", b""),
    ("BYTE", None, None),
]  # fmt: skip


@needs_driver
@pytest.mark.parametrize(("declared", "given_value", "seen"), SENT, ids=itertools.count())
def test_a_parameter_arrives_as_the_type_that_was_described(
    driver: ModuleType, declared: str, given_value: object, seen: Value
) -> None:
    with serving(taking(declared)) as double:
        assert sent(driver, double, given_value) == seen


@needs_driver
def test_large_objects_are_not_cut_where_their_description_ends(driver: ModuleType) -> None:
    large = b"\x00\xff" * 1_500_000
    with serving(taking("BYTE")) as double:
        assert sent(driver, double, large) == large
    engine = Scripted({"select v from t": Script(columns=[field_of("v", "BYTE")], rows=[(large,)])})
    with serving(engine) as double, connected(double) as connection:
        assert driver.fetch_tuple(driver.exec_immediate(connection, "select v from t")) == (large,)


@needs_driver
def test_more_parameters_than_one_group_describes(driver: ModuleType) -> None:
    insert = f"insert into t values ({', '.join('?' * 100)})"
    engine = Scripted({insert: Script(parameters=[field_of("", "INTEGER")] * 100, affected=1)})
    with serving(engine) as double, connected(double) as connection:
        assert driver.execute(driver.prepare(connection, insert), tuple(range(100)))
        assert double.engine("history") == [(insert, tuple(range(100)))]


WRONGED: list[tuple[Field, Any, Value]] = [
    (Field("", Kind.INTEGER), 2**31, -(2**31)),
    (Field("", Kind.BIGINT), Decimal("1.9"), 1),
    (Field("", Kind.VARCHAR, 4), "longer than four", "longer than four"),
    (Field("", Kind.VARCHAR, 40), 1.5, "1.50000000000000E+0"),
    (field_of("", "DATE"), "2024-02-30", "2024-02-30"),
    (field_of("", "DATETIME YEAR TO SECOND"), moment("2024-01-01 00:00:00.999999"), "2024-01-01 00:00:00.999999"),
]


@needs_driver
@pytest.mark.parametrize(("field", "given_value", "seen"), WRONGED, ids=itertools.count())
def test_what_the_driver_changes_without_a_word(
    driver: ModuleType, field: Field, given_value: object, seen: Value
) -> None:
    """An adapter has to catch each of these before it binds."""
    engine = Scripted({"insert into t values (?)": Script(parameters=[field], affected=1)})
    with serving(engine) as double:
        assert sent(driver, double, given_value) == seen


@needs_driver
@pytest.mark.parametrize(("declared", "given_value", "said"), [
    ("VARCHAR(20)", Decimal("1.5"), "CLI0100E"),
    ("INTEGER", "no number", "CLI0112E"),
    ("DATE", "no date", "CLI0113E"),
    ("DATE", moment("2024-01-01 01:01:01"), "CLI0114E"),
    ("DATE", 5, "CLI0102E"),
])  # fmt: skip
def test_what_the_driver_refuses(driver: ModuleType, declared: str, given_value: object, said: str) -> None:
    with serving(taking(declared)) as double, connected(double) as connection:
        prepared = driver.prepare(connection, "insert into t values (?)")
        with fails(said):
            driver.execute(prepared, (given_value,))
        assert double.engine("history") == []


@needs_driver
@pytest.mark.parametrize(("field", "value"), [
    (Field("v", Kind.VARCHAR, 3), "four"),
    (Field("v", Kind.CHAR, 3), "zoé"),
    (Field("v", Kind.INTEGER), 2**31),
    (Field("v", Kind.TIMESTAMP, 19), "2024-01-01 00:00:00.5"),
    (Field("v", Kind.DECIMAL, precision=3, scale=1), Decimal("100.0")),
    (Field("v", Kind.VARCHAR, 3), b"no"),
    (Field("v", Kind.INTEGER, nullable=False), None),
])  # fmt: skip
def test_a_value_that_does_not_fit_its_description_never_reaches_the_driver(
    driver: ModuleType, field: Field, value: Value
) -> None:
    """The driver would return stray memory for it."""

    def query(double: Double) -> None:
        with connected(double) as connection, fails("SQL30081N"):
            driver.exec_immediate(connection, "select v from t")

    engine = Scripted({"select v from t": Script(columns=[field], rows=[(value,)])})
    with pytest.raises(DoubleFailed, match="WrongValue"), serving(engine) as double:
        query(double)


@given(st.integers(1, 31), st.data())
def test_packed_decimals_come_back(precision: int, data: st.DataObject) -> None:
    scale = data.draw(st.integers(0, precision))
    number = Decimal(f"{data.draw(st.integers(-(10**precision) + 1, 10**precision - 1))}E-{scale}")
    field = Field("v", Kind.DECIMAL, precision=precision, scale=scale)
    block = encode(field, number, ">")
    assert decode(0x0F, precision << 8 | scale, block, 0) == (number, len(block))


@given(st.decimals(allow_nan=True, allow_infinity=True), st.integers(1, 31), st.data())
def test_a_decimal_fits_or_is_refused(number: Decimal, precision: int, data: st.DataObject) -> None:
    scale = data.draw(st.integers(0, precision))
    try:
        block = encode(Field("v", Kind.DECIMAL, precision=precision, scale=scale), number, "<")
    except WrongValue:
        return
    assert decode(0x0E, precision << 8 | scale, block, 0)[0] == number


@given(st.integers(0, 255), st.integers(0, 0xFFFF), st.binary(max_size=40))
def test_bytes_of_a_parameter_are_a_value_or_malformed(kind: int, length: int, block: bytes) -> None:
    try:
        _value, end = decode(kind, length, block, 0)
    except Malformed:
        return
    assert end <= len(block)
