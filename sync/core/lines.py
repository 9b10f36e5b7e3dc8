"""Raw rows to lines: the net effect by the bytes of their keys, for a target that can load them.

The rule it keeps: loading the lines does what `net` of the same blocks does, or there are none: keys are told apart by
their bytes only where equal values have equal texts, and rows that the source did not send whole are left to `net`.
Everything is done on whole columns. Deletes come before the rows, and of these what is there before what is new, so
that a value that must be unique is given up before it is taken.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from typing import Final, cast

from sync.model.change import ABSENT, Block, Op, Value
from sync.model.lines import Lines
from sync.model.schema import Kind, Type
from sync.model.texts import Raw
from sync.model.tuples import Tuples

_EXACT: Final = frozenset(
    {
        Kind.BOOL,
        Kind.INT16,
        Kind.INT32,
        Kind.INT64,
        Kind.VARCHAR,
        Kind.TEXT,
        Kind.BYTES,
        Kind.DATE,
        Kind.DATETIME,
        Kind.UUID,
    }
)
"""Kinds of which equal values have equal texts."""
_IS_DELETE: Final = bytes(op == Op.DELETE for op in range(256))
_IS_NEW: Final = bytes(op == Op.INSERT for op in range(256))
_IS_UPSERT: Final = bytes(op == Op.UPSERT for op in range(256))
_ESCAPED: Final = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\t", b"\\t"))
_NULL: Final = b"\\N"


@dataclass(frozen=True, slots=True)
class Opened:
    """A raw block taken apart."""

    block: Block
    body: bytes
    """All rows as lines."""
    lines: list[bytes]
    """Each row's line without its end; none where all rows are new, so that it does not matter which is which."""
    keys: Sequence[Hashable]
    """The key of each of `lines`."""
    gone: list[bytes]
    """The line of its key for each row that was deleted, in order."""


def opened(block: Block, *, keyed: bool = False) -> Opened | None:
    """Take a block apart; None where its values have to be looked at. `keyed` wants the lines also of new rows."""
    raw, schema, ops = block.columns, block.schema, block.ops
    if not isinstance(raw, Tuples) or not ops or Op.TRUNCATE in ops:
        return None
    keyed = keyed or ops.count(Op.INSERT) != len(ops)
    if keyed and not (schema.key and all(_is_exact(schema.columns[at].type) for at in schema.key)):
        return None
    columns: Sequence[Sequence[Raw | Value]] = raw.texts()
    identity = [columns[at] for at in schema.key] if keyed else []
    if any(None in column or ABSENT in column for column in identity):
        return None
    is_delete = ops.translate(_IS_DELETE)
    lines = _plain(columns) if raw.dense else []
    body = b"\n".join(lines)
    if not lines or not _is_clean(body, len(ops), len(columns)):
        cells = _escaped(columns, is_delete)
        if cells is None:
            return None
        columns = cells
        lines = _plain(columns)
        body = b"\n".join(lines)
    if not keyed:
        return Opened(block, body + b"\n", [], (), [])
    gone = [columns[at] for at in schema.key] if Op.DELETE in ops else []
    keys = identity[0] if len(identity) == 1 else list(zip(*identity, strict=True))
    return Opened(block, body + b"\n", lines, keys, list(compress(_plain(gone), is_delete)) if gone else [])


def lines(blocks: Iterable[Opened]) -> list[Lines] | None:
    """The net effect of blocks in source order; None where their values have to be looked at after all."""
    runs: list[list[Opened]] = []
    current: dict[str, list[Opened]] = {}
    for each in blocks:
        schema = each.block.schema
        run = current.get(schema.name)
        if run is not None and run[0].block.schema.fingerprint == schema.fingerprint:
            run.append(each)
        else:
            current[schema.name] = run = [each]
            runs.append(run)
    made: list[Lines] = []
    for run in runs:
        found = _of_table(run)
        if found is None:
            return None
        made += found
    return made


def _of_table(run: Sequence[Opened]) -> list[Lines] | None:
    schema = run[0].block.schema
    ops = b"".join([each.block.ops for each in run])
    if ops.count(Op.INSERT) == len(ops):
        return [Lines(schema, Op.INSERT, b"".join([each.body for each in run]), len(ops))]
    keyed = [each if each.lines else opened(each.block, keyed=True) for each in run]
    if None in keyed:
        return None
    run = cast("list[Opened]", keyed)
    keys = list(chain.from_iterable(each.keys for each in run))
    if ops.count(Op.UPDATE) == len(ops) and len(set(keys)) == len(keys):
        return [Lines(schema, Op.UPDATE, b"".join([each.body for each in run]), len(ops))]
    gone = dict(zip(compress(keys, ops.translate(_IS_DELETE)), chain.from_iterable(e.gone for e in run), strict=True))
    last: dict[Hashable, bytes] = {}
    for op, key, line in zip(ops, keys, chain.from_iterable(each.lines for each in run), strict=True):
        if op == Op.DELETE:
            last.pop(key, None)
        else:
            last[key] = line
    new = {*gone, *compress(keys, ops.translate(_IS_NEW))}
    unsure = set(compress(keys, ops.translate(_IS_UPSERT))) - new
    groups = [
        (Op.DELETE, list(gone.values())),
        (Op.UPDATE, [line for key, line in last.items() if key not in new and key not in unsure]),
        (Op.UPSERT, [line for key, line in last.items() if key in unsure]),
        (Op.INSERT, [line for key, line in last.items() if key in new]),
    ]
    return [Lines(schema, op, b"\n".join(rows) + b"\n", len(rows)) for op, rows in groups if rows]


def _is_exact(type_: Type) -> bool:
    return type_.kind in _EXACT and (type_.kind is not Kind.TEXT or not type_.qualifier)


def _plain(columns: Sequence[Sequence[Raw | Value]]) -> list[bytes]:
    return list(map(b"\t".join, zip(*columns, strict=True)))


def _is_clean(body: bytes, rows: int, width: int) -> bool:
    """Whether no text holds what means something else in a line."""
    if b"\\" in body or b"\r" in body:
        return False
    return body.count(b"\n") == rows - 1 and body.count(b"\t") == rows * (width - 1)


def _escaped(columns: Sequence[Sequence[Raw | Value]], is_delete: bytes) -> list[list[bytes]] | None:
    """The cells of lines; None where a row was not sent whole, or holds what no text of PostgreSQL can."""
    cells: list[list[bytes]] = []
    for column in columns:
        if ABSENT in column and any(
            value is ABSENT and not gone for value, gone in zip(column, is_delete, strict=True)
        ):
            return None
        joined = b"\0".join([value if isinstance(value, bytes) else b"" for value in column])
        if joined.count(b"\0") != len(column) - 1:
            return None
        for special, escape in _ESCAPED:
            joined = joined.replace(special, escape)
        made = joined.split(b"\0")
        if None in column:
            made = [_NULL if value is None else cell for value, cell in zip(column, made, strict=True)]
        cells.append(made)
    return cells
