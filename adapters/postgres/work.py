"""The net effect on one table, ready to be sent: in the form tried first, or in one that finds the row at fault.

The rule it keeps: both do the same, truncate first.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.postgres.apply import Step, perform
from adapters.postgres.mend import mend
from adapters.postgres.session import Session
from adapters.postgres.statements import Statements
from sync.model.writes import Writes


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done to one table. Raises as `apply.steps` does, and the driver's errors."""

    writes: Writes
    statements: Statements
    steps: list[Step]

    @property
    def is_loose(self) -> bool:
        """Whether rows are put without a unique index that an insert could meet."""
        return bool(self.writes.upserts) and not self.statements.mergeable

    def perform(self, session: Session) -> int:
        """Do it set by set; gives the repairs."""
        if self.is_loose:
            return self.mend(session)
        if self.writes.truncate:
            session.run(self.statements.empty)
        for step in self.steps:
            perform(session, step)
        return 0

    def mend(self, session: Session) -> int:
        """Do it where the set form was refused; gives the repairs. Raises `RowRefused`."""
        if self.writes.truncate:
            session.run(self.statements.empty)
        return mend(session, self.statements, self.steps, displacing=self.writes.displace)
