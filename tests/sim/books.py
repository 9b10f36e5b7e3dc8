"""The judge's own books: what every replicated table held after every commit of the source, as plain values.

Written without any code of the engine: tables are dicts here, and a table's content is the bag of its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Bag = frozenset[tuple[tuple[Any, ...], int]]
"""Rows with how often each stands there."""
Backup = tuple[list[int], list[dict[str, Bag]], dict[str, list[dict[str, Any]]]]

COLUMNS = {
    "users": ("login", "name"),
    "synonyms": ("acd_no", "item", "value"),
    "ex_agent": ("id", "zone", "text"),
    "main_menu": ("label", "level"),
    "agroups": ("id", "name"),
}
"""What crosses, in this order."""
KEYS = {"users": ("login",), "synonyms": ("acd_no", "item"), "ex_agent": ("id",), "main_menu": (), "agroups": ("id",)}


def in_scope(table: str, row: Mapping[str, Any]) -> bool:
    """The row rules, said again."""
    if table == "synonyms":
        return row["acd_no"] in (1, 2)
    return table != "ex_agent" or row["zone"] == 1


def bag(rows: Iterable[tuple[Any, ...]]) -> Bag:
    return frozenset(Counter(rows).items())


class Books:
    """One history: content by table after each commit, and every row that ever stood in a table."""

    def __init__(self) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = {table: [] for table in COLUMNS}
        self._contents: dict[str, Bag] = dict.fromkeys(COLUMNS, frozenset())
        self.positions: list[int] = [0]
        self.states: list[dict[str, Bag]] = [dict(self._contents)]
        self.ever: dict[str, set[tuple[Any, ...]]] = {table: set() for table in COLUMNS}

    def commit(self, position: int, operations: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """Book one transaction."""
        touched = set()
        for table, operation, row in operations:
            if table in COLUMNS:
                self._apply(table, operation, row)
                touched.add(table)
        for table in touched:
            names = COLUMNS[table]
            rows = [tuple(row[name] for name in names) for row in self._rows[table] if in_scope(table, row)]
            self._contents[table] = bag(rows)
            self.ever[table].update(rows)
        self.positions.append(position)
        self.states.append(dict(self._contents))

    def backup(self) -> Backup:
        """All that is booked up to now."""
        rows = {table: list(rows) for table, rows in self._rows.items()}
        return list(self.positions), list(self.states), rows

    def restore(self, backup: Backup) -> None:
        """Go back: what was booked since never happened, but may have been seen."""
        positions, states, rows = backup
        self.positions, self.states = list(positions), list(states)
        self._rows = {table: list(held) for table, held in rows.items()}
        self._contents = dict(self.states[-1])

    def _apply(self, table: str, operation: str, row: dict[str, Any]) -> None:
        rows = self._rows[table]
        if operation == "truncate":
            rows.clear()
            return
        key = KEYS[table] or COLUMNS[table]
        unique = bool(KEYS[table]) and all(row[name] is not None for name in key)
        found = [index for index, held in enumerate(rows) if all(held[name] == row[name] for name in key)]
        if operation == "delete":
            for index in reversed(found):
                del rows[index]
            return
        full = {name: row.get(name) for name in COLUMNS[table]}
        if unique and found:
            old = rows[found[0]]
            rows[found[0]] = {name: old[name] if repr(full[name]) == "ABSENT" else full[name] for name in full}
        else:
            rows.append({name: None if repr(full[name]) == "ABSENT" else full[name] for name in full})
