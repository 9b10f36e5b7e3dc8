"""What the applications of the primary's database do: transactions by seed, as plain operations.

An operation is (table, operation, row); the row is a dict. The judge keeps its own books from the same operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from sync.model.change import ABSENT, Change, Op, Value
from tests.sim.tables import CALL_SENTINEL, CALL_TABLES, LOCAL_SENTINEL, SCHEMAS

Operation = tuple[str, str, dict[str, Value]]


class Workload:
    """Makes transactions; small tables, so that rows meet again and again."""

    def __init__(self, random: Random, large_rows: int) -> None:
        self._random = random
        self._large_rows = large_rows
        self._serial = 0
        self._plain: list[dict[str, Value]] = []

    def transaction(self, *, large: bool = False) -> list[Operation]:
        """The operations of one transaction, at least one."""
        random = self._random
        count = random.randint(2, self._large_rows) if large else random.choice((1, 1, 1, 2, 3, 5))
        made: list[Operation] = []
        for _ in range(count):
            made += self._operations()
        return made

    def _operations(self) -> list[Operation]:
        draw = self._random.random()
        if draw < 0.25:
            return self._user()
        if draw < 0.4:
            return self._synonym()
        if draw < 0.6:
            return self._exception()
        if draw < 0.75:
            return self._menu()
        if draw < 0.9:
            return self._group()
        table = self._random.choice(CALL_TABLES).name
        row: dict[str, Value] = {"id": self._random.randint(1, 9), "secret": self._text(CALL_SENTINEL)}
        if table == "s_trace":
            row["row_date"] = 20261125
        return [(table, "upsert", row)]

    def _text(self, prefix: str = "t") -> str:
        self._serial += 1
        return f"{prefix}{self._serial}"

    def _user(self) -> list[Operation]:
        random = self._random
        login = f"u{random.randint(1, 12)}"
        row: dict[str, Value] = {"login": login, "name": self._text(), "printer": self._text(LOCAL_SENTINEL)}
        draw = random.random()
        if draw < 0.02:
            return [("users", "truncate", {})]
        if draw < 0.2:
            return [("users", "delete", {"login": login})]
        if draw < 0.3:  # a new key: the row goes and comes under another name
            return [("users", "delete", {"login": f"u{random.randint(1, 12)}"}), ("users", "upsert", row)]
        if draw < 0.4:
            row["name"] = ABSENT
            return [("users", "update", row)]
        return [("users", random.choice(("insert", "update", "upsert")), row)]

    def _synonym(self) -> list[Operation]:
        random = self._random
        row: dict[str, Value] = {"acd_no": random.randint(1, 3), "item": f"i{random.randint(1, 4)}", "value": ""}
        if random.random() < 0.25:
            return [("synonyms", "delete", row)]
        row["value"] = self._text()
        return [("synonyms", random.choice(("update", "upsert")), row)]

    def _exception(self) -> list[Operation]:
        random = self._random
        row: dict[str, Value] = {"id": random.randint(1, 10), "zone": random.randint(1, 2), "text": self._text()}
        if random.random() < 0.2:
            return [("ex_agent", "delete", {"id": row["id"]})]
        return [("ex_agent", random.choice(("insert", "update", "upsert")), row)]

    def _menu(self) -> list[Operation]:
        row: dict[str, Value] = {"label": f"m{self._random.randint(1, 4)}", "level": self._random.randint(1, 2)}
        return [("main_menu", "delete" if self._random.random() < 0.4 else "insert", row)]

    def _group(self) -> list[Operation]:
        random = self._random
        key = random.choice((None, 1, 2, 3, 4))
        row: dict[str, Value] = {"id": key, "name": self._text()}
        if random.random() < 0.25:
            return [("agroups", "delete", {"id": key})]
        return [("agroups", "insert" if key is None else random.choice(("insert", "upsert")), row)]


def as_changes(operations: Sequence[Operation]) -> list[Change]:
    """The same operations as the memory database takes them."""
    changes: list[Change] = []
    for table, operation, row in operations:
        schema = SCHEMAS[table]
        values = tuple(row.get(name, ABSENT) for name in schema.column_names)
        if operation == "delete":
            values = tuple(value if index in schema.identity else ABSENT for index, value in enumerate(values))
        changes.append(Change(schema, Op[operation.upper()], values))
    return changes
