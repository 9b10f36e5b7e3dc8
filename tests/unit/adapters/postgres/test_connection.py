"""Connections: what is told when there is none, and what is never told."""

from __future__ import annotations

import pytest

from adapters.postgres.connection import Connection, connect, connect_replication, conninfo_of, place_of, transaction
from adapters.postgres.errors import refusals
from sync.errors import DatabaseBusy, DatabaseRefused, UsageError

pytestmark = pytest.mark.postgres

SECRET = "hunter2"


@pytest.mark.parametrize(
    "url", ["postgresql://u:{}@[::/x", "postgresql://u:{}@h/x?nonsense=1", "postgres://%zz:{}@h/x"]
)
def test_a_url_that_can_not_be_read_is_wrong_usage_and_shows_no_password(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        place_of(url.format(SECRET))
    assert SECRET not in str(refused.value)


def test_the_place_shows_neither_user_nor_password() -> None:
    assert place_of(f"postgresql://somebody:{SECRET}@host:5433/cms") == "cms on host:5433"


def test_a_given_password_wins_and_the_urls_parameters_stay() -> None:
    info = conninfo_of("postgresql://u:old@h/x?connect_timeout=3", SECRET)
    assert f"password={SECRET}" in info
    assert "connect_timeout=3" in info
    assert "old" not in info


@pytest.mark.parametrize("connecting", [connect, connect_replication])
def test_no_server_is_busy_and_a_refusing_one_refused(url: str, connecting: object) -> None:
    assert callable(connecting)
    with pytest.raises(DatabaseBusy, match="could not connect to x on"):
        connecting("postgresql:///x?host=/nowhere")
    with pytest.raises(DatabaseRefused, match="nobody"):
        connecting(url.replace("postgres@", "nobody@"))


def test_a_block_that_fails_leaves_nothing_and_is_one_of_our_errors(url: str) -> None:
    with connect(url) as connection:
        with pytest.raises(DatabaseRefused, match=r"could not try: .*42P01"):
            _fail(connection)
        with transaction(connection):
            connection.execute("CREATE TABLE t ()")


def _fail(connection: Connection) -> None:
    with refusals("could not try"), transaction(connection):
        connection.execute("CREATE TABLE t ()")
        connection.execute("SELECT * FROM nowhere")


def test_a_session_ended_by_the_server_is_busy(url: str) -> None:
    with connect(url) as connection:
        with pytest.raises(DatabaseBusy), refusals("could not ask"):
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(DatabaseBusy), refusals("could not ask"):
            connection.execute("SELECT 1")
