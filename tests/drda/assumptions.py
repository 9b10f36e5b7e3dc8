"""All that the double takes for granted about Informix, in one place, so that a real server can correct it.

Nothing here is known from an Informix server: the driver accepts it, documents and other projects hint at it, or it is
a guess. Each entry says which. Whoever has a server changes a value here and runs the tests again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.drda.engine import Field, Isolation, Kind

# By SQLCODE: text with %s for each token, as published. ISAM codes do not reach the driver.
MESSAGES: Mapping[int, str] = {
    -107: "ISAM error: record is locked.",
    -143: "ISAM error: deadlock detected.",
    -154: "ISAM error: Lock Timeout Expired.",
    -201: "A syntax error has occurred.",
    -206: "The specified table (%s) is not in the database.",
    -217: "Column (%s) not found in any table in the query (or SLV is undefined).",
    -236: "Number of columns in INSERT does not match number of VALUES.",
    -239: "Could not insert new row - duplicate value in a UNIQUE INDEX column (Unique Index:%s).",
    -243: "Could not position within a table (%s).",
    -244: "Could not do a physical-order read to fetch next row.",
    -245: "Could not position within a file via an index.",
    -246: "Could not do an indexed read to get the next row.",
    -255: "Not in transaction.",
    -256: "Transaction not available.",
    -268: "Unique constraint (%s) violated.",
    -271: "Could not insert new row into the table.",
    -272: "No SELECT permission for %s.",
    -273: "No UPDATE permission for %s.",
    -274: "No DELETE permission for %s.",
    -275: "No INSERT permission for %s.",
    -310: "Table (%s) already exists in database.",
    -329: "Database not found or no system permission.",
    -346: "Could not update a row in the table.",
    -387: "No connect permission.",
    -388: "No resource permission.",
    -391: "Cannot insert a null into column (%s).",
    -530: "Check constraint (%s) failed.",
    -535: "Already in transaction.",
    -674: "Routine (%s) can not be resolved.",
    -691: "Missing key in referenced table for referential constraint (%s).",
    -692: "Key value for constraint (%s) is still being referenced.",
    -741: "Trigger for the same event already exists.",
    -742: "Trigger and cascading constraint on table (%s) can not both be defined.",
    -744: "Illegal SQL statement in trigger (%s).",
    -747: "Table or column matches object referenced in triggering statement.",
    -748: "Exceeded limit on maximum number of cascaded triggers.",
    -1213: "A character to numeric conversion process failed.",
    -1214: "Value too large to fit in a SMALLINT.",
    -1215: "Value exceeds limit of INTEGER precision.",
    -1226: "Decimal or money value exceeds maximum precision.",
    -1261: "Too many digits in the first field of datetime or interval.",
    -1262: "Non-numeric character in datetime or interval.",
    -1263: "A field in a datetime or interval value is incorrect or an illegal operation specified on datetime field.",
    -1279: "Value exceeds string column length.",
}  # fmt: skip

# Guesses; what is not listed is IX000. The driver shows 42704 as 42S02 and passes the others on.
STATES: Mapping[int, str] = {
    -107: "IX000", -143: "40001", -154: "IX000",
    -201: "42000", -206: "42704", -217: "42000", -236: "21S01",
    -239: "23000", -268: "23000", -391: "23000", -530: "23000", -691: "23000", -692: "23000",
    -255: "25000", -256: "25000", -535: "25000",
    -272: "42501", -273: "42501", -274: "42501", -275: "42501",
    -310: "42S01", -329: "08004", -387: "28000",
    -1213: "22018", -1214: "22003", -1215: "22003", -1226: "22003", -1261: "22007", -1262: "22007", -1263: "22007",
    -1279: "22001",
}  # fmt: skip
OTHER_STATE = "IX000"

# By the digit of the package that the driver names (SYSSHn00), which follows from SQL_ATTR_TXN_ISOLATION. Guess: 5 is
# the server's own default, Committed Read in a logged database.
ISOLATION: Mapping[str, Isolation] = {
    "1": Isolation.DIRTY_READ,
    "3": Isolation.CURSOR_STABILITY,
    "4": Isolation.REPEATABLE_READ,
    "5": Isolation.DEFAULT,
}  # fmt: skip

LVARCHAR_DEFAULT = 2048
FLOATING_DECIMAL_PLACES = (32, 10)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """How a server presents itself and behaves below the SQL."""

    product: str = "IFX14100"  # any IFXvvrrm switches the driver to Informix
    server_class: str = "QIDS/UNIX64"  # hint: what the driver's own tests expect, IDS…
    sqlam: int = 7  # guess: 7 and 8 are accepted, from 9 on layouts differ
    byte_order: str = ">"  # guess: `>` (QTDSQLASC) and `<` (QTDSQLX86) are accepted
    logged: bool = True  # an unlogged database has no transactions, and the driver refuses them then
    ansi: bool = False
    tells_updates: bool = True  # guess: RDBUPDRM in front of the SQLCA of a change
    answers_message_call: bool = True  # hint: published error texts are Informix', so the driver's question is answered
    chain_stops_on_error: bool = False  # guess: DRDA's rule; the rest of an array is not executed then
    messages: Mapping[int, str] = field(default_factory=lambda: MESSAGES, repr=False)
    states: Mapping[int, str] = field(default_factory=lambda: STATES, repr=False)

    @property
    def type_definition(self) -> str:
        return "QTDSQLASC" if self.byte_order == ">" else "QTDSQLX86"

    @property
    def connect_warnings(self) -> str:
        """SQLWARN0 and 1 say that the database has transactions, 2 that it is ANSI, 3 that the server is IDS."""
        return f"{'WW' if self.logged else '  '}{'W' if self.ansi else ' '}{'W' if self.logged else ' '}"

    def state(self, sqlcode: int) -> str:
        return self.states.get(sqlcode, OTHER_STATE)

    def message(self, sqlcode: int, tokens: str) -> str:
        text = self.messages.get(sqlcode, "Message not found.")
        return text.replace("%s", tokens.replace("\xff", ", "))


def field_of(name: str, declared: str, *, nullable: bool = True) -> Field:
    """How a column of an Informix type is described to the driver. `declared` is written as in CREATE TABLE.

    Every entry is a guess that the driver accepts; the numbers and plain strings are hardly in doubt.
    """
    word, arguments, rest = _parsed(declared)
    made = _FIELDS[word](arguments, rest)
    return Field(name, made.kind, made.length, made.precision, made.scale, nullable)


_DECLARED = re.compile(r"\s*(\w+)\s*(?:\(([\d\s,]+)\))?\s*(.*?)\s*", re.DOTALL)


def _parsed(declared: str) -> tuple[str, list[int], str]:
    found = _DECLARED.fullmatch(declared.upper())
    if not found or found[1] not in _FIELDS:
        raise ValueError(f"{declared!r} is no type that the double knows of Informix")
    return found[1], [int(number) for number in (found[2] or "").split(",") if number], found[3]


def _plain(kind: Kind) -> Callable[[list[int], str], Field]:
    return lambda _arguments, _rest: Field("", kind)


def _text(kind: Kind, default: int) -> Callable[[list[int], str], Field]:
    return lambda arguments, _rest: Field("", kind, length=arguments[0] if arguments else default)


def _decimal(arguments: list[int], _rest: str) -> Field:
    precision, scale = arguments if len(arguments) > 1 else FLOATING_DECIMAL_PLACES
    return Field("", Kind.DECIMAL, precision=precision, scale=scale)


def _money(arguments: list[int], _rest: str) -> Field:
    precision, scale = [*arguments, *(16, 2)[len(arguments) :]][:2]
    return Field("", Kind.DECIMAL, precision=precision, scale=scale)


def _datetime(_arguments: list[int], rest: str) -> Field:
    """From YEAR on a timestamp or a date, HOUR TO SECOND a time, and all other ranges text."""
    if rest in {"YEAR TO SECOND", "YEAR TO MINUTE", "YEAR TO HOUR"}:
        return Field("", Kind.TIMESTAMP, length=19)
    if rest.startswith("YEAR TO FRACTION"):
        return Field("", Kind.TIMESTAMP, length=20 + _digits(rest))
    if rest == "YEAR TO DAY":
        return Field("", Kind.DATE)
    if rest == "HOUR TO SECOND":
        return Field("", Kind.TIME)
    return Field("", Kind.VARCHAR, length=26)


def _digits(rest: str) -> int:
    found = re.search(r"FRACTION\s*\(\s*(\d)\s*\)$", rest)
    return int(found[1]) if found else 3


_FIELDS: Mapping[str, Callable[[list[int], str], Field]] = {
    "SMALLINT": _plain(Kind.SMALLINT),
    "INTEGER": _plain(Kind.INTEGER),
    "INT": _plain(Kind.INTEGER),
    "SERIAL": _plain(Kind.INTEGER),
    "INT8": _plain(Kind.BIGINT),
    "SERIAL8": _plain(Kind.BIGINT),
    "BIGINT": _plain(Kind.BIGINT),
    "BIGSERIAL": _plain(Kind.BIGINT),
    "FLOAT": _plain(Kind.FLOAT),
    "SMALLFLOAT": _plain(Kind.SMALLFLOAT),
    "DECIMAL": _decimal,
    "MONEY": _money,
    "DATE": _plain(Kind.DATE),
    "DATETIME": _datetime,
    "INTERVAL": lambda _arguments, _rest: Field("", Kind.VARCHAR, length=30),
    "BOOLEAN": _plain(Kind.SMALLINT),
    "CHAR": _text(Kind.CHAR, 1),
    "NCHAR": _text(Kind.CHAR, 1),
    "VARCHAR": _text(Kind.VARCHAR, 1),
    "NVARCHAR": _text(Kind.VARCHAR, 1),
    "LVARCHAR": _text(Kind.VARCHAR, LVARCHAR_DEFAULT),
    "TEXT": _plain(Kind.CLOB),
    "CLOB": _plain(Kind.CLOB),
    "BYTE": _plain(Kind.BLOB),
    "BLOB": _plain(Kind.BLOB),
}  # fmt: skip
