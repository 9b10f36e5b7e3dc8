"""The decoder: frames in, transactions out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres.decoder import APPLIED_MESSAGE, MARK, Decoder, Limits
from adapters.postgres.relation import Wanted
from sync.errors import CatalogChanged, DatabaseRefused
from sync.model.batch import Transaction
from sync.model.change import ABSENT, Change, Op, Row, Value
from sync.model.schema import TableSchema
from sync.model.tuples import Tuples
from tests.unit.adapters.postgres import frames as f

KNOWN = dict.fromkeys(f.SCHEMA.column_names, (25, -1))
WANTED = {("public", "t"): Wanted(f.SCHEMA, KNOWN)}


def nothing(schema: TableSchema, keys: Sequence[Row]) -> dict[Row, Row]:
    return {}


def decode(*frames: bytes, decoder: Decoder | None = None) -> list[Transaction]:
    decoder = decoder or Decoder(WANTED, nothing)
    decoder.put(f.stream(*frames))
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
    decoder = Decoder({**WANTED, ("public", "u"): Wanted(other, KNOWN)}, nothing)
    rows = [f.insert([str(n), "a", None], f.OID + n % 2) for n in range(6)]
    found = decode(f.relation(), f.relation(oid=f.OID + 1, name="u"), *f.transaction(9, *rows), decoder=decoder)
    assert [change.row[0] for change in changes(found)] == list(range(6))
    assert [list(block.ordinals) for block in found[0].blocks] == [[0, 2, 4], [1, 3, 5]]


def owned(transactions: Sequence[Transaction]) -> list[tuple[int, Op, Row]]:
    """Every change with the position of the transaction that it belongs to, in order."""
    found: list[tuple[int, Op, Row]] = []
    for made in transactions:
        ends = [*((commit.end, commit.position) for commit in made.earlier), (1 << 62, made.position)]
        found += [(next(p for end, p in ends if c.ordinal < end), c.op, c.row) for c in changes([made])]
    return found


_ROW = st.one_of(
    st.tuples(st.just("I"), st.integers(0, 1), st.sampled_from(["", "x", None])),
    st.tuples(st.just("U"), st.integers(0, 1), st.sampled_from(["x" * 300, ABSENT, "Nt"])),
    st.tuples(st.just("D"), st.integers(0, 1), st.none()),
    st.tuples(st.just("M"), st.integers(0, 1), st.sampled_from(["x", ABSENT])),
    st.tuples(st.just("T"), st.integers(0, 1), st.none()),
)
_RUN = st.tuples(_ROW, st.integers(1, 9)).map(lambda pair: [pair[0]] * pair[1])
_BODY = st.lists(_RUN, max_size=4).map(lambda runs: [row for run in runs for row in run])
_TRANSACTION = st.tuples(
    st.one_of(_BODY, _BODY, st.just([("I", 0, "one row")])),
    st.sampled_from(["", "", "", "", "origin", "mark", "alive"]),
)
_HISTORY = st.lists(st.tuples(_TRANSACTION, st.integers(1, 5)), max_size=6).map(
    lambda runs: [each for each, count in runs for _ in range(count)]
)


def told(history: Sequence[tuple[Sequence[tuple[str, int, Value]], str]]) -> tuple[list[bytes], list[object]]:
    """A history as frames, and as the changes that must come of it."""
    frames, expected = [f.relation(), f.relation(oid=f.OID + 1, name="u")], []
    key = 0
    for at, (body, sign) in enumerate(history, 1):
        frames.append(f.begin(at, xid=at))
        frames += {"origin": [f.origin("admin_sync_1")], "mark": [f.message(MARK, str(at))]}.get(sign, [])
        found: list[object] = []
        for kind, table, value in body:
            oid, key = f.OID + table, key + 1
            if kind == "I":
                frames.append(f.insert([str(key), value, ""], oid))
                found.append((at, Op.INSERT, (key, value, "")))
            elif kind == "U":
                frames.append(f.update([str(key), None, value], oid=oid))
                found.append((at, Op.UPDATE, (key, None, value)))
            elif kind == "D":
                frames.append(f.delete([str(key), None, None], oid=oid))
                found.append((at, Op.DELETE, (key, ABSENT, ABSENT)))
            elif kind == "M":
                frames.append(f.update([str(-key), value, ""], [str(key), None, None], oid=oid))
                found += [(at, Op.DELETE, (key, ABSENT, ABSENT)), (at, Op.UPSERT, (-key, value, ""))]
            else:
                frames.append(f.truncate(oid))
                found.append((at, Op.TRUNCATE, (ABSENT, ABSENT, ABSENT)))
        frames += [f.keepalive(at)] if sign == "alive" else []
        frames.append(f.commit(at))
        expected += found if sign != "origin" else []
    return frames, expected


@given(_HISTORY, st.integers(3, 40), st.integers(1, 30), st.data())
def test_a_history_comes_as_it_was_however_it_arrives(
    history: list[tuple[list[tuple[str, int, Value]], str]], rows_max: int, together: int, data: st.DataObject
) -> None:
    """Invariants 1, 2, 3 and 7: parts are bounded, in order, and lose nothing, wherever the stream is cut."""
    frames, expected = told(history)
    other = TableSchema("u", f.SCHEMA.columns, (0,))
    wanted = {**WANTED, ("public", "u"): Wanted(other, KNOWN)}
    decoder = Decoder(wanted, nothing, Limits(rows_max, 1 << 18, together))
    stream = f.stream(*frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    found: list[Transaction] = []
    for start, end in pairwise([0, *cuts, len(stream)]):
        decoder.put(stream[start:end])
        found += decoder.transactions()
    assert owned(found) == expected
    assert all(made.change_count <= rows_max + together for made in found)
    assert all(made.change_count <= rows_max for made in found if made.part or not made.last)
    ends = [
        position for made in found if made.last for position in (*(c.position for c in made.earlier), made.position)
    ]
    assert ends == [at for at, (body, sign) in enumerate(history, 1) if sign == "mark" or (body and sign != "origin")]
    for made in found:
        parts = [other.part for other in found if other.position == made.position]
        assert parts == list(range(len(parts)))
    assert [made.marks for made in found if made.marks] == [
        (str(at),) for at, (_, sign) in enumerate(history, 1) if sign == "mark"
    ]
    assert not any(made.earlier for made in found if made.marks or made.part or not made.last)
    assert decoder.ended == (len(history) + 40 if history else 0)
    assert list(decoder.xids) == list(range(1, len(history) + 1))


def test_ending_early_leaves_the_rest_waiting() -> None:
    decoder = Decoder(WANTED, nothing, Limits(together_rows_max=1))
    decoder.put(
        f.stream(
            f.relation(), *f.transaction(1, f.insert(["1", "a", None])), *f.transaction(2, f.update(["2", "", ""]))
        )
    )
    first = next(iter(decoder.transactions()))
    assert (first.position, decoder.waiting, decoder.in_transaction) == (1, True, False)
    assert [made.position for made in decoder.transactions()] == [2]
    assert not decoder.waiting


def test_nothing_is_lost_behind_a_mark_where_the_reader_stops() -> None:
    """Invariant 1: rows of a run that were taken together with the mark's transaction wait for the next reader."""
    marked = [f.begin(2), f.message(MARK, "m"), f.insert(["2", "", ""]), f.commit(2)]
    others = [frame for n in (3, 4, 5) for frame in f.transaction(n, f.insert([str(n), "", ""]))]
    decoder = Decoder(WANTED, nothing, Limits(together_rows_max=2))
    decoder.put(f.stream(f.relation(), *f.transaction(1, f.insert(["1", "", ""])), *marked, *others))
    for made in decoder.transactions():
        if made.marks:
            break
    assert decoder.waiting
    assert [position for position, _, _ in owned(list(decoder.transactions()))] == [3, 4, 5]
    assert not decoder.waiting


