"""The decoder: frames in, transactions out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres.decoder import APPLIED_MESSAGE, MARK, Decoder, Limits, Wanted
from sync.errors import DatabaseRefused
from sync.model.batch import Transaction
from sync.model.change import ABSENT, Change, Op, Row
from sync.model.schema import TableSchema
from tests.unit.adapters.postgres import frames as f

WANTED = {("public", "t"): Wanted(f.SCHEMA, frozenset(f.SCHEMA.column_names))}


def nothing(schema: TableSchema, keys: Sequence[Row]) -> dict[Row, Row]:
    return {}


def decode(*frames: bytes, decoder: Decoder | None = None) -> list[Transaction]:
    decoder = decoder or Decoder(WANTED, nothing)
    decoder.put(list(frames))
    return list(decoder.transactions())


def changes(transactions: Sequence[Transaction]) -> list[Change]:
    found = [change for made in transactions for block in made.blocks for change in block.changes()]
    return sorted(found, key=lambda change: change.ordinal)


def test_operations_become_changes() -> None:
    found = decode(
        f.relation(),
        *f.transaction(
            100,
            f.insert(["1", "a", None]),
            f.update(["1", "b", ABSENT]),
            f.update(["2", "c", "d"], ["1", None, None]),
            f.delete(["2", None, None]),
            f.truncate(f.OID),
        ),
    )
    assert [(made.position, made.part, made.last) for made in found] == [(100, 0, True)]
    assert [(change.op, change.row) for change in changes(found)] == [
        (Op.INSERT, (1, "a", None)),
        (Op.UPDATE, (1, "b", ABSENT)),
        (Op.DELETE, (1, ABSENT, ABSENT)),
        (Op.UPSERT, (2, "c", "d")),
        (Op.DELETE, (2, ABSENT, ABSENT)),
        (Op.TRUNCATE, (ABSENT, ABSENT, ABSENT)),
    ]


def test_ordinals_tell_the_order_between_tables() -> None:
    other = TableSchema("u", f.SCHEMA.columns, (0,))
    known = frozenset(other.column_names)
    decoder = Decoder({**WANTED, ("public", "u"): Wanted(other, known)}, nothing)
    rows = [f.insert([str(n), "a", None], f.OID + n % 2) for n in range(6)]
    found = decode(f.relation(), f.relation(oid=f.OID + 1, name="u"), *f.transaction(9, *rows), decoder=decoder)
    assert [change.row[0] for change in changes(found)] == list(range(6))
    assert [list(block.ordinals) for block in found[0].blocks] == [[0, 2, 4], [1, 3, 5]]


@given(st.integers(1, 7), st.lists(st.integers(0, 40), max_size=6), st.integers(1, 50))
def test_parts_hold_the_same_however_frames_arrive(rows_max: int, sizes: list[int], piece: int) -> None:
    """Invariants 2 and 7: parts are bounded, in order, and lose nothing, wherever the stream is cut."""
    stream, expected = [f.relation()], []
    for at, size in enumerate(sizes):
        rows = [[str(n), f"{at}", None] for n in range(size)]
        expected += [(at, n) for n in range(size)]
        stream += f.transaction(100 * at, *(f.insert(row) for row in rows))
    decoder = Decoder(WANTED, nothing, Limits(rows_max))
    found: list[Transaction] = []
    for start in range(0, len(stream), piece):
        found += decode(*stream[start : start + piece], decoder=decoder)
    got = [(made.position // 100, row) for made in found for block in made.blocks for row in block.columns[0]]
    assert got == expected
    assert all(made.change_count <= rows_max for made in found)
    assert [made.position for made in found if made.last] == [100 * at for at, size in enumerate(sizes) if size]
    assert [made.part for made in found if made.last] == [
        sum(other.position == made.position for other in found) - 1 for made in found if made.last
    ]


def test_ending_early_leaves_the_rest_waiting() -> None:
    decoder = Decoder(WANTED, nothing)
    decoder.put(
        [f.relation(), *f.transaction(1, f.insert(["1", "a", None])), *f.transaction(2, f.insert(["2", "", ""]))]
    )
    first = next(iter(decoder.transactions()))
    assert (first.position, decoder.waiting, decoder.in_transaction) == (1, True, False)
    assert [made.position for made in decoder.transactions()] == [2]
    assert not decoder.waiting


@pytest.mark.parametrize("sign", [f.origin("admin_sync_5"), f.message(APPLIED_MESSAGE, "")], ids=["origin", "message"])
def test_what_an_applier_wrote_is_left_out(sign: bytes) -> None:
    """Invariant 1's other side: no change goes in circles."""
    decoder = Decoder(WANTED, nothing)
    applied = f.transaction(1, sign, f.insert(["1", "a", None]), f.truncate(f.OID))
    own = f.transaction(2, f.origin("somebody"), f.insert(["2", "a", None]))
    found = decode(f.relation(), *applied, *own, decoder=decoder)
    assert [(made.position, made.change_count) for made in found] == [(2, 1)]
    assert decoder.ended == 42


