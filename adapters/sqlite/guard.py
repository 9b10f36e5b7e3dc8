"""The write guard: triggers that refuse local writes to the captured tables of a secondary.

The rule it keeps: only the applier passes, and columns that stay each server's own may be written by anyone. RAISE
takes a literal only, so the primary's name stands in each trigger.
"""

from __future__ import annotations

from adapters.sqlite.catalog import PREFIX, Table, quote
from adapters.sqlite.journal import differs
from adapters.sqlite.schema import APPLYING, GUARD
from sync.model.schema import TableSchema


def guard_triggers(table: Table, captured: TableSchema, number: int, primary: str) -> dict[str, str]:
    """The guard triggers of one table, name to SQL."""
    message = f"admin-sync: this server is the secondary; make the change on {primary}".replace("'", "''")
    guarded = f"{APPLYING} = 0 AND (SELECT guarded FROM {GUARD} WHERE id = 1) = 1"
    local = {column.name for column in table.schema.columns}.difference(captured.column_names)
    # Not UPDATE OF: SQLite overlooks a key column there that the statement names as the row number.
    changed = f" AND ({differs(captured.column_names)})" if local else ""
    conditions = {"INSERT": "", "UPDATE": changed, "DELETE": ""}
    triggers = {}
    for verb, condition in conditions.items():
        name = f"{PREFIX}{number}_guard_{verb.lower()}"
        triggers[name] = (
            f"CREATE TRIGGER {quote(name)} BEFORE {verb} ON {quote(table.name)} WHEN {guarded}{condition}"
            f" BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )
    return triggers
