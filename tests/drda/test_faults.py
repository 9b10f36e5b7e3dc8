"""A lost connection always surfaces and nothing is sent again, wherever it is cut; errors in arrays (0, 1, 4).

The driver reroutes on its own unless it is told not to: it makes a new connection and sends a statement again, so a
change could be applied twice, or outside of its transaction. What switches that off is proven here, beside what it
would do otherwise, in processes of their own because the driver reads its settings once.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import ModuleType

import pytest

from tests.drda.assumptions import Assumptions
from tests.drda.driver import (
    DIAGNOSTICS,
    REROUTES,
    address,
    connected,
    fails,
    in_a_child,
    needed_environment,
    needs_driver,
)
from tests.drda.engine import Field, Kind
from tests.drda.faults import Cut, Hold, Point, Refuse, Slow
from tests.drda.host import Double, serving
from tests.drda.scripted import Script, Scripted

pytestmark = needs_driver

A = Field("a", Kind.INTEGER)
CHANGE, INSERT, SELECT = "delete from t", "insert into t values (?)", "select a from t"
LOST = "SQLCODE=-30081"


def engine() -> Scripted:
    return Scripted({
        CHANGE: Script(affected=1),
        INSERT: Script(parameters=[A], affected=1),
        SELECT: Script(columns=[A], rows=[(n,) for n in range(9000)]),
    })  # fmt: skip


def changes(double: Double) -> list[object]:
    double.wait_gone()
    return [values or sql for sql, values in double.engine("history") if sql in {CHANGE, INSERT}]


@pytest.mark.parametrize("autocommit", [False, True])
@pytest.mark.parametrize("point", [Point.EXECUTE, Point.EXECUTED])
def test_a_cut_around_a_change_surfaces_once_and_for_all(driver: ModuleType, point: Point, autocommit: bool) -> None:
    with serving(engine()) as double:
        with connected(double, autocommit=autocommit) as connection:
            driver.exec_immediate(connection, CHANGE)
            double.fault(point, CHANGE, do=Cut())
            with fails(LOST):
                driver.exec_immediate(connection, CHANGE)
            assert not driver.active(connection)
            with fails("CLI0108E"):
                driver.exec_immediate(connection, CHANGE)
        assert changes(double) == [CHANGE] * (1 if point is Point.EXECUTE else 2)
        assert {entry.client for entry in double.came_in()} == {1}, "no second connection was made"


@pytest.mark.parametrize("point", [Point.COMMIT, Point.COMMITTED])
def test_a_cut_around_a_commit_surfaces(driver: ModuleType, point: Point) -> None:
    with serving(engine()) as double:
        with connected(double) as connection:
            driver.exec_immediate(connection, CHANGE)
            double.fault(point, do=Cut())
            with fails(LOST):
                driver.commit(connection)
        double.wait_gone()
        told = [what for what, _ in double.engine("history")]
        assert told == [CHANGE, *(["commit"] if point is Point.COMMITTED else []), "close"]
        assert {entry.client for entry in double.came_in()} == {1}


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_cut_while_idle_surfaces_at_the_next_statement(driver: ModuleType, autocommit: bool) -> None:
    with serving(engine()) as double:
        with connected(double, autocommit=autocommit) as connection:
            driver.exec_immediate(connection, CHANGE)
            double.cut_all()
            double.wait_gone()
            with fails(LOST):
                driver.exec_immediate(connection, CHANGE)
        assert changes(double) == [CHANGE]
        assert {entry.client for entry in double.came_in()} == {1}


def test_a_cut_amid_rows_and_amid_an_array_surfaces(driver: ModuleType) -> None:
    with serving(engine()) as double:
        with connected(double) as connection:
            statement = driver.exec_immediate(connection, SELECT)
            double.fault(Point.FETCH, SELECT, do=Cut())
            with fails(LOST):
                while driver.fetch_tuple(statement):
                    pass
        with connected(double) as connection:
            double.fault(Point.EXECUTE, INSERT, do=Cut(), nth=3)
            prepared = driver.prepare(connection, INSERT)
            with fails("-30081"):
                driver.execute_many(prepared, tuple((n,) for n in range(5)))
        assert changes(double) == [(0,), (1,)]


def test_a_server_that_does_not_answer_is_cut_off_by_the_query_timeout(driver: ModuleType) -> None:
    with serving(engine()) as double:
        with connected(double) as connection:
            prepared = driver.prepare(connection, CHANGE, {driver.SQL_ATTR_QUERY_TIMEOUT: 1})
            double.fault(Point.EXECUTE, CHANGE, do=Hold())
            with fails("SQLCODE=-30"):
                driver.execute(prepared)
            double.wait_held()
        double.release()
        double.wait_gone()
        assert {entry.client for entry in double.came_in()} == {1}


@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize("autocommit", [False, True])
def test_an_error_amid_an_array(driver: ModuleType, stops: bool, autocommit: bool) -> None:
    """The count of rows is that of the good ones; whether those behind the error are in depends on the server."""
    facts = Assumptions(chain_stops_on_error=stops)
    with serving(engine(), facts) as double:
        with connected(double, autocommit=autocommit) as connection:
            double.fault(Point.EXECUTE, INSERT, do=Refuse(-268, ("u_1",)), nth=3)
            prepared = driver.prepare(connection, INSERT)
            with fails("SQLCODE=-268"):
                driver.execute_many(prepared, tuple((n,) for n in range(5)))
            assert driver.num_rows(prepared) == (2 if stops else 4)
            assert driver.exec_immediate(connection, CHANGE), "the session goes on"
        assert changes(double) == [*((n,) for n in range(5) if n < 2 or (n > 2 and not stops)), CHANGE]


def test_an_array_of_many_rows_is_one_chain_a_thousand(driver: ModuleType) -> None:
    with serving(engine()) as double:
        with connected(double) as connection:
            prepared = driver.prepare(connection, INSERT)
            assert driver.execute_many(prepared, tuple((n,) for n in range(2500))) == 2500
            driver.commit(connection)
        assert changes(double) == [(n,) for n in range(2500)]


TRIAL = """
import json, sys
import ibm_db
connection = ibm_db.connect(sys.argv[1], "", "")
ibm_db.exec_immediate(connection, "delete from t")
if sys.argv[2] == "transaction":
    ibm_db.autocommit(connection, 0)
    ibm_db.exec_immediate(connection, "delete from t")
