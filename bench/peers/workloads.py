"""The table, and the six ways of changing it that a backlog is made of.

The rules they keep: rows are those of a large site's dictionary, with texts of several alphabets and NULLs; the server
makes the changes from rows that it was given before, so that a backlog costs no time of ours; commits do not wait for
the disk, but the sentinel's does, and so nothing of the backlog is still unwritten when it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

import psycopg

from sync.demo.admin_rows import MAKERS
from sync.demo.tables import SCALES

Session = psycopg.Connection[tuple[Any, ...]]
TABLE = "synonyms"
SCHEMA = """
CREATE TABLE synonyms (
    acd_no SMALLINT NOT NULL, item_type VARCHAR(20) NOT NULL, item_name VARCHAR(100) NOT NULL,
    value VARCHAR(40) NOT NULL, descr VARCHAR(150), standard SMALLINT, PRIMARY KEY (acd_no, item_type, value)
);
CREATE TABLE call_rec (
    seqnum INTEGER, acd SMALLINT, callid INTEGER, segment SMALLINT, row_date DATE, row_time SMALLINT,
    segstart INTEGER, segstop INTEGER, anslogin VARCHAR(16), calling_pty VARCHAR(25), dialed_num VARCHAR(25),
    dispvdn VARCHAR(16), talktime INTEGER, ucid VARCHAR(21)
);
"""
SENTINEL = "sentinel"
_COLUMNS = "acd_no, item_type, item_name, value, descr, standard"
_INSERT = (
    f"INSERT INTO synonyms SELECT {_COLUMNS} FROM bench.rows r WHERE r.n >= {{low}} AND r.n < {{high}} ORDER BY r.n"
)
_UPDATE = (
    "UPDATE synonyms s SET descr = r.item_name || {mark}, standard = 1 - coalesce(s.standard, 0) FROM bench.rows r"
    " WHERE r.n >= {low} AND r.n < {high} AND (s.acd_no, s.item_type, s.value) = (r.acd_no, r.item_type, r.value)"
)
_LOOP = """
DO $$ BEGIN
  FOR start IN 0..{last} BY {group} LOOP
    {statement};
    COMMIT;
  END LOOP;
END $$
"""
_FINGERPRINT = "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY acd_no, item_type, value)) FROM synonyms t"


@dataclass(frozen=True)
class Workload:
    """So many rows, so many of them a transaction."""

    name: str
    title: str
    statement: str
    rows: int
    group: int

    @property
    def is_insert(self) -> bool:
        """Whether the table is empty before, so that all of its rows are new."""
        return self.statement is _INSERT

    def build(self, session: Session, mark: str) -> None:
        """Make the changes. `mark` makes them differ from those of another round."""
        text = f"' {mark}'"
        # A plan for any range must still look each row up.
        session.execute("SET synchronous_commit = off; SET enable_hashjoin = off; SET enable_mergejoin = off")
        if self.group >= self.rows:
            session.execute(self.statement.format(low=0, high=self.rows, mark=text).encode())
        else:
            statement = self.statement.format(low="start", high=f"start + {self.group}", mark=text)
            loop = _LOOP.format(last=self.rows - 1, group=self.group, statement=statement)
            session.execute(loop.encode())
        session.execute("RESET synchronous_commit; RESET enable_hashjoin; RESET enable_mergejoin")


def workloads(scale: float) -> tuple[Workload, ...]:
    """The six, at a share of their full size."""
    bulk, small = int(200_000 * scale), int(20_000 * scale)
    return (
        Workload("insbulk", f"insert, {bulk:,} in one transaction", _INSERT, bulk, bulk),
        Workload("updbulk", f"update, {bulk:,} in one transaction", _UPDATE, bulk, bulk),
        Workload("ins100", f"insert, {bulk:,}, 100 a transaction", _INSERT, bulk, 100),
        Workload("upd100", f"update, {bulk:,}, 100 a transaction", _UPDATE, bulk, 100),
        Workload("ins1", f"insert, {small:,}, 1 a transaction", _INSERT, small, 1),
        Workload("upd1", f"update, {small:,}, 1 a transaction", _UPDATE, small, 1),
    )


def fill(session: Session, count: int) -> None:
    """Lay the rows down on the source, in a table that nobody replicates and no log carries."""
    session.execute(
        "CREATE SCHEMA bench; CREATE UNLOGGED TABLE bench.rows (n INTEGER PRIMARY KEY, LIKE public.synonyms)"
    )
    rows = islice(MAKERS[TABLE](Random(f"bench:{TABLE}"), SCALES["large"], count), count)
    with session.cursor() as cursor, cursor.copy("COPY bench.rows FROM STDIN") as copy:
        for number, row in enumerate(rows):
            copy.write_row((number, *row))
    session.execute("VACUUM ANALYZE bench.rows")


def put_sentinel(session: Session, number: int) -> None:
    """The last row of a backlog, in a transaction of its own that waits for the disk."""
    session.execute("INSERT INTO synonyms VALUES (0, %s, '', %s, NULL, NULL)", (SENTINEL, str(number)))


def has_sentinel(session: Session, number: int) -> bool:
    """Whether this session sees it."""
    query = "SELECT 1 FROM synonyms WHERE acd_no = 0 AND item_type = %s AND value = %s"
    return session.execute(query, (SENTINEL, str(number))).fetchone() is not None


def fingerprint(session: Session) -> tuple[int, str]:
    """Count and hash of all rows."""
    found = session.execute(_FINGERPRINT).fetchone()
    assert found is not None
    return int(found[0]), str(found[1])
