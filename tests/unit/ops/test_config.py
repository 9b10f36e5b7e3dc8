"""The configuration comes out whole and checked, or as all of its findings at once."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import ConfigError, UsageError
from sync.ops.config import FILE_BYTES_MAX, find_config, load_config, parse_config, selection_of
from sync.ops.config_model import Config

SMALL = """
[node]
name = "cms-east"
role = "primary"
state_dir = "state"
[database]
url = "sqlite:///cms.db"
"""


def dialect_of(url: str) -> str:
    if url.startswith("sqlite:"):
        return "sqlite"
    raise UsageError("no such database", "only SQLite here")


def parse(text: str) -> Config:
    return parse_config(tomllib.loads(text), Path("here/node.toml"), dialect_of)


def findings_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value.findings


def one_finding(text: str) -> str:
    findings = findings_of(text)
    assert len(findings) == 1, findings
    return findings[0]


def test_a_small_file_gets_the_documented_defaults() -> None:
    config = parse(SMALL)
    assert config.state_dir == Path("here/state")
    assert (config.heartbeat.interval_s, config.heartbeat.missed_max) == (20, 3)
    assert (config.limits.batch_bytes_max, config.limits.spool_bytes_max) == (4194304, 2147483648)
    assert config.limits.in_flight_batches_max == 8
    assert (config.tables.profile, config.database.capture, config.failover.mode) == ("cms", "auto", "automatic")
    assert config.peer_addresses == ()
    assert (config.listen_at, config.http_at, config.peer_name) == (None, None, None)


@pytest.mark.parametrize("name", ["node-primary.toml", "node-secondary.toml"])
def test_the_samples_that_ship_are_valid(name: str) -> None:
    path = Path(__file__).parents[3] / "deploy" / "cms-pair" / name
    config = load_config(path, lambda _: "sqlite")
    assert len(config.peer_addresses) == 2
    assert config.local_columns == {"timetables": ("run_on", "active", "next_run")}


def test_all_errors_come_at_once_each_with_its_path() -> None:
    findings = findings_of("""
[node]
name = "cms_east!"
role = "third"
[database]
url = "mysql://x"
captur = "auto"
[tables.rows]
synonyms = "acd_no IN ("
[listen]
address = "nowhere"
[heartbeat]
interval_s = 0
[limits]
batch_bytes_max = "4M"
[fail_over]
""")
    paths = [finding.split(":")[0] for finding in findings]
    assert sorted(paths) == sorted(
        [
            "fail_over",
            "node.name",
            "node.role",
            "node.state_dir",
            "database.captur",
            "heartbeat.interval_s",
            "limits.batch_bytes_max",
            "listen.address",
            "database.url",
        ]
    )


def test_a_bad_predicate_names_its_table() -> None:
    finding = one_finding(SMALL + '[tables.rows]\nsynonyms = "acd_no IN ("')
    assert finding.startswith("tables.rows.synonyms: ")


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("[heartbeat]\nintervall_s = 3", 'heartbeat.intervall_s: unknown key; did you mean "interval_s"?'),
        ("[limit]\n", 'limit: unknown section; did you mean "limits"?'),
        ("[directory]\n", "directory: unknown section"),
        ("[peer]\naddresses = [7]", "peer.addresses[0]: must be str, got int"),
        ('[peer]\nname = "cms-east"', "peer.name: is this node's own name"),
        ("[limits]\nspool_bytes_max = 65536", "limits.spool_bytes_max: must be at least 2 times"),
        ("[limits]\nin_flight_batches_max = true", "limits.in_flight_batches_max: must be int, got bool"),
        ("[heartbeat]\ninterval_s = nan", "heartbeat.interval_s: must be"),
        ("[heartbeat]\ninterval_s = inf", "heartbeat.interval_s: must be"),
        ('[http]\naddress = "127.0.0.1:0"', "http.address: port 0 is outside"),
        ('[http]\naddress = "::1:7480"', "http.address: "),
        ('[listen]\naddress="h:1"\n[http]\naddress="h:1"', "http.address: is the same as listen.address"),
        ('tables = "all"', "tables: must be a table ([tables]), not a text"),
        ("[tables.columns]\ntimetables = { locals = [] }", "tables.columns.timetables.locals: unknown key"),
    ],
)
def test_each_finding(extra: str, expected: str) -> None:
    text = extra + SMALL if extra.startswith("tables =") else SMALL + extra
    assert any(finding.startswith(expected) for finding in findings_of(text)), findings_of(text)


@pytest.mark.parametrize(
    "url",
    ["postgresql://cms:secret@db/cms", "postgresql://cms@db/cms?password=secret", "informix://cms:secret@h:1/cms"],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    finding = one_finding(SMALL.replace("sqlite:///cms.db", url))
    assert "password_file" in finding
    assert "secret" not in finding


def test_a_missing_section_is_named() -> None:
    assert findings_of("") == ("node: this section is missing", "database: this section is missing")


def test_the_selection_carries_what_the_file_says_about_tables() -> None:
    config = parse(SMALL + '[tables]\nprofile = "none"\ninclude = ["a*"]\n[tables.columns]\na = { local = ["b"] }')
    chosen = selection_of(config, "sqlite")
    assert (chosen.profile, chosen.include, chosen.local_columns) == ("none", ("a*",), {"a": ("b",)})


def test_the_file_is_looked_for_in_the_documented_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(None, {}) == Path("/etc/admin-sync/node.toml")
    Path("node.toml").touch()
    assert find_config(None, {}) == Path("node.toml")
    assert find_config(None, {"ADMIN_SYNC_CONFIG": "other.toml"}) == Path("other.toml")
    assert find_config(Path("given.toml"), {"ADMIN_SYNC_CONFIG": "other.toml"}) == Path("given.toml")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"a = ", b"[a", b"\x00", b"a=" + b"[" * 5000, b"x" * (FILE_BYTES_MAX + 1)]
)
def test_a_file_that_is_not_toml_is_a_usage_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "node.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        load_config(path, dialect_of)


def test_a_missing_file_and_a_directory_are_usage_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UsageError, match="can not read"):
            load_config(path, dialect_of)


KEYS = st.sampled_from([
    "node", "database", "tables", "listen", "peer", "heartbeat", "failover", "limits", "http", "name", "role",
    "state_dir", "url", "capture", "profile", "include", "rows", "columns", "local", "address", "addresses",
    "interval_s", "batch_bytes_max", "spool_bytes_max", "password_file", "directory",
])  # fmt: skip
SCALARS = (
    st.text(max_size=12)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.dates()
    | st.sampled_from(["primary", "sqlite:///a", "a:1", "[::1]:2", "x = 1", "postgresql://[", "http://a:b@c"])
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=6), inner, max_size=5)
)


@given(st.dictionaries(KEYS | st.text(max_size=6), VALUES, max_size=8))
def test_whatever_a_file_holds_it_is_a_config_or_a_config_error(document: dict[str, Any]) -> None:
    base = tomllib.loads(SMALL)
    for candidate in (document, base | document):
        with suppress(ConfigError):
            assert parse_config(candidate, Path("node.toml"), dialect_of).node.name