def test_keepalives_are_heard_in_their_place() -> None:
    decoder = Decoder(WANTED, nothing)
    decoder.put(f.stream(f.keepalive(5), f.keepalive(7, asked=True)))
    assert (decoder.waiting, decoder.sent, decoder.asked) == (False, 7, True)
    decoder.put(f.stream(f.relation(), *f.transaction(9, f.insert(["1", "", ""]), f.keepalive(11)), f.keepalive(12)))
    assert (decoder.waiting, decoder.sent) == (True, 7)
    assert [made.change_count for made in decoder.transactions()] == [1]
    assert (decoder.waiting, decoder.sent) == (False, 12)


def test_rows_by_the_thousand_stay_raw() -> None:
    """Many rows in one transaction, and many transactions of one row, make one block of raw rows."""
    rows = [[str(n), "name " * (n % 7), "x"] for n in range(3000)]
    whole = f.transaction(1, *map(f.insert, rows))
    single = [frame for n, row in enumerate(rows) for frame in f.transaction(n + 1, f.insert(row), xid=n)]
    for stream, transactions in ((whole, 1), (single, 3000)):
        (made,) = decode(f.relation(), *stream)
        (block,) = made.blocks
        assert isinstance(block.columns, Tuples)
        assert [list(row) for row in zip(*block.columns, strict=True)] == [[n, *row[1:]] for n, row in enumerate(rows)]
        assert (len(made.earlier), block.ordinals) == (transactions - 1, range(3000))
        assert [commit.end for commit in made.earlier] == list(range(1, transactions))


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
    assert [change.row for change in changes(found) if change.op is Op.UPSERT] == [
        (2, "a", "large"),
        (4, "b", ABSENT),
    ]
    assert changes(found)[-1].row == (2, "c", ABSENT)
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


OTHER_FORMS = [["id", "title", "large"], ["name", "large"], ["id", "name"], ["id", "name", "large", "later"]]


@pytest.mark.parametrize("names", OTHER_FORMS)
def test_a_table_that_was_altered_after_the_catalog_was_read_is_not_guessed_at(names: list[str]) -> None:
    """Invariant 1: values that would go nowhere are an error, not a silence."""
    decoder = Decoder(WANTED, nothing, catalog_at=99)
    with pytest.raises(CatalogChanged, match="table t was altered"):
        decode(f.begin(100), f.relation(names), decoder=decoder)


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (["id", "title", "large"], [(1, ABSENT, "c")]),
        (["id", "name"], [(1, "b", ABSENT)]),
        (["name", "large"], []),
    ],
)
def test_what_is_older_than_the_catalog_is_read_as_far_as_it_means_the_same(names: list[str], rows: list[Row]) -> None:
    """A copy of the table follows; until then no value goes into a column that is another one."""
    decoder = Decoder(WANTED, nothing, catalog_at=100)
    values = dict(zip(["id", "name", "title", "large"], ["1", "b", "b", "c"], strict=True))
    made = f.insert([values[name] for name in names])
    found = decode(f.begin(100), f.relation(names), made, f.commit(100), decoder=decoder)
    assert [change.row for change in changes(found)] == rows


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
