"""Indexes of a table: what two rows must have in common to stand in each other's way.

The rule it keeps: the text of an index expression is never rewritten, only the column names in it are qualified
token by token, so that SQLite evaluates exactly what the index holds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import Token, TokenType
from sqlglot.errors import SqlglotError

from adapters import sql

_DIALECT = "sqlite"


@dataclass(frozen=True, slots=True)
class Index:
    """One index. `columns` has None for an expression, and `terms` the SQL of each column or expression.

    `terms` is empty where the index has expressions and its SQL could not be read.
    """

    name: str
    unique: bool
    origin: str
    """`pk`, `u` (a UNIQUE constraint) or `c` (CREATE INDEX)."""
    columns: tuple[str | None, ...]
    collations: tuple[str, ...]
    terms: tuple[str, ...]
    predicate: str = ""
    """Condition of a partial index."""
    partial: bool = False

    @property
    def complete(self) -> bool:
        """Whether it covers every row, by plain columns."""
        return not self.partial and None not in self.columns


def read_index(connection: sqlite3.Connection, name: str, unique: int, origin: str, partial: int) -> Index:
    """Read one index by the row that pragma index_list gave for it."""
    found = connection.execute(
        "SELECT cid, name, coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno", (name,)
    ).fetchall()
    columns: tuple[str | None, ...] = tuple(column for _, column, _ in found)
    collations = tuple(collation for *_, collation in found)
    terms: Sequence[str] = [sql.quote(column, _DIALECT) for column in columns if column is not None]
    predicate = ""
    if partial or None in columns:
        statement = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", (name,))
        written, predicate = _parts(statement.fetchone()[0])
        if None in columns:
            terms = written if len(written) == len(columns) else ()
    return Index(name, bool(unique), origin, columns, collations, tuple(terms), predicate, bool(partial))


def qualify(text: str, columns: Collection[str], qualifier: str) -> str:
    """Put `qualifier.` before every column name in an expression; everything else stays as it is written."""
    known = {column.lower() for column in columns}
    tokens = sqlglot.tokenize(text, dialect=_DIALECT)
    pieces, at = [], 0
    for index, token in enumerate(tokens):
        called = index + 1 < len(tokens) and tokens[index + 1].token_type is TokenType.L_PAREN
        member = index > 0 and tokens[index - 1].token_type is TokenType.DOT
        collation = index > 0 and tokens[index - 1].token_type is TokenType.COLLATE
        if token.token_type is TokenType.STRING or called or member or collation or token.text.lower() not in known:
            continue
        pieces += [text[at : token.start], f"{qualifier}.", text[token.start : token.end + 1]]
        at = token.end + 1
    return "".join([*pieces, text[at:]])


def _parts(statement: str) -> tuple[list[str], str]:
    """The terms and the condition of a CREATE INDEX statement; nothing of what can not be read."""
    try:
        tokens = sqlglot.tokenize(statement, dialect=_DIALECT)
    except SqlglotError:
        return [], ""
    start = next((i for i, token in enumerate(tokens) if token.token_type is TokenType.L_PAREN), None)
    if start is None:
        return [], ""
    terms: list[str] = []
    depth, first = 0, start + 1
    for at in range(start, len(tokens)):
        kind = tokens[at].token_type
        depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
        if depth == 0 or (depth == 1 and kind is TokenType.COMMA):
            terms.append(_text(statement, tokens[first:at]))
            first = at + 1
        if depth == 0:
            rest = tokens[at + 1 :]
            where = bool(rest) and rest[0].token_type is TokenType.WHERE
            return terms, _text(statement, rest[1:]) if where else ""
    return [], ""


def _text(statement: str, tokens: Sequence[Token]) -> str:
    """The words of one term as they are written, without its direction and collation."""
    kept = list(tokens)
    while kept and kept[-1].token_type in {TokenType.ASC, TokenType.DESC, TokenType.SEMICOLON}:
        kept.pop()
    if len(kept) > 1 and kept[-2].token_type is TokenType.COLLATE:
        kept = kept[:-2]
    return statement[kept[0].start : kept[-1].end + 1] if kept else ""
