"""The source that belongs to what is installed: from the log, or from the journal.

The rule it keeps: which one is found out at every opening, so that an installation of the other kind is never read by
the wrong one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapters.postgres import choice
from adapters.postgres.connection import connect, place_of
from adapters.postgres.errors import refusals
from adapters.postgres.journal.source import JournalSource
from adapters.postgres.row_filter import RuleOf, no_rules
from adapters.postgres.source import PostgresSource
from sync.errors import DatabaseRefused
from sync.model.batch import ChunkRequest, Transaction
from sync.model.position import Position
from sync.model.schema import TableSchema
from sync.ports import Source


class InstalledSource:
    """See `sync.ports.Source`. `capture` is what the configuration says."""

    def __init__(
        self, url: str, *, password: str | None = None, capture: str = choice.AUTO, rule_of: RuleOf = no_rules
    ) -> None:
        self._url, self._password = url, password
        self._place = place_of(url)
        self._capture = capture
        self._rule_of = rule_of
        self._inner: Source | None = None

    @property
    def origin(self) -> str:
        return self._source.origin

    @property
    def mode(self) -> str:
        return self._source.mode

    def open(self, captured: Mapping[str, TableSchema], after: Position) -> None:
        mode = self._installed()
        if self._inner is not None and self._inner.mode != mode:
            self.close()
            self._inner = None
        self._source_of(mode).open(captured, after)

    def wait(self, timeout_s: float) -> bool:
        return self._source.wait(timeout_s)

    def wake(self) -> None:
        # Before the first opening nobody waits.
        if self._inner is not None:
            self._inner.wake()

    def read(self, chunk: ChunkRequest | None = None) -> Iterator[Transaction]:
        return self._source.read(chunk)

    def confirm(self, position: Position) -> None:
        self._source.confirm(position)

    def close(self) -> None:
        if self._inner is not None:
            self._inner.close()

    @property
    def _source(self) -> Source:
        return self._inner or self._source_of(self._installed())

    def _source_of(self, mode: str) -> Source:
        if self._inner is None:
            if mode == JournalSource.mode:
                self._inner = JournalSource(self._url, password=self._password)
            else:
                self._inner = PostgresSource(self._url, password=self._password, rule_of=self._rule_of)
        return self._inner

    def _installed(self) -> str:
        """The mode of what is installed."""
        what = f"could not capture from {self._place}"
        connection = connect(self._url, password=self._password)
        try:
            with refusals(what):
                found = choice.choose(connection, self._capture)
        finally:
            connection.close()
        if not found.installed:
            raise DatabaseRefused(what, "nothing is installed", "Run `admin-sync install`")
        choice.demand(found, self._capture, what)
        return found.mode
