"""Traffic on the sample site: administrators at work, and calls being counted beside them.

It exists to show that every change of the one crosses, whole and in order, and no row of the other. The rules it
keeps: a step is one transaction; an administration step touches no call table and a call step no administration
table; nothing sleeps, for the pace is the caller's. Each administration step leaves its number and the time in a
probe row, so whoever reads that row on the other side knows how old it is.
"""

import re
import time
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Any, Final, Self

from sync.demo import admin_rows, call_rows, names
from sync.demo.database import Database

CALL_ROWS_PER_ADMIN_STEP: Final = 10
KEPT_USERS_MIN: Final = 10
"""Deleting stops here, so that a long run does not end on an empty site."""

# What calls fill most of the time, and the two traps that are busiest on a real server.
CALL_TABLES: Final = (
    "hsplit", "hagent", "hagent", "hagent", "call_rec", "call_rec", "haglog", "ag_actv", "hvdn", "hvector", "htkgrp",
    "spex", "dagent", "hsplit_old", "arch_stat",
)  # fmt: skip

PROBE_KEY: Final = ("__probe", "probe", 0)
_PROBE: Final = """
    INSERT INTO shortcuts (user_id, sc_name, seq, action) VALUES (?, ?, ?, ?)
    ON CONFLICT (user_id, sc_name, seq) DO UPDATE SET action = excluded.action
"""
_ARCHIVER: Final = """
    INSERT INTO arch_stat (acd, arch_type, last_time, status) VALUES (?, ?, ?, ?)
    ON CONFLICT (acd, arch_type) DO UPDATE SET last_time = excluded.last_time, status = excluded.status
"""
_PERMISSION_TABLES: Final = (
    "user_feat",
    "user_acd",
    "user_split",
    "user_tkgrp",
    "user_vdn",
    "user_vector",
    "user_menu",
)
_OWNED_TABLES: Final = (*_PERMISSION_TABLES, "timetables", "tt_tasks", "shortcuts")


