"""The state of a memory database: rows, checkpoints and history, and how a change alters them.

The rule it keeps: a state that was given out is never changed, so that a crash is the return to an older one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sync.errors import DatabaseRefused, RoleError, RowRefused
from sync.model.batch import Checkpoint
from sync.model.change import ABSENT, Change, Op, Row, Value
from sync.model.position import START, Position
from sync.model.schema import TableSchema

Rows = Mapping[Row, tuple[Row, ...]]
"""The rows of a table by identity; several where the identity is not unique."""


@dataclass(frozen=True, slots=True)
class State:
    """All that a database holds at one moment."""

    rows: Mapping[str, Rows]
    checkpoints: Mapping[str, Checkpoint] = field(default_factory=dict)
    tables: Mapping[str, TableSchema] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Committed:
    """One transaction of the history; a mark is one without changes."""

    position: Position
    committed_at_us: int
    changes: tuple[Change, ...]
    mark: bool = False


class MemoryDatabase:
    """A database with a history, a durable state behind the visible one, and faults on demand."""

    def __init__(
        self, schemas: Iterable[TableSchema] = (), *, name: str = "memory", wall_us: Callable[[], int] = lambda: 0
    ) -> None:
        self.name = name
        self.wall_us = wall_us
        tables = {schema.name: schema for schema in schemas}
        self.state = State({name: {} for name in tables}, tables=tables)
        self.durable = self.state
        self.history: list[Committed] = []
        self.confirmed = START
        self.captured: Mapping[str, TableSchema] | None = None
        self.guarded: Mapping[str, TableSchema] = {}
        self.primary = ""
        self.installed = False
        self.installations = 0
        self.fail_next: list[Exception] = []
        """Errors that the next calls on the ports raise, one each."""
        self.given = START
        """The highest position that a source of this database ever gave; a restored database does not know of it."""
        self._position = 0

    def commit(self, changes: Iterable[Change]) -> Position:
        """Run one transaction of an application: all of it or, where the guard refuses, nothing."""
        draft = Draft(self)
        logged = []
        for change in changes:
            self._guard(change, draft)
            draft.change(change)
            logged.append(draft.completed(change))
        self.state = draft.state()
        self.durable = self.state
        return self.note(tuple(logged))

    @property
    def tables(self) -> Mapping[str, TableSchema]:
        """The tables as they are defined now."""
        return self.state.tables

    def define(self, schema: TableSchema, fill: Mapping[str, Value] | None = None) -> None:
        """Create a table, or give one these columns; `fill` has the values of new columns in the rows there."""
        draft = Draft(self)
        draft.define(schema, fill or {})
        self.state = draft.state()
        self.durable = self.state

    def drop(self, table: str) -> None:
        """Drop a table."""
        state = self.state
        rows = {name: held for name, held in state.rows.items() if name != table}
        tables = {name: schema for name, schema in state.tables.items() if name != table}
        self.state = self.durable = State(rows, state.checkpoints, tables, state.notes)

    def note(self, changes: tuple[Change, ...], *, mark: bool = False) -> Position:
        """Put a transaction, or a mark, into the history."""
        self._position += 1
        position = Position(self._position)
        self.history.append(Committed(position, self.wall_us(), changes, mark))
        return position

    def go_on_after(self, position: Position) -> None:
        """Give no position again that this database may have given before it was restored."""
        self._position = max(self._position, position)
        self.given = max(self.given, position)

    def rows(self, table: str) -> list[Row]:
        """All rows of a table, in key order."""
        return ordered(self.tables[table], self.state.rows[table].values())

    def crash(self) -> None:
        """Lose everything that no flush has made durable."""
        self.state = self.durable

    def perhaps_fail(self) -> None:
        """Raise the next of the errors that were asked for."""
        if self.fail_next:
            raise self.fail_next.pop(0)

    def _guard(self, change: Change, draft: Draft) -> None:
        schema = self.guarded.get(change.schema.name)
        if schema is None:
            return
        before = draft.projected(change.schema, schema)
        probe = Draft(self, draft.state())
        probe.change(change)
        if probe.projected(change.schema, schema) != before:
            why = f"this server is the secondary; make the change on {self.primary}"
            raise DatabaseRefused(f"could not write to {schema.name}", f"admin-sync: {why}", "")


class Draft:
    """A state in the making."""

    def __init__(self, database: MemoryDatabase, state: State | None = None) -> None:
        self._tables = dict((state or database.state).tables)
        self._notes = dict((state or database.state).notes)
        self._rows: dict[str, Rows] = dict((state or database.state).rows)
        self._own: dict[str, dict[Row, tuple[Row, ...]]] = {}
        self._checkpoints = dict((state or database.state).checkpoints)

    def state(self) -> State:
        """What it has come to; the draft may go on from there."""
        self._own = {}
        return State(dict(self._rows), dict(self._checkpoints), dict(self._tables), dict(self._notes))

    @property
    def tables(self) -> Mapping[str, TableSchema]:
        """The tables as they are defined in this draft."""
        return self._tables

    def note(self, table: str, text: str) -> None:
        """Remember something of a table."""
        self._notes[table] = text

    def define(self, schema: TableSchema, fill: Mapping[str, Value]) -> None:
        """Create a table, or give one these columns; what a row does not have yet comes from `fill`, else is NULL."""
        before = self._tables.get(schema.name)
        held = [row for rows in self._rows.get(schema.name, {}).values() for row in rows]
        self._tables[schema.name] = schema
        self._rows[schema.name] = {}
        self._own.pop(schema.name, None)
        names = before.column_names if before else ()
        for row in held:
            values = {**fill, **dict(zip(names, row, strict=True))}
            self._add(schema, tuple(values.get(name) for name in schema.column_names))

    def _add(self, table: TableSchema, row: Row) -> None:
        rows = self._rows_of(table)
        identity = identity_of(table, row)
        rows[identity] = (*rows.get(identity, ()), row)

    def store(self, checkpoint: Checkpoint) -> None:
        """Set the checkpoint of its origin."""
        if checkpoint.epoch < max((stored.epoch for stored in self._checkpoints.values()), default=0):
            raise RoleError("could not commit", f"epoch {checkpoint.epoch} is over", "See `admin-sync status`")
        self._checkpoints[checkpoint.origin] = checkpoint

    def change(self, change: Change) -> None:
        """Do what one change says."""
        schema = change.schema
        key = change.key
        unique = bool(schema.key) and None not in key
        if change.op is Op.TRUNCATE:
            self.truncate(schema)
            return
        if change.op is Op.DELETE or (change.op is not Op.INSERT and not unique):
            self.delete(schema, key)
        if change.op is not Op.DELETE:
            self.put(schema, range(len(change.row)), change.row)

    def completed(self, change: Change) -> Change:
        """A change as a log has it: with the columns too that the application did not name."""
        table = self._tables[change.schema.name]
        more = len(table.columns) - len(change.schema.columns)
        unique = bool(change.schema.key) and None not in change.key
        if not more or not unique or change.op in {Op.DELETE, Op.TRUNCATE}:
            return change
        (row,) = self._rows[table.name][self._found(table, change.schema, change.key)[0]]
        said = dict(zip(change.schema.column_names, change.row, strict=True))
        values = tuple(said.get(name, value) for name, value in zip(table.column_names, row, strict=True))
        return Change(table, change.op, values, change.ordinal)

    def delete(self, schema: TableSchema, key: Row) -> None:
        """Delete all rows with this identity."""
        table = self._table(schema)
        rows = self._rows_of(table)
        for identity in self._found(table, schema, key):
            del rows[identity]

    def put(self, schema: TableSchema, present: Sequence[int], values: Row) -> None:
        """Add a row; where its key is unique, into the row that is there."""
        table = self._table(schema)
        rows = self._rows_of(table)
        new = {schema.columns[index].name: value for index, value in zip(present, values, strict=True)}
        key = tuple(new[name] for name in schema.key_names)
        found = self._found(table, schema, key) if schema.key and None not in key else []
        old: Row = rows.pop(found[0])[0] if found else (None,) * len(table.columns)
        row = tuple(
            kept if new.get(name, ABSENT) is ABSENT else new[name]
            for name, kept in zip(table.column_names, old, strict=True)
        )
        self._add(table, row)

    def truncate(self, schema: TableSchema) -> None:
        """Delete all rows."""
        self._rows_of(self._table(schema)).clear()

    def projected(self, table: TableSchema, schema: TableSchema) -> list[Row]:
        """All rows of a table in the columns of another schema, in key order."""
        return project(table, schema, self._rows[table.name].values())

    def _rows_of(self, table: TableSchema) -> dict[Row, tuple[Row, ...]]:
        """The table's rows, to be changed: no state that was given out shares them."""
        if table.name not in self._own:
            self._own[table.name] = self._rows[table.name] = dict(self._rows[table.name])
        return self._own[table.name]

    def _found(self, table: TableSchema, schema: TableSchema, key: Row) -> list[Row]:
        """The table's own identities of the rows that the schema's key means."""
        rows = self._rows[table.name]
        if schema.key_names == table.key_names:
            return [key] if key in rows else []
        places = [table.column_names.index(name) for name in schema.key_names]
        return [identity for identity, held in rows.items() if tuple(held[0][at] for at in places) == key]

    def _table(self, schema: TableSchema) -> TableSchema:
        table = self._tables.get(schema.name)
        if table is None:
            raise RowRefused(schema.name, "", "", "the table does not exist on this database", "Create it")
        for name in schema.column_names:
            if name not in table.column_names:
                raise RowRefused(schema.name, "", name, "the column does not exist on this database", "Add it")
        return table


