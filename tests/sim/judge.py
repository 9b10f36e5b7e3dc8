"""The judge: watches a world from outside, and says which invariant it broke.

Written without the engine's core, wire, spool or halves: it keeps its own books of the source, reads the target's plain
state, and takes the bytes on the line apart by the format's description alone. Numbers are those of ARCHITECTURE.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.sim.books import COLUMNS, Bag, Books, bag, in_scope
from tests.sim.wiretap import Decompress, Wiretap

SENTINELS = (b"CALLDATA#", b"LOCALONLY#", b"OUTOFSCOPE#")
NAMES = (b"call_rec", b"s_trace", b"row_date", b"printer")

TargetRows = Mapping[str, Mapping[Any, Sequence[tuple[Any, ...]]]]


class Violation(AssertionError):
    """An invariant did not hold. `invariant` is its number, 0 where it is a defect of another kind."""

    def __init__(self, invariant: int, what: str) -> None:
        super().__init__(f"invariant {invariant}: {what}" if invariant else what)
        self.invariant = invariant
        self.what = what


class Judge:
    """Judges one pair of nodes. The world calls it at every commit, on every byte, and at the end."""

    def __init__(self, decompress: Decompress, columns: Mapping[str, tuple[str, ...]], credit_max: int) -> None:
        """`columns` names the target's columns by table; `decompress` undoes the payload's compression."""
        self._columns = columns
        self.books = Books()
        self.tables: Sequence[str] = tuple(COLUMNS)
        """Those that the source can capture."""
        self.exact = False
        """Whether the copies are done, so that the target must equal the source at its checkpoint from now on."""
        self.lossy = True
        """Whether history may be found lost: something was done to the pair that it can not bridge."""
        self.own_rows: dict[str, frozenset[tuple[Any, ...]]] = {}
        """Rows that the secondary had before, outside of the row rules: nobody may touch them."""
        self.commits = 0
        self._position = 0
        self._epoch = 0
        self._durable_max = 0
        self._unnoticed = True
        self._exact_from = 0
        """A target that crashed may be behind this, and gets the chunks again."""
        self._restarted = 0
        self._held: dict[str, object] = {}
        self._contents: dict[str, Bag] = {}
        self.tap = Wiretap(decompress, credit_max, self._payload)

    # The source.

    def source_committed(self, position: int, operations: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        self.books.commit(position, operations)

    def copy_needed(self, reason: str) -> None:
        """The engine found that history was lost: until the copy is done, rows alone are judged."""
        if not self.lossy:
            raise Violation(1, f"all tables are copied again though nothing was lost: {reason}")
        self.exact = self._unnoticed = False

    def copied(self) -> None:
        """The engine says that all copies are done."""
        if not self._unnoticed:
            self.exact, self.lossy = True, False
            self._exact_from = self._position

    def history_lost(self) -> None:
        """Something was done that only a copy can mend; the engine has to notice it by itself."""
        self.exact, self.lossy, self._unnoticed = False, True, True

    def history_in_danger(self) -> None:
        """Something was done that may cost history; whether it did, the engine has to say."""
        self.lossy = True

    def confirmed(self, position: int, spool_durable: int) -> None:
        """The source was told that it may forget."""
        if position > spool_durable:
            raise Violation(9, f"position {position} was confirmed, only {spool_durable} is durable in the spool")

    # The target.

    def target_committed(self, rows: TargetRows, position: int, epoch: int) -> None:
        """A state became visible."""
        self.commits += 1
        if epoch < self._epoch:
            raise Violation(6, f"epoch {epoch} was applied after {self._epoch}")
        if position < self._position:
            raise Violation(3, f"the checkpoint went back from {self._position} to {position}")
        moved = position != self._position
        self._epoch, self._position = epoch, position
        changed = self._look(rows)
        place = bisect_right(self.books.positions, position) - 1
        state = self.books.states[place]
        for table in self.tables if moved else changed:
            if self.exact and position >= self._exact_from:
                self._must_equal(table, state[table], position)
            elif table in changed:
                self._must_have_been(table)

    def target_crashed(self, rows: TargetRows, position: int, epoch: int) -> None:
        """The target went back to what it had made durable, and no further."""
        if position < self._exact_from:
            # What the copy superseded is gone from the spool, so that only another copy can follow.
            self.lossy = True
        self._position, self._epoch = position, epoch
        self._look(rows)

    def target_replaced(self, rows: TargetRows, position: int, epoch: int) -> None:
        """Somebody put another database in the target's place."""
        self.target_crashed(rows, position, epoch)
        self.history_lost()

    # The spool and the node.

    def spool_measured(self, disk_bytes: int, limit_bytes: int, largest_record_bytes: int) -> None:
        if disk_bytes > limit_bytes + largest_record_bytes:
            raise Violation(7, f"the spool's disk holds {disk_bytes} bytes, the limit is {limit_bytes}")

    def target_flushed(self, position: int) -> None:
        self._durable_max = max(self._durable_max, position)

    def spool_released(self, oldest: int) -> None:
        if oldest > max(self._durable_max, self._restarted):
            raise Violation(9, f"the spool begins after {oldest}, the target has made durable only {self._durable_max}")

    def spool_restarted(self, after: int) -> None:
        """History was given up on purpose: the copy that follows covers it."""
        self._restarted = max(self._restarted, after)

    def beat_answered(self, *, healthy: bool, running: bool) -> None:
        if healthy and not running:
            raise Violation(10, "a beat was answered as healthy while capture had failed or never run")

    # The end.

    def at_rest(self, rows: TargetRows, position: int, spool_newest: int) -> None:
        """Everything is healed, and nothing happens any more: both sides must be equal."""
        self._look(rows)
        for table in self.tables:
            self._must_equal(table, self.books.states[-1][table], position)
        if position < spool_newest:
            raise Violation(1, f"the target stands at {position}, the spool at {spool_newest}")

    def differs(self, rows: TargetRows) -> bool:
        """Whether the target is not yet what the source is."""
        self._look(rows)
        newest = self.books.states[-1]
        return any(self._contents[table] != newest[table] for table in self.tables)

    def _look(self, rows: TargetRows) -> list[str]:
        """Read the tables that have another content than before; gives their names."""
        changed = []
        for table in self.tables:
            names, held = COLUMNS[table], rows[table]
            if self._held.get(table) is held:
                continue
            self._held[table] = held
            changed.append(table)
            own = self._columns[table]
            places = [own.index(name) for name in names]
            # Columns that were added since stand behind those that are judged.
            full = [row[: len(own)] for same in held.values() for row in same]
            inside = [row for row in full if in_scope(table, dict(zip(own, row, strict=True)))]
            self._contents[table] = bag(tuple(row[place] for place in places) for row in inside)
            if len(inside) != len(full) or self.own_rows.get(table):
                outside = frozenset(full) - frozenset(inside)
                if outside != self.own_rows.get(table, frozenset()):
                    raise Violation(
                        5, f"rows of {table} outside of its row rule were touched: {sorted(map(repr, outside))}"
                    )
            if table == "users" and any("LOCALONLY" in str(value) for row in full for value in row):
                raise Violation(5, "a local column crossed")
        return changed

    def _must_have_been(self, table: str) -> None:
        """While a copy is under way, each row is one that the source had (but for columns that it did not send)."""
        strange = {row for row, _ in self._contents[table]} - self.books.ever[table]
        if table == "users":
            strange = {row for row in strange if row[1] is not None}
        if strange:
            raise Violation(2, f"{table} shows rows that the source never had: {sorted(map(repr, strange))}")

    def _must_equal(self, table: str, wanted: Bag, position: int) -> None:
        got = self._contents[table]
        if got == wanted:
            return
        missing = sorted(map(repr, wanted - got))[:4]
        extra = sorted(map(repr, got - wanted))[:4]
        older = [p for p, state in zip(self.books.positions, self.books.states, strict=True) if state[table] == got]
        hint = f"; it equals the source at {older[-3:]}" if older else "; it equals no state of the source"
        raise Violation(2, f"{table} at checkpoint {position}: missing {missing}, too many {extra}{hint}")

    def _payload(self, content: bytes) -> None:
        for sentinel in (*SENTINELS, *NAMES):
            if sentinel in content:
                raise Violation(5, f"{sentinel.decode()} crossed the line")
