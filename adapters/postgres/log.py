"""How far the server's log is on its disk, on which depends what of the applied is durable.

The rule it keeps: what is called durable was committed before a moment at which the log ended where the server says
now that it is written. Commits do not wait for the disk; the server's own writer follows within a second, and only
where nothing more comes is it waited for.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from adapters.postgres.connection import Connection
from adapters.postgres.session import Session
from sync.model.position import START, Position

# A commit record alone is not waited for: the transaction must have written something.
_FLUSH: Final = (
    "BEGIN",
    "SET LOCAL synchronous_commit = local",
    "SELECT pg_logical_emit_message(true, 'admin_sync.flush', '')",
    "COMMIT",
)
_ENDS: Final = "SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn, pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
_NOTES_MAX: Final = 1000
"""Some minutes of them."""


class Log:
    """The log as one session has found it. Errors are the driver's."""

    def __init__(self, *, is_behind: bool = False) -> None:
        self.is_behind = is_behind
        """Whether something was committed that was not waited for."""
        self._noted: deque[tuple[int, Position]] = deque(maxlen=_NOTES_MAX)
        """Where the log ended when a position was known to be committed."""

    def flush(self, session: Session) -> None:
        """Wait until all that was committed is on the disk."""
        if self.is_behind:
            with session.pipelined():
                for statement in _FLUSH:
                    session.run(statement)
            self.is_behind = False

    def flush_by(self, other: Connection) -> None:
        """The same by a connection that has no transaction."""
        for statement in _FLUSH:
            other.execute(statement.encode())
        self.is_behind = False

    def written(self, session: Session, applied: Position) -> Position:
        """Note a position that is committed, and give the last one noted that is on the disk; START where none is."""
        written, end = (int(str(value)) for value in session.ask(_ENDS)[0])
        self._noted.append((end, applied))
        found = START
        while self._noted and self._noted[0][0] <= written:
            found = self._noted.popleft()[1]
        return found
