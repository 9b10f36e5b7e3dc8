"""Values: exact in both directions (4), and refused where a column would hold another value."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.informix import intervals, qualifiers
from adapters.informix.binding import encode
from adapters.informix.types import ColumnType, column_type
from adapters.informix.values import decode, selected
from sync.model.value import ABSENT, Value

SMALLINT, INTEGER, SERIAL, BIGINT = (column_type(code, 0) for code in (1, 2, 6, 52))
CHAR, VARCHAR, TEXT, BYTE = column_type(0, 4), column_type(13, 4), column_type(12, 56), column_type(11, 56)
FLOAT, SMALLFLOAT, DATE, BOOLEAN = (column_type(code, 0) for code in (3, 4, 7, 45))
DECIMAL, FLOATING, MONEY = column_type(5, 8 * 256 + 2), column_type(5, 16 * 256 + 255), column_type(8, 16 * 256 + 2)


NOON = dt.datetime(2026, 2, 3, 12, 0, 7)  # noqa: DTZ001 - as drivers give it


def moment(span: str) -> ColumnType:
    return column_type(10, qualifiers.packed(qualifiers.parse(span)))


def interval(span: str) -> ColumnType:
    return column_type(14, qualifiers.packed(qualifiers.parse(span)))


@pytest.mark.parametrize(
    ("column", "given", "value"),
    [
        (INTEGER, 7, 7),
        (BIGINT, "9223372036854775807", 2**63 - 1),
        (CHAR, "ab  ", "ab"),
        (CHAR, "    ", ""),
        (VARCHAR, "a  ", "a  "),
        (BOOLEAN, "t", True),
        (BOOLEAN, "F", False),
        (BOOLEAN, 1, True),
        (BOOLEAN, False, False),
        (DECIMAL, Decimal("1.5"), "1.50"),
        (DECIMAL, "-0.00", "0.00"),
        (DECIMAL, ".5", "0.50"),
        (DECIMAL, 3, "3.00"),
        (MONEY, "$12.5", "12.50"),
        (FLOATING, Decimal("1.500"), "1.5"),
        (FLOATING, Decimal("1E+3"), "1000"),
        (FLOATING, "-.25", "-0.25"),
        (FLOAT, 0.1, 0.1),
        (SMALLFLOAT, 0.10000000149011612, 0.1),
        (SMALLFLOAT, 16777216.0, 16777216.0),
        (DATE, dt.date(2026, 2, 3), "2026-02-03"),
        (DATE, "2026-02-03", "2026-02-03"),
        (moment("year to day"), dt.date(2026, 2, 3), "2026-02-03"),
        (moment("year to fraction(5)"), "2026-02-03 04:05:06.12000", "2026-02-03 04:05:06.12"),
        (moment("year to fraction(5)"), NOON, "2026-02-03 12:00:07"),
        (moment("year to minute"), NOON, "2026-02-03 12:00"),
        (moment("hour to second"), dt.time(4, 5, 6), "04:05:06"),
        (moment("month to day"), "02-03", "02-03"),
        (moment("fraction to fraction(3)"), "120", "12"),
        (interval("day(3) to fraction(5)"), " 3 04:05:06.00007", "P3DT4H5M6.00007S"),
        (interval("hour(9) to minute"), "-100:30", "PT-100H-30M"),
        (interval("year to month"), "1-06", "P1Y6M"),
        (interval("minute to minute"), "90", "PT1H30M"),
        (interval("day to second"), "0 00:00:00", "PT0S"),
        (TEXT, "a\nb ", "a\nb "),
        (BYTE, bytearray(b"\0x"), b"\0x"),
    ],
)
def test_what_a_driver_gives_is_the_canonical_value(column: ColumnType, given: object, value: Value) -> None:
    assert decode(column, [None, given]) == [None, value]
    assert decode(column, [given]) == [value]


@pytest.mark.parametrize(
    ("column", "given"),
    [
        (BOOLEAN, "yes"),
        (DECIMAL, "1,5x"),
        (DATE, "02/03/2026"),
        (moment("year to second"), "2026-02-03"),
        (interval("day to second"), "1-06"),
        (TEXT, 5),
        (CHAR, b"a"),
    ],
)
def test_what_is_none_of_the_type_raises(column: ColumnType, given: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(column, [given])


@pytest.mark.parametrize(
    ("column", "value", "bound"),
    [
        (SMALLINT, -(2**15) + 1, -(2**15) + 1),
        (SERIAL, 5, 5),
        (BOOLEAN, True, "t"),
        (CHAR, "", ""),
        (VARCHAR, "a  ", "a  "),
        (DECIMAL, "1.50", "1.50"),
        (DECIMAL, "-999999.990", "-999999.990"),
        (FLOATING, "1234567890123456000000", "1234567890123456000000"),
        (SMALLFLOAT, 0.1, 0.1),
        (DATE, "2026-02-03", "2026-02-03"),
        (moment("year to fraction(3)"), "2026-02-03 04:05:06.12", "2026-02-03 04:05:06.120"),
        (moment("year to fraction(3)"), "2026-02-03 04:05:06", "2026-02-03 04:05:06.000"),
        (moment("year to minute"), "2026-02-03 04:05:00", "2026-02-03 04:05"),
        (moment("fraction to fraction(3)"), "12", "120"),
        (interval("day(3) to fraction(5)"), "P3DT4H5M6.00007S", "3 04:05:06.00007"),
        (interval("hour(9) to minute"), "PT-100H-30M", "-100:30"),
        (interval("year to month"), "P1Y6M", "1-06"),
        (BYTE, b"\0", b"\0"),
    ],
)
def test_a_value_that_fits_is_bound(column: ColumnType, value: Value, bound: object) -> None:
    assert encode(column, [value, None, ABSENT]) == [bound, None, ABSENT]


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        (SMALLINT, 2**15, "more than SMALLINT holds"),
        (SMALLINT, -(2**15), "NULL"),
        (INTEGER, 2**31, "more than INTEGER holds"),
        (INTEGER, -(2**31), "NULL"),
        (BIGINT, -(2**63), "NULL"),
        (BIGINT, 2**63, "more than"),
        (SERIAL, 0, "choose a number"),
        (INTEGER, "7", "belongs"),
        (CHAR, "abcde", "bytes"),
        (VARCHAR, "äbcd", "bytes"),
        (VARCHAR, "\0", "NUL"),
        (TEXT, "\0", "NUL"),
        (DECIMAL, "1.505", "does not hold"),
        (DECIMAL, "1234567.00", "does not hold"),
        (DECIMAL, "NaN", "has no NaN"),
        (FLOATING, "1" * 33, "does not hold"),
        (FLOAT, float("inf"), "has no inf"),
        (SMALLFLOAT, 0.1234567891, "32 bits"),
        (SMALLFLOAT, 1e39, "32 bits"),
        (DATE, "2026-02-03 04:05:06", "does not hold"),
        (DATE, "infinity", "does not hold"),
        (moment("year to second"), "2026-02-03 04:05:06+00", "does not hold"),
        (moment("year to second"), "2026-02-03", "does not hold"),
        (moment("year to minute"), "2026-02-03 04:05:06", "does not hold"),
        (moment("year to fraction(5)"), "2026-02-03 04:05:06.123456", "more digits"),
        (moment("month to day"), "2026-02-03", "does not hold"),
        (interval("day to second"), "P1M", "does not hold"),
        (interval("day to second"), "PT25H", "does not hold"),
        (interval("hour to second"), "P1D", "does not hold"),
        (interval("day to second"), "PT0.5S", "does not hold"),
        (interval("day to fraction(5)"), "PT0.000001S", "more digits"),
        (interval("day to second"), "P1DT-1S", "two signs"),
        (interval("day to second"), "P", "no interval"),
        (BYTE, "a", "belongs"),
    ],
)
def test_a_value_that_does_not_fit_says_why(column: ColumnType, value: Value, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        encode(column, [value])


def test_a_code_set_without_the_character_says_so() -> None:
    assert encode(VARCHAR, ["äöüß"], "iso8859-1") == ["äöüß"]
    with pytest.raises(ValueError, match="code set"):
        encode(VARCHAR, ["€"], "iso8859-1")


def test_intervals_are_read_as_text() -> None:
    assert selected(interval("day to second"), "run_for") == "run_for::CHAR(30)"
    assert selected(INTEGER, "n") == "n"


@given(
    st.integers(-(10**9) + 1, 10**9 - 1),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 99999),
)
def test_an_interval_comes_back(days: int, hours: int, minutes: int, seconds: int, fraction: int) -> None:
    span = qualifiers.parse("day(9) to fraction(5)")
    text = f"{days} {hours:02}:{minutes:02}:{seconds:02}.{fraction:05}"
    assert intervals.text(intervals.canonical(text, span), span) == text.replace("-0 ", "0 ")


@given(st.text(max_size=12) | st.from_regex(r"-?P?[0-9YMDTHS:. -]{0,12}"))
def test_no_text_is_an_interval_by_accident(text: str) -> None:
    for span in ("day to second", "year to month", "fraction to fraction(3)"):
        for read in (intervals.canonical, intervals.text):
            try:
                read(text, qualifiers.parse(span))
            except ValueError:
                continue


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_small_float_comes_back(number: float) -> None:
    (value,) = decode(SMALLFLOAT, [number])
    assert encode(SMALLFLOAT, [value]) == [value]
