"""Net effects of many rows in one script: everything through COPY, and the cheapest statement for what the source said.

The rule it keeps: it is an attempt. What the source said of the rows is tried because it costs the server half as much;
where it is not so (a row is there already, or is missing), the whole script is undone, and the form that no row is in
the way of does the same work again.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.postgres.apply import Step, staged
from adapters.postgres.exchange import Piece
from adapters.postgres.session import Session
from adapters.postgres.statements import Statements
from sync.model.change import Op
from sync.model.lines import Lines


class Script:
    """The script of one write, and how many rows it is to find."""

    def __init__(self, session: Session, *opening: str) -> None:
        self._session = session
        self._pieces: list[Piece] = []
        self.add(*opening)
        self._expected: list[tuple[int, int]] = []

    @property
    def is_sure(self) -> bool:
        """Whether it has done its work wherever it was not refused, so that the commit can be part of it."""
        return not self._expected

    def add(self, *statements: str) -> None:
        """Add statements that take no rows from here."""
        self._pieces += [(statement, None) for statement in statements]

    def take(self, steps: Sequence[Step]) -> None:
        """Add the steps of one table. Raises `RowRefused` where a value can not be sent."""
        for step in steps:
            if step.is_fresh:
                self._pieces.append((step.statements.copy_into(step.present), step.lines()))
            elif step.is_known:
                self._pieces += self._session.staging(step.statements, step.present, step.lines())
                self._expected.append((len(self._pieces), len(step)))
                self._pieces.append((step.statements.update(step.present), None))
            else:
                self._pieces += staged(self._session, step)

    def load(self, statements: Statements, lines: Lines) -> None:
        """Add rows that are lines already."""
        everything = tuple(range(len(statements.slots)))
        if lines.said is Op.INSERT:
            self._pieces.append((statements.copy_into(everything), lines.body))
            return
        present = tuple(sorted(statements.key)) if lines.said is Op.DELETE else everything
        self._pieces += self._session.staging(statements, present, lines.body)
        if lines.said is Op.DELETE:
            self.add(statements.delete((False,) * len(present), staged=True))
        elif lines.said is Op.UPDATE and statements.has_rest(present):
            self._expected.append((len(self._pieces), lines.rows))
            self.add(statements.update(present))
        else:
            self.add(statements.upsert(present, staged=True))

    def run(self) -> int:
        """Run it; gives how many rows were not there."""
        counts = self._session.script(self._pieces)
        return sum(wanted - counts[at] for at, wanted in self._expected)
