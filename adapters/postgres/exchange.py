"""Many prepared statements in one round trip, by libpq's pipeline mode.

The rule it keeps: what the server has prepared is remembered only once it said so, and the interpreter is free for
other threads while it waits. The driver's own pipeline does the same at several times the price for each statement, and
a transaction of one row consists of little else.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import pq

Command = tuple[bytes, Sequence[bytes | None]]
"""A statement with its parameters as text."""

_PREPARED_MAX: Final = 2000


class Exchange:
    """The prepared statements of one connection. Nobody else may prepare there, or deallocate."""

    def __init__(self, session: pq.abc.PGconn) -> None:
        self._session = session
        self._names: dict[bytes, bytes] = {}
        self._number = 0

    def send(self, commands: Sequence[Command]) -> None:
        """Run all of them, none behind one that fails. Raises the driver's error for that one."""
        if len(self._names) > _PREPARED_MAX:
            self._session.exec_(b"DEALLOCATE ALL")
            self._names.clear()
        session, prepared = self._session, dict[bytes, bytes]()
        expected: list[bytes] = []
        session.enter_pipeline_mode()
        for statement, parameters in commands:
            name = self._names.get(statement) or prepared.get(statement)
            if name is None:
                self._number += 1
                name = prepared[statement] = b"admin_sync_%d" % self._number
                session.send_prepare(name, statement)
                expected.append(statement)
            session.send_query_prepared(name, parameters)
            expected.append(b"")
        session.pipeline_sync()
        try:
            self._receive(expected, prepared)
        finally:
            if session.status == pq.ConnStatus.OK:
                session.exit_pipeline_mode()

    def _receive(self, expected: Sequence[bytes], prepared: dict[bytes, bytes]) -> None:
        """Take a result for each of what was sent, in its order."""
        failure: psycopg.Error | None = None
        for statement in expected:
            result = self._next()
            if result.status == pq.ExecStatus.FATAL_ERROR:
                failure = failure or psycopg.errors.error_from_result(result)
            elif statement and result.status == pq.ExecStatus.COMMAND_OK:
                self._names[statement] = prepared[statement]
            self._next_none()
        self._next()
        if failure is not None:
            raise failure

    def _next(self) -> pq.abc.PGresult:
        self._wait()
        result = self._session.get_result()
        if result is None or self._session.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError(self._session.get_error_message())
        return result

    def _next_none(self) -> None:
        self._wait()
        self._session.get_result()

    def _wait(self) -> None:
        session = self._session
        while session.is_busy():
            unsent = session.flush()
            select.select([session.socket], [session.socket] if unsent else [], [])
            session.consume_input()
