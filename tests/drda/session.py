"""One client's session: a chain of requests in, a chain of answers out. It waits for nothing but the engine and faults.

Statements and cursors are known by the 64 bytes that the driver names them with, and every preparation replaces what
was there. An engine's `Refused` becomes the answer that DRDA has for it; anything else that is raised ends the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from struct import pack

from tests.drda import codepoints as cp
from tests.drda.access import Access
from tests.drda.assumptions import ISOLATION, Assumptions
from tests.drda.engine import Connection, Engine, Field, Isolation, Kind, Refused, Result, Row, Statement, Value
from tests.drda.faults import Faults, Point
from tests.drda.framing import Command, Ddm, Malformed, Part, message, thing, write_chain
from tests.drda.groups import (
    END_OF_ROWS,
    END_OF_ROWS_STATE,
    Voice,
    attributes_of,
    parameters,
    qrydsc,
    sql_of,
    sqlcard,
)
from tests.drda.locators import Locators
from tests.drda.values import encode_row

_BLOCK_BYTES = 30_000
_OK, _FAILED = Ddm(cp.SVRCOD, b"\x00\x00"), Ddm(cp.SVRCOD, b"\x00\x08")
_END = Ddm(cp.SVRCOD, b"\x00\x04")
_COMMITTED, _ROLLED_BACK = b"\x01", b"\x02"
_TEXT_CALL = "CALL SYSIBM.SQLCAMESSAGECCSID("
_TEXT_FIELDS = [Field("", Kind.INTEGER)] * 14 + [Field("", Kind.VARCHAR, 4096)] + [Field("", Kind.INTEGER)] * 2
_ISOLATION_DIGIT = 36 + len("SYSSH")


@dataclass(slots=True)
class Cursor:
    fields: Sequence[Field]
    rows: Iterator[Row]
    number: bytes
    held: bool
    close: Callable[[], None]


class ErrorText:
    """The driver's own question for the text of an error, which it asks by a call of a procedure."""

    parameters: Sequence[Field] = ()
    columns: Sequence[Field] = ()

    def execute(self, values: Row) -> Result:
        raise Malformed("the question for an error's text was not asked as usual")


@dataclass(slots=True)
class Section:
    """What stands under one name: a statement, or why there is none, and its cursor."""

    sql: str = ""
    held: bool = False
    statement: Statement | None = None
    refused: Refused | None = None
    cursor: Cursor | None = None


