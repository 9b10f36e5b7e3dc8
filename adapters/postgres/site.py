"""The administrative side of a PostgreSQL database: catalog, preflight, install and uninstall.

The rule it keeps: an installation happens as a whole or not at all, and what is shown before is what runs. The slot is
the one thing that PostgreSQL makes outside of a transaction: it comes last, and where it can not be made, what came
before is taken back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from adapters.postgres import choice, guard
from adapters.postgres.catalog import SCHEMA, read_facts
from adapters.postgres.connection import Connection, connect, place_of, transaction
from adapters.postgres.errors import refusals
from adapters.postgres.preflight import findings
from adapters.postgres.row_filter import RuleOf, no_rules
from adapters.postgres.schema import META, base_statements, has_schema, has_table, meta
from adapters.postgres.session import DROP_ORIGIN, ORIGIN_EXISTS
from sync.model.catalog import Finding, TableFacts
from sync.model.schema import TableSchema

_FORGET_CAPTURE = (
    f"DELETE FROM {META} WHERE name IN"
    " ('origin', 'capture', 'publication', 'filters', 'standing', 'lost', 'confirmed', 'reserved', 'server')"
)


class PostgresSite:
    """See `sync.ports.Site`. Connects when it is made."""

    def __init__(
        self, url: str, *, password: str | None = None, capture: str = choice.AUTO, rule_of: RuleOf = no_rules
    ) -> None:
        self._place = place_of(url)
        self._capture = capture
        self._rule_of = rule_of
        self._connection = connect(url, password=password)

    def catalog(self) -> Sequence[TableFacts]:
        with refusals(f"could not read the catalog of {self._place}"):
            mode = choice.choose(self._connection, self._capture, self._rule_of).mode
            return read_facts(self._connection, choice.obstacles(self._connection, mode))

    def preflight(self, captured: Mapping[str, TableSchema], primary: str = "") -> Sequence[Finding]:
        with refusals(f"could not check {self._place}"):
            return findings(self._connection, captured, primary, self._capture, self._rule_of)

    def capture_statements(self, captured: Mapping[str, TableSchema]) -> Sequence[str]:
        with refusals(f"could not prepare the installation in {self._place}"):
            return choice.statements(self._connection, captured, self._chosen())

    def install_capture(self, captured: Mapping[str, TableSchema]) -> None:
        connection = self._connection
        with refusals(f"could not install capture in {self._place}"):
            chosen = self._chosen()
            fresh = not has_table(connection, META) or meta(connection, "origin") is None
            with transaction(connection):
                _run(connection, choice.capture_statements(connection, captured, chosen))
            try:
                _run(connection, choice.slot_statements(connection, chosen.mode))
            except BaseException:
                if fresh:
                    with transaction(connection):
                        _run(connection, _no_capture(connection))
                raise

    def adapt_capture(self, captured: Mapping[str, TableSchema], copied: Collection[str]) -> bool:  # noqa: ARG002 see choice.adapting
        connection = self._connection
        with refusals(f"could not adapt capture in {self._place}"):
            with transaction(connection):
                statements = choice.adapting_statements(connection, captured, self._rule_of)
                _run(connection, statements)
            return bool(statements)

    def guard_statements(self, captured: Mapping[str, TableSchema], primary: str) -> Sequence[str]:
        with refusals(f"could not prepare the installation in {self._place}"):
            return _guard_statements(self._connection, captured, primary)

    def install_guard(self, captured: Mapping[str, TableSchema], primary: str) -> None:
        connection = self._connection
        with refusals(f"could not install the write guard in {self._place}"), transaction(connection):
            _run(connection, _guard_statements(connection, captured, primary))

    def uninstall_statements(self) -> Sequence[str]:
        with refusals(f"could not prepare the removal from {self._place}"):
            return _uninstall_statements(self._connection)

    def uninstall(self) -> None:
        connection = self._connection
        with refusals(f"could not uninstall from {self._place}"), transaction(connection):
            _run(connection, _uninstall_statements(connection))

    def capture_mode(self) -> str:
        with refusals(f"could not check {self._place}"):
            return str(choice.choose(self._connection, self._capture, self._rule_of))

    def close(self) -> None:
        self._connection.close()

    def _chosen(self) -> choice.Choice:
        """The way of capture to install. Raises `DatabaseRefused` where another one is installed."""
        found = choice.choose(self._connection, self._capture, self._rule_of)
        choice.demand(found, self._capture, f"could not install capture in {self._place}")
        return found


def _run(connection: Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.execute(statement.encode())


def _guard_statements(connection: Connection, captured: Mapping[str, TableSchema], primary: str) -> list[str]:
    """On a secondary nothing is captured: a slot that nobody reads would keep the server's log forever."""
    return [
        *_no_capture(connection),
        *base_statements(connection),
        *guard.guard_statements(connection, captured, primary),
    ]


def _no_capture(connection: Connection) -> list[str]:
    installed = has_table(connection, META) and meta(connection, "origin") is not None
    return [*choice.removal_statements(connection), *([_FORGET_CAPTURE] if installed else [])]


def _uninstall_statements(connection: Connection) -> list[str]:
    origin = connection.execute(ORIGIN_EXISTS.encode()).fetchone()
    return [
        *choice.removal_statements(connection),
        *guard.removal_statements(connection),
        *([DROP_ORIGIN] if origin is not None and origin[0] else []),
        *([f"DROP SCHEMA {SCHEMA} CASCADE"] if has_schema(connection) else []),
    ]