def test_marks_come_with_their_transaction_and_others_do_not() -> None:
    inside = f.transaction(
        1, f.message(MARK, "one"), f.message("other", "x"), f.message(MARK, "now", transactional=False)
    )
    outside = [f.message(MARK, "now", transactional=False), *f.transaction(2)]
    assert [made.marks for made in decode(*inside, *outside)] == [("one",)]


def test_a_row_that_moved_is_completed() -> None:
    """Invariant 1: a large value that the server leaves out goes along to the new key."""
    asked: list[Row] = []

    def fetch(schema: TableSchema, keys: Sequence[Row]) -> dict[Row, Row]:
        asked.extend(keys)
        return {(2,): (2, "later", "large")}

    decoder = Decoder(WANTED, fetch)
    moved = f.transaction(
        1, f.update(["2", "a", ABSENT], ["1", None, None]), f.update(["4", "b", ABSENT], ["3", None, None])
    )
    found = decode(f.relation(), *moved, f.begin(2), f.update(["2", "c", ABSENT]), f.commit(2), decoder=decoder)
    assert [change.row for change in changes(found[:1]) if change.op is Op.UPSERT] == [
        (2, "a", "large"),
        (4, "b", ABSENT),
    ]
    assert changes(found[1:])[0].row == (2, "c", ABSENT)
    assert asked == [(2,), (4,)]


def test_other_tables_and_columns_are_left_out() -> None:
    """Invariant 5: what is not captured does not pass, whatever the publication says."""
    found = decode(
        f.relation(["secret", "large", "id", "name"]),
        f.relation(oid=1, name="calls"),
        *f.transaction(1, f.insert(["s", "l", "5", "n"]), f.insert(["1", "2", "3"], oid=1), f.truncate(1)),
    )
    assert [change.row for change in changes(found)] == [(5, "n", "l")]


def test_a_table_that_changes_its_form_begins_another_block() -> None:
    narrow = f.relation(["id", "name"])
    found = decode(
        narrow, f.begin(1), f.insert(["1", "a"]), f.relation(), f.relation(), f.insert(["2", "b", "c"]), f.commit(1)
    )
    assert [(made.part, made.last) for made in found] == [(0, False), (1, True)]
    assert [change.row for change in changes(found)] == [(1, "a", ABSENT), (2, "b", "c")]


@pytest.mark.parametrize("names", [["id", "title", "large"], ["name", "large"]])
def test_a_renamed_column_is_refused(names: list[str]) -> None:
    """Invariant 1: values that would go nowhere are an error, not a silence."""
    with pytest.raises(DatabaseRefused, match="definition changed"):
        decode(f.relation(names))


def test_the_base_moves_positions() -> None:
    decoder = Decoder(WANTED, nothing, base=1000)
    assert decode(f.relation(), *f.transaction(5, f.insert(["1", "", ""])), decoder=decoder)[0].position == 1005


_FRAMES = [
    f.relation(),
    *f.transaction(1, f.insert(["1", "a", None]), f.update(["2", "b", ABSENT], ["1", None, None]), f.truncate(f.OID)),
    *f.transaction(2, f.origin("o"), f.message(MARK, "m"), f.delete(["1", None, None])),
]


@given(st.data())
def test_whatever_comes_is_transactions_or_refused(data: st.DataObject) -> None:
    """Frames lost, doubled, cut, or with bytes turned over never end in a stray error."""
    stream = data.draw(st.lists(st.sampled_from(_FRAMES), max_size=8))
    broken = []
    for frame in stream:
        altered = bytearray(frame)
        for at in data.draw(st.lists(st.integers(25, len(frame) - 1), max_size=2)):
            altered[at] = data.draw(st.integers(0, 255))
        end = data.draw(st.sampled_from([len(frame), len(frame), len(frame) - 1, 26]))
        broken.append(bytes(altered[:end]))
    with suppress(DatabaseRefused):
        decode(*broken)