def identity_of(schema: TableSchema, row: Row) -> Row:
    """The identity values of a row, in key order."""
    return tuple(row[index] for index in schema.identity)


def sort_key(key: Row) -> list[tuple[int, float | str | bytes]]:
    """The order of keys: NULL, then numbers, then texts byte by byte, then bytes."""
    return [_rank(value) for value in key]


def between(schema: TableSchema, rows: Iterable[Row], after: Row | None, upto: Row | None) -> list[Row]:
    """The rows of (after, upto], in the order given."""
    low = None if after is None else sort_key(after)
    high = None if upto is None else sort_key(upto)
    keyed = ((sort_key(identity_of(schema, row)), row) for row in rows)
    return [row for key, row in keyed if (low is None or key > low) and (high is None or key <= high)]


def ordered(schema: TableSchema, held: Iterable[tuple[Row, ...]]) -> list[Row]:
    """All rows, in key order."""
    return sorted((row for rows in held for row in rows), key=lambda row: sort_key(identity_of(schema, row)))


def project(table: TableSchema, schema: TableSchema, held: Iterable[tuple[Row, ...]]) -> list[Row]:
    """All rows of a table in the columns of another schema, in that one's key order."""
    places = [table.column_names.index(name) for name in schema.column_names]
    return ordered(schema, ((tuple(row[at] for at in places),) for rows in held for row in rows))


def _rank(value: Value) -> tuple[int, float | str | bytes]:
    if isinstance(value, str):
        return 2, value.encode()
    if isinstance(value, bytes):
        return 3, value
    return (1, value) if isinstance(value, (int, float)) else (0, 0)
