"""Adapters: one package for each kind of database, behind the ports that `sync.ports` names.

The rule it keeps: a database's driver is imported when its URL is opened, and only then. URLs:

    sqlite:///relative/path        sqlite:////absolute/path
    postgresql://user@host/db      postgresql://user@/db?host=/directory/of/the/socket
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import NoReturn, Protocol, cast

from sync.errors import UsageError
from sync.ports import Site, Source, Target

_ADAPTERS = {"sqlite": "adapters.sqlite", "postgresql": "adapters.postgres", "postgres": "adapters.postgres"}
_DIALECTS = {"sqlite": "sqlite", "postgresql": "postgres", "postgres": "postgres"}
_MODES = {"sqlite": ("journal",), "postgresql": ("log", "journal"), "postgres": ("log", "journal")}
_EXTRAS = {"postgresql": "postgres"}
_LATER = {"informix": "Informix"}
_FORMS = "sqlite:///path or postgresql://user@host/database"


RuleOf = Callable[[str], str]
"""The row rule of a table, by its name: an SQL predicate, "" where there is none."""


def _no_rules(_: str) -> str:
    return ""


class _Adapter(Protocol):
    """What an adapter's package offers."""

    def open_site(
        self, url: str, *, password: str | None = None, capture: str = "auto", rule_of: RuleOf = _no_rules
    ) -> Site: ...
    def open_source(
        self, url: str, *, password: str | None = None, capture: str = "auto", rule_of: RuleOf = _no_rules
    ) -> Source: ...
    def open_target(self, url: str, *, password: str | None = None) -> Target: ...


def open_site(url: str, *, password: str | None = None, capture: str = "auto", rule_of: RuleOf = _no_rules) -> Site:
    """Connect to the administrative side of a database; `capture` is `auto` or one of `capture_modes`.

    `rule_of` gives the row rule of a table, of which a server may be told, so that it sends fewer rows.

    Raises `UsageError` where the URL names no known database, `DatabaseError` where it can not be reached.
    """
    return _adapter(url).open_site(url, password=password, capture=capture, rule_of=rule_of)


def open_source(url: str, *, password: str | None = None, capture: str = "auto", rule_of: RuleOf = _no_rules) -> Source:
    """Make a source; it connects when its `open` is called. Raises `UsageError` where the URL names no database."""
    return _adapter(url).open_source(url, password=password, capture=capture, rule_of=rule_of)


def open_target(url: str, *, password: str | None = None) -> Target:
    """Make a target; it connects when its `open` is called. Raises `UsageError` where the URL names no database."""
    return _adapter(url).open_target(url, password=password)


def dialect_of(url: str) -> str:
    """The sqlglot dialect of a URL's database. Raises `UsageError` where the URL names no known database."""
    scheme = _scheme(url)
    return _DIALECTS[scheme] if scheme in _DIALECTS else _unknown(scheme)


def capture_modes(url: str) -> tuple[str, ...]:
    """How changes can be captured from a URL's database; `auto` takes the first that works. Raises `UsageError`."""
    scheme = _scheme(url)
    return _MODES[scheme] if scheme in _MODES else _unknown(scheme)


def _adapter(url: str) -> _Adapter:
    scheme = _scheme(url)
    package = _ADAPTERS.get(scheme)
    if package is None:
        _unknown(scheme)
    try:
        return cast("_Adapter", importlib.import_module(package))
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the driver for {scheme} is not installed",
            f"there is no Python module {error.name}",
            f"Install it: pip install 'admin-sync[{_EXTRAS.get(scheme, scheme)}]'",
        ) from error


def _scheme(url: str) -> str:
    # Not urlsplit: it raises over what stands behind the scheme, and that is the adapter's to judge.
    scheme, colon, _ = url.partition(":")
    return scheme.partition("+")[0].lower() if colon else ""


def _unknown(scheme: str) -> NoReturn:
    # Only the scheme is shown: what follows might hold a password.
    if scheme in _LATER:
        raise UsageError(f"{_LATER[scheme]} is not in this release", f"the URL begins with {scheme}:", f"Use {_FORMS}")
    raise UsageError("no adapter for this database URL", f"it begins with {scheme or 'no scheme'}", f"Use {_FORMS}")
