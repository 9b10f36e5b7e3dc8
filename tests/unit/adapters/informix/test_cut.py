"""Cuts: no interleaving of writers with the scans lets a part of a transaction through (2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import event, given
from hypothesis import strategies as st

from adapters.informix.cut import is_whole


@dataclass
class Journal:
    """Rows as Informix shows them: number to transaction, and which of these are committed."""

    rows: dict[int, int] = field(default_factory=dict)
    open_ones: dict[int, int] = field(default_factory=dict)
    """Writer to its transaction."""
    committed: set[int] = field(default_factory=set)
    begun: int = 0

    def step(self, writer: int, *, commits: bool) -> None:
        """One writer writes a row, beginning a transaction where it has none, or commits the one that it has."""
        if commits:
            self.committed.add(self.open_ones.pop(writer, -1))
            return
        if writer not in self.open_ones:
            self.begun += 1
            self.open_ones[writer] = self.begun
        self.rows[len(self.rows)] = self.open_ones[writer]


STEPS = st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=3)


@given(st.data(), st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=12))
def test_a_whole_cut_splits_no_transaction(data: st.DataObject, before: list[tuple[int, bool]]) -> None:
    journal, busy = Journal(), data.draw(st.booleans())
    for writer, commits in before:
        journal.step(writer, commits=commits)

    def scan(*, dirty: bool) -> list[int]:
        """Look at one place after another, in any order, while writers go on."""
        found = []
        places = data.draw(st.permutations(list(journal.rows)))
        for number in places:
            if dirty or journal.rows[number] in journal.committed:
                found.append(number)
            for writer, commits in data.draw(STEPS) if busy else []:
                journal.step(writer, commits=commits)
        return found

    committed, images, witness = scan(dirty=False), scan(dirty=False), scan(dirty=True)
    whole = is_whole(committed, witness)
    event(f"whole: {whole}")
    if whole:
        shown = {journal.rows[number] for number in committed}
        # A transaction that goes on after the witness was read is not among those shown: they are committed.
        assert {number for number, of in journal.rows.items() if of in shown} == set(committed)
        assert set(images) == set(committed)
