"""The real driver against the double: the way in, statements, queries, transactions, errors (0, 1, 2, 10)."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.drda.assumptions import Assumptions
from tests.drda.driver import address, connected, fails, needs_driver
from tests.drda.engine import Field, Isolation, Kind, Refused
from tests.drda.faults import Point, Refuse
from tests.drda.host import Double, DoubleFailed, serving
from tests.drda.scripted import Script, Scripted

pytestmark = needs_driver

A, B = Field("a", Kind.INTEGER, nullable=False), Field("b", Kind.VARCHAR, 20)
SELECT, INSERT = "select a, b from t", "insert into t values (?, ?)"
VARIANTS = [
    Assumptions(),
    Assumptions(byte_order="<"),
    Assumptions(sqlam=8),
    Assumptions(product="IFX12100"),
    Assumptions(ansi=True),
    Assumptions(tells_updates=False),
]


def scripted(**more: Script) -> Scripted:
    return Scripted({
        SELECT: Script(columns=[A, B], rows=[(1, "x"), (2, None)]),
        INSERT: Script(parameters=[A, B], affected=1),
        "delete from t": Script(affected=3),
        **more,
    })  # fmt: skip


def fetched(driver: ModuleType, statement: object) -> list[tuple[object, ...]]:
    rows = []
    while row := driver.fetch_tuple(statement):
        rows.append(row)
    return rows


@pytest.mark.parametrize("facts", VARIANTS, ids=repr)
def test_rows_changes_and_transactions_under_every_accepted_assumption(driver: ModuleType, facts: Assumptions) -> None:
    with serving(scripted(), facts) as double:
        with connected(double) as connection:
            assert driver.server_info(connection).DBMS_NAME == "IDS/UNIX64"
            assert fetched(driver, driver.exec_immediate(connection, SELECT)) == [(1, "x"), (2, None)]
            prepared = driver.prepare(connection, INSERT)
            assert driver.execute(prepared, (7, "é"))
            assert driver.num_rows(prepared) == 1
            assert driver.num_rows(driver.exec_immediate(connection, "delete from t")) == 3
            driver.commit(connection)
            assert driver.exec_immediate(connection, "delete from t")
            driver.rollback(connection)
        double.wait_gone()
        # Closing rolls back more than once.
        assert list(dict.fromkeys(double.engine("history"))) == [
            (SELECT, ()),
            (INSERT, (7, "é")),
            ("delete from t", ()),
            ("commit", ()),
            ("rollback", ()),
            ("close", ()),
        ]


def test_autocommit_commits_behind_every_statement(driver: ModuleType) -> None:
    with serving(scripted()) as double, connected(double, autocommit=True) as connection:
        driver.exec_immediate(connection, "delete from t")
        assert double.engine("history") == [("delete from t", ()), ("commit", ())]


def test_an_unlogged_database_has_no_transactions(driver: ModuleType) -> None:
    with serving(scripted(), Assumptions(logged=False)) as double, connected(double, autocommit=True) as connection:
        driver.exec_immediate(connection, "delete from t")
        assert double.came_in("RDBCMM") == []
        with fails("CLI0126E"):
            driver.autocommit(connection, driver.SQL_AUTOCOMMIT_OFF)
        assert double.engine("isolation_levels") == [Isolation.DIRTY_READ]


def test_a_wrong_password_and_a_wrong_database_are_told_by_code(driver: ModuleType) -> None:
    with serving(scripted()) as double:
        with fails("SQL30082N"):
            driver.connect(address(double.port, password="wrong"), "", "")
        with fails("SQL30061N"):
            driver.connect(address(double.port, database="other"), "", "")
        assert double.engine("history") == []


@pytest.mark.parametrize(("sqlcode", "state"), [(-201, "42000"), (-239, "23000"), (-143, "40001"), (-999, "IX000")])
def test_an_error_is_told_by_code_and_state_with_the_text_of_informix(
    driver: ModuleType, sqlcode: int, state: str
) -> None:
    engine = scripted(**{"update t": Script(refused=Refused(sqlcode, "ix_1"))})
    facts = Assumptions()
    with serving(engine) as double, connected(double) as connection:
        with pytest.raises(Exception, match=f"SQLCODE={sqlcode}") as told:
            driver.exec_immediate(connection, "update t")
        assert facts.message(sqlcode, "ix_1") in str(told.value)
        assert driver.stmt_error() == state
        assert driver.exec_immediate(connection, "delete from t"), "the session goes on"


def test_without_an_answer_for_the_text_the_driver_takes_one_of_db2(driver: ModuleType) -> None:
    engine = scripted(**{"update t": Script(refused=Refused(-268))})
    with serving(engine, Assumptions(answers_message_call=False)) as double, connected(double) as connection:
        with pytest.raises(Exception, match="SQLCODE=-268") as told:
            driver.exec_immediate(connection, "update t")
        assert "SQLSTATE=23000" in str(told.value)
        assert "Unique constraint" not in str(told.value)


def test_an_error_of_a_prepared_statement_comes_when_it_is_executed(driver: ModuleType) -> None:
    with serving(scripted()) as double, connected(double) as connection:
        prepared = driver.prepare(connection, "insert into unknown values (?)")
        with fails("SQLCODE=-201"):
            driver.execute(prepared, (1,))
        with fails("SQLCODE=-201"):
            driver.exec_immediate(connection, "select nothing from unknown")
        assert driver.exec_immediate(connection, "delete from t")


def test_an_error_at_opening_and_one_on_the_way_of_a_query(driver: ModuleType) -> None:
    engine = scripted(**{
        "select a from locked": Script(columns=[A], refused=Refused(-244)),
        "select a from half": Script(columns=[A], rows=[(1,), (2,)], refused=Refused(-154)),
    })  # fmt: skip
    with serving(engine) as double, connected(double) as connection:
        with fails("SQLCODE=-244"):
            driver.exec_immediate(connection, "select a from locked")
        statement = driver.exec_immediate(connection, "select a from half")
        assert [driver.fetch_tuple(statement) for _ in range(2)] == [(1,), (2,)]
        with fails("SQLCODE=-154"):
            driver.fetch_tuple(statement)
        assert driver.exec_immediate(connection, "delete from t")


def test_many_rows_in_many_blocks_and_many_columns(driver: ModuleType) -> None:
    many = [(n, f"row {n}") for n in range(5000)]
    wide = [Field(f"c{n}", Kind.INTEGER) for n in range(300)]
    engine = scripted(**{
        "select a, b from many": Script(columns=[A, B], rows=many),
        "select * from wide": Script(columns=wide, rows=[tuple(range(300))]),
        "select a, b from none": Script(columns=[A, B]),
    })  # fmt: skip
    with serving(engine) as double, connected(double) as connection:
        assert fetched(driver, driver.exec_immediate(connection, "select a, b from many")) == many
        assert len(double.came_in("CNTQRY")) > 1
        assert fetched(driver, driver.exec_immediate(connection, "select * from wide")) == [tuple(range(300))]
        assert fetched(driver, driver.exec_immediate(connection, "select a, b from none")) == []


def test_two_cursors_at_once_and_one_that_outlives_a_commit(driver: ModuleType) -> None:
    many = [(n, "x" * 20) for n in range(4000)]
    engine = scripted(**{"select a, b from many": Script(columns=[A, B], rows=many)})
    with serving(engine) as double, connected(double) as connection:
        first = driver.exec_immediate(connection, "select a, b from many")
        second = driver.exec_immediate(connection, "select a, b from many")
        got = [(driver.fetch_tuple(first), driver.fetch_tuple(second)) for _ in range(2000)]
        driver.commit(connection)
        assert [one for one, _ in got] + fetched(driver, first) == many
        assert [other for _, other in got] + fetched(driver, second) == many


def test_a_rollback_closes_cursors(driver: ModuleType) -> None:
    engine = scripted(**{"select a, b from many": Script(columns=[A, B], rows=[(n, "x" * 20) for n in range(4000)])})
    with serving(engine) as double, connected(double) as connection:
        statement = driver.exec_immediate(connection, "select a, b from many")
        driver.fetch_tuple(statement)
        driver.rollback(connection)
        with fails("CLI0125E"):
            fetched(driver, statement)


def test_a_refused_commit_is_told_and_rolls_back(driver: ModuleType) -> None:
    with serving(scripted()) as double, connected(double) as connection:
        driver.exec_immediate(connection, "delete from t")
        double.fault(Point.COMMIT, do=Refuse(-691, ("r_1",)))
        with fails("SQLCODE=-691"):
            driver.commit(connection)
        assert driver.exec_immediate(connection, "delete from t")


@pytest.mark.parametrize(("level", "seen"), [
    (None, Isolation.DEFAULT),
    (1, Isolation.DIRTY_READ),
    (4, Isolation.CURSOR_STABILITY),
    (8, Isolation.REPEATABLE_READ),
])  # fmt: skip
def test_the_isolation_of_the_connection_reaches_the_engine(
    driver: ModuleType, level: int | None, seen: Isolation
) -> None:
    with serving(scripted()) as double, connected(double) as connection:
        if level:
            driver.set_option(connection, {driver.SQL_ATTR_TXN_ISOLATION: level}, 1)
        driver.exec_immediate(connection, SELECT)
        assert double.engine("isolation_levels") == [seen]


def test_what_the_double_does_not_know_fails_the_test(driver: ModuleType) -> None:
    engine = scripted(**{"select a from wrong": Script(columns=[A], rows=[("no number",)])})

    def query(double: Double) -> None:
        with connected(double) as connection:
            driver.exec_immediate(connection, "select a from wrong")

    with pytest.raises(DoubleFailed, match="is no INTEGER"), serving(engine) as double, pytest.raises(Exception):  # noqa: B017, PT011
        query(double)
