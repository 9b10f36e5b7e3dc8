"""The reference adapter: what the ports ask for, in its plainest form, for simulation and tests.

The rule it keeps: nothing here is clever. Everything is deterministic and no call waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from adapters.memory_database import Committed, Draft, MemoryDatabase, State, between, identity_of, project
from sync.errors import CatalogChanged, DatabaseRefused, PositionLost, TableRefused
from sync.model.alteration import AddColumn, Alteration, CreateTable, WidenColumn
from sync.model.batch import Checkpoint, Chunk, ChunkRequest, Transaction
from sync.model.catalog import Finding, Severity, TableFacts
from sync.model.change import ABSENT, Block, Change, Columns, Row
from sync.model.lines import Lines
from sync.model.position import START, Position
from sync.model.schema import TableSchema, Type
from sync.model.writes import Writes

__all__ = ["MemoryDatabase", "MemorySite", "MemorySource", "MemoryTarget"]


class MemorySource:
    """See `sync.ports.Source`: real transactions in commit order, as a log gives them."""

    mode = "log"

    def __init__(self, database: MemoryDatabase, *, part_rows_max: int = 20_000) -> None:
        self._database = database
        self._part_rows_max = part_rows_max
        self._captured: Mapping[str, TableSchema] | None = None
        self._seen: Mapping[str, TableSchema] = {}
        self._read = START
        self._told = START
        """Behind which position a restored database's history was said to be lost."""

    @property
    def origin(self) -> str:
        return f"{self._database.name}-{self._database.installations}"

    def open(self, captured: Mapping[str, TableSchema], after: Position) -> None:
        self._database.perhaps_fail()
        if self._database.captured is None or dict(self._database.captured) != dict(captured):
            raise DatabaseRefused("could not capture", "other tables are installed", "Run `admin-sync install`")
        self._seen = dict(self._database.tables)
        self._demand_fit(captured)
        confirmed, given = self._database.confirmed, self._database.given
        if after < confirmed:
            why = f"the history up to {confirmed} is gone, but the spool ends at {after}"
            raise PositionLost("capture can not continue", why, "Run `admin-sync snapshot`", resume=confirmed)
        if after > given and after != self._told:
            # Nothing is stored before the node has noted the loss: it does so, and opens this source again.
            self._told = after
            why = f"the spool ends at {after}, but this database never gave more than {given}: it was restored"
            raise PositionLost("capture can not continue", why, "Run `admin-sync snapshot`", resume=after)
        self._database.go_on_after(after)
        self._captured = captured
        self._read = after

    def wait(self, timeout_s: float) -> bool:  # noqa: ARG002 time does not pass here
        self._unaltered()
        return any(committed.position > self._read for committed in self._database.history)

    def wake(self) -> None:
        """No wait is ever running."""

    def read(self, chunk: ChunkRequest | None = None) -> Iterator[Transaction]:
        captured = self._unaltered()
        self._database.perhaps_fail()
        if chunk is not None:
            self._database.note((), mark=True)
        history = [committed for committed in self._database.history if committed.position > self._read]
        for committed in history:
            final = committed is history[-1]
            self._database.given = max(self._database.given, committed.position)
            chunks = (self._chunk(captured, chunk),) if chunk is not None and final else ()
            yield from self._parts(captured, committed, chunks)
            self._read = committed.position

    def confirm(self, position: Position) -> None:
        self._live()
        self._database.perhaps_fail()
        self._database.confirmed = max(self._database.confirmed, position)
        self._database.history = [held for held in self._database.history if held.position > position]

    def close(self) -> None:
        self._captured = None

    def _live(self) -> Mapping[str, TableSchema]:
        if self._captured is None:
            raise DatabaseRefused("could not use the source", "it is not open", "Report this as a defect")
        return self._captured

    def _unaltered(self) -> Mapping[str, TableSchema]:
        """The captured tables; raises `CatalogChanged` where any table is not as it was at the opening."""
        captured = self._live()
        if self._database.tables != self._seen:
            raise CatalogChanged("the tables were altered", "they are not what capture was opened for", "")
        return captured

    def _demand_fit(self, captured: Mapping[str, TableSchema]) -> None:
        for schema in captured.values():
            table = self._database.tables.get(schema.name)
            if table is None or not set(schema.columns).issubset(table.columns):
                raise CatalogChanged("the tables were altered", f"{schema.name} is not what is to be captured", "")

    def _parts(
        self, captured: Mapping[str, TableSchema], committed: Committed, chunks: tuple[Chunk, ...]
    ) -> Iterator[Transaction]:
        changes = [
            Change(captured[change.schema.name], change.op, _columns_of(change, captured[change.schema.name]), ordinal)
            for ordinal, change in enumerate(held for held in committed.changes if _is_of(held, captured))
        ]
        if not changes and not chunks:
            return
        starts = range(0, max(len(changes), 1), self._part_rows_max)
        for part, start in enumerate(starts):
            last = part == len(starts) - 1
            yield Transaction(
                committed.position,
                committed.committed_at_us,
                tuple(_blocks(changes[start : start + self._part_rows_max])),
                chunks if last else (),
                part=part,
                last=last,
            )

    def _chunk(self, captured: Mapping[str, TableSchema], request: ChunkRequest) -> Chunk:
        schema = captured.get(request.table)
        if schema is None:
            raise DatabaseRefused(f"could not read table {request.table}", "it is not captured", "")
        table = self._database.tables[request.table]
        held = self._database.state.rows[request.table].values()
        rows = between(schema, project(table, schema, held), request.after, request.upto)
        upto = request.upto
        if upto is None and len(rows) > request.limit:
            upto = identity_of(schema, rows[request.limit - 1])
            inside = between(schema, rows, request.after, upto)
            # Equal keys stay together, so the range may have reached the table's end after all.
            upto = upto if len(inside) < len(rows) else None
            rows = inside
        columns = _columns(schema, rows)
        return Chunk(request.run, request.number, schema, request.purpose, request.after, upto, columns, len(rows), b"")


