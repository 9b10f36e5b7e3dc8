"""The command line as a whole: exit codes, where text goes, and that nothing escapes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sync import cli, errors
from sync.cli.app import COMMANDS

from .conftest import Command

COMMANDS_HERE = [name for name in COMMANDS if name != "demo"]


@pytest.mark.parametrize("name", COMMANDS_HERE)
def test_every_command_has_help_with_an_example(command: Command, name: str) -> None:
    shown = command(name, "--help")
    assert shown.code == 0
    assert f"Example: admin-sync {name}" in shown.out


def test_the_overview_names_every_command_and_imports_none() -> None:
    script = (
        "import sys, sync.cli; code = sync.cli.execute(['--help']); "
        "print([name for name in sys.modules if name.startswith(('sync.node', 'sync.ops', 'adapters'))]); "
        "sys.exit(code)"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert all(f" {name} " in shown.stdout for name in COMMANDS)
    assert shown.stdout.splitlines()[-1] == "[]"


def test_version_is_the_distributions(command: Command) -> None:
    shown = command("--version")
    assert (shown.code, shown.out.strip()[0].isdigit()) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [("bogus",), ("status", "--bogus"), ("init",), ("pair", "extra"), ("run", "--log", "xml"), ("init", "d", "--name")],
)
def test_wrong_usage_is_2_and_says_where_help_is(command: Command, arguments: tuple[str, ...]) -> None:
    refused = command(*arguments)
    assert refused.code == 2
    assert refused.out == ""
    assert refused.err.startswith("error: ")
    assert "--help" in refused.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Negative("no"), 1),
        (errors.UsageError("wrong"), 2),
        (errors.DatabaseBusy("locked"), 3),
        (errors.PeerRefused("code", "refused"), 4),
        (errors.RoleError("fenced"), 5),
        (errors.SpoolError("broken"), 70),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 0),
        (ZeroDivisionError("by zero"), 70),
    ],
)
def test_each_error_has_its_exit_code(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "_dispatch", fail)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    assert cli.execute([]) == code


def test_a_defect_asks_to_be_reported_and_shows_its_trace_on_demand(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: list[str]) -> int:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(cli, "_dispatch", fail)
    quiet, loud = command("status"), command("status", "--debug")
    assert "Please report it" in quiet.err
    assert "Traceback" not in quiet.err
    assert "Traceback" in loud.err


def test_a_mistyped_command_is_put_right(command: Command) -> None:
    assert "Did you mean `admin-sync status`?" in command("statsu").err


def test_an_error_says_what_why_and_the_remedy(command: Command, tmp_path: Path) -> None:
    refused = command("status", "-c", tmp_path / "none.toml")
    first, remedy = refused.err.splitlines()
    assert first.startswith("error: can not read ")
    assert "admin-sync init" in remedy


@pytest.mark.parametrize("arguments", [("status",), ("snapshot",), ("verify",), ("tail",)])
def test_commands_that_need_a_running_node_say_how_to_start_it(
    command: Command, east: Path, arguments: tuple[str, ...]
) -> None:
    refused = command(*arguments, "-c", east)
    assert refused.code == 2
    assert refused.out == ""
    assert "no running node" in refused.err
    assert "admin-sync run" in refused.err
