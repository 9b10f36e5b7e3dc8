"""Which way of capture, from the log or from a journal that triggers fill, and what each of them installs.

The rule it keeps: what is installed decides, until it is uninstalled; before, the configuration; and where that leaves
the choice to us, the log wherever the server and the role's rights allow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.postgres import publication
from adapters.postgres.catalog import Obstacles, Table
from adapters.postgres.connection import Connection
from adapters.postgres.journal import install as journal
from adapters.postgres.journal.subjects import Obstacles as JournalObstacles
from adapters.postgres.row_filter import RuleOf, no_rules
from adapters.postgres.schema import META, has_table, meta, set_meta_statement
from sync.errors import DatabaseRefused
from sync.model.schema import TableSchema

LOG: Final = "log"
AUTO: Final = "auto"
_NAME: Final = "capture"
REMEDY: Final = "Run `admin-sync uninstall`, then `install`: everything is copied again; or set database.capture back"

_SERVER: Final = """
SELECT current_setting('wal_level'), rolreplication OR rolsuper, current_user::text,
       current_setting('max_replication_slots')::int > 0
  FROM pg_roles WHERE rolname = current_user"""


@dataclass(frozen=True, slots=True)
class Choice:
    """How changes are captured, or would be."""

    mode: str
    why: str
    installed: bool
    rule_of: RuleOf = no_rules
    """The row rules, of which the server is told what it can be told."""

    def __str__(self) -> str:
        return f"{self.mode}: {self.why}"


def choose(connection: Connection, wanted: str, rule_of: RuleOf = no_rules) -> Choice:
    """Decide. `wanted` is `auto`, `log` or `journal`."""
    if has_table(connection, META) and meta(connection, "origin") is not None:
        # Where nothing is noted, it was installed before there was a choice.
        mode, _, why = (meta(connection, _NAME) or f"{LOG}: it is what is installed").partition(": ")
        return Choice(mode, why, installed=True, rule_of=rule_of)
    if wanted != AUTO:
        return Choice(wanted, "the configuration says so", installed=False, rule_of=rule_of)
    obstacle = _no_log(connection)
    mode, why = (journal.MODE, obstacle) if obstacle else (LOG, "the server's log can be decoded")
    return Choice(mode, why, installed=False, rule_of=rule_of)


def conflict(choice: Choice, wanted: str) -> str:
    """What is wrong where another way is installed than the one that is wanted; "" for nothing."""
    if not choice.installed or wanted in {AUTO, choice.mode}:
        return ""
    return f"database.capture is {wanted}, but {choice.mode} is installed"


def demand(choice: Choice, wanted: str, what: str) -> None:
    """Raise `DatabaseRefused` where another way is installed than the one that is wanted."""
    if why := conflict(choice, wanted):
        raise DatabaseRefused(what, why, REMEDY)


def obstacles(connection: Connection, mode: str) -> Obstacles:
    """What tells why a way of capture could not be trusted with a table."""
    return JournalObstacles(connection) if mode == journal.MODE else Table.obstacles


def capture_statements(connection: Connection, captured: Mapping[str, TableSchema], chosen: Choice) -> list[str]:
    """What is to run in one transaction. Raises `DatabaseRefused` where a table can not be captured."""
    noted = [] if chosen.installed else [set_meta_statement(_NAME, str(chosen))]
    if chosen.mode == journal.MODE:
        return [*journal.capture_statements(connection, captured), *noted]
    return [*publication.capture_statements(connection, captured, chosen.rule_of), *noted]


def adapting_statements(connection: Connection, captured: Mapping[str, TableSchema], rule_of: RuleOf) -> list[str]:
    """What is to run in one transaction so that what is installed fits other tables; nothing where it does already.

    What either way of capture may have missed meanwhile is noted with it, or noticed by the source.
    """
    chosen = choose(connection, AUTO, rule_of)
    if not chosen.installed or (chosen.mode == LOG and not publication.misfit(connection, captured, rule_of)):
        return []
    return capture_statements(connection, captured, chosen)


def slot_statements(connection: Connection, mode: str) -> list[str]:
    """What is to run behind that, outside of a transaction."""
    return publication.slot_statements(connection) if mode == LOG else []


def statements(connection: Connection, captured: Mapping[str, TableSchema], chosen: Choice) -> list[str]:
    """What is to run in all."""
    return capture_statements(connection, captured, chosen) + slot_statements(connection, chosen.mode)


def removal_statements(connection: Connection) -> list[str]:
    """What removes capture, whichever it is."""
    return [*publication.removal_statements(connection), *journal.removal_statements(connection)]


def _no_log(connection: Connection) -> str:
    """Why the log can not be decoded; "" where it can."""
    row = connection.execute(_SERVER.encode()).fetchone()
    if row is None:
        return "the role is not in pg_roles"
    wal_level, may_stream, role, slots = row
    if wal_level != "logical":
        return f"wal_level is {wal_level}, not logical"
    if not may_stream:
        return f"role {role} may not read the replication stream"
    return "" if slots else "max_replication_slots is 0"