said = []
for _ in range(2):
    try:
        ibm_db.exec_immediate(connection, "delete from t")
        said.append("")
    except Exception as error:
        said.append(str(error))
print(json.dumps(said))
"""
SETTINGS = """<configuration><databases><database name="DB1" host="127.0.0.1" port="{port}">
<acr><parameter name="enableAcr" value="false"/></acr></database></databases></configuration>
"""


def tried(double: Double, cuts: int, work: str, environment: dict[str, str]) -> list[str]:
    """What a process with this environment says to a cut in its first change after `cuts` more, and to the next."""
    double.fault(Point.EXECUTED, CHANGE, do=Cut(), nth=cuts)
    said: list[str] = json.loads(in_a_child(TRIAL, [address(double.port), work], environment))
    return said


@pytest.mark.parametrize("way", ["environment", "file"])
@pytest.mark.parametrize(("work", "before"), [("autocommit", 1), ("transaction", 2)])
def test_rerouting_is_off_by_the_environment_and_by_a_file(tmp_path: Path, way: str, work: str, before: int) -> None:
    """The file works only for names, hosts and ports that it holds at the first connection of a process."""
    with serving(engine()) as double:
        environment = needed_environment(tmp_path)
        if way == "file":
            (tmp_path / "db2dsdriver.cfg").write_text(SETTINGS.format(port=double.port, enabled="false"))
            environment = {DIAGNOSTICS: str(tmp_path), "DB2DSDRIVER_CFG_PATH": str(tmp_path)}
        said = tried(
            double, before + 1, work, environment | ({"DB2_MAX_CLIENT_CONNRETRIES": ""} if way == "file" else {})
        )
        assert LOST in said[0]
        assert "CLI0108E" in said[1]
        assert len(changes(double)) == before + 1
        assert {entry.client for entry in double.came_in()} == {1}


def test_left_alone_the_driver_sends_a_change_again_and_says_nothing(tmp_path: Path) -> None:
    """Why the setting is needed: outside of a transaction the change is applied twice, unseen."""
    with serving(engine()) as double:
        environment = {DIAGNOSTICS: str(tmp_path), REROUTES: ""}
        assert tried(double, 2, "autocommit", environment) == ["", ""]
        assert changes(double) == [CHANGE] * 4
        assert {entry.client for entry in double.came_in("EXCSQLIMM")} == {1, 2}
    assert (tmp_path / "db2diag.log").stat().st_size, "diagnostics go where they are told to"


def test_left_alone_the_driver_goes_on_outside_of_a_lost_transaction(tmp_path: Path) -> None:
    with serving(engine()) as double:
        environment = {DIAGNOSTICS: str(tmp_path), REROUTES: ""}
        first, second = tried(double, 3, "transaction", environment)
        assert "SQLCODE=-30108" in first
        assert second == "", "the next change succeeds, in a new session"


TWO_STATEMENTS = """
import sys
import ibm_db

