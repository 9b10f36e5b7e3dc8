"""Batches for tests: strategies that reach every encoding, and a comparison that sees every difference."""

from __future__ import annotations

from itertools import accumulate, cycle, islice
from typing import TypeVar

from hypothesis import strategies as st

from sync.model.batch import Batch, Chunk, Commit, Purpose
from sync.model.change import ABSENT, Block, Columns, Op, Row, Value
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.model.tuples import Tuples

TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)  # any code point, lone surrogates too
NAMES = st.text(max_size=12)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -0.0])
PRESENT: st.SearchStrategy[Value] = st.one_of(st.none(), st.booleans(), INTEGERS, FLOATS, TEXTS, st.binary(max_size=12))
LENGTHS = st.sampled_from([1, 2, 3, 40, 1023, 1024, 1025, 2500])


T = TypeVar("T")


def tiled(values: list[T], count: int) -> list[T]:
    return list(islice(cycle(values), count))


@st.composite
def columns_of(draw: st.DrawFn, count: int, *, whole: bool = False) -> list[Value]:
    """A column of one of the shapes that have an encoding of their own, or of none; without ABSENT where `whole`."""
    kinds: list[st.SearchStrategy[Value]] = [PRESENT, INTEGERS, TEXTS, FLOATS, TEXTS | st.none()]
    if not whole:
        kinds += [st.just(ABSENT), PRESENT | st.just(ABSENT)]
    some = draw(st.lists(draw(st.sampled_from(kinds)), min_size=1, max_size=6))
    values = tiled(some, count)
    if draw(st.booleans()) and all(type(value) is int for value in some):
        return sorted(values)  # type: ignore[type-var]  # only ints
    return values


@st.composite
def schemas(draw: st.DrawFn) -> TableSchema:
    names = draw(st.lists(st.text("abcdefgh_é", min_size=1, max_size=6), min_size=1, max_size=5, unique=True))
    types = st.builds(Type, st.sampled_from(Kind), st.integers(0, 200), st.integers(0, 9), st.sampled_from(["", "day"]))
    columns = tuple(Column(name, draw(types), draw(st.booleans())) for name in names)
    key = draw(st.lists(st.integers(0, len(names) - 1), unique=True, max_size=3))
    return TableSchema(draw(st.text("tuvw.", min_size=1, max_size=8)), columns, tuple(key))


@st.composite
def raw_rows(draw: st.DrawFn, schema: TableSchema, count: int) -> Tuples:
    """Rows as pgoutput has them; texts are of no type, so that only text columns can be read."""
    texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12).map(str.encode)
    cells = st.one_of(texts.map(lambda text: b"t" + len(text).to_bytes(4, "big") + text), st.sampled_from([b"n", b"u"]))
    some: list[bytes] = draw(st.lists(cells, min_size=1, max_size=6))
    return Tuples(schema, b"".join(cell for cell in tiled(some, count * len(schema.columns))), count)


@st.composite
def blocks(draw: st.DrawFn, schema: TableSchema, first: int) -> Block:
    count = draw(LENGTHS)
    ops = bytes(tiled(draw(st.lists(st.sampled_from(list(map(int, Op))), min_size=1, max_size=3)), count))
    columns: Columns = tuple(draw(columns_of(count)) for _ in schema.columns)
    if draw(st.integers(0, 3)) == 0:
        columns = draw(raw_rows(schema, count))
    steps = tiled(draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)), count)
    ordinals = list(accumulate(steps, initial=first))[:count]
    return Block(schema, ops, columns, ordinals if draw(st.booleans()) else range(first, first + count))


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    schema = draw(schemas())
    purpose = draw(st.sampled_from(Purpose))
    count = draw(st.integers(0, 30))
    sent = 0 if purpose is Purpose.DIGEST and draw(st.booleans()) else count
    columns: Columns = tuple(draw(columns_of(sent, whole=True)) if sent else [] for _ in schema.columns)
    bound = st.none() | st.tuples(*[PRESENT for _ in schema.identity])
    bounds: tuple[Row | None, Row | None] = (draw(bound), draw(bound))
    numbers = (draw(st.integers(0, 2**40)), draw(st.integers(0, 99)))
    return Chunk(*numbers, schema, purpose, *bounds, columns, count, draw(st.binary(max_size=16)))


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    made: list[Block] = []
    first = draw(st.integers(0, 2**40))
    for schema in draw(st.lists(schemas(), max_size=3, unique_by=lambda schema: schema.name)):
        made.append(draw(blocks(schema, first)))
        first = made[-1].ordinals[-1] + 1
    whole = draw(st.booleans())
    count = draw(st.integers(1, 5)) if whole else 1
    positions = sorted(draw(st.sets(st.integers(0, 2**63 - 1), min_size=count, max_size=count)))
    ends = [*sorted(draw(st.lists(st.integers(0, first), min_size=count - 1, max_size=count - 1))), first]
    times = draw(st.lists(st.integers(-(2**50), 2**60), min_size=count, max_size=count))
    return Batch(
        origin=draw(NAMES),
        epoch=draw(st.integers(0, 2**63 - 1)),
        commits=tuple(map(Commit, map(Position, positions), times, ends)),
        blocks=tuple(made),
        chunks=tuple(draw(st.lists(chunks(), max_size=2))),
        marks=tuple(draw(st.lists(TEXTS, max_size=2))),
        part=0 if whole else draw(st.integers(0, 9)),
        last=whole or draw(st.booleans()),
    )


def exact(batch: Batch) -> str:
    """All of a batch as text: repr tells 1 from True, 0.0 from -0.0, and shows every NaN as equal to itself."""
    made = [(b.schema, b.ops, _shown(b.columns), list(b.ordinals)) for b in batch.blocks]
    return repr((batch.origin, batch.epoch, batch.commits, made, batch.chunks, batch.marks, batch.part, batch.last))


def _shown(columns: Columns) -> object:
    return (columns.rows, columns.body) if isinstance(columns, Tuples) else columns


def users(count: int = 1, op: Op = Op.UPDATE) -> Batch:
    """A rename of some users, as the sample site has them."""
    texts = {"user_id": 32, "user_type": 8, "room": 16, "phone": 20}
    names = ("user_id", "user_type", "login_acd", "max_windows", "min_refresh", "room", "phone", "chg_dt")
    made = [
        Column(name, Type(Kind.CHAR, texts[name]) if name in texts else Type(Kind.INT16), name != "user_id")
        for name in names
    ]
    made[-1] = Column("chg_dt", Type(Kind.DATETIME, qualifier="year to second"))
    schema = TableSchema("users", tuple(made), (0,))
    rows: list[Row] = [
        (f"sup{i:05d}", "Admin", i % 8 + 1, 4, 30, f"R {i % 40}", f"555-{i:04d}", "2026-11-24 23:00:00")
        for i in range(count)
    ]
    block = Block.of(schema, [(op, row) for row in rows])
    return Batch("cms-east/3f2a90bc", 4, (Commit(Position(5_000_123), 1_795_563_142_000_000, count),), (block,))
