"""Every error that a person may see, in one tree.

Each says three things: what happened, why, and what to do. The class decides the exit code of a command.

    AdminSyncError                70  a defect of ours, please report it
    ├── Negative                   1  the command ran, and the answer is no
    ├── UsageError                 2  wrong usage or configuration
    │   ├── ConfigError               one or many findings, each with its path in the file
    │   └── StateLocked               another process owns the state directory
    ├── DatabaseError              3  the database is unreachable or refused
    │   ├── DatabaseBusy              locked or restarting; the same work succeeds later
    │   ├── DatabaseRefused           it answered no: rights, full disk, read-only, corrupt
    │   ├── CatalogChanged            captured tables were altered: the source is opened anew at once
    │   ├── TableRefused              a table's definition can not be followed: table, reason
    │   ├── RowRefused                one row does not fit: table, key, column, reason
    │   └── PositionLost              the source can not continue where it stopped
    ├── PeerError                  4  the peer is unreachable or refused
    │   ├── PeerUnreachable           no connection
    │   ├── PeerRefused               it said no, with a reason code
    │   └── ProtocolError             it sent what the protocol does not allow
    ├── RoleError                  5  fenced, or the wrong role for this command
    └── SpoolError                70  the spool's disk failed
        ├── SpoolFull                 the limit of the configuration is reached
        └── SpoolCorrupt              a record inside the synced part does not check
"""

from __future__ import annotations


class AdminSyncError(Exception):
    """What happened, why, and what to do about it.

    `what` is short and starts in lower case, `why` is the factual detail, `remedy` is a full sentence.
    """

    exit_code = 70

    def __init__(self, what: str, why: str = "", remedy: str = "") -> None:
        super().__init__(what, why, remedy)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        text = self.what
        if self.why:
            text += f": {self.why}"
        if self.remedy:
            text += f". {self.remedy}" if not text.endswith((".", "!", "?")) else f" {self.remedy}"
        return text


class Negative(AdminSyncError):
    """The command ran to its end, and the answer is no."""

    exit_code = 1


class UsageError(AdminSyncError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """All findings of one configuration file, each `path: message`."""

    def __init__(self, source: str, findings: list[str]) -> None:
        noun = "error" if len(findings) == 1 else "errors"
        super().__init__(f"{len(findings)} {noun} in {source}", "\n  ".join(["", *findings]))
        self.source = source
        self.findings = tuple(findings)


class StateLocked(UsageError):
    """Another process owns the state directory."""


class DatabaseError(AdminSyncError):
    """The database is unreachable, or it refused."""

    exit_code = 3


class DatabaseBusy(DatabaseError):
    """Locked or restarting: the same work is worth trying again."""


class DatabaseRefused(DatabaseError):
    """The database answered no: missing rights, full disk, read-only, corrupt."""


class CatalogChanged(DatabaseBusy):
    """The tables are not as the source was opened for: opened anew with what the catalog says now, it goes on."""


class TableRefused(DatabaseError):
    """A table's definition can not be brought to the stream's; nothing of the attempt is left."""

    def __init__(self, table: str, why: str, remedy: str = "") -> None:
        super().__init__(f"could not alter table {table}", why, remedy)
        self.table = table


class RowRefused(DatabaseError):
    """One row does not fit into the target; nothing of its transaction was applied."""

    def __init__(self, table: str, key: str, column: str, why: str, remedy: str = "") -> None:
        place = " ".join(filter(None, (table, key, f"column {column}" if column else "")))
        super().__init__(f"could not apply {place}", why, remedy)
        self.table = table
        self.key = key
        self.column = column


class PositionLost(DatabaseError):
    """The source can not continue where it stopped: what may have changed must be copied again.

    `resume` is the position after which the source can go on.
    """

    def __init__(self, what: str, why: str = "", remedy: str = "", *, resume: int = 0) -> None:
        super().__init__(what, why, remedy)
        self.resume = resume


class PeerError(AdminSyncError):
    """The peer is unreachable, or it refused."""

    exit_code = 4


class PeerUnreachable(PeerError):
    """No connection to the peer could be made, or it broke."""


class PeerRefused(PeerError):
    """The peer said no. `code` is the machine-readable reason (see docs/wire.md)."""

    def __init__(self, code: str, what: str, why: str = "", remedy: str = "") -> None:
        super().__init__(what, why, remedy)
        self.code = code


class ProtocolError(PeerError):
    """The peer sent what the protocol does not allow. The connection is closed; nothing of it was applied."""


class RoleError(AdminSyncError):
    """The node is fenced, or has the wrong role for what was asked."""

    exit_code = 5


class SpoolError(AdminSyncError):
    """The spool's disk failed."""


class SpoolFull(SpoolError):
    """The spool holds as much as `limits.spool_bytes_max` allows; capture waits for the peer."""


class SpoolCorrupt(SpoolError):
    """A record inside the synced part of the spool does not check."""
