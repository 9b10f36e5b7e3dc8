"""Capture: a journal that is the door to all images, and triggers that fill both.

The rule it keeps: an image has the table's own types, so nothing becomes text and nothing is too long to be noted.
Every change also writes a row of the one journal, in the same transaction; so the journal alone tells whether a cut of
all images splits a transaction: by what is there and not committed (see `cut`), or by its share lock.

    admin_sync_journal     seq, tbl         one row for each change
    admin_sync_image_<n>   seq, op, k…, c…  of table n: old key, new values; large ones are read again by the key
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from adapters.informix.statements.statement import PREFIX, Column, Statement, Table, name, names, read, text
from adapters.informix.values import selected

JOURNAL: Final = f"{PREFIX}journal"
META: Final = f"{PREFIX}meta"
_FLAG: Final = f"{PREFIX}applying"
_SET: Final = f"{PREFIX}set_applying"
_IS: Final = f"{PREFIX}is_applying"
FOREIGN: Final = f"NOT {_IS}()"
"""A trigger's condition: the change is not our own."""
_NUMBERS: Final = {"SERIAL": "INTEGER", "SERIAL8": "INT8", "BIGSERIAL": "BIGINT"}


def create_tables() -> list[Statement]:
    """The journal, and what is kept of captured tables."""
    return [
        _table("journal-create", JOURNAL, "seq BIGSERIAL NOT NULL, tbl INTEGER NOT NULL", "seq"),
        _table("meta-create", META, "name VARCHAR(128) NOT NULL, value LVARCHAR(4096)", "name"),
    ]


def create_flag() -> list[Statement]:
    """The routines behind the flag of our own session: one sets it, one is asked by triggers."""
    define = f"DEFINE GLOBAL {_FLAG} BOOLEAN DEFAULT 'f';"
    return [
        Statement(
            "flag-set-create",
            f"CREATE FUNCTION {_SET}(flag BOOLEAN) RETURNING BOOLEAN; {define} LET {_FLAG} = flag; RETURN {_FLAG};"
            " END FUNCTION",
        ),
        Statement(
            "flag-read-create", f"CREATE FUNCTION {_IS}() RETURNING BOOLEAN; {define} RETURN {_FLAG}; END FUNCTION"
        ),
    ]


def set_flag(*, applying: bool) -> Statement:
    """Say whether this session's changes are our own; holds for the connection, rollback or not."""
    return Statement("flag-set", f"SELECT {_SET}('{'t' if applying else 'f'}') FROM sysmaster:sysdual")


def image(number: int) -> str:
    return f"{PREFIX}image_{number}"


def create_image(table: Table, number: int) -> Statement:
    """The images of one table. Their columns are numbered, for names of the table may be taken here."""
    columns = [f"{own} {_declared(column)}" for own, column in _image_columns(table)]
    return _table(
        "image-create", image(number), ", ".join(["seq BIGSERIAL NOT NULL, op CHAR(1) NOT NULL", *columns]), "seq"
    )


def create_triggers(table: Table, number: int) -> list[Statement]:
    """Triggers that note each change that is not our own."""
    old = [f"o.{name(column.name)}" for column in table.keys]
    new = [f"n.{name(column.name)}" for column in table.small]
    of = "" if table.complete else f" OF {names(column.name for column in table.columns)}"
    rows = {
        "insert": ("INSERT", "NEW AS n", "I", [*["NULL"] * len(old), *new]),
        "update": (f"UPDATE{of}", "OLD AS o NEW AS n", "U", [*old, *new]),
        "delete": ("DELETE", "OLD AS o", "D", [*old, *["NULL"] * len(new)]),
    }
    columns = ", ".join(["seq", "op", *(own for own, _ in _image_columns(table))])
    return [
        Statement(
            f"note-{event}",
            f"CREATE TRIGGER {PREFIX}{number}_{event} {words} ON {table.sql} REFERENCING {seen} FOR EACH ROW"
            f" WHEN ({FOREIGN}) (INSERT INTO {JOURNAL} (seq, tbl) VALUES (0, {number}),"
            f" INSERT INTO {image(number)} ({columns}) VALUES (0, {', '.join([text(op), *values])}))",
        )
        for event, (words, seen, op, values) in rows.items()
    ]


def drop_trigger(trigger: str) -> Statement:
    return Statement("drop-trigger", f"DROP TRIGGER {name(trigger)}")


def drop_routine(kind: str, routine: str) -> Statement:
    """`kind` is FUNCTION or PROCEDURE."""
    assert kind in {"FUNCTION", "PROCEDURE"}
    return Statement("drop-routine", f"DROP {kind} {name(routine)}")


def drop_table(table: str) -> Statement:
    return Statement("drop-table", f"DROP TABLE {name(table)}")


def pending() -> Statement:
    """Whether anything waits; asked with dirty reads, which neither wait nor lock."""
    return Statement("pending", f"SELECT FIRST 1 seq FROM {JOURNAL}")


def cut_door() -> Statement:
    """Wait until no change is under way, and hold new ones off until the transaction ends.

    A writer whose session does not wait for locks gets an error meanwhile: only for where no quiet moment comes.
    """
    return Statement("cut-door", f"LOCK TABLE {JOURNAL} IN SHARE MODE")


def cut_witness() -> Statement:
    """Every row of the journal, committed or not: read with dirty reads, behind all else of a cut."""
    return Statement("cut-witness", f"SELECT seq FROM {JOURNAL}")


def cut_journal() -> Statement:
    """What is committed: read with LAST COMMITTED, before the images."""
    return Statement("cut-journal", f"SELECT seq, tbl FROM {JOURNAL} ORDER BY seq")


def cut_images(table: Table, number: int) -> Statement:
    """The images of one table in the order of its changes: seq, op, old key, new values."""
    columns = [selected(column.type, own) for own, column in _image_columns(table)]
    return Statement("cut-images", f"SELECT {', '.join(['seq', 'op', *columns])} FROM {image(number)} ORDER BY seq")


def cut_large(table: Table) -> Statement:
    """The large values of one row, by its key."""
    large = [column for column in table.columns if column.type.large]
    keys = " AND ".join(f"{name(column.name)} = ?" for column in table.keys)
    return Statement("cut-large", f"SELECT {read(large)} FROM {table.sql} WHERE {keys}")


def forget_journal() -> Statement:
    return Statement("forget-journal", f"DELETE FROM {JOURNAL} WHERE seq = ?")


def forget_image(number: int) -> Statement:
    return Statement("forget-image", f"DELETE FROM {image(number)} WHERE seq = ?")


def _image_columns(table: Table) -> Iterable[tuple[str, Column]]:
    """Names in the image, with the columns that they hold: k1… the old key, c1… the new values."""
    for letter, columns in (("k", table.keys), ("c", table.small)):
        for number, column in enumerate(columns, 1):
            yield f"{letter}{number}", column


def _declared(column: Column) -> str:
    return _NUMBERS.get(column.type.name, column.type.sql)


def _table(kind: str, table: str, columns: str, key: str) -> Statement:
    return Statement(kind, f"CREATE TABLE {table} ({columns}, PRIMARY KEY ({key}) CONSTRAINT {table}_pk) LOCK MODE ROW")
