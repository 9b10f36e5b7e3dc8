"""Nodes whose roles are no superusers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.postgres import cluster
from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres
TABLES = (
    "CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE)",
    "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent)",
)


@pytest.fixture
def roles() -> Iterator[tuple[str, str]]:
    """A role for each node, which owns what it makes."""
    cluster().execute("CREATE ROLE scenario_east LOGIN REPLICATION")
    cluster().execute("CREATE ROLE scenario_west LOGIN")
    yield "scenario_east", "scenario_west"
    for role in ("scenario_east", "scenario_west"):
        cluster().execute(f"DROP ROLE {role}")


@pytest.fixture
def owned(roles: tuple[str, str], new_pair: Callable[..., Pair]) -> Iterator[Pair]:
    """A pair whose databases and tables belong to these roles."""
    pair = new_pair(users=roles)
    for side, role in zip(pair.sides, roles, strict=True):
        side.alone(f"ALTER DATABASE {side.database} OWNER TO {role}", f"ALTER SCHEMA public OWNER TO {role}")
        side.alone(
            *(statement for table in TABLES for statement in (table, f"ALTER TABLE {table.split()[2]} OWNER TO {role}"))
        )
        side.alone(f"ALTER TABLE scenario_mark OWNER TO {role}")
    yield pair
    pair.stop()
    for side, role in zip(pair.sides, roles, strict=True):
        side.alone(f"REASSIGN OWNED BY {role} TO postgres", f"DROP OWNED BY {role}")


@pytest.fixture
def replica_role(roles: tuple[str, str]) -> Iterator[Callable[[], None]]:
    """Lets the secondary's role switch to the replica role, when called."""
    right = "SET ON PARAMETER session_replication_role"

    def grant() -> None:
        cluster().execute(f"GRANT {right} TO {roles[1]}")

    yield grant
    cluster().execute(f"REVOKE {right} FROM {roles[1]}")


def test_owners_with_the_replica_role_can_do_everything(owned: Pair, replica_role: Callable[[], None]) -> None:
    """Invariants 1 and 2."""
    replica_role()
    owned.east.run("INSERT INTO parent VALUES (1, 'a'), (2, 'b')", "INSERT INTO child VALUES (1, 1), (2, 1)")
    owned.begin()
    owned.equal()
    owned.do(
        "INSERT INTO child VALUES (3, 2)",
        "INSERT INTO parent VALUES (3, 'c')",
        "UPDATE child SET parent = 3 WHERE id = 1",
    )
    owned.do("DELETE FROM child", "DELETE FROM parent WHERE id = 2", "INSERT INTO parent VALUES (9, 'x')")
    owned.do("UPDATE parent SET name = NULL WHERE id = 1", "UPDATE parent SET name = 'a' WHERE id = 3")
    owned.west.refuses("DELETE FROM child; DELETE FROM parent", "make the change on cms-east")


def test_without_the_replica_role_foreign_keys_hold_for_applied_rows_too(
    owned: Pair, replica_role: Callable[[], None]
) -> None:
    """Invariants 1 and 10: a child that is copied before its parent waits, and the right that it lacks lets it in."""
    owned.east.run("INSERT INTO parent VALUES (1, 'a'), (2, 'b')", "INSERT INTO child VALUES (1, 1), (2, 1)")
    owned.install()
    owned.start()
    assert "child_parent_fkey" in owned.refused()
    replica_role()
    owned.copied()
    owned.equal()


def test_without_the_replica_role_and_foreign_keys(owned: Pair) -> None:
    """Invariants 1 and 2: the guard lets the applier pass by another sign."""
    owned.create("ALTER TABLE child DROP CONSTRAINT child_parent_fkey")
    owned.east.run("INSERT INTO parent VALUES (1, 'a'), (2, 'b')", "INSERT INTO child VALUES (1, 1), (2, 1)")
    owned.begin()
    owned.equal()
    owned.do("UPDATE parent SET name = NULL WHERE id = 1", "UPDATE parent SET name = 'a' WHERE id = 2")
    owned.do("DELETE FROM child", "INSERT INTO parent VALUES (9, 'x')", "UPDATE parent SET id = id + 100")
    owned.west.refuses("DELETE FROM parent", "make the change on cms-east")
