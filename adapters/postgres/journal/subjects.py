"""The captured tables as they stand: what each needs to be noted, what it has, and what may have gone unseen.

The rule it keeps: a trigger that is gone, disabled or put to other columns notes nothing, so each of these is noticed,
also where it was mended since: the catalog's rows tell which transaction made them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from adapters.postgres.catalog import SCHEMA, Table, orderless, read_tables
from adapters.postgres.connection import Connection
from adapters.postgres.journal.notes import NOTED, TRIGGERS, Subject
from adapters.postgres.schema import has_table
from sync.errors import DatabaseRefused
from sync.model.schema import TableSchema

REINSTALL: Final = "Run `admin-sync install` again"

_LAYOUTS: Final = """
SELECT attrelid::bigint, array_agg(attnum::int ORDER BY attnum) FROM pg_attribute
 WHERE attrelid = ANY (%s) AND attnum > 0 AND NOT attisdropped GROUP BY 1"""
_SHAPES: Final = """
SELECT attrelid::bigint,
       string_agg(concat_ws(' ', attnum, attname, atttypid, atttypmod, attnotnull), ', ' ORDER BY attnum)
  FROM pg_attribute WHERE attrelid = ANY (%s) AND attnum > 0 AND NOT attisdropped GROUP BY 1"""
_INHERITING: Final = "SELECT DISTINCT inhrelid::bigint FROM pg_inherits"
_OURS: Final = f"p.pronamespace = to_regnamespace('{SCHEMA}') AND p.proname LIKE 'note\\_%'"
_TRIGGERS: Final = f"""
SELECT t.tgrelid::bigint, p.proname::text, t.tgname::text, t.tgrelid::regclass::text,
       t.tgtype::int, t.tgoldtable::text, t.tgnewtable::text, t.tgenabled IN ('O', 'A') AND t.tgqual IS NULL
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE {_OURS} AND NOT t.tgisinternal ORDER BY 4, 3"""
_FUNCTIONS: Final = f"""
SELECT p.proname::text, p.prosrc, coalesce(p.proconfig, '{{}}'), p.prosecdef FROM pg_proc p WHERE {_OURS}"""
_WATCH: Final = f"""
SELECT string_agg(concat_ws(':', t.tgrelid, t.tgname, t.oid, t.xmin, p.oid, p.xmin), ' ' ORDER BY t.oid)
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE p.pronamespace = to_regnamespace('{SCHEMA}') AND p.proname = 'note_' || number"""
_TAMPERED: Final = f"SELECT name FROM {NOTED} WHERE watch IS NOT NULL AND watch IS DISTINCT FROM ({_WATCH}) ORDER BY 1"

REMEMBER: Final = f"UPDATE {NOTED} SET watch = coalesce(({_WATCH}), '')"
"""Takes the triggers that are there now for those that were installed. A condition may follow."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was remembered of a table and identity."""

    number: int
    layout: tuple[int, ...]
    active: bool
    """Whether its triggers should be there."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One of our triggers that is there."""

    oid: int
    function: str
    name: str
    table: str
    """As SQL."""
    form: tuple[object, ...]
    """As `TRIGGERS` has it, and whether it fires."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """The captured tables, with what they need and what is there."""

    tables: Mapping[str, Table]
    wanted: Mapping[str, Subject]
    layouts: Mapping[str, tuple[int, ...]]
    """The columns of each table, by place."""
    entries: Mapping[tuple[str, tuple[str, ...]], Entry]
    triggers: Sequence[Trigger]
    functions: Mapping[str, tuple[object, ...]]
    tampered: frozenset[str]
    """Tables whose triggers or functions were touched since they were installed."""

    def entry(self, name: str) -> Entry | None:
        """What was remembered of a table, where it was captured before under this identity."""
        found = self.entries.get((name, tuple(each.name for _, each in self.wanted[name].key)))
        return found if found is not None and found.active else None

    def layout(self, name: str) -> tuple[int, ...]:
        """The columns in the places that a table's function names."""
        return self.layouts[name][: self.wanted[name].places]

    def has_triggers(self, name: str) -> bool:
        """Whether every statement on a table is noted."""
        oid, subject = self.tables[name].oid, self.wanted[name]
        found = {each.name: each.form for each in self.triggers if (each.oid, each.function) == (oid, subject.function)}
        return found == {trigger: (*form[1:], True) for trigger, form in TRIGGERS.items()}

    def has_function(self, name: str) -> bool:
        """Whether a table's function is the one that is wanted."""
        subject = self.wanted[name]
        return self.functions.get(subject.function) == (subject.body, frozenset(subject.settings), True)

    def is_complete(self, name: str) -> bool:
        """Whether what is installed for a table is what would be installed now."""
        entry = self.entry(name)
        return (
            entry is not None
            and entry.layout == self.layout(name)
            and self.has_triggers(name)
            and self.has_function(name)
        )

    def may_have_missed(self, name: str) -> bool:
        """Whether changes of a table that was captured can have gone unseen. A new one is copied, so it has not."""
        entry = self.entry(name)
        return entry is not None and (
            name in self.tampered
            or not self.has_triggers(name)
            or self.layouts[name][: len(entry.layout)] != entry.layout
        )

    @property
    def gone(self) -> list[int]:
        """The numbers of tables that are captured no more."""
        kept = {subject.number for subject in self.wanted.values()}
        return sorted(entry.number for entry in self.entries.values() if entry.active and entry.number not in kept)

    @property
    def superfluous(self) -> list[Trigger]:
        """The triggers that belong to no captured table."""
        kept = {(self.tables[name].oid, subject.function) for name, subject in self.wanted.items()}
        return [each for each in self.triggers if (each.oid, each.function) not in kept]


