"""Which tables and columns may leave: deny rules, structure, lists (invariant 5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.filter import Filter, Selection, Verdict, selection_findings
from sync.errors import ConfigError
from sync.model.catalog import Relation, TableFacts
from tests.unit.core.cms_tables import ADMIN, CALL, table_facts

EVERYTHING = Selection(include=("*", "*.*"))
PLAIN = Filter(Selection())


def verdict(facts: TableFacts, selection: Selection | None = None) -> tuple[Verdict, str]:
    decision = Filter(selection or Selection()).decide(facts)
    assert decision.table == facts.name
    assert decision.reason
    return decision.verdict, decision.rule


@pytest.mark.parametrize("name", ADMIN)
def test_no_administration_table_is_denied(name: str) -> None:
    """Invariant 1: neither a name rule nor the structural rule takes an administration table away."""
    assert PLAIN.decide(table_facts(name, ADMIN[name])).verdict in {
        Verdict.REPLICATE,
        Verdict.COMPARE_ONLY,
        Verdict.HAZARD,
    }
    assert Filter(EVERYTHING).decide(table_facts(f"copy_of_{name}", ADMIN[name])).verdict is Verdict.REPLICATE


@pytest.mark.parametrize("name", CALL)
def test_call_table_is_denied_by_its_name_alone(name: str) -> None:
    """Invariant 5: even where a catalog shows no telling column, and the configuration includes everything."""
    found, rule = verdict(table_facts(name, "id value"), EVERYTHING)
    assert found is Verdict.DENIED
    assert rule in {"D1", "D2", "D3", "D4"}


@pytest.mark.parametrize("name", CALL)
def test_call_table_is_denied_by_its_structure_alone(name: str) -> None:
    """Invariant 5: a copy under an innocent name does not leave either."""
    assert verdict(table_facts("innocent", CALL[name]), EVERYTHING) == (Verdict.DENIED, "structure")


@pytest.mark.parametrize(
    "name",
    [
        "cagent",
        "pvdn",
        "csplit",
        "psplit",
        "wvdn",
        "mtkgrp",
        "dcwc",
        "wcwc",
        "wvector",
        "htrunk",
        "dtrunk",
        "wtrunk",
        "agex",
        "tgex",
        "vdnex",
        "vecex",
        "mctex",
        "fullex",
        "w_secs",
        "m_secs",
        "f_cday",
        "f_cdayrep",
        "arch_stat",
        "customer_log",
        "systables",
        "syscolumns",
    ],
)
def test_known_call_and_local_names_are_denied(name: str) -> None:
    """Invariant 5."""
    assert verdict(table_facts(name), EVERYTHING)[0] is Verdict.DENIED


@pytest.mark.parametrize(
    "name", ["HSPLIT", '"root".hsplit', "root.HSplit", 'root."hsplit"', "cms@east:root.hsplit", "hsplit "]
)
def test_case_owner_and_quotes_hide_nothing(name: str) -> None:
    """Invariant 5: rules look at the bare lower-case name."""
    assert verdict(table_facts(name), EVERYTHING) == (Verdict.DENIED, "D1")
    assert Filter(EVERYTHING).wall(name, ["id"]) is not None


@pytest.mark.parametrize(
    "name",
    [
        "dbitems",
        "agroups",
        "acd_shifts",
        "main_menu",
        "ex_agent",
        "index",
        "my_index",
        "complex",
        "hotels",
        "c_codes",
        "systems2",
        "dagents",
        "split",
        "d_secsx",
        "f",
        "hsplit_names",
    ],
)
def test_anchored_rules_hit_nothing_else(name: str) -> None:
    """Invariant 1: `^d`, `^a`, `^m`, `^c`, `^h` or `ex$` would take these away."""
    assert verdict(table_facts(name), EVERYTHING)[0] is Verdict.REPLICATE


@pytest.mark.parametrize("name", ["hsplit_old", "dagent_bak"])
def test_copies_of_call_tables(name: str) -> None:
    """Invariant 5: no list names them, and the structural rule stops them where one does."""
    columns = CALL[name.split("_", maxsplit=1)[0]]
    assert verdict(table_facts(name, "id value"))[0] is Verdict.UNLISTED
    assert verdict(table_facts(name, columns))[0] is Verdict.DENIED
    assert verdict(table_facts(name, columns), Selection(include=(name,))) == (Verdict.DENIED, "structure")


@pytest.mark.parametrize("relation", [Relation.VIEW, Relation.SYNONYM])
@pytest.mark.parametrize("base", ["hagent", "root.HAGENT", '"root".hagent'])
def test_alias_of_a_call_table_is_denied(relation: Relation, base: str) -> None:
    """Invariant 5: an innocent name for a call table is a call table."""
    facts = table_facts("names", "logid split", relation=relation, bases=("users", base))
    found = Filter(EVERYTHING).decide(facts)
    assert (found.verdict, found.rule) == (Verdict.DENIED, "D1")
    assert relation.value in found.reason


@pytest.mark.parametrize("relation", [Relation.VIEW, Relation.SYNONYM, Relation.OTHER])
def test_only_tables_are_captured(relation: Relation) -> None:
    facts = table_facts("v_names", relation=relation, bases=("users",))
    assert verdict(facts)[0] is Verdict.UNLISTED
    assert verdict(facts, Selection(include=("v_names",)))[0] is Verdict.REFUSED


def test_customer_tables_are_opt_in_and_still_judged_by_structure() -> None:
    """Invariant 5."""
    assert verdict(table_facts("c_schedule"))[0] is Verdict.UNLISTED
    include = Selection(include=("c_*",))
    assert verdict(table_facts("c_schedule"), include) == (Verdict.REPLICATE, "include 'c_*'")
    assert verdict(table_facts("c_schedule", "id Row_Date"), include) == (Verdict.DENIED, "structure")


@pytest.mark.parametrize(
    ("columns", "denied"),
    [
        ("id login logout", True),
        ("id LOGIN Logout", True),
        ("id segstart segstop", True),
        ("id login", False),
        ("id segstart", False),
        ("id logout login_acd", False),
        ("id start_time stop_time", False),
    ],
)
def test_pairs_of_columns_that_mark_call_data(columns: str, denied: bool) -> None:
    """Invariant 5."""
    assert (verdict(table_facts("innocent", columns), EVERYTHING)[0] is Verdict.DENIED) == denied


def test_compare_only_tables_are_never_written_whatever_is_included() -> None:
    for name in ("acds", "acd_groups", "ds_alloc"):
        assert verdict(table_facts(name), Selection(include=(name,)))[0] is Verdict.COMPARE_ONLY
        assert PLAIN.wall(name, ["acd"]) is not None


def test_hazards_need_their_full_name() -> None:
    for name in ("split_pro", "vdn_pro"):
        assert verdict(table_facts(name))[0] is Verdict.HAZARD
        assert verdict(table_facts(name), Selection(include=("*_pro", "*")))[0] is Verdict.HAZARD
        assert verdict(table_facts(name), Selection(include=(name.upper(),)))[0] is Verdict.REPLICATE


def test_exclude_wins_over_the_lists_and_says_so() -> None:
    selection = Selection(include=("c_codes",), exclude=("C_*", "rep_defs"))
    assert verdict(table_facts("rep_defs"), selection) == (Verdict.EXCLUDED, "exclude 'rep_defs'")
    assert verdict(table_facts("c_codes"), selection) == (Verdict.EXCLUDED, "exclude 'C_*'")
    assert verdict(table_facts("synonyms"), selection) == (Verdict.REPLICATE, "allow: cms/dictionary")


def test_pattern_without_a_schema_speaks_of_the_default_schema() -> None:
    """Invariant 5: another owner's table of the same name is another table."""
    assert verdict(table_facts("other.synonyms"))[0] is Verdict.UNLISTED
    assert verdict(table_facts("other.codes"), Selection(include=("codes", "*")))[0] is Verdict.UNLISTED
    assert verdict(table_facts("Other.Codes"), Selection(include=("other.*",)))[0] is Verdict.REPLICATE


