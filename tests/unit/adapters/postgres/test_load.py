"""Raw rows loaded as lines leave what the same rows as values do, or nothing (invariants 2, 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from psycopg import pq

from adapters.postgres.connection import SESSION
from sync.core.lines import lines, opened
from sync.core.net import net
from sync.errors import RoleError
from sync.model.batch import Checkpoint
from sync.model.change import Block, Op
from sync.model.lines import Lines
from sync.model.position import Position
from sync.model.schema import TableSchema
from sync.model.tuples import Tuples
from tests.unit.adapters.postgres.secondary import Secondary
from tests.unit.model.test_tuples import packed

Make = Callable[..., Secondary]

COLUMNS = """
    id int PRIMARY KEY, small smallint, big bigint, yes bool, price numeric(10,2), any_number numeric,
    d double precision, t text, v varchar(9), c char(4), b bytea, u uuid, j jsonb, x json, day date,
    at timestamp(3), tz timestamptz, hour time, span interval,
    money money, ip inet, list text[], bits bit(3), r int4range, m mood
"""
ROWS = r"""
    (1, -1, 9007199254740993, true, 1.50, 1.500, 1e300, E'tab\t line\n back\\slash \r "quoted" \\N', 'ünï', 'ab',
     '\x00ff5c', gen_random_uuid(), '{"a": [1, null]}', '{ }', '2024-02-29',
     '2024-01-01 00:00:00.123', '2024-01-01 12:00+02', '23:59', '1 day 2 hours',
     '12.34', '10.0.0.0/8', ARRAY['a,b', NULL, '"'], '101', '[1,5)', 'ok'),
    (2, NULL, NULL, NULL, NULL, 'NaN', '-Infinity', '', '', '', '', NULL, 'null', NULL, 'infinity', '-infinity',
     '0044-03-15 00:00 BC', NULL, '-1 mon', '-0.01', '::1', '{}', NULL, 'empty', NULL),
    (3, 0, 0, false, 0, 0.000, -0.0, E'\\.', ' a ', ' ', '\x09', NULL, '[]', NULL, '0001-01-01', NULL, NULL, '24:00',
     'P0D', NULL, NULL, NULL, NULL, NULL, 'o''dd')
