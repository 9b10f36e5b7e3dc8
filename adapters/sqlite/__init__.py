"""SQLite: journal source, set-based target, and what both need installed.

The rule it keeps: a URL names a file that exists; nothing here creates a database.
"""

from __future__ import annotations

from adapters.sqlite.connection import path_of
from adapters.sqlite.site import SqliteSite
from adapters.sqlite.source import SqliteSource
from adapters.sqlite.target import SqliteTarget


def open_site(url: str, *, password: str | None = None) -> SqliteSite:  # noqa: ARG001 a file has no password
    """Connect to the administrative side of the file."""
    return SqliteSite(path_of(url))


def open_source(url: str, *, password: str | None = None) -> SqliteSource:  # noqa: ARG001 a file has no password
    """Make a source for the file."""
    return SqliteSource(path_of(url))


def open_target(url: str, *, password: str | None = None) -> SqliteTarget:  # noqa: ARG001 a file has no password
    """Make a target for the file."""
    return SqliteTarget(path_of(url))