class MemoryTarget:
    """See `sync.ports.Target`."""

    loads = False

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._draft: Draft | None = None
        self._open = False

    def open(self) -> None:
        self._database.perhaps_fail()
        if not self._database.installed:
            raise DatabaseRefused("could not apply", "nothing is installed", "Run `admin-sync install`")
        self._open = True

    def tables(self) -> Mapping[str, TableSchema]:
        return dict(self._draft.tables if self._draft else self._database.tables)

    def own_type(self, wanted: Type) -> Type:
        return wanted

    def notes(self) -> Mapping[str, str]:
        return dict(self._database.state.notes)

    def note(self, table: str, text: str) -> None:
        self._live().note(table, text)

    def alter(self, schema: TableSchema, steps: Sequence[Alteration]) -> None:
        self._database.perhaps_fail()
        draft = self._live()
        table = draft.tables.get(schema.name)
        for step in steps:
            match step:
                case CreateTable():
                    table = step.schema
                case AddColumn() if table is not None:
                    if step.column.name in table.column_names:
                        raise TableRefused(schema.name, f"column {step.column.name} exists already")
                    table = TableSchema(table.name, (*table.columns, step.column), table.key)
                case WidenColumn() if table is not None:
                    columns = tuple(step.column if c.name == step.column.name else c for c in table.columns)
                    table = TableSchema(table.name, columns, table.key)
        if table is not None:
            draft.define(table, {})
            if self._database.primary:
                self._database.guarded = {**self._database.guarded, schema.name: schema}

    def checkpoint(self, origin: str) -> Checkpoint | None:
        return self._database.state.checkpoints.get(origin)

    def epoch(self) -> int:
        return max((stored.epoch for stored in self._database.state.checkpoints.values()), default=0)

    def begin(self) -> None:
        if not self._open:
            raise DatabaseRefused("could not begin", "the target is not open", "Report this as a defect")
        self._database.perhaps_fail()
        self._draft = Draft(self._database)

    def write(self, writes: Sequence[Writes]) -> int:
        self._database.perhaps_fail()
        draft = self._live()
        for each in writes:
            schema = each.schema
            if each.truncate:
                draft.truncate(schema)
            for key in zip(*each.deletes, strict=True):
                draft.delete(schema, key)
            for group in each.upserts:
                for row in zip(*group.columns, strict=True):
                    draft.put(schema, group.present, row)
            for row in zip(*each.inserts, strict=True):
                draft.put(schema, range(len(schema.columns)), row)
        return 0

    def apply(self, writes: Sequence[Writes], checkpoint: Checkpoint) -> int:
        self.begin()
        repairs = self.write(writes)
        self.commit(checkpoint)
        return repairs

    def load(self, lines: Sequence[Lines], checkpoint: Checkpoint | None) -> bool:  # noqa: ARG002
        return False

    def write_ordered(self, changes: Iterable[Change]) -> int:
        self._database.perhaps_fail()
        draft = self._live()
        for change in changes:
            draft.change(change)
        return 0

    def read_range(self, schema: TableSchema, after: Row | None, upto: Row | None, limit: int | None = None) -> Columns:
        draft = self._draft or Draft(self._database)
        rows = draft.projected(draft.tables[schema.name], schema)
        return _columns(schema, between(schema, rows, after, upto)[:limit])

    def commit(self, checkpoint: Checkpoint) -> None:
        draft = self._live()
        draft.store(checkpoint)
        self._database.perhaps_fail()
        self._database.state = draft.state()
        self._draft = None

    def rollback(self) -> None:
        self._draft = None

    def durable(self, applied: Position) -> Position:
        self.flush()
        return applied

    def flush(self) -> None:
        self._database.perhaps_fail()
        self._database.durable = self._database.state

    def close(self) -> None:
        self._draft = None
        self._open = False

    def _live(self) -> Draft:
        if self._draft is None:
            raise DatabaseRefused("could not write", "no transaction is open", "Report this as a defect")
        return self._draft