class Writer:
    """One connection that changes a site. Belongs to the thread that made it."""

    def __init__(
        self, database: Database, seed: int, rate_per_s: float, *, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.interval_s: Final = 1 / rate_per_s
        """The pause that the caller owes between two administration steps."""
        self.steps = 0
        self.calls = 0
        self._now_ns = now_ns
        self._rng = Random(seed)
        self._session = database.session()
        self._run, self._insert = self._session.run, self._session.insert
        self._at = f"{self._session.row} = ?"
        self._number = self._highest_number()
        kinds = self._kinds()
        self._kinds_drawn = [kind for kind, (_, weight) in kinds.items() for _ in range(weight)]
        self._step_of = {kind: step for kind, (step, _) in kinds.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def admin_step(self) -> tuple[str, int]:
        """One administrator's transaction: what was done, and how many rows changed, the probe among them."""
        return self.admin_step_of(self._rng.choice(self._kinds_drawn))

    def admin_step_of(self, kind: str) -> tuple[str, int]:
        self.steps += 1
        with self._session.transaction():
            rows = self._step_of[kind]()
            rows += self._write_probe(self.steps, self._now_ns())
        return kind, rows

    def call_step(self, n: int) -> int:
        """So many rows of call data in one transaction; returns how many were written."""
        with self._session.transaction():
            return self._call_rows(n)

    def probe(self, n: int, now_ns: int) -> None:
        """Write the probe alone, in a transaction of its own."""
        with self._session.transaction():
            self._write_probe(n, now_ns)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self._step_of)

    def _kinds(self) -> dict[str, tuple[Callable[[], int], int]]:
        """What an administrator does: name to (how, how often)."""
        return {
            "rename": (self._rename, 8),
            "swap names": (self._swap_names, 3),
            "new agent": (self._new_agent, 4),
            "new skill": (self._new_skill, 1),
            "delete agent": (self._delete_agent, 2),
            "delete user": (self._delete_user, 1),
            "threshold": (self._threshold, 5),
            "report text": (self._report_text, 3),
            "timetable, local": (self._timetable_local, 2),
            "new key": (self._new_key, 2),
        }

    # Administration ---------------------------------------------------------------------------------------------

    def _rename(self) -> int:
        row, kind = self._pick("synonyms", "item_type")
        name = names.item(self._rng, kind.rstrip(" "), self._next())
        return self._run(f"UPDATE synonyms SET item_name = ? WHERE {self._at}", name, row)

    def _swap_names(self) -> int:
        """Two agents trade a unique name by way of a third: no order of the two updates alone would do."""
        _, acd, login, one = self._pick("synonyms", "acd_no, value, item_name", "item_type = 'agname'")
        of_acd = f"item_type = 'agname' AND acd_no = {int(acd)}"
        _, other_login, other = self._pick("synonyms", "value, item_name", of_acd)
        if login == other_login:
            return self._rename()
        rename = f"UPDATE synonyms SET item_name = ? WHERE {of_acd} AND value = ?"
        return (
            self._run(rename, f"swapped away {self._next()}", login)
            + self._run(rename, one, other_login)
            + self._run(rename, other, login)
        )

    def _new_agent(self) -> int:
        number = self._next()
        user, login = f"agt{number}", str(number)
        (_, acd) = self._pick("acds", "acd")
        synonym = (acd, "agname", names.person(self._rng, number), login, self._rng.choice(names.NOTES), 0)
        account = (user, "normal", acd, 4, 30, "lp0", "R1", "555-0100", "2026-02-01 09:00:00")
        features = [(user, feature, "y", "n") for feature in admin_rows.FEATURES[:3]]
        return (
            self._insert("synonyms", synonym)
            + self._insert("agroups", (acd, "ag_group", f"{self._rng.choice(names.SKILLS)} team", login))
            + self._insert("users", account)
            + self._insert("user_acd", (user, acd, "y", "n", "n"))
            + self._insert("user_feat", *features)
        )

    def _new_skill(self) -> int:
        """A skill, its thresholds, and a permission on it for every user: the widest change that a site knows."""
        (_, acd) = self._pick("acds", "acd")
        newest = "SELECT max(split) FROM (SELECT split FROM user_split UNION ALL SELECT split FROM ex_split) AS known"
        split = (self._session.rows(newest)[0][0] or 0) + 1
        name = names.item(self._rng, "split", self._next())
        users = [(user, acd, split, "y", "n", "n") for (user,) in self._session.rows("SELECT user_id FROM users")]
        return (
            self._insert("synonyms", (acd, "split", name, f"s{split}", None, 0))
            + self._insert("ex_split", *((acd, split, kind, "y", 30 * kind, 5) for kind in range(1, 6)))
            + self._insert("user_split", *users)
        )

    def _delete_agent(self) -> int:
        row, acd, login = self._pick("synonyms", "acd_no, value", "item_type = 'agname'")
        return self._run("DELETE FROM agroups WHERE acd_no = ? AND value = ?", acd, login) + self._run(
            f"DELETE FROM synonyms WHERE {self._at}", row
        )

    def _delete_user(self) -> int:
        if self._session.rows("SELECT count(*) FROM users")[0][0] <= KEPT_USERS_MIN:
            return self._new_agent()
        row, user = self._pick("users", "user_id")
        owned = sum(self._run(f"DELETE FROM {table} WHERE user_id = ?", user) for table in _OWNED_TABLES)
        return owned + self._run(f"DELETE FROM users WHERE {self._at}", row)

    def _threshold(self) -> int:
        table = self._rng.choice(("ex_agent", "ex_split", "ex_tkgrp", "ex_vdn", "ex_vector"))
        (row,) = self._pick(table)
        limit = self._rng.randint(1, admin_rows.THRESHOLD_MAX)
        active = self._rng.choice(("y", None))
        return self._run(f"UPDATE {table} SET threshold = ?, active = ? WHERE {self._at}", limit, active, row)

    def _report_text(self) -> int:
        (row,) = self._pick("rep_defs")
        body = names.report_body(self._rng, self._next())
        return self._run(f"UPDATE rep_defs SET body = ?, chg_date = '2026-02-02' WHERE {self._at}", body, row)

    def _timetable_local(self) -> int:
        """Columns that are each server's own: this must not cross."""
        (row,) = self._pick("timetables")
        due = f"2026-03-{self._rng.randint(1, 28):02d} 02:{self._rng.randint(0, 59):02d}"
        sql = f"UPDATE timetables SET run_on = ?, active = ?, next_run = ? WHERE {self._at}"
        return self._run(sql, self._rng.choice("ta"), self._rng.choice("yn"), due, row)

    def _new_key(self) -> int:
        """An agent gets another login: the primary key itself changes, here and in the groups."""
        row, acd, login = self._pick("synonyms", "acd_no, value", "item_type = 'agname'")
        number = str(self._next())
        return self._run(f"UPDATE synonyms SET value = ? WHERE {self._at}", number, row) + self._run(
            "UPDATE agroups SET value = ? WHERE acd_no = ? AND value = ?", number, acd, login
        )

    def _write_probe(self, n: int, now_ns: int) -> int:
        return self._run(_PROBE, *PROBE_KEY, f"{n}:{now_ns}")

    # Call data --------------------------------------------------------------------------------------------------

    def _call_rows(self, n: int) -> int:
        rows: dict[str, list[call_rows.Row]] = {}
        for _ in range(n):
            self.calls += 1
            table = self._rng.choice(CALL_TABLES)
            rows.setdefault(table, []).append(call_rows.MAKERS[table](self._rng, self.calls))
        # One row for each archiver, written over and over.
        written = sum(self._run(_ARCHIVER, *row) for row in rows.pop("arch_stat", ()))
        return written + sum(self._insert(table, *made) for table, made in rows.items())

    # SQL --------------------------------------------------------------------------------------------------------

    def _pick(self, table: str, columns: str = "", where: str = "TRUE") -> tuple[Any, ...]:
        """Some row: where it lies, and the columns asked for. Cheap on a large table, and fair enough."""
        place = self._session.row
        start = self._session.somewhere(table, self._rng)
        if start is None:
            raise LookupError(f"could not choose a row: {table} is empty")
        select = f"SELECT {place}{', ' * bool(columns)}{columns} FROM {table} WHERE {where}"
        for side in (">=", "<"):
            found = self._session.rows(f"{select} AND {place} {side} ? ORDER BY {place} LIMIT 1", start)
            if found:
                return found[0]
        raise LookupError(f"could not choose a row: none in {table} has {where}")

    def _highest_number(self) -> int:
        """What is invented from here on is numbered above all that is there, also by an earlier writer."""
        texts = (
            "SELECT item_name FROM synonyms UNION ALL SELECT value FROM synonyms UNION ALL SELECT user_id FROM users"
        )
        found = (re.search(r"([0-9]+) *$", text) for (text,) in self._session.rows(texts))
        return max((int(match[1]) for match in found if match), default=0)

    def _next(self) -> int:
        self._number += 1
        return self._number
