"""Databases of different encodings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres
ROWS = "INSERT INTO t VALUES ('Zürich', 'Straße \\ ñ'), ('plain', NULL)"


@pytest.mark.parametrize("encodings", [("LATIN1", "UTF8"), ("UTF8", "LATIN1"), ("WIN1252", "LATIN1")])
def test_texts_cross_between_encodings(new_pair: Callable[..., Pair], encodings: tuple[str, str]) -> None:
    """Invariant 1: in keys and values, as a copy and as changes."""
    pair = new_pair(encodings=encodings)
    pair.create('CREATE TABLE t (k text PRIMARY KEY, "größe" varchar(20))', "ALTER TABLE t REPLICA IDENTITY FULL")
    pair.east.run(ROWS)
    pair.begin()
    pair.equal()
    pair.do("INSERT INTO t VALUES ('ä', 'ö')", "UPDATE t SET \"größe\" = 'ÄÖÜ' WHERE k = 'Zürich'")
    pair.do("UPDATE t SET k = 'Genève' WHERE k = 'ä'", "DELETE FROM t WHERE k = 'Zürich'")
    assert pair.verify()["equal"]


def test_a_text_that_the_secondary_can_not_write_is_named_and_waits(new_pair: Callable[..., Pair]) -> None:
    """Invariants 1 and 10."""
    pair = new_pair(encodings=("UTF8", "LATIN1"))
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)")
    pair.begin()
    pair.do("INSERT INTO t VALUES (1, 'ä')")
    pair.east.run("INSERT INTO t VALUES (2, 'costs 5 €')")
    said = pair.refused()
    assert "t (id=2) column v" in said
    assert "LATIN1" in said
    pair.do("UPDATE t SET v = 'costs 5 EUR' WHERE id = 2")
