"""Values as text input: whatever a text holds, arrays and COPY bring it in unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.postgres.catalog import Attribute
from adapters.postgres.literals import Slot, Unfit, array, copy_lines
from sync.model.change import Value
from sync.model.schema import Column, Kind, Type
from tests.postgres import cluster

pytestmark = pytest.mark.postgres

_TEXTS = st.text(
    st.one_of(st.sampled_from("\\\n\r\t\"'{},N .\b\x01\u00e9😀"), st.characters(codec="utf-8")), max_size=12
)
_COLUMN = st.lists(st.one_of(st.none(), _TEXTS.map(lambda text: text.replace("\0", ""))), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def connection() -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session with a temporary table of two texts."""
    with cluster().database() as url, psycopg.connect(url, autocommit=True) as made:
        made.execute("CREATE TEMP TABLE t (n int GENERATED ALWAYS AS IDENTITY, a text, b text)")
        yield made


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=_COLUMN)
def test_any_text_comes_in_unchanged(
    connection: psycopg.Connection[tuple[object, ...]], column: list[str | None]
) -> None:
    """Invariant 1."""
    rows = psycopg.RawCursor(connection).execute("SELECT unnest($1::text[])", (array(column),)).fetchall()
    assert [text for (text,) in rows] == column
    connection.execute("TRUNCATE t")
    other = column[::-1]
    with connection.cursor().copy("COPY t (a, b) FROM STDIN") as copy:
        copy.write(copy_lines([column, other]))
    found = connection.execute("SELECT a, b FROM t ORDER BY n").fetchall()
    assert found == list(zip(column, other, strict=True))


@pytest.mark.parametrize("bad", ["a\0b", "\udc80"])
@pytest.mark.parametrize("column", [["ü", None], ["", "x\\", "\t"]])
def test_a_text_that_no_database_holds_is_found(bad: str, column: list[str | None]) -> None:
    for send in (array, lambda texts: copy_lines([[*column, "x"], texts])):
        with pytest.raises(Unfit) as unfit:
            send([*column, bad])
        assert unfit.value.at == len(column)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=st.lists(st.floats(width=32) | st.integers(-(2**40), 2**40).map(float), min_size=1, max_size=50))
@example(column=[-73839264.0, 335401984.0, 9000128512.0, 1e-45, 1.1754943508222875e-38, 3.4028234663852886e38])
def test_whatever_a_real_column_says_fits_a_real_column(
    connection: psycopg.Connection[tuple[object, ...]], column: list[float]
) -> None:
    """Invariant 1: the server's own spelling of a 32-bit number is never taken for a number that would be rounded."""
    query = "SELECT v::real::text::float8 FROM unnest(%s::float8[]) v"
    said = cast("list[Value]", [number for (number,) in connection.execute(query, (column,)).fetchall()])
    real = Column("v", Type(Kind.FLOAT))
    assert Slot(real, Attribute(real, 1, 700, -1, "real", collatable=False, identity="")).texts(said)
