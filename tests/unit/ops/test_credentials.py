"""The password comes from where it is configured, and never from where others can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.errors import UsageError
from sync.model.catalog import Severity
from sync.ops.config_model import Config, DatabaseSection, NodeSection
from sync.ops.credentials import database_password, password_findings


def config(directory: Path, password_file: str | None = None) -> Config:
    node = NodeSection(name="a", role="primary", state_dir="state")
    database = DatabaseSection(url="sqlite:///x", password_file=password_file)
    return Config(node=node, database=database, directory=directory)


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def test_the_file_wins_over_the_credential_and_the_variable(tmp_path: Path) -> None:
    write(tmp_path / "secret", b"from file\n")
    write(tmp_path / "db-password", b"from systemd")
    both = {"CREDENTIALS_DIRECTORY": str(tmp_path), "ADMIN_SYNC_DB_PASSWORD": "from variable"}
    assert database_password(config(tmp_path, "secret"), both) == "from file"
    assert database_password(config(tmp_path), both) == "from systemd"
    assert database_password(config(tmp_path), {"ADMIN_SYNC_DB_PASSWORD": "from variable"}) == "from variable"
    assert database_password(config(tmp_path), {}) is None


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602])
def test_a_file_that_everyone_can_read_is_a_problem(tmp_path: Path, mode: int) -> None:
    write(tmp_path / "secret", b"hush", mode)
    with pytest.raises(UsageError, match="not safe"):
        database_password(config(tmp_path, "secret"), {})
    (finding,) = password_findings(config(tmp_path, "secret"), {})
    assert finding.severity is Severity.PROBLEM
    assert "chmod 600" in finding.remedy


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff\xfe", b"x" * 5000, b"nul\x00"])
def test_what_is_not_one_line_of_text_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "secret", content)
    with pytest.raises(UsageError, match="holds no password") as caught:
        database_password(config(tmp_path, "secret"), {})
    assert "two" not in str(caught.value)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can not read the password file"):
        database_password(config(tmp_path, "none"), {})