class Obstacles:
    """Says why the journal could not be trusted with a table; empty is good."""

    def __init__(self, connection: Connection) -> None:
        self._inheriting = {int(str(oid)) for (oid,) in connection.execute(_INHERITING.encode()).fetchall()}

    def __call__(self, table: Table) -> tuple[str, ...]:
        """Look at one table."""
        return tuple(self._of(table))

    def _of(self, table: Table) -> Iterator[str]:
        if table.persistence != "p":
            yield "it is unlogged: a crash of the server empties it, which no trigger tells"
        if table.kind == "p":
            yield "it is partitioned: rows come and go with its partitions, which no trigger tells"
        if table.oid in self._inheriting:
            yield "it inherits from another table, and a statement on that one changes its rows without its triggers"
        yield from orderless(table.schema.columns[at] for at in table.schema.identity)


def find(connection: Connection, captured: Mapping[str, TableSchema]) -> Subjects:
    """Look at the captured tables; raises `DatabaseRefused` where one is missing, or is not as its schema says."""
    obstacles, present = Obstacles(connection), read_tables(connection)
    tables = {name: _fitting(present.get(name), schema, obstacles) for name, schema in sorted(captured.items())}
    found = connection.execute(_LAYOUTS.encode(), ([table.oid for table in tables.values()],)).fetchall()
    by_oid = {int(str(oid)): tuple(cast("list[int]", numbers)) for oid, numbers in found}
    layouts = {name: by_oid[table.oid] for name, table in tables.items()}
    entries = _entries(connection)
    given = max((entry.number for entry in entries.values()), default=0)
    wanted = {}
    for name, table in tables.items():
        entry = entries.get((name, captured[name].key_names))
        given += entry is None
        wanted[name] = _subject(given if entry is None else entry.number, table, captured[name], layouts[name])
    triggers = [
        Trigger(oid, function, name, table, (bit, old, new, fires))
        for oid, function, name, table, bit, old, new, fires in cast(
            "list[tuple[int, str, str, str, int, str, str, bool]]", connection.execute(_TRIGGERS.encode()).fetchall()
        )
    ]
    rows = cast("list[tuple[str, str, list[str], bool]]", connection.execute(_FUNCTIONS.encode()).fetchall())
    functions = {name: (body, frozenset(settings), definer) for name, body, settings, definer in rows}
    return Subjects(tables, wanted, layouts, entries, triggers, functions, frozenset(tampered(connection)))


def shapes(connection: Connection, oids: Sequence[int]) -> dict[int, str]:
    """What the columns of some tables are, to be compared."""
    rows = connection.execute(_SHAPES.encode(), (list(oids),)).fetchall()
    return {int(str(oid)): str(text) for oid, text in rows}


def tampered(connection: Connection) -> list[str]:
    """The captured tables whose triggers or functions somebody touched since they were installed."""
    if not has_table(connection, NOTED):
        return []
    return [str(name) for (name,) in connection.execute(_TAMPERED.encode()).fetchall()]


def _fitting(table: Table | None, schema: TableSchema, obstacles: Obstacles) -> Table:
    what = f"could not capture table {schema.name}"
    if table is None:
        raise DatabaseRefused(what, "it does not exist", "Create it, or exclude it")
    names = set(schema.column_names)
    columns = tuple(column for column in table.schema.columns if column.name in names)
    if columns != schema.columns or (schema.key and table.schema.key_names != schema.key_names):
        raise DatabaseRefused(what, "its columns or its key have changed", REINSTALL)
    if found := obstacles(table):
        raise DatabaseRefused(what, "; ".join(found), "Or exclude the table")
    return table


def _subject(number: int, table: Table, captured: TableSchema, layout: Sequence[int]) -> Subject:
    attributes = {each.name: (layout.index(each.number) + 1, each) for each in table.attributes}
    local = len(captured.columns) < len(table.attributes)
    compared = [attributes[name] for name in captured.column_names] if local else ()
    return Subject(number, [attributes[name] for name in captured.key_names], compared)


def _entries(connection: Connection) -> dict[tuple[str, tuple[str, ...]], Entry]:
    if not has_table(connection, NOTED):
        return {}
    query = f"SELECT name, key, number, layout, watch IS NOT NULL FROM {NOTED}"
    rows = cast("list[tuple[str, list[str], int, list[int], bool]]", connection.execute(query.encode()).fetchall())
    return {(name, tuple(key)): Entry(number, tuple(layout), active) for name, key, number, layout, active in rows}