class Session:
    """`log` is told of each request and its statement, for tests that ask what the driver really sent."""

    def __init__(
        self, engine: Engine, assumptions: Assumptions, faults: Faults, log: Callable[[str, str], None]
    ) -> None:
        self._facts = assumptions
        self._faults = faults
        self._log = log
        self._voice = Voice(assumptions.product, assumptions.byte_order)
        self._access = Access(engine, assumptions, self._voice)
        self._sections: dict[bytes, Section] = {}
        self._locators = Locators(self._voice)
        self._cursors = 0

    def answer(self, chain: Sequence[Command]) -> bytes:
        """All answers to a chain, in one block. Raise `ConnectionCut` from a fault, `Malformed` for what is unknown."""
        answers: list[tuple[int, Part]] = []
        for command in chain:
            parts, failed = self._one(command)
            answers += ((command.correlation, part) for part in parts)
            if failed and (self._facts.chain_stops_on_error or failed == "access"):
                break
        return write_chain(answers)

    def close(self) -> None:
        if self._access.connection:
            self._access.connection.close()

    @property
    def _connection(self) -> Connection:
        if not self._access.connection:
            raise Malformed("a request in front of the access to a database")
        return self._access.connection

    def _one(self, command: Command) -> tuple[list[Part], str]:
        code = command.ddm.code
        if code in self._access.answers:
            self._faults.reach(Point.ACCESS)
            parts, refused = self._access.answers[code](command.ddm.parts())
            return parts, "access" if refused else ""
        known = _ANSWERS.get(code)
        if known is None:
            return [message(cp.CMDNSPRM, _FAILED, Ddm(cp.CODPNT, pack(">H", code)))], "unknown"
        name, act = known
        self._log(name, sql_of(command.objects) if code in _WITH_TEXT else "")
        try:
            return act(self, command, command.ddm.parts()), ""
        except Refused as refused:
            return self._refusal(code, refused), "refused"

    def _refusal(self, code: int, refused: Refused) -> list[Part]:
        card = sqlcard(self._sqlca(refused))
        if code == cp.OPNQRY:
            return [message(cp.OPNQFLRM, _FAILED, self._access.rdbnam), card]
        if code in {cp.RDBCMM, cp.RDBRLLBCK}:
            self._end_work(keep_held=False)
            return [message(cp.ENDUOWRM, _END, Ddm(cp.UOWDSP, _ROLLED_BACK)), card]
        return [card]

    def _sqlca(self, refused: Refused) -> bytes:
        tokens = "\xff".join(refused.tokens)
        return self._voice.sqlca(refused.sqlcode, self._facts.state(refused.sqlcode), tokens=tokens)

    # -- statements

    def _section(self, parts: dict[int, bytes]) -> Section:
        return self._sections.setdefault(parts[cp.PKGNAMCSN], Section())

    def _set(self, _command: Command, _parts: dict[int, bytes]) -> list[Part]:
        return [sqlcard()]

    def _prepare(self, command: Command, parts: dict[int, bytes]) -> list[Part]:
        section = self._section(parts)
        self._close(section)
        section.sql, section.statement, section.refused = sql_of(command.objects), None, None
        section.held = "WITH HOLD" in attributes_of(command.objects)
        try:
            section.statement = self._statement(section.sql, parts)
        except Refused as refused:
            section.refused = refused
            raise
        return [self._voice.sqldard(section.statement.columns)] if cp.RTNSQLDA in parts else [sqlcard()]

    def _statement(self, sql: str, parts: dict[int, bytes]) -> Statement:
        if sql.startswith(_TEXT_CALL):
            if not self._facts.answers_message_call:
                raise Refused(-674, "sqlcamessageccsid")
            return ErrorText()
        self._faults.reach(Point.PREPARE, sql)
        return self._connection.prepare(sql, self._isolation(parts))

    def _isolation(self, parts: dict[int, bytes]) -> Isolation:
        digit = parts[cp.PKGNAMCSN][_ISOLATION_DIGIT : _ISOLATION_DIGIT + 1].decode()
        if digit not in ISOLATION:
            raise Malformed(f"the package {parts[cp.PKGNAMCSN]!r} tells no isolation")
        return ISOLATION[digit]

    def _describe(self, _command: Command, parts: dict[int, bytes]) -> list[Part]:
        return [self._voice.sqldard(self._prepared(parts)[1].parameters)]

    def _prepared(self, parts: dict[int, bytes]) -> tuple[Section, Statement]:
        section = self._section(parts)
        if section.refused:
            raise section.refused
        if not section.statement:
            raise Malformed(f"a statement that was never prepared: {parts[cp.PKGNAMCSN]!r}")
        return section, section.statement

    def _immediate(self, command: Command, parts: dict[int, bytes]) -> list[Part]:
        sql = sql_of(command.objects)
        return self._run(self._statement(sql, parts), sql, ())

    def _execute(self, command: Command, parts: dict[int, bytes]) -> list[Part]:
        found = self._locators.asked(parts[cp.PKGNAMCSN], command.objects)
        if found is not None:
            return found
        section, statement = self._prepared(parts)
        values = parameters(command.objects)
        if isinstance(statement, ErrorText):
            return [self._text(values)]
        return self._run(statement, section.sql, values)

    def _run(self, statement: Statement, sql: str, values: Row) -> list[Part]:
        if statement.columns:
            raise Malformed(f"rows of a statement that the driver did not open as a query: {sql}")
        self._faults.reach(Point.EXECUTE, sql)
        affected = statement.execute(values).affected
        self._faults.reach(Point.EXECUTED, sql)
        card = sqlcard(self._voice.sqlca(0, "00000", affected=affected))
        return [message(cp.RDBUPDRM, _OK, self._access.rdbnam), card] if self._facts.tells_updates else [card]

    def _text(self, values: Row) -> Part:
        code, tokens = values[0], values[2]
        text = self._facts.message(code, tokens) if isinstance(code, int) and isinstance(tokens, str) else ""
        row: list[Value] = [*[None] * 14, text, 0, 0]
        data = encode_row(_TEXT_FIELDS, row, self._voice.order, self._locators.keep)
        inside = Ddm(cp.FDODSC, qrydsc(_TEXT_FIELDS)).encoded() + Ddm(cp.FDODTA, data).encoded()
        return thing(cp.SQLDTARD, inside)

    # -- queries

    def _open(self, command: Command, parts: dict[int, bytes]) -> list[Part]:
        section, statement = self._prepared(parts)
        if not statement.columns:
            raise Malformed(f"a query without columns: {section.sql}")
        self._close(section)
        self._faults.reach(Point.EXECUTE, section.sql)
        rows = statement.execute(parameters(command.objects)).rows
        self._faults.reach(Point.EXECUTED, section.sql)
        self._cursors += 1
        number = pack(">Q", self._cursors)
        section.cursor = Cursor(statement.columns, iter(rows), number, section.held, getattr(rows, "close", _nothing))
        opened = message(
            cp.OPNQRYRM,
            _OK,
            Ddm(cp.QRYPRCTYP, b"\x24\x17"),
            Ddm(cp.QRYINSID, number),
            Ddm(cp.QRYATTUPD, b"\x01"),
            Ddm(cp.SQLCSRHLD, b"\xf1" if section.held else b"\xf0"),
        )
        return [opened, thing(cp.QRYDSC, qrydsc(statement.columns)), *self._block(section, section.cursor)]

    def _fetch(self, _command: Command, parts: dict[int, bytes]) -> list[Part]:
        section = self._section(parts)
        if not section.cursor or section.cursor.number != parts[cp.QRYINSID]:
            return [message(cp.QRYNOPRM, _END, self._access.rdbnam)]
        return self._block(section, section.cursor)

    def _block(self, section: Section, cursor: Cursor) -> list[Part]:
        block = bytearray()
        try:
            while len(block) < _BLOCK_BYTES:
                self._faults.reach(Point.FETCH, section.sql)
                block += encode_row(cursor.fields, next(cursor.rows), self._voice.order, self._locators.keep)
        except StopIteration:
            state = self._voice.sqlca(END_OF_ROWS, END_OF_ROWS_STATE)
            end = [message(cp.ENDQRYRM, _END), sqlcard(state)]
        except Refused as refused:
            end = [message(cp.ENDQRYRM, _FAILED), sqlcard(self._sqlca(refused))]
        else:
            end = []
        if end:
            self._close(section)
        return [*([thing(cp.QRYDTA, bytes(block))] if block else []), *end]

    def _close_query(self, _command: Command, parts: dict[int, bytes]) -> list[Part]:
        self._close(self._section(parts))
        return [sqlcard()]

    def _close(self, section: Section) -> None:
        if section.cursor:
            section.cursor.close()
        section.cursor = None

    # -- transactions

    def _commit(self, _command: Command, _parts: dict[int, bytes]) -> list[Part]:
        self._faults.reach(Point.COMMIT)
        self._connection.commit()
        self._faults.reach(Point.COMMITTED)
        self._end_work(keep_held=True)
        return [message(cp.ENDUOWRM, _END, Ddm(cp.UOWDSP, _COMMITTED)), sqlcard()]

    def _rollback(self, _command: Command, _parts: dict[int, bytes]) -> list[Part]:
        self._faults.reach(Point.ROLLBACK)
        self._connection.rollback()
        self._end_work(keep_held=False)
        return [message(cp.ENDUOWRM, _END, Ddm(cp.UOWDSP, _ROLLED_BACK)), sqlcard()]

    def _end_work(self, *, keep_held: bool) -> None:
        self._locators.forget()
        for section in self._sections.values():
            if section.cursor and not (keep_held and section.cursor.held):
                self._close(section)


def _nothing() -> None:
    """Rows that need no closing."""


_Answer = Callable[[Session, Command, dict[int, bytes]], list[Part]]
_ANSWERS: dict[int, tuple[str, _Answer]] = {
    cp.EXCSQLSET: ("EXCSQLSET", Session._set),
    cp.PRPSQLSTT: ("PRPSQLSTT", Session._prepare),
    cp.DSCSQLSTT: ("DSCSQLSTT", Session._describe),
    cp.EXCSQLIMM: ("EXCSQLIMM", Session._immediate),
    cp.EXCSQLSTT: ("EXCSQLSTT", Session._execute),
    cp.OPNQRY: ("OPNQRY", Session._open),
    cp.CNTQRY: ("CNTQRY", Session._fetch),
    cp.CLSQRY: ("CLSQRY", Session._close_query),
    cp.RDBCMM: ("RDBCMM", Session._commit),
    cp.RDBRLLBCK: ("RDBRLLBCK", Session._rollback),
}
_WITH_TEXT = frozenset((cp.EXCSQLSET, cp.PRPSQLSTT, cp.EXCSQLIMM))
