"""The batcher: whole transactions in order, bounded, and nothing gathered behind a chunk."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sync.core.batcher import Batcher, estimated_bytes
from sync.model.batch import Batch, Chunk, Commit, Purpose, Transaction
from sync.model.change import ABSENT, Block, Op, Row
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.model.tuples import Tuples

ONE = TableSchema("one", (Column("k", Type(Kind.INT32)), Column("v", Type(Kind.TEXT))), (0,))
TWO = TableSchema("two", ONE.columns, (0,))
WIDER = TableSchema("one", (Column("k", Type(Kind.INT64)), Column("v", Type(Kind.TEXT))), (0,))


def transaction(position: int, *tables: TableSchema, rows: int = 2, text: str = "x", start: int = 0) -> Transaction:
    """Changes of the tables in turn, so that their ordinals interleave."""
    blocks: list[Block] = []
    for place, table in enumerate(tables):
        values: list[tuple[Op, Row]] = [(Op.UPSERT, (position, text)) for _ in range(rows)]
        first = start + place
        ordinals = range(first, first + rows * len(tables), len(tables))
        block = Block.of(table, values)
        blocks.append(Block(table, block.ops, block.columns, ordinals))
    return Transaction(Position(position), position * 1000, tuple(blocks))


def chunk(table: TableSchema) -> Chunk:
    return Chunk(1, 0, table, Purpose.REPLACE, None, None, ([1], ["x"]), 1, bytes(16))


def part_of(whole: Transaction, part: int, *, last: bool) -> Transaction:
    return Transaction(whole.position, whole.committed_at_us, whole.blocks, part=part, last=last)


def drain(batcher: Batcher, transactions: list[Transaction]) -> list[Batch]:
    batches = [batch for one in transactions for batch in batcher.add(one)]
    rest = batcher.flush()
    return batches + ([rest] if rest else [])


def replay(batch: Batch) -> list[tuple[int, str, int]]:
    """Changes in ordinal order with the position of the commit that each belongs to."""
    changes = sorted((c.ordinal, b.schema.name, c.row[0]) for b in batch.blocks for c in b.changes())
    found: list[tuple[int, str, int]] = []
    for ordinal, table, key in changes:
        owner = next(commit.position for commit in batch.commits if ordinal < commit.end)
        assert isinstance(key, int)
        found.append((owner, table, key))
    return found


SPECS = st.lists(
    st.tuples(st.sampled_from(["", "1", "2", "12", "21", "w"]), st.integers(1, 3), st.booleans()), max_size=8
)


@given(SPECS, st.integers(1, 400))
def test_nothing_is_lost_reordered_or_mixed(specs: list[tuple[str, int, bool]], batch_bytes_max: int) -> None:
    """Invariants 1, 2, 3: every change comes once, in order, under its own transaction, whatever the batch size."""
    tables = {"1": ONE, "2": TWO, "w": WIDER}
    given_ = [
        transaction(i + 1, *(tables[name] for name in names), rows=rows) for i, (names, rows, _) in enumerate(specs)
    ]
    given_ = [
        Transaction(t.position, t.committed_at_us, t.blocks, (chunk(ONE),) if with_chunk else ())
        for t, (_, _, with_chunk) in zip(given_, specs, strict=True)
    ]
    batches = drain(Batcher("origin", 3, batch_bytes_max), given_)
    assert [c.position for b in batches for c in b.commits] == [t.position for t in given_]
    expected = [
        (t.position, c.schema.name, c.row[0])
        for t in given_
        for c in sorted((c for b in t.blocks for c in b.changes()), key=lambda change: change.ordinal)
    ]
    assert [change for batch in batches for change in replay(batch)] == expected
    for batch in batches:
        assert len({block.schema.name for block in batch.blocks}) == len(batch.blocks), "one block a table"
        assert all(list(b.ordinals) == sorted(set(b.ordinals)) for b in batch.blocks)
        assert (batch.origin, batch.epoch, batch.part, batch.last) == ("origin", 3, 0, True)
    stated = [(b.position, c) for b in batches for c in b.chunks]
    assert [p for p, _ in stated] == [t.position for t in given_ if t.chunks], "a chunk is the last word of its batch"


def test_single_transaction_is_handed_on_without_a_copy() -> None:
    whole = transaction(1, ONE, TWO)
    batcher = Batcher("o", 1, 1 << 20)
    assert batcher.add(whole) == []
    batch = batcher.flush()
    assert batch is not None
    assert all(mine is theirs for mine, theirs in zip(batch.blocks, whole.blocks, strict=True))
    assert batcher.flush() is None


def test_batch_is_closed_before_it_grows_too_large() -> None:
    """Invariant 7: only a transaction that is too large by itself makes a batch that is."""
    size = estimated_bytes(transaction(1, ONE))
    batches = drain(Batcher("o", 1, 2 * size + size // 2), [transaction(i, ONE) for i in range(1, 6)])
    assert [len(batch.commits) for batch in batches] == [2, 2, 1]


def test_full_batch_is_given_at_once() -> None:
    batcher = Batcher("o", 1, 10)
    assert [batch.position for batch in batcher.add(transaction(1, ONE))] == [1]
    assert batcher.flush() is None


def test_part_of_a_large_transaction_is_its_own_batch() -> None:
    """Invariant 2: the target must see where a transaction that it holds open begins and ends."""
    large = transaction(2, ONE)
    batcher = Batcher("o", 1, 1 << 20)
    batches = drain(
        batcher,
        [
            transaction(1, ONE),
            part_of(large, 0, last=False),
            part_of(transaction(2, ONE, start=2), 1, last=True),
            transaction(3, ONE),
        ],
    )
    assert [(b.position, b.part, b.last) for b in batches] == [(1, 0, True), (2, 0, False), (2, 1, True), (3, 0, True)]
    assert [b.commits[0].end for b in batches] == [2, 2, 4, 2]
    assert list(batches[2].blocks[0].ordinals) == [2, 3]


def test_changed_schema_begins_a_batch() -> None:
    batches = drain(Batcher("o", 1, 1 << 20), [transaction(1, ONE), transaction(2, WIDER), transaction(3, WIDER)])
    assert [[b.schema.fingerprint for b in batch.blocks] for batch in batches] == [
        [ONE.fingerprint],
        [WIDER.fingerprint],
    ]


def test_empty_transaction_still_moves_the_position() -> None:
    """Invariant 1: what the filter emptied must not be read again for ever."""
    (batch,) = drain(Batcher("o", 1, 1 << 20), [Transaction(Position(7), 7, ())])
    assert (batch.position, batch.blocks, batch.commits[0].end) == (7, (), 0)


def test_transaction_with_a_mark_ends_its_batch() -> None:
    marked = Transaction(Position(1), 1, (), marks=("m",))
    batches = drain(Batcher("o", 1, 1 << 20), [marked, transaction(2, ONE)])
    assert [(b.position, b.marks) for b in batches] == [(1, ("m",)), (2, ())]


def test_contiguous_ordinals_stay_a_range() -> None:
    (batch,) = drain(Batcher("o", 1, 1 << 20), [transaction(i, ONE) for i in (1, 2, 3)])
    assert batch.blocks[0].ordinals == range(6)


@given(st.lists(st.tuples(st.integers(), st.one_of(st.none(), st.text(), st.binary(), st.just(ABSENT))), max_size=40))
def test_size_is_estimated_for_any_values(rows: list[Row]) -> None:
    block = Block.of(ONE, [(Op.UPSERT, row) for row in rows])
    assert estimated_bytes(Transaction(Position(1), 1, (block,))) >= len(rows)


def test_one_large_value_among_many_is_seen() -> None:
    """Invariant 7: a sample would miss it."""
    rows: list[tuple[Op, Row]] = [(Op.UPSERT, (i, "x" * 1_000_000 if i == 501 else "x")) for i in range(1000)]
    assert estimated_bytes(Transaction(Position(1), 1, (Block.of(ONE, rows),))) > 1_000_000


def raw(position: int, rows: int, start: int = 0) -> Transaction:
    text = b"%d" % position
    cell = b"t" + len(text).to_bytes(4, "big") + text
    block = Block(ONE, bytes([Op.INSERT]) * rows, Tuples(ONE, 2 * cell * rows, rows), range(start, start + rows))
    return Transaction(Position(position), position * 1000, (block,))


def test_raw_rows_stay_raw_where_all_of_them_are() -> None:
    (batch,) = drain(Batcher("o", 1, 1 << 20), [raw(1, 2), raw(2, 3)])
    (block,) = batch.blocks
    assert isinstance(block.columns, Tuples)
    assert [row[0] for row in zip(*block.columns, strict=True)] == [1, 1, 2, 2, 2]
    (batch,) = drain(Batcher("o", 1, 1 << 20), [raw(1, 2), transaction(2, ONE)])
    assert [list(column) for column in batch.blocks[0].columns] == [[1, 1, 2, 2], ["1", "1", "x", "x"]]


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=4), max_size=4))
def test_a_run_of_transactions_is_as_good_as_each_of_them(runs: list[list[tuple[int, bool]]]) -> None:
    """Invariants 2 and 3: `earlier` says where each transaction ends, also where the filter took rows away."""
    single: list[Transaction] = []
    joined: list[Transaction] = []
    for run in runs:
        pieces: list[Block] = []
        commits: list[Commit] = []
        end = 0
        for rows, kept in run:
            made = raw(len(single) + 1, rows, end)
            end += rows
            commits.append(Commit(made.position, made.committed_at_us, end))
            single.append(made if kept else replace(made, blocks=()))
            pieces += single[-1].blocks
        tuples = Tuples.joined([b.columns for b in pieces if isinstance(b.columns, Tuples)]) if pieces else None
        ordinals = [ordinal for block in pieces for ordinal in block.ordinals]
        blocks = (Block(ONE, bytes([Op.INSERT]) * len(ordinals), tuples, ordinals),) if tuples else ()
        last = commits.pop()
        joined.append(Transaction(last.position, last.committed_at_us, blocks, earlier=tuple(commits)))
    given_, expected = drain(Batcher("o", 1, 1 << 20), joined), drain(Batcher("o", 1, 1 << 20), single)
    assert [replay(batch) for batch in given_] == [replay(batch) for batch in expected]
    assert [[c.position for c in b.commits] for b in given_] == [[c.position for c in b.commits] for b in expected]
    assert all(one.end <= other.end for batch in given_ for one, other in pairwise(batch.commits))