def prepared():
    connection = ibm_db.connect(sys.argv[1], "", "")
    return connection, ibm_db.prepare(connection, "insert into t values (?)")

connection, old = prepared()
ibm_db.execute_many(old, ((1,), (2,)))
if sys.argv[2] == "freed":
    ibm_db.free_stmt(old)
ibm_db.close(connection)
connection, new = prepared()
del old
try:
    print("told", ibm_db.execute_many(new, ((1,), (2,))))
except Exception as error:
    print("failed", error)
"""


@pytest.mark.parametrize(("way", "said"), [("freed", "told 2"), ("forgotten", "failed")])
def test_a_statement_that_outlives_its_connection_takes_another_one_along(tmp_path: Path, way: str, said: str) -> None:
    """The driver uses its number again: an adapter frees every statement before it closes the connection."""
    with serving(engine()) as double:
        assert in_a_child(TWO_STATEMENTS, [address(double.port), way], needed_environment(tmp_path)).startswith(said)


def test_a_cut_on_the_way_in_surfaces(driver: ModuleType) -> None:
    with serving(engine()) as double:
        double.fault(Point.ACCESS, do=Cut())
        with fails(LOST):
            driver.connect(address(double.port), "", "")


@pytest.mark.parametrize(("fault", "alive"), [(Refuse(-256), True), (Cut(), False)])
def test_a_rollback_that_failed_only_says_false(driver: ModuleType, fault: Refuse | Cut, alive: bool) -> None:
    """It raises nothing: an adapter looks at what comes back, and gives such a connection up."""
    with serving(engine()) as double, connected(double) as connection:
        driver.exec_immediate(connection, CHANGE)
        double.fault(Point.ROLLBACK, do=fault)
        assert driver.rollback(connection) is False
        assert driver.active(connection) is alive


def test_a_slow_reply_is_waited_for(driver: ModuleType) -> None:
    with serving(engine()) as double, connected(double) as connection:
        double.fault(Point.EXECUTED, CHANGE, do=Slow(0.2))
        before_s = time.monotonic()
        assert driver.num_rows(driver.exec_immediate(connection, CHANGE)) == 1
        assert time.monotonic() - before_s >= 0.2


def test_a_server_comes_back_where_it_was(driver: ModuleType) -> None:
    with serving(engine()) as double, connected(double) as lost:
        driver.exec_immediate(lost, CHANGE)
        port = double.port
    with fails("SQLCODE=-30081"):
        driver.connect(address(port), "", "")
    with serving(engine(), port=port) as double, connected(double) as connection:
        assert driver.exec_immediate(connection, CHANGE)
