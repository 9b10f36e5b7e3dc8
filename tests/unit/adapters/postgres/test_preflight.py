"""`check` names everything that is missing, with the statement that mends it; after those statements all is well."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from adapters.postgres.site import PostgresSite
from sync.model.catalog import Finding, Severity
from sync.model.schema import TableSchema
from tests.postgres import major
from tests.unit.adapters.postgres.primary import Primary

DDL = (
    "CREATE SCHEMA s; CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE s.u (id int PRIMARY KEY,"
    " t int REFERENCES t ON DELETE CASCADE); CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
    "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9)"
)


@pytest.fixture
def weak(url: str) -> Iterator[str]:
    """The URL for a role that may do nothing, in a database with tables."""
    with psycopg.connect(url, autocommit=True) as app:
        app.execute(DDL.encode())
        app.execute("DROP ROLE IF EXISTS weak")
        app.execute("CREATE ROLE weak LOGIN")
        app.execute("REVOKE TEMPORARY ON DATABASE " + app.info.dbname + " FROM PUBLIC")
        yield url.replace("postgres@", "weak@")
        app.execute("DROP OWNED BY weak CASCADE")
        app.execute("DROP ROLE weak")


def surveyed(url: str) -> dict[str, TableSchema]:
    site = PostgresSite(url)
    found = {each.name: each.schema for each in site.catalog()}
    site.close()
    return found


def problems(url: str, captured: dict[str, TableSchema], primary: str) -> dict[str, str]:
    """What must be mended but the installation: subject and message to remedy."""
    site = PostgresSite(url, capture="log")
    found = site.preflight(captured, primary)
    site.close()
    return {f"{each.subject}: {each.message}": each.remedy for each in found if _is_problem(each)}


def _is_problem(found: Finding) -> bool:
    return found.severity is Severity.PROBLEM and found.subject != "installation"


def mend(url: str, remedies: Iterator[str] | list[str]) -> None:
    """Do what the remedies say, as the database's administrator would."""
    with psycopg.connect(url, autocommit=True) as app:
        for remedy in remedies:
            assert remedy.startswith("Run "), remedy
            statement = remedy.removeprefix("Run ").partition(" (")[0]
            app.execute(statement.encode())


def test_a_primarys_role(url: str, weak: str) -> None:
    captured = surveyed(url)
    found = problems(weak, captured, "")
    assert set(found.values()) >= {
        "Run ALTER ROLE weak REPLICATION",
        'Run GRANT SELECT ON "public"."t" TO weak',
        "Run GRANT USAGE ON SCHEMA s TO weak",
        "Run GRANT postgres TO weak",
    }
    # To be one of the superusers is what owning their tables takes here; otherwise each would belong to some role.
    grants = [remedy for remedy in found.values() if remedy != "Run GRANT postgres TO weak"]
    owners = [f"Run ALTER TABLE {table} OWNER TO weak" for table in ("t", "s.u", "p")]
    mend(url, [*grants, *owners])
    assert problems(weak, captured, "") == {}
    site = PostgresSite(weak, capture="log")
    site.install_capture(captured)
    told = site.preflight(captured, "")
    assert [each for each in told if each.severity is Severity.PROBLEM] == []
    assert [each.message for each in told if "its partition p1 is another role's" in each.message]
    site.uninstall()
    site.close()


def test_a_secondarys_role(url: str, weak: str) -> None:
    captured = surveyed(url)
    found = problems(weak, captured, "cms-east")
    assert set(found.values()) >= {
        'Run GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."t" TO weak',
        'Run GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."p" TO weak',
        "Run GRANT USAGE ON SCHEMA s TO weak",
    }
    (cascade,) = [remedy for remedy in found.values() if "session_replication_role" in remedy]
    assert 'ALTER TABLE s.u DROP CONSTRAINT "u_t_fkey"' in cascade
    grants = [remedy for remedy in found.values() if remedy not in {cascade, "Run GRANT postgres TO weak"}]
    mend(url, grants)
    if major() >= 15:
        mend(url, [cascade])
    else:
        mend(url, ['Run ALTER TABLE s.u DROP CONSTRAINT "u_t_fkey"'])
    owner = PostgresSite(url)
    owner.install_guard(captured, "cms-east")
    owner.close()
    found = problems(weak, captured, "cms-east")
    assert list(found.values()) == [
        "Run GRANT USAGE ON SCHEMA admin_sync TO weak",
        "Run GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA admin_sync TO weak",
    ]
    mend(url, list(found.values()))
    assert problems(weak, captured, "cms-east") == {}


def test_a_guard_that_is_not_as_it_should_be(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as app:
        app.execute(DDL.encode())
        captured = surveyed(url)
        site = PostgresSite(url)
        site.install_guard(captured, "cms-east")

        def installation() -> list[Severity]:
            return [each.severity for each in site.preflight(captured, "cms-east") if each.subject == "installation"]

        assert installation() == [Severity.OK]
        assert any(each.severity is Severity.PROBLEM for each in site.preflight(captured, "cms-west"))
        app.execute("CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (9) TO (20)")
        assert installation() == [Severity.PROBLEM]
        site.install_guard(captured, "cms-east")
        assert installation() == [Severity.OK]
        app.execute("ALTER TABLE t DISABLE TRIGGER admin_sync_guard")
        assert installation() == [Severity.PROBLEM]
        site.close()


@pytest.mark.parametrize(
    ("ddl", "subject", "text"),
    [
        ("ALTER TABLE t ADD UNIQUE (v) DEFERRABLE", "table t", "deferrable"),
        ("CREATE TABLE k (a int)", "table k", "no key"),
    ],
)
def test_what_a_secondary_is_warned_of(url: str, ddl: str, subject: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as app:
        app.execute(f"{DDL}; {ddl}".encode())
    site = PostgresSite(url)
    found = [each for each in site.preflight(surveyed(url), "cms-east") if each.subject == subject]
    site.close()
    assert [text in each.message for each in found] == [True]


def test_the_slots_retention_and_failover_are_told(primary: Callable[..., Primary]) -> None:
    made = primary("CREATE TABLE t (id int PRIMARY KEY)")
    site = PostgresSite(made.url)
    found = {each.subject: each for each in site.preflight(made.tables, "")}
    assert found["max_slot_wal_keep_size"].severity is Severity.OK
    assert "without a limit" in found["max_slot_wal_keep_size"].message
    made.source.close()
    assert "replication stream" in {each.subject for each in site.preflight(made.tables, "")}
    if major() >= 17:
        made.run("SELECT pg_create_physical_replication_slot('a_standby')")
        warned = {each.subject: each for each in site.preflight(made.tables, "")}["failover"]
        made.run("SELECT pg_drop_replication_slot('a_standby')")
        assert "synchronized_standby_slots = 'a_standby'" in warned.remedy
    site.close()
