"""A primary and a secondary with nothing but the ports between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self

import pytest

from sync.core.net import net
from sync.model.batch import Checkpoint, ChunkRequest, Transaction
from sync.model.change import Row
from sync.model.position import START, Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.ports import Source, Target
from tests.contract.servers import Server, Step

EPOCH = 3


def table(name: str, key: tuple[int, ...], *columns: tuple[str, Kind, bool]) -> TableSchema:
    """A table from (name, kind, nullable) triples."""
    return TableSchema(name, tuple(Column(column, Type(kind), nullable) for column, kind, nullable in columns), key)


KEYED = table("keyed", (0,), ("id", Kind.INT64, False), ("name", Kind.TEXT, True), ("extra", Kind.INT64, True))
COMPOSITE = table(
    "Composite Key", (1, 0), ("b", Kind.INT64, False), ("a", Kind.TEXT, False), ("order", Kind.TEXT, True)
)
KEYLESS = table("keyless", (), ("a", Kind.INT64, True), ("b", Kind.TEXT, True))
LOOSE = table("loose", (0, 1), ("a", Kind.INT64, True), ("b", Kind.TEXT, True), ("v", Kind.TEXT, True))
VALUES = table(
    "all_values",
    (0,),
    ("id", Kind.INT64, False),
    ("small", Kind.INT16, True),
    ("float", Kind.FLOAT, True),
    ("text", Kind.TEXT, True),
    ("bytes", Kind.BYTES, True),
)
ANYTHING = table("anything", (0,), ("id", Kind.INT64, False), ("any", Kind.ANY, True))
TABLES = (KEYED, COMPOSITE, KEYLESS, LOOSE, VALUES, ANYTHING)


class Pair:
    """Both servers with everything installed and open."""

    def __init__(self, make: Callable[[Path], Server], place: Path, tables: Iterable[TableSchema] = TABLES) -> None:
        self.primary, self.secondary = make(place / "primary"), make(place / "secondary")
        self.guarded = {schema.name: schema for schema in tables if self.primary.has(schema)}
        """What both servers have."""
        self.tables = {name: schema for name, schema in self.guarded.items() if self.primary.captures(schema)}
        """What is captured."""
        for server in (self.primary, self.secondary):
            server.create(self.guarded.values())
        self._install()
        self.source: Source = self.primary.source()
        self.source.open(self.tables, START)
        self.target: Target = self.secondary.target()
        self.target.open()
        self.log: list[Transaction] = []
        """Everything that was ever read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()
        self.target.close()
        self.primary.close()
        self.secondary.close()

    def needs(self, *schemas: TableSchema) -> None:
        """Skip the test where the source can not capture one of these tables."""
        for schema in schemas:
            if schema.name not in self.tables:
                pytest.skip(f"this kind of source does not capture {schema.name}")

    @property
    def position(self) -> Position:
        """Of the last thing read."""
        return self.log[-1].position if self.log else START

    def run(self, *steps: Step) -> None:
        """One transaction on the primary."""
        self.primary.run(steps)

    def reopen(self, after: Position | None = None, part_rows_max: int = 20_000) -> None:
        """A new incarnation of the source."""
        self.source.close()
        self.source = self.primary.source(part_rows_max)
        self.source.open(self.tables, self.position if after is None else after)

    def read(self, chunk: ChunkRequest | None = None) -> list[Transaction]:
        """Read what is new."""
        found = list(self.source.read(chunk))
        self.log += found
        return found

    def apply(self, transactions: Sequence[Transaction], *, again: bool = False) -> None:
        """Apply whole transactions, each in one transaction of the target, whatever its parts.

        As a receiver does it: what the checkpoint covers is skipped, except where it is to be applied `again`.
        """
        stored = self.target.checkpoint(self.source.origin)
        done = stored.position if stored and not again else START
        for transaction in transactions:
            if transaction.position <= done:
                continue
            if transaction.part == 0:
                self.target.begin()
            self.target.write(net(transaction.blocks))
            if transaction.last:
                self.target.commit(Checkpoint(self.source.origin, EPOCH, transaction.position))

    def pump(self) -> list[Transaction]:
        """Read and apply what is new."""
        found = self.read()
        self.apply(found)
        return found

    def assert_equal(self) -> None:
        """Both servers hold the same rows."""
        for name in self.tables:
            assert sorted_rows(self.secondary.rows(name)) == sorted_rows(self.primary.rows(name)), name

    def _install(self) -> None:
        site = self.primary.site()
        site.install_capture(self.tables)
        site.close()
        site = self.secondary.site()
        site.install_guard(self.guarded, "cms-east")
        site.close()


def sorted_rows(rows: Iterable[Row]) -> list[Row]:
    """In an order that any mixture of values has."""
    return sorted(rows, key=repr)
