"""SQLite: journal source, set-based target, and what both need installed.

The rule it keeps: a URL names a file that exists; nothing here creates a database. A file has no password, and one way
of capture.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.sqlite.connection import path_of
from adapters.sqlite.site import SqliteSite
from adapters.sqlite.source import SqliteSource
from adapters.sqlite.target import SqliteTarget


def open_site(
    url: str,
    *,
    password: str | None = None,  # noqa: ARG001 see below
    capture: str = "auto",  # noqa: ARG001
    rule_of: Callable[[str], str] | None = None,  # noqa: ARG001
) -> SqliteSite:
    """Connect to the administrative side of the file."""
    return SqliteSite(path_of(url))


def open_source(
    url: str,
    *,
    password: str | None = None,  # noqa: ARG001 see below
    capture: str = "auto",  # noqa: ARG001
    rule_of: Callable[[str], str] | None = None,  # noqa: ARG001
) -> SqliteSource:
    """Make a source for the file."""
    return SqliteSource(path_of(url))


def open_target(url: str, *, password: str | None = None) -> SqliteTarget:  # noqa: ARG001 see below
    """Make a target for the file."""
    return SqliteTarget(path_of(url))
