"""Both ways to a replication stream give the same bytes, and the same errors."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import pq

from adapters.postgres.carrier import Carrier, carrier_of, error_of, is_news
from adapters.postgres.connection import connect_replication
from adapters.postgres.decoder import Decoder
from sync.errors import DatabaseBusy
from tests.postgres import cluster

pytestmark = pytest.mark.postgres
COMMAND = "START_REPLICATION SLOT \"{}\" LOGICAL 0/0 (proto_version '1', publication_names 'p')"
ENDS_S = 5.0


@pytest.fixture
def url() -> Iterator[str]:
    with cluster().database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
            connection.execute("CREATE PUBLICATION p FOR TABLE t")
            connection.execute("SELECT pg_create_logical_replication_slot(current_database(), 'pgoutput')")
        yield url


@pytest.fixture(params=[False, True], ids=["direct", "libpq"])
def encrypted(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def started(url: str, encrypted: bool) -> tuple[pq.abc.PGconn, Carrier]:
    session = connect_replication(url)
    carrier = carrier_of(session, encrypted=encrypted)
    carrier.start(COMMAND.format(slot_of(url)))
    return session, carrier


def slot_of(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


def read(carrier: Carrier, enough: bytes) -> bytes:
    taken = b""
    until = time.monotonic() + ENDS_S
    while enough not in taken and time.monotonic() < until:
        taken += carrier.read()
    return taken


def kinds(stream: bytes) -> str:
    """The kinds of the messages in whole frames, keepalives left out."""
    found, at = "", 0
    while at < len(stream):
        assert stream[at : at + 1] == b"d"
        size = 1 + int.from_bytes(stream[at + 1 : at + 5], "big")
        assert at + size <= len(stream)
        found += chr(stream[at + 30]) if stream[at + 5 : at + 6] == b"w" else ""
        at += size
    return found


def test_what_is_written_comes_in_messages(url: str, encrypted: bool) -> None:
    session, carrier = started(url, encrypted)
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO t SELECT n, repeat('x', 300) FROM generate_series(1, 3000) n")
        connection.execute("INSERT INTO t VALUES (0, 'the end')")
    taken = read(carrier, b"the end")
    assert kinds(taken).startswith("BR" + "I" * 3001)
    carrier.end(ENDS_S)
    session.finish()
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT active FROM pg_replication_slots WHERE slot_name = %s", (slot_of(url),)
        ).fetchone()
    assert row == (False,)


def test_a_slot_in_use_or_gone_is_refused_with_its_state(url: str, encrypted: bool) -> None:
    session, carrier = started(url, encrypted)
    second = connect_replication(url)
    other = carrier_of(second, encrypted=encrypted)
    with pytest.raises(psycopg.errors.ObjectInUse):
        other.start(COMMAND.format(slot_of(url)))
    with pytest.raises(psycopg.errors.UndefinedObject, match="no_such_slot"):
        other.start(COMMAND.format("no_such_slot"))
    carrier.end(ENDS_S)
    session.finish()
    other.start(COMMAND.format(slot_of(url)))
    second.finish()


def test_a_stream_that_is_ended_says_why(url: str, encrypted: bool) -> None:
    session, carrier = started(url, encrypted)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid > 0")
    with pytest.raises(psycopg.errors.AdminShutdown):
        read_to_the_end(carrier)
    session.finish()


def read_to_the_end(carrier: Carrier) -> None:
    until = time.monotonic() + ENDS_S
    decoder = Decoder({}, lambda schema, keys: {})
    while time.monotonic() < until:
        decoder.put(carrier.read())
        assert not list(decoder.transactions())


def test_errors_are_of_their_state() -> None:
    error = error_of(b"SFATAL\0C57P01\0Mended\0Dby hand\0\0")
    assert (type(error), str(error)) == (psycopg.errors.AdminShutdown, "ended; by hand")
    assert type(error_of(b"Cxxxxx\0Mwhat\0\0")) is psycopg.OperationalError
    assert isinstance(error_of(b""), psycopg.Error)
    assert is_news(b"N\0\0\0\4")
    with pytest.raises(DatabaseBusy, match="ended the stream"):
        is_news(b"c\0\0\0\4")
