"""The net effect of blocks: for each table, what must be deleted, put and added, whatever happened in between.

The rule it keeps: performing the result leaves a target exactly as performing the changes one by one would
(invariant 4). Everything works on whole columns; where nothing happened twice, the block's own lists are handed on.

Two values identify the same row where Python holds them equal, so 1, 1.0 and True are one key, as they are in the
unique index of every database; text and bytes are never equal; every NaN is the same key.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import chain, compress, count
from math import nan
from operator import ne
from types import NoneType
from typing import Final, cast

from sync.errors import ProtocolError
from sync.model.change import ABSENT, Block, Columns, Op, Value
from sync.model.schema import TableSchema
from sync.model.writes import Upserts, Writes

_IS_DELETE: Final = bytes(op == Op.DELETE for op in range(256))
_IS_ROW: Final = bytes(op != Op.DELETE for op in range(256))
_IS_CUT: Final = bytes(op != Op.INSERT for op in range(256))
_ABSENT_TYPE: Final = type(ABSENT)

_Ids = Sequence[Hashable]
"""Identities: the values themselves where one column identifies a row, else tuples of them."""


def net(blocks: Sequence[Block]) -> list[Writes]:
    """Reduce blocks to their net effect, in order of each table's first appearance.

    Several blocks of one table come in source order. A table whose schema changed in between gets one `Writes` for
    each schema, in order. A row deleted and put again stands in both, so that columns that do not travel take their
    defaults as they did on the source. A row that came in pieces (ABSENT columns) is put together. Where an identity
    is not unique (no key, or NULL inside the key), UPDATE and UPSERT mean DELETE and INSERT.

    Raises `ProtocolError` where a change does not say which row it means.
    """
    return [_of_table(run[0].schema, *_joined(run)) for run in _runs(blocks)]


def _runs(blocks: Sequence[Block]) -> list[list[Block]]:
    """Group the blocks by table and schema, leaving out the empty ones."""
    runs: list[list[Block]] = []
    current: dict[str, list[Block]] = {}
    for block in blocks:
        if not block.ops:
            continue
        run = current.get(block.schema.name)
        if run is not None and run[0].schema.fingerprint == block.schema.fingerprint:
            run.append(block)
        else:
            current[block.schema.name] = run = [block]
            runs.append(run)
    return runs


def _joined(run: list[Block]) -> tuple[bytes, Columns]:
    if len(run) == 1:
        return run[0].ops, run[0].columns
    columns = tuple([list(chain.from_iterable(pieces)) for pieces in zip(*(b.columns for b in run), strict=True)])
    return b"".join([block.ops for block in run]), columns


def _of_table(schema: TableSchema, ops: bytes, columns: Columns) -> Writes:
    truncate = ops.rfind(Op.TRUNCATE)
    if truncate >= 0:
        ops, columns = ops[truncate + 1 :], tuple([column[truncate + 1 :] for column in columns])
    identity, has_null = _identity(schema, columns)
    deletes: list[_Ids] = []
    upserts: tuple[Upserts, ...] = ()
    inserts: Columns = tuple([] for _ in schema.columns)
    if not ops:
        pass
    elif not schema.key:
        gone, inserts = _loose(_ids(identity), ops, columns)
        deletes.append(gone)
    elif has_null:
        in_key = [None in key for key in zip(*identity, strict=True)]
        gone, inserts = _loose(*_selected(identity, ops, columns, in_key))
        deletes.append(gone)
        unique = [not null for null in in_key]
        gone, upserts = _keyed(schema, _columns_of(identity, unique), *_part(ops, columns, unique))
        deletes.append(gone)
    else:
        gone, upserts = _keyed(schema, identity, ops, columns)
        deletes.append(gone)
    return Writes(schema, truncate >= 0, _delete_columns(deletes, len(identity)), upserts, inserts)


def _identity(schema: TableSchema, columns: Columns) -> tuple[Columns, bool]:
    """Give the identity columns, and whether NULL stands in one.

    Every NaN in them is made one and the same object, so that it equals itself.
    """
    identity: list[list[Value]] = []
    has_null = False
    for index in schema.identity:
        column = columns[index]
        types = set(map(type, column))
        if _ABSENT_TYPE in types:
            what = f"a change of {schema.name} does not say which row it means"
            why = f"column {schema.columns[index].name} identifies a row and is absent"
            raise ProtocolError(what, why, "This is a defect of the source; please report it.")
        has_null = has_null or NoneType in types
        if float in types and any(map(ne, column, column)):
            column = [nan if value != value else value for value in column]  # noqa: PLR0124 - only NaN differs from itself
        identity.append(column)
    return tuple(identity), has_null


def _ids(identity: Columns) -> _Ids:
    return identity[0] if len(identity) == 1 else list(zip(*identity, strict=True))


def _columns_of(columns: Columns, wanted: Iterable[object]) -> Columns:
    flags = list(wanted)
    return tuple([list(compress(column, flags)) for column in columns])


def _part(ops: bytes, columns: Columns, wanted: Sequence[bool]) -> tuple[bytes, Columns]:
    return bytes(compress(ops, wanted)), _columns_of(columns, wanted)


def _selected(identity: Columns, ops: bytes, columns: Columns, wanted: Sequence[bool]) -> tuple[_Ids, bytes, Columns]:
    return (_ids(_columns_of(identity, wanted)), *_part(ops, columns, wanted))


def _keyed(schema: TableSchema, identity: Columns, ops: bytes, columns: Columns) -> tuple[_Ids, tuple[Upserts, ...]]:
    """Net effect where an identity stands for one row: every deleted identity, and the last state of the others."""
    if Op.DELETE not in ops:
        return [], _put(schema, identity, columns, _said(ops))
    ids = _ids(identity)
    gone = list(dict.fromkeys(compress(ids, ops.translate(_IS_DELETE))))
    if len(gone) == len(ops):
        return gone, ()
    rows = ops.translate(_IS_ROW)
    if set(gone).isdisjoint(compress(ids, rows)):
        alive: Sequence[object] = rows
    else:
        is_delete = ops.translate(_IS_DELETE)
        last = dict(zip(compress(ids, is_delete), compress(count(), is_delete), strict=True))
        alive = [row and last.get(id_, -1) < place for place, (id_, row) in enumerate(zip(ids, rows, strict=True))]
    if not any(alive):
        return gone, ()
    return gone, _put(schema, _columns_of(identity, alive), _columns_of(columns, alive), Op.UPSERT)


def _said(ops: bytes) -> Op:
    """What the source says of all rows at once."""
    return next((op for op in (Op.INSERT, Op.UPDATE) if ops.count(op) == len(ops)), Op.UPSERT)


def _put(schema: TableSchema, identity: Columns, columns: Columns, said: Op) -> tuple[Upserts, ...]:
    """Last state of each row; nothing is copied where no row comes twice and none comes in pieces."""
    everything = tuple(range(len(columns)))
    size = len(columns[0])
    if not size:
        return ()
    pieces = [index for index in everything if index not in schema.key and ABSENT in columns[index]]
    if not pieces and _are_distinct(identity, size):
        return (Upserts(everything, columns, said),)
    ids = _ids(identity)
    last = dict(zip(ids, range(size), strict=True))
    # In order of the last change, which is where the source had brought all unique columns together.
    places = sorted(last.values())
    merged = [list(map(column.__getitem__, places)) for column in columns]
    if not pieces:
        return (Upserts(everything, tuple(merged), said),)
    finals = list(map(ids.__getitem__, places))
    for index in pieces:
        here = [value is not ABSENT for value in columns[index]]
        latest = dict(zip(compress(ids, here), compress(columns[index], here), strict=True))
        merged[index] = [latest.get(id_, ABSENT) for id_ in finals]
    return _by_presence(merged, pieces, said)


def _are_distinct(identity: Columns, size: int) -> bool:
    """Whether no identity comes twice; False also where that would take longer to find out than to do the work.

    Distinct hashes prove it, and need no tuple for each row to be kept.
    """
    if len(identity) == 1:
        return len(set(identity[0])) == size
    return len(set(map(hash, zip(*identity, strict=True)))) == size


def _by_presence(columns: Sequence[list[Value]], pieces: list[int], said: Op) -> tuple[Upserts, ...]:
    """Group rows by which of their columns are present."""
    open_ = [index for index in pieces if ABSENT in columns[index]]
    if not open_:
        return (Upserts(tuple(range(len(columns))), tuple(columns), said),)
    groups: dict[tuple[bool, ...], list[int]] = {}
    for place, absent in enumerate(zip(*([v is ABSENT for v in columns[i]] for i in open_), strict=True)):
        groups.setdefault(absent, []).append(place)
    upserts: list[Upserts] = []
    for absent, places in groups.items():
        missing = set(compress(open_, absent))
        present = tuple(index for index in range(len(columns)) if index not in missing)
        upserts.append(Upserts(present, tuple([list(map(columns[i].__getitem__, places)) for i in present]), said))
    return tuple(upserts)


def _loose(ids: _Ids, ops: bytes, columns: Columns) -> tuple[_Ids, Columns]:
    """Net effect where equal identities may stand for several rows: deletes, and the rows added after the last one."""
    cuts = ops.translate(_IS_CUT)
    last = dict(zip(compress(ids, cuts), compress(count(), cuts), strict=True))
    if not last:
        return [], columns
    kept = [
        op != Op.DELETE and last.get(id_, -1) <= place for place, (id_, op) in enumerate(zip(ids, ops, strict=True))
    ]
    return list(last), _columns_of(columns, kept)


def _delete_columns(deletes: Sequence[_Ids], width: int) -> Columns:
    ids = deletes[0] if len(deletes) == 1 else list(chain.from_iterable(deletes))
    if not ids:
        return tuple([] for _ in range(width))
    if width == 1:
        return (cast("list[Value]", list(ids)),)
    return tuple(map(list, zip(*cast("Sequence[tuple[Value, ...]]", ids), strict=True)))
