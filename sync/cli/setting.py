"""What several commands need first: the configuration, the database's administrative side, and the filter's view.

Errors here are the user's to mend, and every one says how.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sync.core.filter import Decision, Filter, Selection, Verdict
from sync.errors import ConfigError, UsageError
from sync.model.catalog import TableFacts
from sync.model.schema import TableSchema
from sync.ops.config import find_config, load_config, selection_of
from sync.ops.config_model import Config
from sync.ops.credentials import database_password
from sync.ops.identity import Identity, certificate_name
from sync.ports import Site


def read_config(given: Path | None) -> Config:
    """Find, read and check the configuration. Raises `UsageError` and `ConfigError`."""
    from adapters import capture_modes, dialect_of

    path = find_config(given)
    config = load_config(path, dialect_of)
    modes = ("auto", *capture_modes(config.database.url))
    if config.database.capture not in modes:
        why = f"database.capture: this database can not be captured by {config.database.capture}"
        raise ConfigError(str(path), [f"{why} in this release; set it to {' or '.join(modes)}"])
    return config


def selection(config: Config) -> Selection:
    """What the configuration says about tables."""
    from adapters import dialect_of

    return selection_of(config, dialect_of(config.database.url))


@contextmanager
def open_site(config: Config) -> Iterator[Site]:
    """Connect to the database's administrative side. Raises `DatabaseError`."""
    import adapters

    database = config.database
    # Made where it is asked for: a site can be opened with rules that do not hold.
    rules = cache(lambda: Filter(selection(config)))
    site = adapters.open_site(
        database.url,
        password=database_password(config),
        capture=database.capture,
        rule_of=lambda table: rules().row_rule(table),
    )
    try:
        yield site
    finally:
        site.close()


@dataclass(frozen=True, slots=True)
class Survey:
    """Every table that the database has, with the filter's decision on it."""

    facts: Sequence[TableFacts]
    decisions: Sequence[Decision]
    captured: dict[str, TableSchema]
    mismatches: Sequence[str]
    """What the configuration says about tables that does not fit this catalog; each `path: message`."""

    @property
    def refused(self) -> list[Decision]:
        """Tables that are wanted and can not be captured."""
        return [decision for decision in self.decisions if decision.verdict is Verdict.REFUSED]


def survey(site: Site, chosen: Selection) -> Survey:
    """Judge the whole catalog."""
    table_filter = Filter(chosen)
    facts = site.catalog()
    decisions = [table_filter.decide(one) for one in facts]
    return Survey(facts, decisions, table_filter.captured(facts), table_filter.findings(facts))


def peer_name(config: Config, identity: Identity) -> str:
    """The peer's name: from the configuration, else from the pinned certificate. Raises `UsageError`."""
    if config.peer_name is not None:
        return config.peer_name
    paired = identity.paired()
    if paired is not None:
        return certificate_name(paired)
    remedy = "Set peer.name, or run `admin-sync pair` on both nodes."
    raise UsageError("this node does not know its peer", "peer.name is not set and it is not paired", remedy)
