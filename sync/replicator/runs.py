"""Snapshot and verify runs: which key range to read next, and what the peer said about each.

Pure bookkeeping. A run walks its tables chunk by chunk; chunks travel inside the change stream, so each states its
range exactly as of a position, and the answer comes back with the acknowledgements. Chunks that nobody answered
(a lost connection, a restart) are asked for again: applying one twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sync.model.batch import PAUSED, Chunk, ChunkDifference, ChunkRequest, ChunkResult, Purpose
from sync.model.change import Row

OUTSTANDING_MAX = 8
"""Chunks on the way at once: bounds what a run adds to the spool while the peer is slow."""

CHUNK_ROWS = 2000

DIFFERENCES_KEPT_MAX = 10_000
"""Differences that a run keeps for its report; all are counted."""


@dataclass(slots=True)
class TableTally:
    """What a run knows of one table."""

    rows: int = 0
    chunks: int = 0
    different: int = 0
    finished: bool = False
    paused: bool = False
    """Whether the target left the table out of any answer, because it is paused there."""


@dataclass(frozen=True, slots=True)
class _Range:
    table: str
    after: Row | None
    upto: Row | None
    purpose: Purpose
    bounded: bool = False
    """Whether `upto` was fixed by an earlier chunk (None then means the table's end)."""
    rows: int = 0
    """Rows that the chunk stated, inside the row filter."""


@dataclass(slots=True)
class Run:
    """One snapshot (`snapshot`), or one verification (`verify`, with or without repair)."""

    number: int
    kind: str
    tables: list[str]
    repair: bool = False
    chunk_rows: int = CHUNK_ROWS
    tallies: dict[str, TableTally] = field(default_factory=dict)
    differences: list[ChunkDifference] = field(default_factory=list)
    difference_count: int = 0
    _table: int = 0
    _after: Row | None = None
    _chunk: int = 0
    _asked: _Range | None = None
    _outstanding: dict[int, _Range] = field(default_factory=dict)
    _again: list[_Range] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start every table's tally at zero."""
        for table in self.tables:
            self.tallies.setdefault(table, TableTally())

    @property
    def purpose(self) -> Purpose:
        """What the first look at a range is for."""
        return Purpose.REPLACE if self.kind == "snapshot" else Purpose.DIGEST

    @property
    def finished(self) -> bool:
        """Whether every range was answered."""
        return self._walked and not self._outstanding and not self._again and self._asked is None

    @property
    def equal(self) -> bool:
        """Whether no difference is left (repaired ones are not left)."""
        paused = any(tally.paused for tally in self.tallies.values())
        return self.finished and not paused and (self.repair or self.difference_count == 0)

    @property
    def table(self) -> str:
        """The table that the run stands at; empty when it walked through all."""
        return "" if self._walked else self.tables[self._table]

    @property
    def next_table(self) -> str:
        """The table that is read next; empty where everything was asked for."""
        return self._again[0].table if self._again else self.table

    @property
    def tables_done(self) -> int:
        """Tables that were answered to their end."""
        return sum(tally.finished for tally in self.tallies.values())

    @property
    def _walked(self) -> bool:
        return self._table >= len(self.tables)

    def take_over(self, tables: Sequence[str]) -> bool:
        """Copy these tables too, where this snapshot has not touched them yet; whether it does."""
        if self.kind != "snapshot" or any(self._touched(table) for table in tables):
            return False
        for table in tables:
            if table not in self.tallies:
                self.tables.append(table)
                self.tallies[table] = TableTally()
        return not self.finished

    def _touched(self, table: str) -> bool:
        if table not in self.tallies:
            return False
        at = self.tables.index(table)
        begun = self._asked is not None or self._after is not None
        return at < self._table or (at == self._table and begun)

    def next_request(self) -> ChunkRequest | None:
        """Give the next range to read; None while enough are on the way, or when all were asked for."""
        if self._asked is not None or len(self._outstanding) >= OUTSTANDING_MAX:
            return None
        if self._again:
            self._asked = self._again.pop(0)
        elif not self._walked:
            self._asked = _Range(self.tables[self._table], self._after, None, self.purpose)
        else:
            return None
        ask = self._asked
        # A range whose end an earlier chunk fixed is read whole, however many rows stand in it by now.
        return ChunkRequest(self.number, self._chunk, ask.table, ask.purpose, ask.after, ask.upto, self.chunk_rows)

    def spooled(self, chunk: Chunk) -> None:
        """Note that the requested chunk is in the stream."""
        asked = self._asked
        if asked is None or chunk.number != self._chunk:
            return
        self._asked = None
        self._outstanding[chunk.number] = _Range(
            asked.table, chunk.after, chunk.upto, asked.purpose, bounded=True, rows=chunk.count
        )
        self._chunk += 1
        if asked.bounded:
            if asked.upto is None and not chunk.final:
                # The table's last range has grown beyond one chunk: the rest of it is a range of its own.
                self._again.insert(0, replace(asked, after=chunk.upto))
            return
        self._after = chunk.upto
        if chunk.final:
            self._table += 1
            self._after = None

    def not_spooled(self) -> None:
        """Note that the read failed: the range will be asked for again."""
        if self._asked is not None and self._asked.bounded:
            self._again.insert(0, self._asked)
        self._asked = None

    def skip_table(self, table: str) -> None:
        """Leave a table out that is no longer captured."""
        self._asked = None
        self._again = [each for each in self._again if each.table != table]
        if self.table == table:
            self._table += 1
            self._after = None
        self.tallies[table].finished = True

    def answered(self, result: ChunkResult) -> None:
        """Take the peer's word for one chunk; an unequal digest asks for the rows."""
        asked = self._outstanding.pop(result.number, None) if result.run == self.number else None
        if asked is None:
            return
        tally = self.tallies[asked.table]
        tally.paused = tally.paused or any(difference.what == PAUSED for difference in result.differences)
        if asked.purpose is Purpose.DIGEST and not result.equal and not tally.paused:
            closer = Purpose.REPLACE if self.repair else Purpose.COMPARE
            self._again.append(_Range(asked.table, asked.after, asked.upto, closer, bounded=True))
            return
        tally.rows += asked.rows
        tally.chunks += 1
        tally.different += result.difference_count
        self.difference_count += result.difference_count
        self.differences.extend(result.differences[: DIFFERENCES_KEPT_MAX - len(self.differences)])
        if asked.upto is None:
            tally.finished = True

    def rewind(self) -> None:
        """Ask again for everything that was not answered: the session that carried it is gone."""
        self.not_spooled()
        self._again = [*self._outstanding.values(), *self._again]
        self._outstanding.clear()

    def to_state(self) -> dict[str, object]:
        """Give what a restart needs to go on, as plain values that msgpack takes."""
        open_ranges = [*self._outstanding.values(), *self._again]
        return {
            "number": self.number,
            "kind": self.kind,
            "repair": self.repair,
            "tables": list(self.tables),
            "at": [self._table, self._after],
            "again": [[r.table, r.after, r.upto, r.purpose.value] for r in open_ranges],
            "tallies": {
                name: [t.rows, t.chunks, t.different, t.finished, t.paused] for name, t in self.tallies.items()
            },
            "difference_count": self.difference_count,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], chunk_rows: int = CHUNK_ROWS) -> Run:
        """Go on with a run of the process before this one.

        It gets the next number: answers to chunks of the old one, which may still be on the way, then miss.
        Raises KeyError, TypeError or ValueError where the state is not one that `to_state` wrote.
        """
        number, kind, repair = int(state["number"]) + 1, str(state["kind"]), bool(state["repair"])
        run = cls(number, kind, list(state["tables"]), repair, chunk_rows)
        run._table, after = state["at"]
        run._after = None if after is None else tuple(after)
        for table, low, high, purpose in state["again"]:
            low_key, high_key = (None if key is None else tuple(key) for key in (low, high))
            run._again.append(_Range(table, low_key, high_key, Purpose(purpose), bounded=True))
        for name, tally in state["tallies"].items():
            run.tallies[name] = TableTally(*tally)
        run.difference_count = int(state["difference_count"])
        return run

    def progress(self) -> dict[str, object]:
        """Where the run stands, in a few numbers."""
        return {
            "run": self.number,
            "kind": self.kind,
            "table": self.table,
            "tables_done": self.tables_done,
            "tables_total": len(self.tables),
            "rows": sum(tally.rows for tally in self.tallies.values()),
            "difference_count": self.difference_count,
        }

    def report(self) -> dict[str, object]:
        """Give the run as one JSON object for people and scripts."""
        return {
            "run": self.number,
            "kind": self.kind,
            "repair": self.repair,
            "finished": self.finished,
            "equal": self.equal,
            "rows": sum(tally.rows for tally in self.tallies.values()),
            "difference_count": self.difference_count,
            "tables": {
                name: {
                    "rows": tally.rows,
                    "different": tally.different,
                    "finished": tally.finished,
                    "paused": tally.paused,
                }
                for name, tally in self.tallies.items()
            },
            "differences": [
                {"table": d.table, "key": [_shown(v) for v in d.key], "what": d.what, "columns": list(d.columns)}
                for d in self.differences
            ],
        }


def _shown(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