def test_obstacles_refuse_a_listed_table_and_are_told() -> None:
    """Invariant 10: what can not be captured is never shown as replicated."""
    facts = table_facts("synonyms", obstacles=("it is unlogged", "it has no key"))
    decision = PLAIN.decide(facts)
    assert decision.verdict is Verdict.REFUSED
    assert "it is unlogged; it has no key" in decision.reason
    assert PLAIN.captured([facts]) == {}


def test_profile_none_replicates_only_what_is_included_and_never_a_system_table() -> None:
    assert verdict(table_facts("synonyms"), Selection(profile="none"))[0] is Verdict.UNLISTED
    for dialect, system in (("sqlite", "sqlite_stat1"), ("postgres", "pg_class"), ("informix", "systables")):
        selection = Selection(profile="none", include=("*", "*.*"), dialect=dialect)
        assert verdict(table_facts(system), selection) == (Verdict.DENIED, "D7")
        assert verdict(table_facts("hsplit", "id row_date"), selection)[0] is Verdict.REPLICATE
    assert verdict(table_facts("information_schema.tables"), EVERYTHING) == (Verdict.DENIED, "D7")


def test_captured_tables_come_without_their_local_columns() -> None:
    """Invariant 5: what belongs to one server stays there."""
    facts = [table_facts(name, columns) for name, columns in {**ADMIN, **CALL}.items()]
    captured = PLAIN.captured(facts)
    assert set(captured) == set(ADMIN) - {"acds", "acd_groups", "ds_alloc", "split_pro", "vdn_pro"}
    assert "printer" not in captured["users"].column_names
    assert captured["timetables"].column_names == ("user_id", "tt_name", "acd", "start_tm", "days")
    assert captured["synonyms"] is facts[0].schema


