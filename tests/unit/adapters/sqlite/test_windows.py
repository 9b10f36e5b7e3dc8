"""Invariants 1 and 4 where a cut is long: windows of the journal, and sets that are written many rows a call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.sqlite import apply, cut
from sync.errors import RowRefused
from tests.unit.adapters.sqlite.twin import Twin

MakeTwin = Callable[..., Twin]

KEYED = "CREATE TABLE t (a INT NOT NULL, b INT, PRIMARY KEY (a))"
NULLABLE = "CREATE TABLE t (a INT, b INT, PRIMARY KEY (a))"
KEYLESS = "CREATE TABLE t (a INT, b INT)"


@pytest.mark.parametrize("table", [KEYED, NULLABLE, KEYLESS])
@pytest.mark.parametrize("window", [1, 2, 3, 100])
def test_however_the_journal_is_divided_the_target_becomes_equal(
    twin: MakeTwin, monkeypatch: pytest.MonkeyPatch, table: str, window: int
) -> None:
    monkeypatch.setattr(cut, "_WINDOW_ROWS", window)
    pair = twin(table).start()
    pair.run("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4)")
    if table != KEYED:
        pair.run("INSERT INTO t VALUES (NULL, 1), (NULL, 1)", "UPDATE t SET b = 2 WHERE a IS NULL AND rowid % 2")
    pair.sync()
    pair.run(
        "UPDATE t SET b = 20 WHERE a = 2", "DELETE FROM t WHERE a = 3", "INSERT INTO t VALUES (3, 30)",
        "UPDATE t SET a = 5 WHERE a = 4", "DELETE FROM t WHERE a = 1", "UPDATE t SET b = 21 WHERE a = 2",
    )  # fmt: skip
    pair.sync()


def test_one_window_gives_each_key_once_and_in_order(twin: MakeTwin) -> None:
    pair = twin(KEYED).start()
    pair.run("INSERT INTO t VALUES (3, 1), (1, 1), (2, 1)", "UPDATE t SET b = 2")
    (part,) = pair.source.read()
    assert [block.columns for block in part.blocks] == [([1, 2, 3], [2, 2, 2])]


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 7])
def test_a_set_is_written_whole_whatever_fits_into_one_call(
    twin: MakeTwin, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(apply, "_VALUES_BOUND", 6)
    pair = twin(KEYED).start()
    pair.run(*(f"INSERT INTO t VALUES ({n}, {n})" for n in range(rows)))
    pair.sync()


def test_the_one_row_that_is_refused_is_named_among_many_of_a_call(
    twin: MakeTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "_VALUES_BOUND", 6)
    pair = twin(KEYED, ddl_secondary="CREATE TABLE t (a INT NOT NULL, b INT CHECK (b <> 4), PRIMARY KEY (a))").start()
    pair.run(*(f"INSERT INTO t VALUES ({n}, {n})" for n in range(8)))
    with pytest.raises(RowRefused) as caught:
        pair.sync()
    assert caught.value.key == "(a=4)"
