"""`init` writes a valid node or nothing."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sync.ops.config_model import Config
from sync.ops.template import NewNode, render

from .conftest import Command

SECTIONS = ("node", "database", "tables", "listen", "peer", "heartbeat", "failover", "limits", "http")


def test_a_new_node_has_every_section_and_a_private_key(east: Path) -> None:
    text = east.read_text()
    assert all(f"[{section}]" in text for section in SECTIONS)
    assert set(SECTIONS) == {name for name in Config.__struct_fields__ if name != "directory"}
    key = east.parent / "state" / "identity" / "node.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_path_is_the_result_and_the_next_steps_go_to_stderr(command: Command, tmp_path: Path) -> None:
    made = command("init", tmp_path / "n", "--name", "a", "--database", "sqlite:///x.db", "--listen", "[::1]:7443")
    assert made.out == f"{tmp_path / 'n' / 'node.toml'}\n"
    assert "admin-sync check" in made.err


def test_nothing_is_overwritten(command: Command, east: Path) -> None:
    before = east.read_bytes(), (east.parent / "state/identity/node.key").read_bytes()
    refused = command("init", east.parent, "--name", "other", "--database", "sqlite:///x.db")
    assert refused.code == 2
    assert (east.read_bytes(), (east.parent / "state/identity/node.key").read_bytes()) == before


def test_a_lost_configuration_does_not_cost_the_identity(command: Command, east: Path) -> None:
    east.unlink()
    refused = command("init", east.parent, "--name", "cms-east", "--database", "sqlite:///x.db")
    assert refused.code == 2
    assert "did not overwrite this node's identity" in refused.err
    assert not east.exists()


def test_wrong_arguments_leave_nothing_behind_and_are_told_at_once(command: Command, tmp_path: Path) -> None:
    arguments = ("--name", "no_good", "--database", "cms", "--listen", "nowhere", "--peer", "x")
    refused = command("init", tmp_path / "n", *arguments)
    assert refused.code == 2
    for path in ("node.name", "database.url", "listen.address", "peer.addresses[0]"):
        assert f"  {path}: " in refused.err
    assert not (tmp_path / "n").exists()


def test_a_password_in_the_url_is_refused(command: Command, tmp_path: Path) -> None:
    refused = command("init", tmp_path / "n", "--name", "a", "--database", "postgresql://u:secret@h/d")
    assert refused.code == 2
    assert "secret" not in refused.err


@given(st.text(st.characters(exclude_categories=["Cs"])), st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_whatever_is_given_is_written_as_that_text(text: str, addresses: list[str]) -> None:
    """No value can break out of its place in the file."""
    node = NewNode(text, "primary", text, text, text, text, text or None, text or None, addresses)
    written = tomllib.loads(render(node))
    assert written["node"]["name"] == written["node"]["state_dir"] == written["database"]["url"] == text
    assert written["peer"]["addresses"] == addresses
    assert written.get("listen", {"address": ""})["address"] == text
