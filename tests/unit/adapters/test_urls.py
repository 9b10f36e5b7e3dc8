"""URLs to adapters."""

from __future__ import annotations

import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters
from adapters.sqlite.connection import path_of
from sync.errors import UsageError


def test_sqlite_paths() -> None:
    assert path_of("sqlite:///relative/x.db") == "relative/x.db"
    assert path_of("sqlite:////absolute/x.db") == "/absolute/x.db"
    assert adapters.dialect_of("sqlite:///x") == "sqlite"


@pytest.mark.parametrize("url", ["postgresql://u@h/db", "postgres://u@h/db", "postgresql+psycopg://u@h/db"])
def test_postgres_is_captured_from_its_log_or_a_journal(url: str) -> None:
    assert adapters.dialect_of(url) == "postgres"
    assert adapters.capture_modes(url) == ("log", "journal")


@pytest.mark.parametrize("url", ["http://[h/db", "informix://u@h/db", "mysql://u:secret@h/db", "x", "", "sqlite:///"])
def test_what_can_not_be_opened_is_wrong_usage_and_shows_no_password(url: str) -> None:
    for opens in (adapters.open_site, adapters.open_source, adapters.open_target):
        with pytest.raises(UsageError) as refused:
            opens(url)
        assert "secret" not in str(refused.value)
        assert refused.value.remedy


@given(st.text())
def test_any_text_is_a_url_or_wrong_usage(url: str) -> None:
    try:
        adapters.dialect_of(url)
    except UsageError:
        return
    assert url.lower().startswith(("sqlite", "postgres"))


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name="driver")

    monkeypatch.setattr(importlib, "import_module", missing)
    for url, extra in (("sqlite:///x", "sqlite"), ("postgres://h/x", "postgres"), ("postgresql://h/x", "postgres")):
        with pytest.raises(UsageError, match=rf"pip install 'admin-sync\[{extra}\]'"):
            adapters.open_source(url)
