"""What an installation runs, and what it looks at first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from adapters.postgres.connection import connect
from adapters.postgres.site import PostgresSite
from sync.errors import DatabaseBusy, DatabaseRefused
from sync.model.catalog import Relation, TableFacts
from tests.postgres import major
from tests.unit.adapters.postgres.primary import Primary

Make = Callable[..., Primary]


def facts_of(url: str, ddl: str) -> dict[str, TableFacts]:
    connection = connect(url)
    connection.execute(ddl.encode())
    connection.close()
    site = PostgresSite(url)
    found = {each.name: each for each in site.catalog()}
    site.close()
    return found


def test_only_what_stays_behind_makes_a_column_list(url: str) -> None:
    found = facts_of(
        url, 'CREATE TABLE "T" (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, mine int)'
    )
    narrow = type(found["u"].schema)("u", found["u"].schema.columns[:1], (0,))
    site = PostgresSite(url)
    statements = site.capture_statements({"T": found["T"].schema, "u": narrow})
    site.close()
    columns = ' ("id")' if major() >= 15 else ""
    assert statements[-4:-3] == [
        (
            f'CREATE PUBLICATION admin_sync FOR TABLE ONLY "public"."T", ONLY "public"."u"{columns}'
            " WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)"
        )
    ]
    assert ("failover => true" in statements[-1]) == (major() >= 17)


@pytest.mark.parametrize(
    ("ddl", "why"),
    [
        ("CREATE TABLE t (id int)", "no primary key"),
        ("CREATE TABLE t (id int UNIQUE)", "no primary key"),
        ("CREATE TABLE t (id int NOT NULL UNIQUE)", "REPLICA IDENTITY USING INDEX"),
        ("CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY NOTHING", "REPLICA IDENTITY DEFAULT"),
        ("CREATE TABLE t (id int); ALTER TABLE t REPLICA IDENTITY FULL", "no primary key"),
        ("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE)", "REPLICA IDENTITY FULL"),
        ("CREATE TABLE t (id int NOT NULL, v int, UNIQUE (id, v))", "no primary key"),
        ("CREATE TABLE t (id interval PRIMARY KEY)", "no order"),
        ("CREATE TABLE t (id timetz PRIMARY KEY)", "no order"),
    ],
)
def test_a_table_whose_rows_the_log_does_not_tell_apart_is_refused(url: str, ddl: str, why: str) -> None:
    """Invariant 1: and publishing it would make the application's own updates fail."""
    found = facts_of(url, ddl)["t"]
    assert any(why in obstacle for obstacle in found.obstacles)
    site = PostgresSite(url)
    with pytest.raises(DatabaseRefused, match="could not capture table t"):
        site.install_capture({"t": found.schema})
    assert list(site.uninstall_statements()) == []
    site.close()


def test_triggers_stand_on_partitions_as_long_as_capture_is_installed(url: str) -> None:
    """Invariant 1: what a TRUNCATE of one partition removes, the log of its root does not tell."""
    parts = "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE p PARTITION OF t DEFAULT"
    captured = {"t": facts_of(url, parts)["t"].schema}
    site = PostgresSite(url)
    triggers = "SELECT tgrelid::regclass::text, tgenabled FROM pg_trigger WHERE tgname ~ 'admin_sync' ORDER BY 1"
    assert sum("CREATE OR REPLACE TRIGGER" in each for each in site.capture_statements(captured)) == 3
    site.install_capture(captured)
    with closing(connect(url)) as app:
        assert app.execute(triggers).fetchall() == [("p", "A"), ("t", "A"), ("t", "A")]
        for harm in ("DROP TRIGGER admin_sync_before ON p", "ALTER TABLE p DISABLE TRIGGER admin_sync_before"):
            assert list(site.capture_statements(captured)) == []
            app.execute(harm.encode())
            assert any("out of date" in finding.message for finding in site.preflight(captured))
            site.install_capture(captured)
        site.install_guard(captured, "cms-east")
        assert ("p", "A") not in app.execute(triggers).fetchall()
        site.install_capture(captured)
        site.uninstall()
        assert app.execute(triggers).fetchall() == []
        app.execute("TRUNCATE p")
    site.close()


def test_whoever_may_truncate_a_partition_still_may(url: str) -> None:
    """Also a role that can not keep triggers quiet; for it those for DELETE fire."""
    ddl = """
        CREATE TABLE t (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE p PARTITION OF t DEFAULT;
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keep BEFORE DELETE ON p FOR EACH ROW EXECUTE FUNCTION keep(); INSERT INTO t VALUES (1)"""
    captured = {"t": facts_of(url, ddl)["t"].schema}
    with closing(PostgresSite(url)) as site, closing(connect(url)) as app:
        site.install_capture(captured)
        role = f"truncator_{app.info.backend_pid}"
        app.execute(f"CREATE ROLE {role}; GRANT SELECT, DELETE, TRUNCATE ON p TO {role}; SET ROLE {role}".encode())
        with pytest.raises(psycopg.errors.RaiseException, match="keeps its rows"):
            app.execute("TRUNCATE p")
        app.execute("RESET ROLE; DROP TRIGGER keep ON p")
        app.execute(f"SET ROLE {role}; TRUNCATE p; RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}".encode())
        assert app.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
        site.uninstall()


def test_what_is_no_plain_table_is_named_as_what_it_is(url: str) -> None:
    found = facts_of(
        url,
        "CREATE TABLE t (id int PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t; CREATE VIEW w AS SELECT id FROM v;"
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM t; CREATE UNLOGGED TABLE u (id int PRIMARY KEY);"
        "CREATE TEMP TABLE gone (id int)",
    )
    assert {name: (each.relation, each.bases) for name, each in found.items()} == {
        "t": (Relation.TABLE, ()),
        "v": (Relation.VIEW, ("t",)),
        "w": (Relation.VIEW, ("t",)),
        "m": (Relation.OTHER, ()),
        "u": (Relation.OTHER, ()),
    }


def test_domains_and_types_from_the_catalog(url: str) -> None:
    schema = facts_of(
        url,
        "CREATE DOMAIN short AS varchar(5) NOT NULL; CREATE DOMAIN shorter AS short CHECK (VALUE <> '');"
        "CREATE TABLE t (id int PRIMARY KEY, d shorter, n numeric(7, 2))",
    )["t"].schema
    assert [(each.type.kind.value, each.type.length, each.type.scale, each.nullable) for each in schema.columns] == [
        ("int32", 0, 0, False),
        ("varchar", 5, 0, False),
        ("decimal", 7, 2, True),
    ]


def test_a_stream_that_breaks_is_worth_another_try(primary: Make) -> None:
    made = primary("CREATE TABLE t (id int PRIMARY KEY)")
    # Gone before the row is written, or the row might already be on its way and be read without an error.
    ended = "pg_terminate_backend(active_pid, 30000)"
    made.run(f"SELECT {ended} FROM pg_replication_slots WHERE database = current_database()")
    made.run("INSERT INTO t VALUES (1)")
    with pytest.raises(DatabaseBusy):
        made.read()
    made.reopen()
    assert [row for _, _, row in made.changes()] == [(1,)]
