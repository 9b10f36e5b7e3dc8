"""The sample database of the simulation: tables of every kind that the filter and the targets treat differently.

Call data and what is local to a server carry sentinels, so that one look at any bytes tells whether they leaked.
"""

from __future__ import annotations

from sync.core.filter import Filter, Selection
from sync.model.schema import Column, Kind, TableSchema, Type

CALL_SENTINEL = "CALLDATA#"
LOCAL_SENTINEL = "LOCALONLY#"
AWAY_SENTINEL = "OUTOFSCOPE#"

_INT = Type(Kind.INT64)
_TEXT = Type(Kind.VARCHAR, length=64)


def _table(table: str, key: tuple[int, ...], /, **columns: Type) -> TableSchema:
    made = tuple(
        Column(column, kind, nullable=index not in key) for index, (column, kind) in enumerate(columns.items())
    )
    return TableSchema(table, made, key)


USERS = _table("users", (0,), login=_TEXT, name=_TEXT, printer=_TEXT)
"""`printer` is local by the profile."""
SYNONYMS = _table("synonyms", (0, 1), acd_no=_INT, item=_TEXT, value=_TEXT)
"""The row rule looks at the key."""
EX_AGENT = _table("ex_agent", (0,), id=_INT, zone=_INT, text=_TEXT)
"""The row rule looks at a column that changes: rows move in and out."""
MAIN_MENU = _table("main_menu", (), label=_TEXT, level=_INT)
"""No key: equal rows stand there several times."""
AGROUPS = TableSchema("agroups", (Column("id", _INT), Column("name", _TEXT)), (0,))
"""A key that may be NULL, and then is not unique."""
CALL_REC = _table("call_rec", (0,), id=_INT, secret=_TEXT)
"""Denied by name."""
S_TRACE = _table("s_trace", (0,), id=_INT, row_date=_INT, secret=_TEXT)
"""Included by a pattern, and denied by its structure."""

REPLICATED = (USERS, SYNONYMS, EX_AGENT, MAIN_MENU, AGROUPS)
CALL_TABLES = (CALL_REC, S_TRACE)
SCHEMAS = {schema.name: schema for schema in (*REPLICATED, *CALL_TABLES)}

ROW_RULES = {"synonyms": "acd_no IN (1, 2)", "ex_agent": "zone = 1"}
FILTER = Filter(Selection(profile="cms", include=("s_*",), rows=ROW_RULES))
"""Pure, so all worlds share it."""
