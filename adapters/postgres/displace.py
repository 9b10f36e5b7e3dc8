"""Rows out of date that hold a unique value of a row which is to be put: they go first.

The rule it keeps: what goes is exactly what one of the table's unique indexes says can not stand beside the set. The
set's own rows must be out of the table already. A refusal on the way is left to the insert, which names its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg

from adapters.postgres.catalog import quote
from adapters.postgres.errors import is_row_error
from adapters.postgres.session import Session
from adapters.postgres.statements import Present, Statements

_UNIQUE: Final = """
SELECT pg_get_expr(indpred, indrelid), to_jsonb(i) ->> 'indnullsnotdistinct' = 'true',
       (SELECT array_agg(pg_get_indexdef(indexrelid, at, false) ORDER BY at) FROM generate_series(1, indnkeyatts) AS at)
  FROM pg_index i WHERE indrelid = $1 AND indisunique AND indisvalid ORDER BY indexrelid
"""
_NOT_NULL: Final = """
SELECT attname::text FROM pg_attribute
 WHERE attrelid = 'pg_temp.admin_sync_wanted'::regclass AND attnum > 0 AND attnotnull
"""
_WANTED: Final = "pg_temp.admin_sync_wanted"


def displace(session: Session, statements: Statements, kept: Sequence[tuple[Present, str, int]]) -> int:
    """Delete the rows that hold a unique value of a row in one of the tables that `Statements.keep` made.

    Each of these comes with its columns and its count of rows. Gives the number of rows deleted.
    """
    try:
        with session.savepoint("displacement"):
            _lay_out(session, statements, kept)
            gone = sum(_delete(session, statements, *index) for index in _unique(session, statements))
            session.run(f"DROP TABLE {_WANTED}")
    except psycopg.Error as error:
        if not is_row_error(error):
            raise
        return 0
    return gone


def _lay_out(session: Session, statements: Statements, kept: Sequence[tuple[Present, str, int]]) -> None:
    """Put the rows into a table like the target's: an index may be over expressions, or over generated columns."""
    like = f"LIKE {statements.table.quoted} INCLUDING GENERATED"
    session.run(f"CREATE TEMPORARY TABLE {_WANTED.rpartition('.')[2]} ({like}) ON COMMIT DROP")
    # A default is no value to look for, so that columns which take theirs stay NULL here.
    free = ", ".join(f"ALTER {quote(str(name))} DROP NOT NULL" for (name,) in session.ask(_NOT_NULL))
    if free:
        session.run(f"ALTER TABLE {_WANTED} {free}")
    for present, table, count in kept:
        for known in (True, False):
            session.run(statements.restore(present, table, known=known, into=_WANTED), (0, count))


def _unique(session: Session, statements: Statements) -> list[tuple[str, bool, list[str]]]:
    """Predicate, whether NULLs are equal, and keys of each unique index, as SQL over the table's columns."""
    found = session.ask(_UNIQUE, (statements.table.oid,))
    return [(str(predicate or "true"), bool(equal), list(keys)) for predicate, equal, keys in found]  # type: ignore[call-overload]


def _delete(session: Session, statements: Statements, predicate: str, nulls_equal: bool, keys: list[str]) -> int:  # noqa: FBT001
    sought = ", ".join(f"{key} AS admin_sync_{at}" for at, key in enumerate(keys))
    equals = "IS NOT DISTINCT FROM" if nulls_equal else "="
    met = " AND ".join(f"{key} {equals} w.admin_sync_{at}" for at, key in enumerate(keys))
    rows = session.ask(
        f"WITH gone AS (DELETE FROM {statements.table.only} AS t"
        f" USING (SELECT {sought} FROM {_WANTED} WHERE {predicate}) AS w WHERE {met} AND ({predicate}) RETURNING 1)"
        " SELECT count(*) FROM gone"
    )
    return int(str(rows[0][0]))
