"""The journal: triggers that note the key of every row that changes, in the transaction that changes it.

The rule it keeps: a key too many costs one more look at a row, a key too few is a lost change; where SQLite leaves a
doubt, the key is noted. The doubts are REPLACE (INSERT OR REPLACE, UPDATE OR REPLACE), which removes rows that stand
in the way without any trigger: through another unique index, and through an explicit row number. A BEFORE trigger
notes all rows that the statement might remove.

Keys are compared byte by byte (COLLATE BINARY): where a key's index ignores case, a key that only changes its case is
a new key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from adapters.sqlite.catalog import PREFIX, Table, quote
from adapters.sqlite.index import Index, qualify
from adapters.sqlite.schema import APPLYING, JOURNAL
from sync.model.schema import TableSchema

MARK = 0
"""The table number of rows that stand for no change."""


def journal_statements(width_before: int, width: int) -> list[str]:
    """Create the journal for keys of `width` columns, or widen the one that is there."""
    if not width_before:
        columns = ", ".join(key_columns(width))
        # No types: the values keep the storage class that they have in their table.
        return [f"CREATE TABLE {JOURNAL} (seq INTEGER PRIMARY KEY AUTOINCREMENT, tbl INTEGER NOT NULL, {columns})"]
    return [f"ALTER TABLE {JOURNAL} ADD COLUMN {name}" for name in key_columns(width)[width_before:]]


def key_columns(width: int) -> tuple[str, ...]:
    """The journal's own columns for a key of `width` columns."""
    return tuple(f"k{number}" for number in range(1, width + 1))


def capture_triggers(table: Table, captured: TableSchema, number: int, *, every: bool = False) -> dict[str, str]:
    """All journal triggers of one table, name to SQL.

    An update that leaves the captured columns as they are is not noted, unless `every` update is to be.
    """
    key = captured.key_names
    name = f"{PREFIX}{number}"
    local = {column.name for column in table.schema.columns}.difference(captured.column_names)
    changed = f" AND ({differs(captured.column_names)})" if local and not every else ""
    new, old = (f"VALUES ({', '.join([str(number), *_of(row, key)])})" for row in ("NEW", "OLD"))
    moved = f"SELECT {', '.join([str(number), *_of('NEW', key)])} WHERE {differs(key)}"
    plain = {
        f"{name}_insert": _trigger("AFTER INSERT", table, "", _note(key, new)),
        f"{name}_update": _trigger("AFTER UPDATE", table, changed, _note(key, old), _note(key, moved)),
        f"{name}_delete": _trigger("AFTER DELETE", table, "", _note(key, old)),
    }
    triggers = plain | _replace_triggers(table, captured, number)
    return {name: f"CREATE TRIGGER {quote(name)} {text}" for name, text in triggers.items()}


def differs(columns: Iterable[str]) -> str:
    """Condition of a trigger: some column's new value is another one than the old, byte by byte."""
    return " OR ".join(f"OLD.{quote(column)} IS NOT NEW.{quote(column)} COLLATE BINARY" for column in columns)


def same_key(columns: Mapping[str, str], collations: Iterable[str], *, nulls: bool) -> str:
    """Condition that SQL terms have the same values as others, pair by pair, found by index and exact.

    The index's own collation lets SQLite use the index; BINARY makes the match exact.
    """
    relation = "IS" if nulls else "="
    return " AND ".join(
        f"{left} {relation} {right} COLLATE {name}"
        for (left, right), collation in zip(columns.items(), collations, strict=True)
        for name in dict.fromkeys((collation, "BINARY"))
    )


def _replace_triggers(table: Table, captured: TableSchema, number: int) -> dict[str, str]:
    """BEFORE triggers that note which rows a REPLACE might remove."""
    inserted, updated = [], []
    names = [column.name for column in table.schema.columns]
    for index in _other_unique(table, captured):
        condition = " AND ".join(
            f"({term}) = ({qualify(term, names, 'NEW')}) COLLATE {collation}"
            for term, collation in zip(index.terms, index.collations, strict=True)
        )
        if index.predicate:
            condition += f" AND ({index.predicate})"
        inserted.append(_note_found(table, captured, number, condition))
        # A partial index may let a row in, and an expression change, without any of the plain columns changing.
        plain = [column for column in index.columns if column is not None]
        changed = f"({differs(plain)}) AND " if index.complete else ""
        updated.append(_note_found(table, captured, number, changed + condition))
    if table.rowid and not table.rowid_column:
        row = table.rowid
        # SQLite shows -1 for a row number that it has yet to choose, and that row might exist.
        inserted.append(_note_found(table, captured, number, f"{row} = NEW.{row}"))
        updated.append(_note_found(table, captured, number, f"NEW.{row} <> OLD.{row} AND {row} = NEW.{row}"))
    if not inserted:
        return {}
    return {
        f"{PREFIX}{number}_replace_insert": _trigger("BEFORE INSERT", table, "", *inserted),
        f"{PREFIX}{number}_replace_update": _trigger("BEFORE UPDATE", table, "", *updated),
    }


def _other_unique(table: Table, captured: TableSchema) -> list[Index]:
    """Unique indexes that can make a row of another identity go away."""
    identity = sorted(captured.key_names) if captured.key else None
    return [
        index
        for index in table.indexes
        if index.unique
        and index.terms
        and not (
            index.complete and sorted(filter(None, index.columns)) == identity and set(index.collations) == {"BINARY"}
        )
    ]


def _note_found(table: Table, captured: TableSchema, number: int, condition: str) -> str:
    key = ", ".join(map(quote, captured.key_names))
    return _note(captured.key_names, f"SELECT {number}, {key} FROM {quote(table.name)} WHERE {condition}")


def _note(key: Iterable[str], rows: str) -> str:
    columns = ", ".join(key_columns(len(tuple(key))))
    return f"INSERT INTO {JOURNAL} (tbl, {columns}) {rows};"


def _of(row: str, columns: Iterable[str]) -> list[str]:
    return [f"{row}.{quote(column)}" for column in columns]


def _trigger(moment: str, table: Table, condition: str, *body: str) -> str:
    return f"{moment} ON {quote(table.name)} WHEN {APPLYING} = 0{condition} BEGIN {' '.join(body)} END"
