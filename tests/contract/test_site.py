"""What `sync.ports.Site` promises, for every adapter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sync.model.catalog import Relation, Severity
from sync.model.position import START
from tests.contract.pair import COMPOSITE, KEYED, TABLES, Pair
from tests.contract.servers import Insert, Server


def test_catalog_gives_every_table_as_it_was_created(make: Callable[[Path], Server], tmp_path: Path) -> None:
    server = make(tmp_path / "one")
    tables = [schema for schema in TABLES if server.has(schema)]
    server.create(tables)
    site = server.site()
    facts = site.catalog()
    assert [found.name for found in facts] == sorted(schema.name for schema in tables)
    assert all(found.relation is Relation.TABLE for found in facts)
    captured = {schema.name for schema in tables if server.captures(schema)}
    assert {found.name for found in facts if not found.obstacles and found.schema in tables} == captured
    site.close()


def test_what_is_installed_is_no_part_of_the_catalog(pair: Pair) -> None:
    site = pair.primary.site()
    assert {found.name for found in site.catalog()} == set(pair.guarded)
    site.close()


def test_preflight_asks_for_an_installation_until_there_is_one(make: Callable[[Path], Server], tmp_path: Path) -> None:
    server = make(tmp_path / "one")
    server.create([KEYED])
    site = server.site()
    captured = {KEYED.name: KEYED}
    problems = [found for found in site.preflight(captured) if found.severity is Severity.PROBLEM]
    assert [found.subject for found in problems] == ["installation"]
    assert "install" in problems[0].remedy
    site.install_capture(captured)
    assert all(found.severity is not Severity.PROBLEM for found in site.preflight(captured))
    site.close()


def test_preflight_on_a_secondary_looks_at_its_guard(make: Callable[[Path], Server], tmp_path: Path) -> None:
    server = make(tmp_path / "one")
    server.create([KEYED])
    site = server.site()
    captured = {KEYED.name: KEYED}

    def problems() -> list[str]:
        found = site.preflight(captured, "cms-east")
        return [each.subject for each in found if each.severity is Severity.PROBLEM]

    assert problems() == ["installation"]
    site.install_guard(captured, "cms-east")
    assert problems() == []
    site.close()


def test_installing_again_changes_nothing_and_keeps_origin_and_changes(pair: Pair) -> None:
    origin = pair.source.origin
    pair.run(Insert(KEYED, (1, "a", None)))
    pair.source.close()
    site = pair.primary.site()
    assert list(site.capture_statements(pair.tables)) == []
    site.install_capture(pair.tables)
    site.close()
    pair.reopen(after=START)
    assert pair.source.origin == origin
    assert [c.key for t in pair.read() for block in t.blocks for c in block.changes()] == [(1,)]


def test_installing_fewer_tables_removes_what_no_longer_belongs(pair: Pair) -> None:
    pair.source.close()
    del pair.tables[COMPOSITE.name]
    site = pair.primary.site()
    assert site.capture_statements(pair.tables)
    site.install_capture(pair.tables)
    assert list(site.capture_statements(pair.tables)) == []
    site.close()
    pair.reopen()
    pair.run(Insert(KEYED, (1, "a", None)))
    assert len(pair.read()) == 1


def test_guarding_again_changes_nothing(pair: Pair) -> None:
    site = pair.secondary.site()
    assert list(site.guard_statements(pair.guarded, "cms-east")) == []
    assert site.guard_statements(pair.guarded, "cms-west")
    site.close()


def test_uninstall_leaves_nothing_behind_whatever_the_role(pair: Pair) -> None:
    pair.run(Insert(KEYED, (1, "a", None)))
    pair.pump()
    pair.source.close()
    pair.target.close()
    for server in (pair.primary, pair.secondary):
        assert server.traces()
        site = server.site()
        assert site.uninstall_statements()
        site.uninstall()
        assert list(site.uninstall_statements()) == []
        site.uninstall()
        site.close()
        assert server.traces() == []
        server.run([Insert(KEYED, (77, "mine again", None))])


def test_a_new_installation_is_a_new_origin(pair: Pair) -> None:
    origin = pair.source.origin
    pair.source.close()
    site = pair.primary.site()
    site.uninstall()
    site.install_capture(pair.tables)
    site.close()
    pair.reopen(after=START)
    assert pair.source.origin != origin
