"""PostgreSQL: sources from the server's log and from a journal, set-based target, and what both need installed.

The rule it keeps: a server is spoken to over libpq (psycopg); no value is interpreted by more than one module.
"""

from __future__ import annotations

from adapters.postgres.installed import InstalledSource
from adapters.postgres.row_filter import RuleOf, no_rules
from adapters.postgres.site import PostgresSite
from adapters.postgres.target import PostgresTarget


def open_site(
    url: str, *, password: str | None = None, capture: str = "auto", rule_of: RuleOf = no_rules
) -> PostgresSite:
    """Connect to the administrative side of the database."""
    return PostgresSite(url, password=password, capture=capture, rule_of=rule_of)


def open_source(
    url: str, *, password: str | None = None, capture: str = "auto", rule_of: RuleOf = no_rules
) -> InstalledSource:
    """Make a source for the database."""
    return InstalledSource(url, password=password, capture=capture, rule_of=rule_of)


def open_target(url: str, *, password: str | None = None) -> PostgresTarget:
    """Make a target for the database."""
    return PostgresTarget(url, password=password)
