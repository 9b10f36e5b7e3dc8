"""Applying: how a session is set up, how rows are written, the checkpoint with them, and the guard.

The rule it keeps: there is no upsert, so an update says how many rows it found, and what found none is inserted. A key
value that is NULL is written as such, for NULL is equal to nothing and an untyped parameter can not be asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from adapters.informix.statements.capture import FOREIGN
from adapters.informix.statements.statement import PREFIX, Statement, Table, marks, name, names, text

CHECKPOINT: Final = f"{PREFIX}checkpoint"
GUARD: Final = f"{PREFIX}guard"
_REFUSE: Final = f"{PREFIX}refuse"
_REFUSAL: Final = "Admin-Sync: this table is kept by the primary; change it there"
"""At most 70 bytes."""


def isolation(level: str) -> Statement:
    """`level` as in SQL: DIRTY READ, COMMITTED READ, COMMITTED READ LAST COMMITTED, REPEATABLE READ."""
    assert level in {"DIRTY READ", "COMMITTED READ", "COMMITTED READ LAST COMMITTED", "REPEATABLE READ"}
    return Statement("isolation", f"SET ISOLATION TO {level}")


def lock_wait(seconds: int) -> Statement:
    return Statement("lock-wait", f"SET LOCK MODE TO WAIT {int(seconds)}")


def begin() -> Statement:
    return Statement("begin", "BEGIN WORK")


def commit() -> Statement:
    return Statement("commit", "COMMIT WORK")


def rollback() -> Statement:
    return Statement("rollback", "ROLLBACK WORK")


def defer() -> Statement:
    """Check constraints at the end of this transaction."""
    return Statement("defer", "SET CONSTRAINTS ALL DEFERRED")


def insert(table: Table, columns: Sequence[str]) -> Statement:
    """One row a parameter set; many are an array of these."""
    return Statement("insert", f"INSERT INTO {table.sql} ({names(columns)}) VALUES ({marks(len(columns))})")


def update(table: Table, columns: Sequence[str], key: Sequence[str], nulls: Collection[str] = ()) -> Statement:
    """Set `columns` of the row with this key; `nulls` are the key's columns that are NULL: they take no `?`."""
    sets = ", ".join(f"{name(column)} = ?" for column in columns)
    return Statement("update", f"UPDATE {table.sql} SET {sets} WHERE {_same(key, nulls)}")


def delete(table: Table, key: Sequence[str], nulls: Collection[str] = ()) -> Statement:
    return Statement("delete", f"DELETE FROM {table.sql} WHERE {_same(key, nulls)}")


def checkpoint() -> list[Statement]:
    """Create, read, update, insert; the update that finds no row is followed by the insert."""
    return [
        Statement(
            "checkpoint-create",
            f"CREATE TABLE {CHECKPOINT} (origin VARCHAR(64) NOT NULL, epoch BIGINT NOT NULL, position BIGINT NOT NULL,"
            f" PRIMARY KEY (origin) CONSTRAINT {CHECKPOINT}_pk) LOCK MODE ROW",
        ),
        Statement("checkpoint-read", f"SELECT origin, epoch, position FROM {CHECKPOINT}"),
        Statement("checkpoint-update", f"UPDATE {CHECKPOINT} SET epoch = ?, position = ? WHERE origin = ?"),
        Statement("checkpoint-insert", f"INSERT INTO {CHECKPOINT} (epoch, position, origin) VALUES (?, ?, ?)"),
    ]


def create_guard() -> list[Statement]:
    """The guard's row, and the routine that refuses while it says so."""
    return [
        Statement("guard-create", f"CREATE TABLE {GUARD} (guarded BOOLEAN NOT NULL) LOCK MODE ROW"),
        Statement(
            "guard-refuse-create",
            f"CREATE PROCEDURE {_REFUSE}() DEFINE stands INTEGER; LET stands = (SELECT COUNT(*) FROM {GUARD}"
            f" WHERE guarded = 't'); IF stands > 0 THEN RAISE EXCEPTION -746, 0, {text(_REFUSAL)}; END IF;"
            " END PROCEDURE",
        ),
    ]


def guard_triggers(table: Table, number: int) -> list[Statement]:
    """Triggers that refuse every change that is not our own."""
    seen = {"insert": "NEW AS n", "update": "OLD AS o NEW AS n", "delete": "OLD AS o"}
    return [
        Statement(
            f"guard-{event}",
            f"CREATE TRIGGER {PREFIX}guard_{number}_{event} {event.upper()} ON {table.sql} REFERENCING {rows}"
            f" FOR EACH ROW WHEN ({FOREIGN}) (EXECUTE PROCEDURE {_REFUSE}())",
        )
        for event, rows in seen.items()
    ]


def _same(key: Sequence[str], nulls: Collection[str]) -> str:
    return " AND ".join(f"{name(column)} {'IS NULL' if column in nulls else '= ?'}" for column in key)
