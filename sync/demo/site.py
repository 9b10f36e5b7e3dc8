"""Creates the sample site's database.

The rule it keeps: the same size and seed give the same rows, to the last byte, so two runs can be compared and a
failure can be met again.
"""

from collections.abc import Container, Iterable
from contextlib import closing
from random import Random

from sync.demo import admin_rows, call_rows
from sync.demo.database import Database
from sync.demo.tables import ADMIN_TABLES, SCALES, Size, rows_of


def create(
    database: Database, size: Size, *, seed: int, with_rows: bool = True, tables: Container[str] | None = None
) -> dict[str, int]:
    """Make the database, which must not exist, and return table to rows.

    Every table is made; only `tables` are filled (all of them where None). Without rows the schema alone is made:
    what a secondary starts from.
    """
    counts = {table: rows if tables is None or table in tables else 0 for table, rows in rows_of(size).items()}
    database.create()
    if not with_rows:
        return dict.fromkeys(counts, 0)
    with closing(database.session()) as session, session.transaction():
        for table, count in counts.items():
            session.fill(table, _rows(table, count, size, seed))
    return counts


def _rows(table: str, count: int, size: Size, seed: int) -> Iterable[admin_rows.Row]:
    # One generator a table: a change in one table's making leaves the others as they were.
    rng = Random(f"{seed}:{table}")
    if table in ADMIN_TABLES:
        return admin_rows.MAKERS[table](rng, SCALES[size], count)
    make = call_rows.MAKERS[table]
    return (make(rng, number) for number in range(count))
