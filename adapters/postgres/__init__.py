"""PostgreSQL: source from the server's log, set-based target, and what both need installed.

The rule it keeps: a server is spoken to over libpq (psycopg); no value is interpreted by more than one module.
"""

from __future__ import annotations

from adapters.postgres.site import PostgresSite
from adapters.postgres.source import PostgresSource
from adapters.postgres.target import PostgresTarget


def open_site(url: str, *, password: str | None = None) -> PostgresSite:
    """Connect to the administrative side of the database."""
    return PostgresSite(url, password=password)


def open_source(url: str, *, password: str | None = None) -> PostgresSource:
    """Make a source for the database."""
    return PostgresSource(url, password=password)


def open_target(url: str, *, password: str | None = None) -> PostgresTarget:
    """Make a target for the database."""
    return PostgresTarget(url, password=password)
