"""Rows of administration as the sample site makes them, in the forms that the stages take.

The rule it keeps: every benchmark moves what a site really holds: permissions (short, repeating), dictionary names
(texts that differ), report definitions (long texts).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import adapters
from sync.core.batcher import Batcher
from sync.core.filter import Filter, Selection
from sync.demo.admin_rows import MAKERS
from sync.demo.site import create
from sync.demo.sqlite import SqliteDatabase
from sync.demo.tables import SCALES
from sync.model.batch import Batch, Transaction
from sync.model.change import Block, Op
from sync.model.position import Position
from sync.model.schema import TableSchema

BATCH_BYTES_MAX = 4 << 20
PART_ROWS = 20_000
MIX = {"user_split": 0.6, "synonyms": 0.3, "rep_defs": 0.1}
"""Shares of the rows that the stages move."""
Row = tuple[Any, ...]


def rows(table: str, count: int) -> list[Row]:
    """So many rows of a large site."""
    return list(islice(MAKERS[table](Random(f"bench:{table}"), SCALES["large"], count), count))


def empty_site(path: Path) -> Path:
    """The sample's tables without rows, at `path`."""
    create(SqliteDatabase(path), "small", seed=1, with_rows=False)
    return path


@cache
def schemas() -> Mapping[str, TableSchema]:
    """What the filter captures of the sample site."""
    with TemporaryDirectory() as folder:
        site = adapters.open_site(f"sqlite:///{empty_site(Path(folder) / 'site.db')}")
        with closing(site):
            return Filter(Selection()).captured(site.catalog())


@cache
def blocks(count: int) -> tuple[Block, ...]:
    """The mix as blocks of upserts, in the parts that a source gives."""
    made = []
    for table, share in MIX.items():
        schema = schemas()[table]
        columns = [list(column) for column in zip(*rows(table, int(count * share)), strict=True)]
        columns = columns[: len(schema.columns)]
        total = len(columns[0])
        for start in range(0, total, PART_ROWS):
            part = tuple(column[start : start + PART_ROWS] for column in columns)
            size = len(part[0])
            made.append(Block(schema, bytes((Op.UPSERT,)) * size, part, range(size)))
    return tuple(made)


@cache
def batches(count: int) -> tuple[Batch, ...]:
    """The mix as the batches that travel."""
    batcher = Batcher("bench", 1, BATCH_BYTES_MAX)
    made: list[Batch] = []
    for place, block in enumerate(blocks(count)):
        made += batcher.add(Transaction(Position(place + 1), 1_790_000_000_000_000 + place, (block,)))
    rest = batcher.flush()
    return (*made, rest) if rest is not None else tuple(made)


def plain_copy(path: Path) -> sqlite3.Connection:
    """The sample's tables with nothing of ours in them, ready for plain writes."""
    connection = sqlite3.connect(empty_site(path), isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection
