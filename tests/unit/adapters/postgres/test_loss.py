"""Every way in which history is lost is told, once it is accepted goes on, and hides behind nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.postgres import source as module
from adapters.postgres.site import PostgresSite
from adapters.postgres.standing import Standing
from sync.errors import DatabaseBusy, DatabaseRefused, PositionLost
from sync.model.position import Position
from tests.postgres import major
from tests.unit.adapters.postgres.primary import Primary

Make = Callable[..., Primary]
KEYED = "CREATE TABLE t (id int PRIMARY KEY, v text)"
PUBLISH = "ALTER PUBLICATION admin_sync"
SLOT = "(SELECT slot_name FROM pg_replication_slots WHERE database = current_database())"


def assert_lost(made: Primary, why: str) -> None:
    """The loss is told at every opening until one goes on behind it, and then no more."""
    for _ in range(2):
        with pytest.raises(PositionLost, match=why) as lost:
            made.reopen()
    made.reopen(Position(max(lost.value.resume, made.position)), anew=False)
    made.run("INSERT INTO t SELECT 1 + max(id), 'behind' FROM t")
    assert [row[1] for _, _, row in made.changes()][-1:] == ["behind"]
    made.source.confirm(made.position)
    made.reopen()
    assert made.read() == []


def written(make: Make) -> Primary:
    """A primary whose slot was confirmed."""
    made = make(KEYED)
    made.run("INSERT INTO t VALUES (1, 'a')")
    made.read()
    made.source.confirm(made.position)
    return made


def test_a_slot_that_is_gone(primary: Make) -> None:
    made = written(primary)
    made.source.close()
    made.run(f"SELECT pg_drop_replication_slot({SLOT})", "INSERT INTO t VALUES (2, 'lost')")
    assert_lost(made, "slot is gone")


def test_a_slot_that_is_gone_and_installed_again(primary: Make) -> None:
    made = written(primary)
    made.source.close()
    made.run(f"SELECT pg_drop_replication_slot({SLOT})", "INSERT INTO t VALUES (2, 'lost')")
    made.install()
    assert_lost(made, "slot was gone")


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER PUBLICATION admin_sync DROP TABLE t", "ALTER PUBLICATION admin_sync ADD TABLE ONLY t"),
        (
            "ALTER PUBLICATION admin_sync SET (publish = 'insert')",
            "ALTER PUBLICATION admin_sync SET (publish = 'insert, update, delete, truncate')",
        ),
    ],
)
def test_a_publication_that_was_altered_for_a_while(primary: Make, statements: tuple[str, str]) -> None:
    made = written(primary)
    made.run(statements[0], "UPDATE t SET v = 'lost'", statements[1])
    assert_lost(made, "publication")


def test_a_publication_that_was_altered_and_installed_again(primary: Make) -> None:
    made = written(primary)
    made.run("ALTER PUBLICATION admin_sync DROP TABLE t", "UPDATE t SET v = 'lost'")
    with pytest.raises(DatabaseRefused, match="install"):
        made.reopen()
    made.install()
    assert_lost(made, "publication")


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER PUBLICATION admin_sync DROP TABLE t", "UPDATE t SET v = 'lost'", f"{PUBLISH} ADD TABLE ONLY t"),
        (f"{PUBLISH} SET TABLE ONLY t WHERE (id > 5)", "UPDATE t SET v = 'lost'", f"{PUBLISH} SET TABLE ONLY t"),
    ],
    ids=["table taken out", "row filter"],
)
def test_a_publication_that_is_altered_while_it_is_read(
    primary: Make, monkeypatch: pytest.MonkeyPatch, statements: tuple[str, ...]
) -> None:
    """Noticed at once, not when capture is opened the next time."""
    monkeypatch.setattr(module, "_WATCH_S", 0.0)
    if major() < 15 and "WHERE" in statements[0]:
        pytest.skip("a publication before PostgreSQL 15 has no row filters")
    made = written(primary)
    made.source.wait(0)
    made.run(*statements)
    with pytest.raises(DatabaseBusy, match="altered"):
        made.source.wait(0)
    with pytest.raises(DatabaseBusy, match="altered"):
        made.read()
    assert_lost(made, "publication")


@pytest.mark.skipif(major() < 15, reason="a publication before PostgreSQL 15 has no row filters")
def test_a_row_filter_of_somebody_else_does_not_stay(primary: Make) -> None:
    made = written(primary)
    made.run(f"{PUBLISH} SET TABLE ONLY t WHERE (id > 5)", "UPDATE t SET v = 'lost'")
    with pytest.raises(DatabaseRefused, match="install"):
        made.reopen()
    made.install()
    assert made.ask("SELECT 1 FROM pg_publication_rel WHERE prqual IS NOT NULL") == []
    assert_lost(made, "publication")


def test_a_table_that_was_dropped_and_made_anew(primary: Make) -> None:
    """Its rows are others, and what was written before it was published again is in no log that we read."""
    made = written(primary)
    made.run("DROP TABLE t", KEYED, "INSERT INTO t VALUES (7, 'lost')")
    with pytest.raises(DatabaseRefused, match="install"):
        made.reopen()
    made.install()
    assert_lost(made, "made anew")


def test_tables_that_changed_places(primary: Make) -> None:
    made = written(primary)
    made.run("ALTER TABLE t RENAME TO old", KEYED, "INSERT INTO t VALUES (7, 'lost')")
    made.tables = made.survey()
    made.install()
    assert_lost(made, "made anew")


def test_another_server_with_a_copy_of_the_database(primary: Make) -> None:
    made = written(primary)
    made.run(
        "UPDATE admin_sync.meta SET value = replace(value, '\"system\": \"', '\"system\": \"9') WHERE name = 'standing'"
    )
    assert_lost(made, "another server")


def test_a_server_that_was_restored(primary: Make) -> None:
    made = written(primary)
    made.run(
        "UPDATE admin_sync.meta SET value = replace(value, '\"timeline\": ', '\"timeline\": 9') WHERE name = 'standing'"
    )
    assert_lost(made, "restored")


def test_a_table_that_was_dropped_is_no_loss(primary: Make) -> None:
    made = primary(f"{KEYED}; CREATE TABLE u (id int PRIMARY KEY)")
    made.run("INSERT INTO t VALUES (1, 'a')")
    made.run("DROP TABLE u")
    del made.tables["u"]
    made.reopen()
    assert [row for _, _, row in made.changes()] == [(1, "a")]


def test_the_slot_moves_on_while_nothing_captured_is_written(primary: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of a busy server is not kept for an idle capture, and the spool that stays behind has lost nothing."""
    monkeypatch.setattr(module, "_IDLE_BYTES", 100_000)
    made = written(primary)
    confirmed = f"SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = {SLOT}"
    ((before,),) = made.ask(confirmed)
    made.run("CREATE TABLE calls (id int)", "INSERT INTO calls SELECT generate_series(1, 20000)")
    made.read()
    # A server before 15 tells of transactions with nothing in them too.
    while made.source.wait(0.1):
        made.read()
    made.reopen()
    ((after,),) = made.ask(confirmed)
    assert int(str(after)) > int(str(before)) + 1_000_000
    made.run("INSERT INTO t VALUES (2, 'b')")
    made.reopen()
    assert [row for _, _, row in made.changes()] == [(2, "b")]
    made.source.confirm(made.position)
    with pytest.raises(PositionLost, match="confirmed"):
        made.reopen(Position(made.position - 1))


def test_guarding_a_former_primary_removes_capture(primary: Make) -> None:
    made = written(primary)
    made.source.close()
    site = PostgresSite(made.url)
    site.install_guard(made.tables, "cms-west")
    site.close()
    assert made.ask(f"SELECT 1 WHERE {SLOT} IS NOT NULL") == []
    with pytest.raises(DatabaseRefused, match="install"):
        made.reopen()


def test_positions_and_lsns() -> None:
    standing = Standing(base=100)
    assert (standing.position(7), standing.lsn(107), standing.lsn(3)) == (107, 7, 0)


def test_a_loss_is_noted_whatever_the_name_of_its_table(primary: Make) -> None:
    made = primary('CREATE TABLE "o\'t\\" (id int PRIMARY KEY, v text)')
    made.run('ALTER PUBLICATION admin_sync DROP TABLE "o\'t\\"', 'ALTER PUBLICATION admin_sync ADD TABLE "o\'t\\"')
    made.install()
    with pytest.raises(PositionLost, match=r"o't\\ was taken out"):
        made.reopen()