def test_configured_local_columns_replace_the_profile_s_for_their_table_only() -> None:
    table_filter = Filter(Selection(local_columns={"TimeTables": ["DAYS"]}))
    facts = [table_facts(name, ADMIN[name]) for name in ("timetables", "users")]
    captured = table_filter.captured(facts)
    assert "days" not in captured["timetables"].column_names
    assert "run_on" in captured["timetables"].column_names
    assert "printer" not in captured["users"].column_names


def test_key_moves_with_the_columns_that_stay() -> None:
    facts = table_facts("synonyms", "a b c d", key=(3, 1))
    schema = Filter(Selection(local_columns={"synonyms": ["a", "c"]})).captured([facts])["synonyms"]
    assert (schema.column_names, schema.key, schema.key_names) == (("b", "d"), (1, 0), ("d", "b"))


@pytest.mark.parametrize("key", [(0,), ()])
def test_identity_can_not_be_local(key: tuple[int, ...]) -> None:
    facts = table_facts("synonyms", "a b", key=key)
    table_filter = Filter(Selection(local_columns={"synonyms": ["a"]}))
    assert table_filter.decide(facts).verdict is Verdict.REFUSED
    assert "tables.columns.synonyms: column a identifies a row and can not be local" in table_filter.findings([facts])


@pytest.mark.parametrize(
    ("table", "columns", "told"),
    [
        ("hsplit", ["id"], "call data"),
        ("synonyms", ["acd_no", "row_date"], "looks like call data"),
        ("nobody", ["id"], "neither in the profile nor"),
        ("users", ["user_id", "PRINTER"], "PRINTER of users stays on each server"),
        ("split_pro", ["acd"], "left out"),
        ("acds", ["acd"], "compare-only"),
        ("rep_defs", ["rep_id"], "excluded"),
    ],
)
def test_wall_stops_what_the_capture_should_have(table: str, columns: list[str], told: str) -> None:
    """Invariant 5: the second and third wall know only names, and judge by the same rules."""
    reason = Filter(Selection(exclude=("rep_defs",))).wall(table, columns)
    assert reason is not None
    assert told in reason


@given(st.sampled_from(sorted({**ADMIN, **CALL})), st.sampled_from(["", "*", "c_*", "split_pro"]))
def test_walls_and_capture_agree(name: str, include: str) -> None:
    """Invariant 5: exactly what is captured passes the walls."""
    table_filter = Filter(Selection(include=(include,) if include else ()))
    facts = table_facts(name, {**ADMIN, **CALL}[name])
    captured = table_filter.captured([facts]).get(name)
    columns = captured.column_names if captured else facts.schema.column_names
    assert (table_filter.wall(name, columns) is None) == (captured is not None)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_name_is_judged(name: str, pattern: str) -> None:
    """A strange catalog never stops the filter."""
    selection = Selection(include=(pattern,))
    if selection_findings(selection):
        with pytest.raises(ConfigError):
            Filter(selection)
    else:
        table_filter = Filter(selection)
        assert (table_filter.decide(table_facts(name)).verdict is Verdict.REPLICATE) == (
            table_filter.wall(name, ["id", "value"]) is None
        )


def test_all_findings_come_at_once() -> None:
    selection = Selection(
        profile="csm",
        include=("",),
        rows={"synonyms": "acd_no IN (", "users": "random() > 1", "Users": "TRUE"},
    )
    findings = selection_findings(selection)
    assert [finding.split(": ")[0] for finding in findings] == [
        "tables.profile",
        "tables.include",
        "tables.rows.synonyms",
        "tables.rows.users",
        "tables.rows.Users",
    ]
    with pytest.raises(ConfigError) as raised:
        Filter(selection)
    assert list(raised.value.findings) == findings


def test_including_call_data_is_a_finding() -> None:
    """Invariant 5: whoever asks for it learns that it never happens."""
    (finding,) = selection_findings(Selection(include=("hsplit", "synonyms")))
    assert finding.startswith("tables.include: hsplit is call data")
    assert "D1" in finding


def test_findings_hold_the_configuration_against_the_catalog() -> None:
    table_filter = Filter(
        Selection(
            include=("c_none",),
            rows={"synonyms": "nobody = 1", "gone": "a = 1", "users": "printer IS NULL"},
            local_columns={"users": ["printer", "colour"], "lost": ["a"]},
        )
    )
    findings = table_filter.findings([table_facts(name, ADMIN[name]) for name in ("synonyms", "users")])
    assert [finding.partition(": ")[0] for finding in findings] == [
        "tables.rows.gone",
        "tables.columns.lost",
        "tables.rows.synonyms",
        "tables.columns.users",
        "tables.rows.users",
        "tables.include",
    ]
