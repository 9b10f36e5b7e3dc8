"""Chunks: a table read in the order of its key, a bounded number of rows at a time.

The rule it keeps: a chunk begins behind the last key of the one before, so that no row is read twice and none is
skipped whatever changes meanwhile. Only a table without a key is read by row count, inside one snapshot.

A condition on several columns is spelled out: Informix compares no rows of values.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.informix.statements.statement import Statement, Table, name, names, read


def first(table: Table, rows: int) -> Statement:
    return Statement("chunk-first", _select(table, f"FIRST {int(rows)} ", ""))


def following(table: Table, rows: int) -> Statement:
    """The rows behind a key; its parameters are those of `behind`."""
    return Statement("chunk-next", _select(table, f"FIRST {int(rows)} ", _beside(table.key, ">", last=">")))


def between(table: Table, *, above: bool, below: bool) -> Statement:
    """The rows behind one key and up to another, each where it is given; parameters in that order, as `bound` says."""
    parts = [_beside(table.key, ">", last=">")] if above else []
    parts += [_beside(table.key, "<", last="<=")] if below else []
    return Statement("chunk-range", _select(table, "", " AND ".join(f"({part})" for part in parts)))


def page(table: Table, skipped: int, rows: int) -> Statement:
    """Rows of a table without a key, by their number in the order of all small columns."""
    return Statement("chunk-page", _select(table, f"SKIP {int(skipped)} FIRST {int(rows)} ", ""))


def bound(key: Sequence[object]) -> list[object]:
    """The parameters of one condition on a key: each column's, with all before it, in the order of the text."""
    return [value for count in range(1, len(key) + 1) for value in key[:count]]


def _beside(key: Sequence[str], sign: str, *, last: str) -> str:
    alternatives = []
    for count in range(len(key)):
        equal = [f"{name(column)} = ?" for column in key[:count]]
        alternatives.append(" AND ".join([*equal, f"{name(key[count])} {last if count == len(key) - 1 else sign} ?"]))
    return " OR ".join(f"({one})" for one in alternatives)


def _select(table: Table, paging: str, condition: str) -> str:
    where = f" WHERE {condition}" if condition else ""
    order = names(column.name for column in table.keys)
    return f"SELECT {paging}{read(table.columns)} FROM {table.sql}{where} ORDER BY {order}"
