"""Golden SQL: every kind of statement as it is sent, under the facts that it rests on.

To change one on purpose: `ADMIN_SYNC_GOLDEN=write pytest tests/unit/adapters/informix/test_golden.py`, then read the
difference against the facts.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from adapters.informix.facts import FACTS, RESTS_ON
from adapters.informix.sheet import KEYLESS, SAMPLE, printed, sheet
from adapters.informix.statements import apply, capture, chunks
from adapters.informix.statements.statement import Column, Statement, Table
from adapters.informix.types import column_type
from sync.errors import DatabaseRefused

GOLDEN = Path(__file__).parents[3] / "golden" / "informix"
SHEET = sheet()


@pytest.mark.parametrize("statement", SHEET, ids=lambda statement: statement.kind)
def test_a_statement_is_as_it_was_reviewed(statement: Statement) -> None:
    path = GOLDEN / f"{statement.kind}.sql"
    if os.environ.get("ADMIN_SYNC_GOLDEN") == "write":
        path.write_text(printed(statement))
    assert printed(statement) == path.read_text()


def test_every_kind_is_on_the_sheet_once_and_every_fact_is_used() -> None:
    assert [statement.kind for statement in SHEET] == sorted(RESTS_ON)
    assert {path.stem for path in GOLDEN.glob("*.sql")} == set(RESTS_ON)
    assert set(FACTS) == {name for names in RESTS_ON.values() for name in names}


@pytest.mark.parametrize("statement", SHEET, ids=lambda statement: statement.kind)
def test_the_dialect_reads_what_is_sent(statement: Statement) -> None:
    tree = sqlglot.parse_one(statement.sql, dialect="informix")
    again = tree.sql(dialect="informix")
    assert sqlglot.parse_one(again, dialect="informix") == tree
    assert again.replace("'cms'.", "").count("?") == statement.sql.count("?")
    if isinstance(tree, exp.Command):
        assert statement.kind in {"cut-door", "defer", "isolation", "lock-wait"}


@pytest.mark.parametrize("name", ["Acd", "a b", "1a", 'a"; DROP TABLE t; --', "ä", "", "a" * 129])
def test_a_name_that_is_not_plain_never_becomes_sql(name: str) -> None:
    column = Column(name, column_type(2, 4))
    for make in (
        lambda: apply.insert(SAMPLE, [name]),
        lambda: apply.delete(Table("o", name, SAMPLE.columns), ["acd_no"]),
        lambda: capture.create_triggers(Table("o", "t", (column,), (name,)), 1),
        lambda: chunks.first(Table("o", "t", (column,), (name,)), 5),
        lambda: capture.drop_trigger(name),
    ):
        with pytest.raises(DatabaseRefused, match="can not write the name"):
            make()


def test_an_owner_is_text_whatever_it_holds() -> None:
    table = Table("o'x", "t", KEYLESS.columns)
    assert apply.delete(table, ["acd_no"]).sql == "DELETE FROM 'o''x'.t WHERE acd_no = ?"


def test_a_range_of_a_key_takes_the_parameters_that_it_says() -> None:
    statement = chunks.between(SAMPLE, above=True, below=True)
    assert statement.sql.count("?") == 2 * len(chunks.bound((1, "a")))
    assert chunks.bound((1, "a", 3)) == [1, 1, "a", 1, "a", 3]


def test_what_the_guard_says_fits_into_an_error() -> None:
    (text,) = [s.sql.split("-746, 0, ")[1].split(";")[0] for s in SHEET if s.kind == "guard-refuse-create"]
    assert len(text.strip("'").encode()) <= 70
