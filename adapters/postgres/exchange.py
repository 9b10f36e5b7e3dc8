"""Many statements in one round trip: prepared ones by libpq's pipeline mode, or a script that may hold COPY.

The rule it keeps: what the server has prepared is remembered only once it said so, and the interpreter is free for
other threads while it waits. The driver's own pipeline does the same at several times the price for each statement, and
a transaction of one row consists of little else. COPY can not go through a pipeline, but a script of several statements
in one message can hold any number of them.
"""

from __future__ import annotations

import re
import select
from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import pq

Command = tuple[bytes, Sequence[bytes | None]]
"""A statement with its parameters as text."""

Piece = tuple[str, bytes | None]
"""One statement of a script; of a COPY with the lines that it takes."""

_PLACE: Final = re.compile(r"\$(\d+)")
_PREPARED_MAX: Final = 2000
_FEED_BYTES: Final = 1 << 18


def inlined(statement: str, parameters: Sequence[str | int]) -> str:
    """A statement with its parameters as literals, for a script, which can not take them."""
    literals = [" E'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'" for value in parameters]
    return _PLACE.sub(lambda place: literals[int(place[1]) - 1], statement)


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

    def script(self, pieces: Sequence[Piece]) -> list[int]:
        """Run all of them, none behind one that fails; gives the rows of each. Raises the error of that one."""
        feeds = iter([lines for _, lines in pieces if lines is not None])
        self._session.send_query("; ".join([statement for statement, _ in pieces]).encode())
        counts: list[int] = []
        failure: psycopg.Error | None = None
        while (result := self._result()) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                failure = failure or psycopg.errors.error_from_result(result)
            elif result.status == pq.ExecStatus.COPY_IN:
                self._feed(next(feeds))
            else:
                counts.append(result.command_tuples or 0)
        if self._session.status != pq.ConnStatus.OK:
            raise failure or psycopg.OperationalError(self._session.get_error_message())
        if failure is not None:
            raise failure
        return counts

    def _feed(self, lines: bytes) -> None:
        """Give a COPY its lines. Where the server has refused it already, its result tells why."""
        session, view = self._session, memoryview(lines)
        try:
            for at in range(0, len(view), _FEED_BYTES):
                session.put_copy_data(view[at : at + _FEED_BYTES])
                self._drain()
            session.put_copy_end()
        except psycopg.OperationalError:
            if session.status != pq.ConnStatus.OK:
                raise

    def _receive(self, expected: Sequence[bytes], prepared: dict[bytes, bytes]) -> None:
        """Take a result for each of what was sent, in its order."""
        failure: psycopg.Error | None = None
        for statement in expected:
            result = self._next()
            if result.status == pq.ExecStatus.FATAL_ERROR:
                failure = failure or psycopg.errors.error_from_result(result)
            elif statement and result.status == pq.ExecStatus.COMMAND_OK:
                self._names[statement] = prepared[statement]
            self._result()
        self._next()
        if failure is not None:
            raise failure

    def _result(self) -> pq.abc.PGresult | None:
        self._wait()
        return self._session.get_result()

    def _next(self) -> pq.abc.PGresult:
        result = self._result()
        if result is None or self._session.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError(self._session.get_error_message())
        return result

    def _wait(self) -> None:
        session = self._session
        while session.is_busy():
            unsent = session.flush()
            select.select([session.socket], [session.socket] if unsent else [], [])
            session.consume_input()

    def _drain(self) -> None:
        """Wait until all that was given is on its way."""
        session = self._session
        while session.flush():
            select.select([session.socket], [session.socket], [])
            session.consume_input()