class MemorySite:
    """See `sync.ports.Site`. Its statements are words, not SQL."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def catalog(self) -> Sequence[TableFacts]:
        tables = self._database.tables
        return [TableFacts(tables[name], rows_estimated=len(self._database.rows(name))) for name in sorted(tables)]

    def preflight(self, captured: Mapping[str, TableSchema], primary: str = "") -> Sequence[Finding]:  # noqa: ARG002 all fits
        if self._database.installed:
            return [Finding("installation", Severity.OK, "installed")]
        return [Finding("installation", Severity.PROBLEM, "nothing is installed", "Run `admin-sync install`")]

    def capture_mode(self) -> str:
        return "log"

    def capture_statements(self, captured: Mapping[str, TableSchema]) -> Sequence[str]:
        same = self._database.captured is not None and dict(self._database.captured) == dict(captured)
        return [] if same else [f"CAPTURE {name}" for name in sorted(captured)]

    def install_capture(self, captured: Mapping[str, TableSchema]) -> None:
        self._database.perhaps_fail()
        if self._database.captured is None:
            self._database.installations += 1
        self._database.captured = dict(captured)
        self._database.guarded, self._database.primary = {}, ""
        self._database.installed = True

    def adapt_capture(self, captured: Mapping[str, TableSchema], copied: Collection[str]) -> bool:  # noqa: ARG002 all fits
        if self._database.captured is None or not self.capture_statements(captured):
            return False
        self.install_capture(captured)
        return True

    def guard_statements(self, captured: Mapping[str, TableSchema], primary: str) -> Sequence[str]:
        same = (dict(self._database.guarded), self._database.primary) == (dict(captured), primary)
        return [] if same else [f"GUARD {name}" for name in sorted(captured)]

    def install_guard(self, captured: Mapping[str, TableSchema], primary: str) -> None:
        self._database.perhaps_fail()
        self._database.guarded, self._database.primary = dict(captured), primary
        self._database.installed = True

    def uninstall_statements(self) -> Sequence[str]:
        return ["REMOVE"] if self._database.installed else []

    def uninstall(self) -> None:
        database = self._database
        database.perhaps_fail()
        database.captured, database.guarded, database.primary, database.installed = None, {}, "", False
        database.history, database.confirmed = [], START
        database.state = State(database.state.rows, tables=database.state.tables)
        database.durable = database.state

    def close(self) -> None:
        """There is no connection."""


def _columns(schema: TableSchema, rows: Sequence[Row]) -> Columns:
    return tuple([row[index] for row in rows] for index in range(len(schema.columns)))


def _columns_of(change: Change, schema: TableSchema) -> Row:
    held = dict(zip(change.schema.column_names, change.row, strict=True))
    # A column that came later is not in older rows.
    return tuple(held.get(name, ABSENT) for name in schema.column_names)


def _is_of(change: Change, captured: Mapping[str, TableSchema]) -> bool:
    """Whether a change is one of a captured table, and tells which row it means: if not, a copy follows it."""
    schema = captured.get(change.schema.name)
    return schema is not None and set(schema.key_names).issubset(change.schema.column_names)


def _blocks(changes: Sequence[Change]) -> Iterator[Block]:
    for name in dict.fromkeys(change.schema.name for change in changes):
        own = [change for change in changes if change.schema.name == name]
        columns = _columns(own[0].schema, [change.row for change in own])
        yield Block(own[0].schema, bytes(change.op for change in own), columns, [change.ordinal for change in own])
