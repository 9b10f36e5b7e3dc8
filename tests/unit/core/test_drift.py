"""Drift and widening: what is followed, what pauses a table, and that following never loses a value (invariant 1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.drift import drift
from sync.core.widening import fits, widens
from sync.model.alteration import AddColumn, CreateTable, WidenColumn
from sync.model.schema import Column, Kind, TableSchema, Type

INT, LONG, TEXT = Type(Kind.INT32), Type(Kind.INT64), Type(Kind.TEXT)
NAME = Type(Kind.VARCHAR, 20)
TYPES = st.builds(
    Type,
    st.sampled_from(Kind),
    st.integers(0, 4),
    st.integers(0, 2),
    st.sampled_from(["", "year to second", "year to fraction(3)", "year to fraction(3) with time zone", "inet"]),
)


def same(wanted: Type) -> Type:
    return wanted


def table(**columns: Type) -> TableSchema:
    return TableSchema("t", tuple(Column(name, type_) for name, type_ in columns.items()), (0,))


BEFORE = table(id=INT, name=NAME, size=INT)


def test_a_table_that_is_not_there_is_made() -> None:
    assert drift(None, BEFORE, None, same).steps == (CreateTable(BEFORE),)


def test_nothing_is_done_where_nothing_changed() -> None:
    assert drift(BEFORE, BEFORE, BEFORE, same).steps == ()
    assert drift(table(id=LONG, own=TEXT, size=INT, name=TEXT), BEFORE, None, same).steps == ()


def test_what_adds_and_widens_is_followed() -> None:
    wanted = table(id=LONG, name=Type(Kind.VARCHAR, 50), size=INT, floor=INT)
    found = drift(BEFORE, wanted, BEFORE, same)
    assert not found.refused
    assert found.steps == (AddColumn(wanted.columns[3]), WidenColumn(wanted.columns[0]), WidenColumn(wanted.columns[1]))


def test_a_target_that_holds_it_already_needs_no_widening() -> None:
    target = table(id=LONG, name=TEXT, size=INT)
    assert drift(target, table(id=LONG, name=Type(Kind.VARCHAR, 50), size=INT), BEFORE, same).steps == ()


@pytest.mark.parametrize(
    ("wanted", "difference", "remedy"),
    [
        (table(id=INT, name=NAME), "column size of t is gone on the primary", "Drop size from t"),
        (
            table(id=INT, name=NAME, extent=INT),
            "column size of t is gone on the primary, and column extent is new: perhaps renamed",
            "Rename or drop size in t",
        ),
        (
            table(id=INT, name=Type(Kind.VARCHAR, 10), size=INT),
            "column name of t was changed from varchar(20) to varchar(10) on the primary; here it is varchar(20)",
            "Give name in t the type varchar(10)",
        ),
        (
            table(id=INT, name=NAME, size=Type(Kind.BOOL)),
            "column size of t was changed from int32 to bool on the primary; here it is int32",
            "Give size in t the type bool",
        ),
    ],
)
def test_what_takes_away_renames_or_narrows_is_for_a_person(wanted: TableSchema, difference: str, remedy: str) -> None:
    found = drift(BEFORE, wanted, BEFORE, same)
    assert found.difference == difference
    assert found.remedy.startswith(remedy)
    assert found.steps == ()
    mended = drift(wanted, wanted, BEFORE, same)
    assert (mended.refused, mended.steps) == (False, ()), "the remedy ends the difference"


def test_columns_that_only_the_target_has_are_its_own() -> None:
    """Nobody dropped them: the stream never had them."""
    target = table(id=INT, name=NAME, size=INT, own=TEXT)
    assert drift(target, table(id=INT, name=NAME, size=INT, floor=INT), BEFORE, same).steps == (
        AddColumn(Column("floor", INT)),
    )


def test_a_type_that_the_database_has_no_other_form_for_is_not_narrowed() -> None:
    """SQLite declares one integer: that the primary's became smaller can not be said there."""
    target = table(id=LONG, size=LONG)
    assert drift(target, table(id=LONG, size=INT), table(id=LONG, size=LONG), lambda _: LONG).steps == ()


@given(TYPES, TYPES, TYPES)
def test_what_is_wider_is_an_order(one: Type, two: Type, three: Type) -> None:
    assert fits(one, one)
    assert widens(one, one)
    if fits(one, two) and fits(two, three):
        assert fits(one, three)
    if fits(two, one):
        assert widens(one, two)


@given(TYPES, TYPES, TYPES)
def test_a_followed_type_holds_what_both_types_hold(have: Type, was: Type, want: Type) -> None:
    """Whatever is refused or not: a step is taken only to a type that the stream's values fit, from one it widens."""
    here, before, wanted = (TableSchema("t", (Column("c", each),)) for each in (have, was, want))
    found = drift(here, wanted, before, same)
    if found.refused:
        assert not widens(was, want)
        return
    for step in found.steps:
        assert isinstance(step, WidenColumn)
        assert fits(step.column.type, want)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (Type(Kind.INT16), LONG, True),
        (LONG, INT, False),
        (INT, Type(Kind.FLOAT), True),
        (LONG, Type(Kind.FLOAT), False),
        (INT, Type(Kind.DECIMAL, 12, 2), True),
        (LONG, Type(Kind.DECIMAL, 12, 2), False),
        (Type(Kind.DECIMAL, 10, 2), Type(Kind.DECIMAL, 12, 4), True),
        (Type(Kind.DECIMAL, 10, 2), Type(Kind.DECIMAL, 10, 4), False),
        (Type(Kind.DECIMAL, 10, 2), Type(Kind.DECIMAL), True),
        (Type(Kind.DECIMAL), Type(Kind.DECIMAL, 10, 2), False),
        (NAME, Type(Kind.VARCHAR, 21), True),
        (NAME, TEXT, True),
        (TEXT, NAME, False),
        (Type(Kind.CHAR, 5), Type(Kind.CHAR, 6), True),
        (Type(Kind.CHAR, 5), Type(Kind.VARCHAR, 5), True),
        (Type(Kind.DATE), Type(Kind.DATETIME, qualifier="year to second"), True),
        (Type(Kind.DATETIME, qualifier="year to fraction(3)"), Type(Kind.DATETIME, qualifier="year to second"), False),
        (Type(Kind.DATETIME, qualifier="year to second"), Type(Kind.DATETIME, qualifier="year to fraction(3)"), True),
        (Type(Kind.BYTES), TEXT, False),
        (Type(Kind.UUID), TEXT, True),
        (TEXT, Type(Kind.UUID), False),
    ],
)
def test_which_changes_of_a_type_lose_nothing(old: Type, new: Type, expected: bool) -> None:
    """The table of docs/types.md."""
    assert widens(old, new) is expected
