"""Raw rows to lines: the net effect by the bytes of their keys, for a target that can load them.

The rule it keeps: loading the lines does what `net` of the same blocks does, or there are none: keys are told apart by
their bytes only where equal values have equal texts, and rows that the source did not send whole are left to `net`.
Everything is done on whole columns. Deletes come before the rows, and of these what is there before what is new, so
that a value that must be unique is given up before it is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from typing import Final, cast

from sync.model.change import Block, Op
from sync.model.lines import Lines
from sync.model.schema import Kind, TableSchema, Type
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


@dataclass(frozen=True, slots=True)
class Opened:
    """A raw block taken apart."""

    block: Block
    body: bytes
    """All rows as lines."""
    lines: list[bytes]
    """Each row's line without its end; none where all rows are new, so that it does not matter which is which."""
    keys: list[bytes]
    """The key of each of `lines`, as it stands in the raw row."""


def opened(block: Block, *, keyed: bool = False) -> Opened | None:
    """Take a block apart; None where its values have to be looked at. `keyed` wants the lines also of new rows.

    Raises `ProtocolError` where the rows are malformed.
    """
    raw, schema, ops = block.columns, block.schema, block.ops
    if not isinstance(raw, Tuples) or not ops or Op.TRUNCATE in ops:
        return None
    keyed = keyed or ops.count(Op.INSERT) != len(ops)
    if keyed and not (schema.key and all(_is_exact(schema.columns[at].type) for at in schema.key)):
        return None
    lines, keys, partial, body = raw.lines(schema.key if keyed else ())
    if b"" in keys or any(ops[row] != Op.DELETE for row in partial):
        return None
    return Opened(block, body + b"\n", lines if keyed else [], keys)


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
    gone = list(dict.fromkeys(compress(keys, ops.translate(_IS_DELETE))))
    last: dict[bytes, bytes] = {}
    for op, key, line in zip(ops, keys, chain.from_iterable(each.lines for each in run), strict=True):
        if op == Op.DELETE:
            last.pop(key, None)
        else:
            last[key] = line
    new = {*gone, *compress(keys, ops.translate(_IS_NEW))}
    unsure = set(compress(keys, ops.translate(_IS_UPSERT))) - new
    groups = [
        (Op.DELETE, _key_lines(schema, gone)),
        (Op.UPDATE, [line for key, line in last.items() if key not in new and key not in unsure]),
        (Op.UPSERT, [line for key, line in last.items() if key in unsure]),
        (Op.INSERT, [line for key, line in last.items() if key in new]),
    ]
    return [Lines(schema, op, b"\n".join(rows) + b"\n", len(rows)) for op, rows in groups if rows]


def _is_exact(type_: Type) -> bool:
    return type_.kind in _EXACT and (type_.kind is not Kind.TEXT or not type_.qualifier)


def _key_lines(schema: TableSchema, keys: Sequence[bytes]) -> list[bytes]:
    """Keys that stand as in a raw row, as lines."""
    columns = TableSchema(schema.name, tuple(schema.columns[at] for at in sorted(schema.key)))
    return Tuples(columns, b"".join(keys), len(keys)).lines(())[0]
