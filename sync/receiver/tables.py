"""The tables of the stream on the secondary: which schema each has, and which of them are paused.

The rule it keeps: the target is brought to a schema in the same transaction as the first rows that have it, and what
can not be followed pauses one table and no other. A paused table's changes are left out, so it goes on only with a copy
of all its rows, from the first chunk of it on. All of that is stored with the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sync.core.drift import Drift, drift
from sync.core.filter import Filter
from sync.errors import TableRefused
from sync.model.batch import PAUSED, Batch, Chunk, ChunkDifference, ChunkResult, Purpose
from sync.model.notice import ChangesSkipped, Notice, SchemaFollowed, TablePaused, TableResumed
from sync.model.schema import TableSchema
from sync.ports import Clock, Observer, Target
from sync.receiver.notebook import Page, Paused, read, written

_NOTHING = Page()


@dataclass(slots=True)
class Tables:
    """Follows one target through its transactions: `load`, then `admit` and `takes`, then `keep` or `forget`."""

    target: Target
    rules: Filter
    observer: Observer
    clock: Clock
    _pages: dict[str, Page] = field(default_factory=dict)
    _draft: dict[str, Page] = field(default_factory=dict)
    """What the open transaction has changed."""
    _news: list[Notice] = field(default_factory=list)
    _catalog: dict[str, TableSchema] | None = None
    """The target's own tables, as far as the open transaction has asked for them."""
    _told: dict[str, Paused] = field(default_factory=dict)

    def load(self) -> None:
        """Take up what the database keeps."""
        self.forget()
        self._pages = {name: read(text) for name, text in self.target.notes().items()}
        self._tell_paused()

    @property
    def paused(self) -> Mapping[str, Paused]:
        """The tables that are paused now."""
        return self._told

    def know(self, batches: Sequence[Batch]) -> bool:
        """Whether `admit` has nothing to do with the target for these."""
        return all(self._is_known(block.schema) for batch in batches for block in batch.blocks)

    def admit(self, batch: Batch) -> Batch:
        """Bring the target to the schemas of a batch's blocks; gives it without those of paused tables."""
        kept = [block for block in batch.blocks if self._follows(block.schema)]
        if len(kept) == len(batch.blocks):
            return batch
        self._news += [
            ChangesSkipped(block.schema.name, len(block)) for block in batch.blocks if self._page(block.schema).pause
        ]
        return replace(batch, blocks=tuple(kept))

    def takes(self, chunk: Chunk, *, copied: bool) -> bool:
        """Whether a chunk can be settled; the first of a copy of all rows ends a pause whose cause is gone."""
        begins = copied and chunk.purpose is Purpose.REPLACE and chunk.after is None
        if begins and self._page(chunk.schema).pause is not None:
            return self._judge(chunk.schema, resuming=True)
        return self._follows(chunk.schema)

    def resumable(self) -> list[str]:
        """The paused tables whose cause is gone: a copy would let them go on. Only while no transaction is open."""
        return [name for name, pause in self._told.items() if self._could_follow(pause.wanted)]

    def _could_follow(self, wanted: TableSchema) -> bool:
        """Find out by doing it, and undo it."""
        self.target.begin()
        try:
            found = self._drift(wanted)
            return not (found.refused or self._alter(wanted, found).refused)
        finally:
            self.target.rollback()
            self.forget()

    def keep(self) -> None:
        """The transaction was committed."""
        for notice in self._news:
            self.observer.notice(notice)
        if self._draft:
            self._pages |= self._draft
            self._tell_paused()
        self.forget()

    def forget(self) -> None:
        """The transaction was rolled back."""
        self._draft = {}
        self._news = []
        self._catalog = None

    def _page(self, schema: TableSchema) -> Page:
        return self._draft.get(schema.name) or self._pages.get(schema.name, _NOTHING)

    def _follows(self, schema: TableSchema) -> bool:
        if self._is_known(schema):
            return self._page(schema).pause is None
        # Where rows are missing already, that the cause is gone is not enough.
        return self._judge(schema, resuming=False)

    def _is_known(self, schema: TableSchema) -> bool:
        """Whether this schema is followed, or paused for, already."""
        page = self._page(schema)
        known = page.schema if page.pause is None else page.pause.wanted
        return known is not None and known.fingerprint == schema.fingerprint

    def _judge(self, wanted: TableSchema, *, resuming: bool) -> bool:
        """Bring the target to this schema, or pause the table; whether its rows can be written now."""
        page = self._page(wanted)
        found = self._drift(wanted)
        if not found.refused and (page.pause is None or resuming):
            found = self._alter(wanted, found)
        if found.refused:
            since_us = page.pause.since_us if page.pause else self.clock.wall_us()
            self._write(wanted.name, replace(page, pause=Paused(wanted, found.difference, found.remedy, since_us)))
            return False
        if page.pause is not None and not resuming:
            pause = replace(
                page.pause, wanted=wanted, difference="its definition fits again", remedy="It is copied now"
            )
            self._write(wanted.name, replace(page, pause=pause))
            return False
        self._write(wanted.name, Page(wanted))
        return True

    def _drift(self, wanted: TableSchema) -> Drift:
        if self._catalog is None:
            self._catalog = dict(self.target.tables())
        mine = self._catalog.get(wanted.name)
        here = None if mine is None else self.rules.project(mine)
        return drift(here, wanted, self._page(wanted).schema, self.target.own_type)

    def _alter(self, wanted: TableSchema, found: Drift) -> Drift:
        if not found.steps:
            return found
        try:
            self.target.alter(wanted, found.steps)
        except TableRefused as error:
            asked = ", ".join(map(str, found.steps))
            return Drift((), f"{wanted.name} was to be altered ({asked}): {error.why}", error.remedy)
        if self._catalog is not None:
            self._catalog[wanted.name] = wanted
        self._news += [SchemaFollowed(wanted.name, str(step)) for step in found.steps]
        return found

    def _write(self, table: str, page: Page) -> None:
        self.target.note(table, written(page))
        self._draft[table] = page

    def _tell_paused(self) -> None:
        """Tell what is paused, or no longer, since this was told last."""
        now = {name: page.pause for name, page in self._pages.items() if page.pause is not None}
        for name, pause in now.items():
            if self._told.get(name) != pause:
                self.observer.notice(TablePaused(name, pause.difference, pause.remedy, pause.since_us))
        for name in self._told.keys() - now.keys():
            self.observer.notice(TableResumed(name))
        self._told = now


def left_out(chunk: Chunk) -> ChunkResult:
    """The answer for a chunk of a paused table: whatever stands there, it is not equal."""
    difference = ChunkDifference(chunk.schema.name, (), PAUSED)
    return ChunkResult(
        chunk.run, chunk.number, chunk.schema.name, equal=False, rows=0, differences=(difference,), difference_count=1
    )