"""


def raw(on: Secondary, table: str, query: str, op: Op, schema: TableSchema | None = None) -> Block:
    """The rows of a query as the log would bring them."""
    session = on.app.pgconn
    session.exec_(SESSION.encode())
    result = session.exec_(query.encode())
    assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message
    rows = [[result.get_value(row, at) for at in range(result.nfields)] for row in range(result.ntuples)]
    schema = schema or on.tables[table]
    return Block(schema, bytes([op]) * len(rows), Tuples(schema, packed(rows), len(rows)), range(len(rows)))


def lines_of(*blocks: Block) -> list[Lines]:
    taken = [each for each in map(opened, blocks) if each is not None]
    assert len(taken) == len(blocks)
    made = lines(taken)
    assert made is not None
    return made


def load(on: Secondary, *blocks: Block, position: int = 1) -> bool:
    return on.target.load(lines_of(*blocks), Checkpoint("somewhere", 1, Position(position)))


def stored(on: Secondary) -> int | None:
    found = on.target.checkpoint("somewhere")
    return found.position if found else None


def test_every_type_arrives_as_it_was(secondary: Make) -> None:
    on = secondary(
        "CREATE TYPE mood AS ENUM ('ok', 'o''dd');"
        f"CREATE TABLE a ({COLUMNS}); CREATE TABLE taken (LIKE a INCLUDING ALL);"
        "CREATE TABLE valued (LIKE a INCLUDING ALL); CREATE TABLE origin (LIKE a INCLUDING ALL)"
    )
    on.app.execute("ALTER TABLE origin DISABLE TRIGGER ALL")
    on.app.execute(f"INSERT INTO origin VALUES {ROWS}".encode())
    for op, query in ((Op.INSERT, "TABLE origin"), (Op.UPDATE, "SELECT * FROM origin WHERE id > 1 ORDER BY id DESC")):
        assert load(on, raw(on, "taken", query, op))
        on.target.apply(net([raw(on, "valued", query, op)]), Checkpoint("somewhere", 1, Position(2)))
    for table in ("taken", "valued"):
        texts = f"SELECT {table}::text FROM {table} ORDER BY id"
        assert on.ask(texts) == on.ask("SELECT origin::text FROM origin ORDER BY id")
    assert load(on, raw(on, "taken", "SELECT * FROM origin WHERE id <> 2", Op.DELETE))
    assert on.ask("SELECT id FROM taken") == [(2,)]


def test_what_is_not_as_it_is_said_leaves_nothing_and_is_written_as_values(secondary: Make) -> None:
    on = secondary("CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE); CREATE TABLE o (id int PRIMARY KEY)")
    assert load(on, raw(on, "t", "SELECT n, 'n' || n FROM generate_series(1, 9) n", Op.INSERT))
    fine = raw(on, "o", "SELECT 1", Op.INSERT)
    for op, query in (
        (Op.INSERT, "SELECT 9, 'there'"),
        (Op.UPDATE, "SELECT 10, 'missing'"),
        (Op.UPSERT, "SELECT 10, 'n1'"),
        (Op.INSERT, "SELECT 11, 'twice' UNION ALL SELECT 11, 'twice'"),
        (Op.UPDATE, "VALUES (1, 'n2'), (2, 'n1')"),
    ):
        assert not load(on, fine, raw(on, "t", query, op), position=2)
        assert stored(on) == 1
        assert on.ask("SELECT count(*), max(id) FROM t WHERE name = 'n' || id") == [(9, 9)]
        assert on.ask("TABLE o") == []
    swap = raw(on, "t", "VALUES (1, 'n2'), (2, 'n1')", Op.UPDATE)
    assert on.target.apply(net([fine, swap]), Checkpoint("somewhere", 1, Position(2))) == 1
    assert on.ask("SELECT id FROM t WHERE name IN ('n1', 'n2') ORDER BY name") == [(2,), (1,)]


def test_inside_a_transaction_a_load_that_fails_leaves_the_parts_before_it(secondary: Make) -> None:
    on = secondary("CREATE TABLE t (id int PRIMARY KEY, v text)")
    on.target.begin()
    assert not on.target.load(lines_of(raw(on, "t", "SELECT 1, 'a'", Op.UPDATE)), None)
    assert on.target.load(lines_of(raw(on, "t", "SELECT 1, 'a'", Op.INSERT)), None)
    assert not on.target.load(lines_of(raw(on, "t", "SELECT n, 'b' FROM generate_series(1, 5) n", Op.INSERT)), None)
    assert on.target.load(lines_of(raw(on, "t", "SELECT n, 'c' FROM generate_series(2, 5) n", Op.INSERT)), None)
    assert not on.target.load(lines_of(raw(on, "t", "SELECT n, 'd' FROM generate_series(5, 6) n", Op.UPDATE)), None)
    assert on.target.load(lines_of(raw(on, "t", "SELECT n, 'd' FROM generate_series(4, 5) n", Op.UPDATE)), None)
    assert on.ask("TABLE t") == []
    on.target.commit(Checkpoint("somewhere", 1, Position(3)))
    assert on.ask("SELECT v, count(*) FROM t GROUP BY 1 ORDER BY 1") == [("a", 1), ("c", 2), ("d", 2)]
    assert stored(on) == 3


def test_a_table_that_is_not_the_same_here_is_left_to_the_values(secondary: Make) -> None:
    """A text that a column would read otherwise, and rows that no unique index tells apart."""
    on = secondary(
        "CREATE TABLE t (id int PRIMARY KEY, v varchar(20)); CREATE TABLE narrow (id int PRIMARY KEY, v varchar(5));"
        "CREATE TABLE loose (id int, v varchar(20))"
    )
    query = "SELECT 1, 'much too long'"
    columns = on.tables["t"].columns
    for name, table in (("narrow", "narrow"), ("loose", "loose"), ("gone", "gone")):
        schema = TableSchema(name, columns, (0,))
        assert not load(on, raw(on, table, query, Op.INSERT, schema))
    assert not load(
        on,
        raw(on, "t", query, Op.INSERT, TableSchema("t", (columns[0], replace(columns[1], name="w")), (0,))),
    )
    assert load(on, raw(on, "loose", query, Op.INSERT, TableSchema("loose", on.tables["loose"].columns)))


def test_a_lower_epoch_is_fenced(secondary: Make) -> None:
    """Invariant 6."""
    on = secondary("CREATE TABLE t (id int PRIMARY KEY)")
    on.target.apply([], Checkpoint("somewhere", 5, Position(1)))
    for op in (Op.INSERT, Op.UPSERT):
        with pytest.raises(RoleError):
            on.target.load(lines_of(raw(on, "t", "SELECT 1", op)), Checkpoint("o'ld\\", 4, Position(1)))
        on.target.rollback()
    assert on.target.load(lines_of(raw(on, "t", "SELECT 1", Op.INSERT)), Checkpoint("o'ld\\", 5, Position(1)))
    assert on.target.checkpoint("o'ld\\") == Checkpoint("o'ld\\", 5, Position(1))


def test_without_superuser_lines_pass_the_guard(secondary: Make, url: str) -> None:
    with_rights = "CREATE ROLE loader LOGIN; GRANT ALL ON SCHEMA public TO loader; GRANT ALL ON DATABASE {} TO loader"
    on = secondary(
        with_rights.format(url.rpartition("/")[2].partition("?")[0]) + "; CREATE TABLE t (id int PRIMARY KEY)"
    )
    on.app.execute("GRANT ALL ON t, admin_sync.checkpoint TO loader; GRANT USAGE ON SCHEMA admin_sync TO loader")
    on.target.close()
    on.target = on.target.__class__(on.url.replace("postgres@", "loader@"))
    on.target.open()
    assert load(on, raw(on, "t", "SELECT n FROM generate_series(1, 9) n", Op.INSERT))
    assert load(on, raw(on, "t", "SELECT n FROM generate_series(1, 8) n", Op.DELETE), position=2)
    assert on.ask("TABLE t") == [(9,)]
    on.target.close()
    on.app.execute("DROP OWNED BY loader; DROP ROLE loader")
