"""The administrative side of a SQLite database: catalog, preflight, install and uninstall.

The rule it keeps: an installation happens as a whole or not at all, and what is shown before is what runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from adapters.sqlite import install
from adapters.sqlite.catalog import read_facts
from adapters.sqlite.connection import connect, refusals, transaction
from adapters.sqlite.preflight import findings
from sync.model.catalog import Finding, TableFacts
from sync.model.schema import TableSchema

_WAL = "PRAGMA journal_mode = WAL"


class SqliteSite:
    """See `sync.ports.Site`. Connects when it is made."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection = connect(path)

    def catalog(self) -> Sequence[TableFacts]:
        with refusals(f"could not read the catalog of {self._path}"):
            return read_facts(self._connection)

    def preflight(self, captured: Mapping[str, TableSchema], primary: str = "") -> Sequence[Finding]:
        with refusals(f"could not check {self._path}"):
            return findings(self._connection, self._path, captured, primary)

    def capture_mode(self) -> str:
        return "journal"

    def capture_statements(self, captured: Mapping[str, TableSchema]) -> Sequence[str]:
        with refusals(f"could not prepare the installation in {self._path}"):
            return self._mode() + install.capture_statements(self._connection, captured)

    def install_capture(self, captured: Mapping[str, TableSchema]) -> None:
        with refusals(f"could not install capture in {self._path}"):
            self._set_mode()
            with transaction(self._connection):
                self._run(install.capture_statements(self._connection, captured))
                install.prove_triggers(self._connection, install.subjects(self._connection, captured).tables)

    def adapt_capture(self, captured: Mapping[str, TableSchema], copied: Collection[str]) -> bool:
        with refusals(f"could not adapt capture in {self._path}"):
            if not install.adapts(self._connection):
                return False
            with transaction(self._connection):
                statements = install.capture_statements(self._connection, captured, copied)
                self._run(statements)
                if statements:
                    install.prove_triggers(self._connection, install.subjects(self._connection, captured).tables)
            return bool(statements)

    def guard_statements(self, captured: Mapping[str, TableSchema], primary: str) -> Sequence[str]:
        with refusals(f"could not prepare the installation in {self._path}"):
            return self._mode() + install.guard_statements(self._connection, captured, primary)

    def install_guard(self, captured: Mapping[str, TableSchema], primary: str) -> None:
        with refusals(f"could not install the write guard in {self._path}"):
            self._set_mode()
            with transaction(self._connection):
                self._run(install.guard_statements(self._connection, captured, primary))
                install.prove_triggers(self._connection, install.subjects(self._connection, captured).tables)

    def uninstall_statements(self) -> Sequence[str]:
        with refusals(f"could not prepare the removal from {self._path}"):
            return install.uninstall_statements(self._connection)

    def uninstall(self) -> None:
        with refusals(f"could not uninstall from {self._path}"), transaction(self._connection):
            self._run(install.uninstall_statements(self._connection))

    def close(self) -> None:
        self._connection.close()

    def _run(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._connection.execute(statement)

    def _mode(self) -> list[str]:
        return [] if self._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal" else [_WAL]

    def _set_mode(self) -> None:
        """Switch to the log in which readers and the one writer do not wait for each other; it stays set.

        That is not possible inside a transaction. Where the file's system has no shared memory the mode stays as it
        is: capture works, and waits more.
        """
        for statement in self._mode():
            self._connection.execute(statement).fetchone()
