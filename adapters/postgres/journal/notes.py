"""Notes: triggers that write down the key of every row that a statement touches, in the transaction that touches it.

The rule it keeps: a key too many costs one more look at a row, a key too few is a lost change; and no application fails
for our sake. So a function names a table's columns by their places, not by their names: a column may be renamed, made
of another type or dropped, and the statement goes through; what that does to the notes is noticed before they are read
(see install.py). Nulls stand behind the row, so that no place is ever missing.

A trigger fires once a statement, in every session role (ENABLE ALWAYS, which the table's owner may say); only our own
applier is left out. The notes are read by the number of their transaction, which is the same in all its savepoints. A
note without a key says that the table was truncated.

A server that allows prepared transactions refuses them where NOTIFY was said: there nothing is, and the source asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.postgres.catalog import SCHEMA, Attribute
from adapters.postgres.guard import APPLYING
from sync.model.schema import Kind

JOURNAL: Final = f"{SCHEMA}.journal"
NOTED: Final = f"{SCHEMA}.noted"
CHANNEL: Final = "admin_sync"
PREPARES: Final = "current_setting('max_prepared_transactions') <> '0'"

TABLES: Final = {
    JOURNAL: (
        f"CREATE TABLE {JOURNAL} (xid xid8 NOT NULL DEFAULT pg_current_xact_id(), tbl integer NOT NULL, key text[])"
        # Rows live for seconds: what is left of them must not pile up until a fifth of the table is dead.
        " WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,"
        " autovacuum_analyze_threshold = 2000000000, autovacuum_vacuum_cost_delay = 0)"
    ),
    f"{JOURNAL}_xid": f"CREATE INDEX journal_xid ON {JOURNAL} (xid)",
    NOTED: (
        f"CREATE TABLE {NOTED} (number integer PRIMARY KEY, name text NOT NULL, key text[] NOT NULL,"
        " layout integer[] NOT NULL, watch text, UNIQUE (name, key))"
    ),
}
"""What stands in the database beside functions and triggers. `noted` has a row for each table and identity, also for
one that is not captured any more: a number is never given to another. `layout` tells which columns stood in the places
that its function names, `watch` what its triggers looked like (NULL: it has none)."""

TRIGGERS: Final = {
    f"{CHANNEL}_note_insert": ("INSERT", 4, None, "new_rows"),
    f"{CHANNEL}_note_update": ("UPDATE", 16, "old_rows", "new_rows"),
    f"{CHANNEL}_note_delete": ("DELETE", 8, "old_rows", None),
    f"{CHANNEL}_note_truncate": ("TRUNCATE", 32, None, None),
}
"""By name: the statement, its bit in pg_trigger.tgtype, and the names of the old and new rows."""

_PLAIN: Final = {Kind.INT16, Kind.INT32, Kind.INT64, Kind.BOOL, Kind.CHAR, Kind.VARCHAR, Kind.DECIMAL, Kind.UUID}
_PATH: Final = "search_path=pg_catalog, pg_temp"
_FORMS: Final = (
    "bytea_output=hex",
    "DateStyle=iso, ymd",
    "extra_float_digits=1",
    "IntervalStyle=iso_8601",
    "lc_monetary=C",
    "TimeZone=UTC",
)
"""As `connection.SESSION`: the source reads in its session what was written in anybody's. Spelled as pg_proc does."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A table to be noted."""

    number: int
    key: Sequence[tuple[int, Attribute]]
    """Its identity: each column with its place among the table's columns, from 1 on."""
    compared: Sequence[tuple[int, Attribute]] = ()
    """The captured columns, where others are not: an update that changes none of them is not noted."""

    @property
    def function(self) -> str:
        """The function's name."""
        return f"note_{self.number}"

    @property
    def places(self) -> int:
        """How many columns the function names."""
        return max(place for place, _ in (*self.key, *self.compared))

    @property
    def settings(self) -> tuple[str, ...]:
        """What the function sets while it runs."""
        plain = all(_is_plain(each) for _, each in (*self.key, *self.compared))
        return (_PATH,) if plain else (_PATH, *_FORMS)

    @property
    def body(self) -> str:
        """The function's source."""
        into = f"INSERT INTO {JOURNAL} (tbl, key) SELECT {self.number}"
        key = f"ARRAY[{_texts(self.key)}]"
        old, new = self._rows("old_rows"), self._rows("new_rows")
        # Both rows of an update mostly have one key.
        update = f"{into}, {key} FROM {old} UNION SELECT {self.number}, {key} FROM {new}"
        if self.compared:
            row = f"SELECT {key}, ARRAY[{_texts(self.compared)}]"
            gone, come = (f"{row} FROM {one} EXCEPT ALL {row} FROM {other}" for one, other in ((old, new), (new, old)))
            update = f"{into}, d.key FROM (({gone}) UNION ALL ({come})) AS d (key, row)"
        return f"""
BEGIN
  IF current_setting('{APPLYING}', true) = 'on' THEN
    RETURN NULL;
  ELSIF TG_OP = 'INSERT' THEN
    {into}, {key} FROM {new};
  ELSIF TG_OP = 'UPDATE' THEN
    {update};
  ELSIF TG_OP = 'DELETE' THEN
    {into}, {key} FROM {old};
  ELSE
    INSERT INTO {JOURNAL} (tbl) VALUES ({self.number});
  END IF;
  IF FOUND AND NOT {PREPARES} THEN
    NOTIFY {CHANNEL};
  END IF;
  RETURN NULL;
END
"""

    def create_function(self) -> str:
        """The SQL that makes the function, or brings it up to date."""
        sets = " ".join(f"SET {name} = {value}" for name, value in map(_split, self.settings))
        # Whoever may write to the table need not be allowed to write to the journal.
        return (
            f"CREATE OR REPLACE FUNCTION {SCHEMA}.{self.function}() RETURNS trigger LANGUAGE plpgsql"
            f" SECURITY DEFINER {sets} AS $note${self.body}$note$"
        )

    def create_triggers(self, table: str, *, always: bool) -> list[str]:
        """The SQL that makes the triggers on a table; `always` lets them fire in replica role too."""
        statements = []
        for name, (statement, _, old, new) in TRIGGERS.items():
            rows = [f"{which} TABLE AS {rows}" for which, rows in (("OLD", old), ("NEW", new)) if rows]
            referencing = f" REFERENCING {' '.join(rows)}" if rows else ""
            statements.append(
                f"CREATE OR REPLACE TRIGGER {name} AFTER {statement} ON {table}{referencing}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.{self.function}()"
            )
        firing = ", ".join(f"ENABLE {'ALWAYS ' if always else ''}TRIGGER {name}" for name in TRIGGERS)
        return [*statements, *([f"ALTER TABLE ONLY {table} {firing}"] if always else [])]

    def _rows(self, rows: str) -> str:
        """The rows of a statement, their columns called c1, c2, … by place."""
        nulls = ", ".join(["NULL"] * self.places)
        names = ", ".join(f"c{place}" for place in range(1, self.places + 1))
        return f"(SELECT * FROM {rows}, (VALUES ({nulls})) AS pad) AS n ({names})"


def text_of(expression: str, attribute: Attribute) -> str:
    """A value's text, from which the value can be made again, as SQL."""
    if _is_plain(attribute):
        return f"{expression}::text"
    # A cast is not always what the type itself writes.
    return f"CASE num_nulls({expression}) WHEN 0 THEN concat({expression}) END"


def _texts(columns: Iterable[tuple[int, Attribute]]) -> str:
    return ", ".join(text_of(f"n.c{place}", attribute) for place, attribute in columns)


def _is_plain(attribute: Attribute) -> bool:
    """Whether a type's text is one and the same under all settings."""
    column = attribute.column.type
    return column.kind in _PLAIN or (column.kind is Kind.TEXT and not column.qualifier)


def _split(setting: str) -> tuple[str, str]:
    name, _, value = setting.partition("=")
    return name, value if name in {"search_path", "DateStyle"} else f"'{value}'"
