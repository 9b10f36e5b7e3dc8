"""A table that performs changes and net effects one row at a time: plain enough to be believed."""

from __future__ import annotations

from collections.abc import Sequence

from sync.model.change import ABSENT, Op, Row, Value
from sync.model.schema import TableSchema
from sync.model.writes import Writes

DEFAULT = "default"


class DumbTable:
    """Rows one by one; a last hidden column stands for those that do not travel."""

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema
        self.rows: list[tuple[Value, ...]] = []

    def _identity(self, row: Sequence[Value]) -> Row:
        return tuple(row[i] for i in self.schema.identity)

    def _is_unique(self, row: Row) -> bool:
        return bool(self.schema.key) and None not in self._identity(row)

    def delete(self, identity: Row) -> None:
        self.rows = [row for row in self.rows if self._identity(row) != identity]

    def insert(self, row: Row, hidden: Value = DEFAULT) -> None:
        self.rows.append((*(DEFAULT if v is ABSENT else v for v in row), hidden))

    def put(self, row: Row) -> None:
        before = [known for known in self.rows if self._identity(known) == self._identity(row)]
        old: Row = before[0] if before else (*[DEFAULT] * len(row), DEFAULT)
        self.delete(self._identity(row))
        self.insert(tuple(o if v is ABSENT else v for o, v in zip(old, row, strict=False)), old[-1])

    def change(self, op: Op, row: Row) -> None:
        if op is Op.TRUNCATE:
            self.rows.clear()
        elif op is Op.DELETE:
            self.delete(self._identity(row))
        elif self._is_unique(row):
            self.put(row)
        else:
            if op is not Op.INSERT:
                self.delete(self._identity(row))
            self.insert(row)

    def perform(self, writes: Writes) -> None:
        if writes.truncate:
            self.rows.clear()
        deletes = list(zip(*writes.deletes, strict=True))
        assert len(set(deletes)) == len(deletes), "an identity is deleted twice"
        for identity in deletes:
            self.delete(identity)
        put: list[Row] = []
        for group in writes.upserts:
            assert set(self.schema.key) <= set(group.present)
            assert list(group.present) == sorted(group.present)
            for values in zip(*group.columns, strict=True):
                row: list[Value] = [ABSENT] * len(self.schema.columns)
                for index, value in zip(group.present, values, strict=True):
                    assert value is not ABSENT
                    row[index] = value
                put.append(self._identity(row))
                self.put(tuple(row))
        assert len(set(put)) == len(put), "an identity is put twice"
        for added in zip(*writes.inserts, strict=True):
            self.insert(added)
