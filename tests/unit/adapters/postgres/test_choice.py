"""Which way of capture is taken, what it says about that, and that what is installed is what is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from adapters import open_site, open_source
from sync.errors import DatabaseRefused
from sync.model.catalog import Finding, Severity
from sync.model.position import START
from sync.model.schema import TableSchema
from tests.postgres import cluster

KEYED = "CREATE TABLE t (id int PRIMARY KEY, v text)"


@pytest.fixture
def weak(url: str) -> Iterator[str]:
    """The URL for a role that owns its tables and may do nothing else of note."""
    name = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
    cluster().execute(f"DROP ROLE IF EXISTS weak_{name}")
    cluster().execute(f"CREATE ROLE weak_{name} LOGIN")
    cluster().execute(f"GRANT CREATE ON DATABASE {name} TO weak_{name}")
    cluster().execute(f"GRANT ALL ON SCHEMA public TO weak_{name}", name)
    yield url.replace("postgres@", f"weak_{name}@")
    cluster().execute(f"DROP OWNED BY weak_{name} CASCADE", name)
    cluster().execute(f"DROP ROLE weak_{name}")


def survey(url: str, capture: str = "auto") -> dict[str, TableSchema]:
    with closing(open_site(url, capture=capture)) as site:
        return {found.name: found.schema for found in site.catalog()}


def install(url: str, capture: str = "auto") -> None:
    with closing(open_site(url, capture=capture)) as site:
        site.install_capture(survey(url, capture))


def finding(url: str, capture: str = "auto") -> Finding:
    with closing(open_site(url, capture=capture)) as site:
        return next(found for found in site.preflight(survey(url, capture)) if found.subject == "capture")


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as app:
        for statement in statements:
            app.execute(statement.encode())


def test_auto_takes_the_log_where_it_can(url: str) -> None:
    run(url, KEYED)
    assert finding(url).message == "log: the server's log can be decoded"
    install(url)
    with closing(open_source(url)) as source, closing(open_site(url)) as site:
        assert source.mode == "log"
        assert site.capture_mode() == "log: the server's log can be decoded"


def test_auto_takes_the_journal_where_the_role_has_few_rights(weak: str) -> None:
    """And all of it works with these: install, capture, uninstall."""
    run(weak, KEYED)
    assert finding(weak).message.startswith("journal: role weak")
    install(weak)
    with closing(open_source(weak)) as source:
        assert source.mode == "journal"
        source.open(survey(weak), START)
        run(weak, "INSERT INTO t VALUES (1, 'a')")
        assert source.wait(5)
        assert [made.change_count for made in source.read()] == [1]
    with closing(open_site(weak)) as site:
        assert [each for each in site.preflight(survey(weak)) if each.severity is not Severity.OK] == []
        site.uninstall()
        assert list(site.uninstall_statements()) == []


@pytest.mark.parametrize(("installed", "wanted"), [("log", "journal"), ("journal", "log")])
def test_what_is_installed_stays_until_it_is_uninstalled(url: str, installed: str, wanted: str) -> None:
    run(url, KEYED)
    install(url, installed)
    problem = finding(url, wanted)
    assert problem.severity is Severity.PROBLEM
    assert problem.message == f"database.capture is {wanted}, but {installed} is installed"
    with pytest.raises(DatabaseRefused, match="uninstall"):
        install(url, wanted)
    with closing(open_source(url, capture=wanted)) as source, pytest.raises(DatabaseRefused, match="uninstall"):
        source.origin  # noqa: B018
    with closing(open_source(url)) as source:
        assert source.mode == installed
    assert finding(url) == Finding("capture", Severity.OK, f"{installed}: the configuration says so")


def test_another_installation_is_read_by_its_own_source(url: str) -> None:
    """A node that runs goes on with what was installed meanwhile, under the origin of that."""
    run(url, KEYED)
    install(url, "journal")
    with closing(open_source(url)) as source:
        source.open(survey(url), START)
        before = source.origin
        source.close()
        with closing(open_site(url)) as site:
            site.uninstall()
        with pytest.raises(DatabaseRefused, match="nothing is installed"):
            source.open(survey(url), START)
        install(url, "log")
        source.open(survey(url), START)
        assert source.mode == "log"
        assert source.origin != before


def test_a_secondary_has_no_capture(url: str) -> None:
    run(url, KEYED)
    install(url, "journal")
    with closing(open_site(url, capture="journal")) as site:
        tables = survey(url, "journal")
        site.install_guard(tables, "cms-east")
        assert list(site.guard_statements(tables, "cms-east")) == []
        assert all(found.severity is not Severity.PROBLEM for found in site.preflight(tables, "cms-east"))
        site.install_capture(tables)
        assert list(site.capture_statements(tables)) == []


def refusals() -> list[tuple[str, str]]:
    return [
        ("CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id)", "partitioned"),
        ("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (PRIMARY KEY (id)) INHERITS (p)", "inherits"),
        ("CREATE TABLE t (id interval PRIMARY KEY)", "no order"),
        ("CREATE TABLE t (v interval)", "no order"),
    ]


@pytest.mark.parametrize(("ddl", "why"), refusals())
def test_a_table_that_the_journal_can_not_be_trusted_with_is_refused(url: str, ddl: str, why: str) -> None:
    run(url, ddl)
    with closing(open_site(url, capture="journal")) as site:
        facts = next(each for each in site.catalog() if each.name == "t")
        assert any(why in obstacle for obstacle in facts.obstacles)
        with pytest.raises(DatabaseRefused, match=why):
            site.install_capture({"t": facts.schema})


def test_what_the_log_refuses_the_journal_takes(url: str) -> None:
    run(url, "CREATE TABLE t (a int)", "CREATE TABLE u (id int PRIMARY KEY DEFERRABLE)")
    run(url, "CREATE TABLE v (id int NOT NULL UNIQUE)")
    with closing(open_site(url, capture="journal")) as site:
        assert [each.obstacles for each in site.catalog()] == [(), (), ()]
