"""The write guard, as users meet it."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from adapters.postgres.connection import connect
from adapters.postgres.guard import guard_statements, removal_statements
from sync.errors import DatabaseRefused
from sync.model.schema import TableSchema
from tests.unit.adapters.postgres.secondary import Secondary

pytestmark = pytest.mark.postgres

Make = Callable[..., Secondary]


def test_columns_that_stay_the_servers_own_may_be_written(secondary: Make) -> None:
    on = secondary("CREATE TABLE t (id int PRIMARY KEY, v json, own int)")
    on.install({"t": on.schema("t", "id", "v")})
    on.put("t", [(1, '{"a": 1}', 1)])
    on.app.execute("UPDATE t SET own = 2")
    assert on.ask("SELECT own FROM t") == [(2,)]
    for write in ("UPDATE t SET v = '{}', own = 3", "INSERT INTO t VALUES (2)", "DELETE FROM t", "TRUNCATE t"):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="make the change on cms-east"):
            on.app.execute(write.encode())


def test_tables_that_are_no_longer_captured_are_let_go(secondary: Make) -> None:
    on = secondary("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)")
    on.install({"b": on.tables["b"]})
    on.app.execute("INSERT INTO a VALUES (1)")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        on.app.execute("INSERT INTO b VALUES (1)")


def test_a_guard_that_somebody_dropped_or_a_recreated_table_is_guarded_anew(secondary: Make) -> None:
    on = secondary("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)")
    on.app.execute("DROP TRIGGER admin_sync_guard ON a; DROP TABLE b; CREATE TABLE b (id int PRIMARY KEY)")
    with connect(on.url) as connection:
        assert len(guard_statements(connection, on.tables, "cms-east")) == 6
    on.install(on.tables)
    for table in on.tables:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            on.app.execute(f"INSERT INTO {table} VALUES (1)".encode())


@pytest.mark.parametrize("primary", ["it's", "back\\slash", '"quoted"', "100%", "ü"])
def test_any_name_of_the_primary_is_told(secondary: Make, primary: str) -> None:
    on = secondary("CREATE TABLE a (id int PRIMARY KEY)")
    with connect(on.url) as connection:
        for statement in guard_statements(connection, on.tables, primary):
            connection.execute(statement.encode())
        assert guard_statements(connection, on.tables, primary) == []
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as refused:
        on.app.execute("INSERT INTO a VALUES (1)")
    assert str(refused.value.diag.message_primary).endswith(f"make the change on {primary}")


def test_partitions_are_guarded_through_their_root(secondary: Make) -> None:
    on = secondary("CREATE TABLE r (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE p PARTITION OF r DEFAULT")
    for table in ("r", "p"):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            on.app.execute(f"INSERT INTO {table} VALUES (1)".encode())
    with connect(on.url) as connection:
        assert guard_statements(connection, on.tables, "cms-east") == []


def test_removal_takes_all_of_it_away(secondary: Make) -> None:
    on = secondary("CREATE TABLE a (id int PRIMARY KEY)")
    with connect(on.url) as connection:
        for statement in removal_statements(connection):
            connection.execute(statement.encode())
        assert removal_statements(connection) == []
    on.app.execute("INSERT INTO a VALUES (1)")


def test_a_table_that_is_missing_can_not_be_guarded(secondary: Make) -> None:
    on = secondary("CREATE TABLE a (id int PRIMARY KEY)")
    with connect(on.url) as connection, pytest.raises(DatabaseRefused, match="guard table nowhere"):
        guard_statements(connection, {"nowhere": TableSchema("nowhere", ())}, "cms-east")
