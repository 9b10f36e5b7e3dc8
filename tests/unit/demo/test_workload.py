"""The sample traffic keeps to its side: administrators change administration tables, calls change call tables."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from sync.demo.site import create
from sync.demo.sqlite import SqliteDatabase
from sync.demo.tables import ADMIN_TABLES, CALL_TABLES, TRAP_TABLES
from sync.demo.workload import CALL_TABLES as BUSY_TABLES
from sync.demo.workload import KEPT_USERS_MIN, PROBE_KEY, Writer

NOT_ADMIN = (*CALL_TABLES, *TRAP_TABLES)
PROBE = "SELECT action FROM shortcuts WHERE user_id = ? AND sc_name = ? AND seq = ?"

Content = dict[str, list[tuple[object, ...]]]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.db"
    create(SqliteDatabase(path), "small", seed=3)
    return path


@pytest.fixture
def writer(site: Path) -> Iterator[Writer]:
    with Writer(SqliteDatabase(site), seed=5, rate_per_s=20, now_ns=ticks()) as writer:
        yield writer


def ticks() -> Callable[[], int]:
    return count(1).__next__


def content(path: Path) -> Content:
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in (*ADMIN_TABLES, *NOT_ADMIN)}


def changed(before: Content, after: Content) -> set[str]:
    return {table for table, rows in before.items() if after[table] != rows}


def answer(path: Path, sql: str, *values: object) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql, values).fetchone()[0]


def test_administrators_touch_no_call_data(site: Path, writer: Writer) -> None:
    before = content(site)
    for kind in writer.kinds * 5:
        writer.admin_step_of(kind)
    touched = changed(before, content(site))
    assert touched
    assert touched.isdisjoint(NOT_ADMIN)


def test_calls_touch_no_administration(site: Path, writer: Writer) -> None:
    before = content(site)
    assert writer.call_step(300) == 300
    touched = changed(before, content(site))
    assert touched == set(BUSY_TABLES)
    assert touched.isdisjoint(ADMIN_TABLES)


def test_every_kind_of_step_is_drawn_and_changes_rows(writer: Writer) -> None:
    drawn = dict(writer.admin_step() for _ in range(300))
    assert set(drawn) == set(writer.kinds)
    assert min(drawn.values()) >= 2  # the probe and something else


def test_the_seed_decides_the_traffic(tmp_path: Path) -> None:
    contents, steps = [], []
    for name in ("one", "again"):
        create(SqliteDatabase(tmp_path / name), "small", seed=3)
        with Writer(SqliteDatabase(tmp_path / name), seed=5, rate_per_s=20, now_ns=ticks()) as writer:
            steps.append([(writer.admin_step(), writer.call_step(10)) for _ in range(60)])
        contents.append(content(tmp_path / name))
    assert steps[0] == steps[1]
    assert contents[0] == contents[1]


def test_a_second_writer_with_the_same_seed_meets_no_old_name(site: Path) -> None:
    for _ in range(2):
        with Writer(SqliteDatabase(site), seed=5, rate_per_s=20) as writer:
            for _ in range(100):
                writer.admin_step()


def test_swapped_names_stay_unique_and_none_is_lost(site: Path, writer: Writer) -> None:
    before = content(site)["synonyms"]
    kind, rows = writer.admin_step_of("swap names")
    after = content(site)["synonyms"]
    assert (kind, rows) == ("swap names", 4)  # three updates and the probe
    assert sorted(row[:3] for row in before) == sorted(row[:3] for row in after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 2


def test_a_new_skill_gives_every_user_a_permission(site: Path, writer: Writer) -> None:
    before = answer(site, "SELECT count(*) FROM user_split")
    _, rows = writer.admin_step_of("new skill")
    users = answer(site, "SELECT count(*) FROM users")
    assert isinstance(before, int)
    assert isinstance(users, int)
    assert answer(site, "SELECT count(*) FROM user_split") == before + users
    assert rows == users + 1 + 5 + 1  # the name, five thresholds, the probe


def test_timetable_steps_change_only_what_stays_here(site: Path, writer: Writer) -> None:
    shared = "SELECT group_concat(user_id || tt_name || acd || start_tm || days) FROM timetables"
    before, local = answer(site, shared), content(site)["timetables"]
    for _ in range(20):
        writer.admin_step_of("timetable, local")
    assert answer(site, shared) == before
    assert content(site)["timetables"] != local


def test_a_new_key_moves_an_agent_and_its_groups(site: Path, writer: Writer) -> None:
    before = content(site)
    for _ in range(20):
        writer.admin_step_of("new key")
    after = content(site)
    assert len(before["synonyms"]) == len(after["synonyms"])
    assert [row[2] for row in before["synonyms"]] == [row[2] for row in after["synonyms"]]
    assert [row[3] for row in before["synonyms"]] != [row[3] for row in after["synonyms"]]
    assert changed(before, after) == {"synonyms", "agroups", "shortcuts"}


def test_deleting_leaves_some_users_and_nothing_of_the_others(site: Path, writer: Writer) -> None:
    for _ in range(60):
        writer.admin_step_of("delete user")
    assert answer(site, "SELECT count(*) FROM users") == pytest.approx(KEPT_USERS_MIN, abs=1)
    assert answer(site, "SELECT count(*) FROM user_split WHERE user_id NOT IN (SELECT user_id FROM users)") == 0


def test_each_step_leaves_its_number_and_time_in_the_probe(site: Path, writer: Writer) -> None:
    writer.admin_step()
    writer.admin_step()
    assert answer(site, PROBE, *PROBE_KEY) == "2:2"
    writer.probe(9, 77)
    assert answer(site, PROBE, *PROBE_KEY) == "9:77"


def test_rows_counted_are_rows_written_even_beside_triggers(site: Path, writer: Writer) -> None:
    with closing(sqlite3.connect(site)) as connection:
        connection.executescript(
            "CREATE TABLE noted (n); CREATE TRIGGER t AFTER UPDATE ON rep_defs BEGIN INSERT INTO noted VALUES (1); END;"
        )
    assert writer.admin_step_of("report text") == ("report text", 2)


def test_a_step_that_fails_leaves_nothing(site: Path, writer: Writer) -> None:
    with closing(sqlite3.connect(site)) as connection:
        connection.executescript(
            "CREATE TRIGGER t BEFORE INSERT ON user_feat BEGIN SELECT RAISE(ABORT, 'not today'); END;"
        )
    before = content(site)
    with pytest.raises(sqlite3.IntegrityError, match="not today"):
        writer.admin_step_of("new agent")
    assert content(site) == before
    assert writer.admin_step_of("rename") == ("rename", 2)


def test_the_pace_is_the_callers(writer: Writer) -> None:
    assert writer.interval_s == pytest.approx(0.05)
