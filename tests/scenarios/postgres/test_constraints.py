"""Constraints and triggers of the secondary, met by rows that the primary let pass."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_foreign_keys_are_the_primarys_matter(pair: Pair) -> None:
    """Invariant 2: children and parents come together, in whatever order; a cascade is not done twice."""
    pair.create(
        "CREATE TABLE parent (id int PRIMARY KEY, v text)",
        "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE)",
        "CREATE TABLE later (id int PRIMARY KEY, child int REFERENCES child DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE SET NULL)",
    )
    pair.begin()
    pair.do(
        "INSERT INTO later SELECT n, n FROM generate_series(1, 9) n",
        "INSERT INTO parent SELECT n FROM generate_series(1, 9) n",
        "INSERT INTO child SELECT n, n FROM generate_series(1, 9) n",
        "INSERT INTO tree SELECT n, nullif(n / 2, 0) FROM generate_series(1, 9) n",
    )
    pair.do("UPDATE parent SET id = id + 100", "DELETE FROM later WHERE id > 5", "DELETE FROM parent WHERE id > 105")
    pair.do("DELETE FROM tree WHERE id = 1", "UPDATE child SET parent = NULL WHERE id = 1", "DELETE FROM later")


def test_unique_values_that_change_places(pair: Pair) -> None:
    """Invariant 2: no order of single rows gets there, the set does."""
    pair.create(
        "CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE, n int UNIQUE DEFERRABLE)",
        "CREATE UNIQUE INDEX lower_name ON t (lower(name))",
        "CREATE TABLE room (id int PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&))",
    )
    pair.begin()
    pair.do(
        "INSERT INTO t SELECT n, 'name ' || n, n FROM generate_series(1, 9) n",
        "INSERT INTO room VALUES (1, '[1,5)'), (2, '[5,9)')",
    )
    pair.do("UPDATE t SET n = 10 - n", "UPDATE t SET name = NULL WHERE id = 1",
            "UPDATE t SET name = 'NAME 1' WHERE id = 2", "UPDATE t SET name = 'name 2' WHERE id = 1")  # fmt: skip
    pair.do("UPDATE room SET during = NULL WHERE id = 1", "UPDATE room SET during = '[1,5)' WHERE id = 2",
            "UPDATE room SET during = '[5,9)' WHERE id = 1")  # fmt: skip


@pytest.mark.parametrize(
    ("strict", "bad", "column", "mend"),
    [
        ("ALTER TABLE t ADD CHECK (n > 0)", "(2, -1, 'x')", "n", "DROP CONSTRAINT t_n_check"),
        ("ALTER TABLE t ALTER v SET NOT NULL", "(2, 1, NULL)", "v", "ALTER v DROP NOT NULL"),
        ("ALTER TABLE t ALTER v TYPE varchar(3)", "(2, 1, 'long')", "v", "ALTER v TYPE text"),
    ],
    ids=["check", "not null", "length"],
)
def test_what_only_the_secondary_refuses_is_named_and_waits(
    pair: Pair, strict: str, bad: str, column: str, mend: str
) -> None:
    """Invariants 1 and 10: table, key and column are said; nothing later overtakes; mended here, it goes on."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, n int, v text)", "CREATE TABLE other (id int PRIMARY KEY)")
    pair.west.alone(strict)
    pair.begin()
    pair.do("INSERT INTO t VALUES (1, 1, 'x')")
    pair.east.run(f"INSERT INTO t VALUES {bad}")
    said = pair.refused()
    pair.east.run("INSERT INTO other VALUES (1)")
    assert "t (id=2)" in said
    assert f"column {column}" in said
    assert pair.west.ask("SELECT * FROM other") == []
    pair.west.alone(f"ALTER TABLE t {mend}")
    pair.equal()


def test_ordinary_triggers_stay_quiet_and_always_triggers_do_not(pair: Pair) -> None:
    """What an application's trigger wrote on the primary comes as rows; it must not be written a second time."""
    pair.create(
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        "CREATE TABLE log (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO log (what) VALUES (tg_op || ' ' || coalesce(NEW.v, '')); RETURN NEW; END $$",
        "CREATE TRIGGER note BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note()",
    )
    pair.west.alone(
        "CREATE TABLE seen (id int)",
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO seen VALUES (NEW.id); RETURN NULL; END $$",
        "CREATE TRIGGER see AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION see()",
        "ALTER TABLE t ENABLE ALWAYS TRIGGER see",
    )
    pair.begin(exclude=("seen",))
    pair.do("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "UPDATE t SET v = 'c' WHERE id = 1")
    assert pair.east.ask("SELECT count(*) FROM log") == [("3",)]
    assert pair.west.ask("SELECT id FROM seen") == [("1",), ("2",)]


def test_rules_and_row_security_do_not_stand_in_the_way(pair: Pair) -> None:
    """Invariant 1: what is shown to whom is no matter of replication."""
    pair.create(
        "CREATE TABLE t (id int PRIMARY KEY, owner text)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
        "CREATE POLICY own ON t USING (owner = current_user)",
    )
    pair.east.run("INSERT INTO t VALUES (1, 'nobody')")
    pair.begin()
    pair.do("INSERT INTO t VALUES (2, 'nobody'), (3, 'postgres')", "UPDATE t SET owner = 'somebody' WHERE id = 1")
