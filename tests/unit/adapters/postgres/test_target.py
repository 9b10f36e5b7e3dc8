"""The target beyond the contract: what PostgreSQL's tables and rights ask for."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres import session
from adapters.postgres.decoder import APPLIED_MESSAGE
from adapters.postgres.target import PostgresTarget
from sync.core.net import net
from sync.errors import DatabaseError, RowRefused
from sync.model.batch import Checkpoint
from sync.model.change import ABSENT, Block, Change, Op, Row
from sync.model.position import Position
from sync.model.schema import TableSchema
from tests.unit.adapters.postgres.secondary import ARRAY_ROWS_MAX, Secondary

pytestmark = pytest.mark.postgres

Make = Callable[..., Secondary]
MANY = ARRAY_ROWS_MAX + 10
SIZES = pytest.mark.parametrize("count", [3, MANY], ids=["arrays", "copy"])


@SIZES
def test_rows_that_swap_a_unique_name_are_repaired_and_keep_their_other_columns(secondary: Make, count: int) -> None:
    """Invariant 1: PostgreSQL checks a unique index row by row, the end state is what counts."""
    on = secondary("CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE, own text DEFAULT 'new')")
    schema = on.schema("t", "id", "name")
    assert on.write(schema, *((Op.UPSERT, (n, str(n))) for n in range(count))) == 0
    on.app.execute("ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET own = 'mine'; ALTER TABLE t ENABLE TRIGGER ALL")
    turned: list[tuple[Op, Row]] = [(Op.UPSERT, (n, str((n + 1) % (count + 1)))) for n in range(count + 1)]
    assert on.write(schema, *turned) == 1
    expected = [(n, str((n + 1) % (count + 1)), "mine" if n < count else "new") for n in range(count + 1)]
    assert on.ask("SELECT * FROM t ORDER BY id") == expected


@SIZES
@pytest.mark.parametrize(
    ("ddl", "bad", "column"),
    [
        ("v int NOT NULL", None, "v"),
        ("v varchar(3)", "abcd", "v"),
        ("v int CONSTRAINT positive CHECK (v > 0)", -1, "v"),
        ("v smallint", 40_000, "v"),
        ("v numeric(4,2)", "123.45", "v"),
        ("v date", "2024-02-30", "v"),
        ("v int, u text GENERATED ALWAYS AS ('x' || v) STORED UNIQUE", 1, "u"),
    ],
)
def test_one_row_that_does_not_fit_is_named(secondary: Make, count: int, ddl: str, bad: object, column: str) -> None:
    """Invariant 1: a refusal names table, key and column; nothing of the transaction stays."""
    on = secondary(f"CREATE TABLE t (id int PRIMARY KEY, {ddl})")
    good: dict[str, object] = {"varchar(3)": "abc", "numeric(4,2)": "1.50", "date": "2024-02-29"}
    fits = next((value for name, value in good.items() if name in ddl), 1)
    distinct = [n + 2 for n in range(count)] if "UNIQUE" in ddl else [fits] * count
    rows: list[Row] = [(n, distinct[n]) for n in range(count)]  # type: ignore[misc]
    rows[1] = (1, bad)  # type: ignore[assignment]
    if "UNIQUE" in ddl:
        rows[0] = (0, bad)  # type: ignore[assignment]
    with pytest.raises(RowRefused) as refused:
        on.put("t", rows)
    assert (refused.value.table, refused.value.column) == ("t", column)
    assert refused.value.key == "(id=1)"
    assert on.ask("SELECT * FROM t") == []


def test_a_refused_row_does_not_hide_behind_a_swap(secondary: Make) -> None:
    on = secondary("CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE, n int CHECK (n < 10))")
    on.put("t", [(1, "a", 1), (2, "b", 1), (3, "c", 1)])
    with pytest.raises(RowRefused) as refused:
        on.put("t", [(1, "b", 1), (2, "a", 1), (3, "c", 99)])
    assert (refused.value.key, refused.value.column) == ("(id=3)", "n")


def test_earlier_writes_of_the_transaction_survive_a_repair(secondary: Make) -> None:
    """Invariant 2: the parts of a large transaction are one."""
    on = secondary("CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE)")
    on.put("t", [(1, "a"), (2, "b")])
    on.target.begin()
    block = [(Op.UPSERT, (n, f"n{n}")) for n in range(10, 10 + MANY)]
    on.target.write(net([Block.of(on.tables["t"], block)]))
    assert on.target.write(net([Block.of(on.tables["t"], [(Op.UPSERT, (1, "b")), (Op.UPSERT, (2, "a"))])])) == 1
    on.target.write(net([Block.of(on.tables["t"], [(op, (row[0] + MANY, f"m{row[0]}")) for op, row in block])]))
    on.target.commit(Checkpoint("somewhere", 1, Position(2)))
    assert on.ask("SELECT count(*), min(name) FROM t") == [(2 * MANY + 2, "a")]


@SIZES
def test_identity_and_serial_columns_keep_the_source_values(secondary: Make, count: int) -> None:
    on = secondary(
        "CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int);"
        "CREATE TABLE s (id serial PRIMARY KEY, v int, n int GENERATED ALWAYS AS IDENTITY)"
    )
    for put in range(2):
        on.put("a", [(n * 10, put) for n in range(count)])
        on.put("s", [(n * 10, put, n * 7 + put) for n in range(count)])
    assert on.ask("SELECT * FROM a ORDER BY id") == [(n * 10, 1) for n in range(count)]
    assert on.ask("SELECT * FROM s ORDER BY id") == [(n * 10, 1, n * 7 + 1) for n in range(count)]


@SIZES
@pytest.mark.parametrize("commits", [True, False], ids=["apply", "write"])
def test_rows_that_are_there_or_missing_take_the_other_form(secondary: Make, count: int, commits: bool) -> None:
    """Invariant 4: also behind other writes of the same transaction, and those stay."""
    on = secondary("CREATE TABLE t (id int PRIMARY KEY, v text, own text DEFAULT 'new')")
    table = on.schema("t", "id", "v")

    def put(op: Op, first: int, value: str) -> int:
        writes = net([Block.of(table, [(op, (first + n, value)) for n in range(count)])])
        if commits:
            return on.target.apply(writes, Checkpoint("somewhere", 1, Position(1)))
        on.target.begin()
        repairs = on.target.write(net([Block.of(table, [(Op.UPSERT, (-1, value))])])) + on.target.write(writes)
        on.target.commit(Checkpoint("somewhere", 1, Position(1)))
        return repairs

    put(Op.INSERT, 0, "a")
    put(Op.INSERT, 1, "b")
    assert put(Op.UPDATE, 1, "c") == 0
    assert put(Op.UPDATE, 2, "d") == (1 if count == MANY else 0)
    put(Op.INSERT, 3, "e")
    found = on.ask("SELECT v, own, count(*) FROM t WHERE id >= 0 GROUP BY 1, 2 ORDER BY 1")
    assert found == [("a", "new", 1), ("c", "new", 1), ("d", "new", 1), ("e", "new", count)]
    assert on.ask("SELECT count(*) FROM t WHERE id < 0") == [(0 if commits else 1,)]


def test_a_script_that_fails_leaves_no_trace_of_its_staging_tables(secondary: Make) -> None:
    on = secondary(
        "CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v < 9)); CREATE TABLE o (id int PRIMARY KEY, v int)"
    )
    rows = [(n, 1) for n in range(MANY)]
    on.put("t", rows)
    with pytest.raises(RowRefused, match="id=7"):
        on.write(on.tables["t"], *((Op.UPDATE, (n, 99 if n == 7 else 2)) for n, _ in rows))
    assert on.put("o", rows) == 0
    assert on.write(on.tables["t"], *((Op.UPDATE, (n, 3)) for n, _ in rows)) == 0
    assert on.ask("SELECT DISTINCT v FROM t") == [(3,)]


@SIZES
def test_rows_without_a_key_are_found_by_all_their_columns(secondary: Make, count: int) -> None:
    on = secondary("CREATE TABLE t (a int, b text, j json, c char(4))")
    rows: list[Row] = [(n % 3 or None, f"{n}", '{"x": 1}', "x" if n % 2 else None) for n in range(count)]
    on.write(on.tables["t"], *((Op.INSERT, row) for row in rows), (Op.INSERT, rows[0]))
    assert on.ask("SELECT count(*) FROM t") == [(count + 1,)]
    on.write(on.tables["t"], *((Op.DELETE, row) for row in rows[:-1]))
    assert on.target.read_range(on.tables["t"], None, None) == tuple([value] for value in rows[-1])


@SIZES
def test_a_key_that_no_index_of_the_target_backs_still_finds_its_row(secondary: Make, count: int) -> None:
    on = secondary("CREATE TABLE t (id int, v text, own text DEFAULT 'new')")
    keyed = TableSchema("t", on.tables["t"].columns[:2], (0,))
    on.write(keyed, *((Op.UPSERT, (n, "a")) for n in range(count)))
    on.app.execute("ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET own = 'mine'; ALTER TABLE t ENABLE TRIGGER ALL")
    on.write(keyed, *((Op.UPSERT, (n, "b")) for n in range(count + 1)))
    assert on.ask("SELECT v, own, count(*) FROM t GROUP BY 1, 2 ORDER BY 2") == [("b", "mine", count), ("b", "new", 1)]


def test_partitions_other_schemas_and_odd_names_are_written_through_their_root(secondary: Make) -> None:
    on = secondary(
        'CREATE SCHEMA "O\'dd"; CREATE TABLE "O\'dd"."a""b$1%s" ("k%s" int, "Mixed Case" text, PRIMARY KEY ("k%s"))'
        ' PARTITION BY RANGE ("k%s"); CREATE TABLE low PARTITION OF "O\'dd"."a""b$1%s" FOR VALUES FROM (0) TO (10);'
        ' CREATE TABLE high PARTITION OF "O\'dd"."a""b$1%s" DEFAULT'
    )
    (name,) = on.tables
    on.put(name, [(n, "x") for n in range(MANY)])
    on.put(name, [(5, "y"), (50, "z")])
    on.write(on.tables[name], (Op.DELETE, (6, ABSENT)))
    assert on.ask("SELECT count(*) FROM low") == [(9,)]
    assert on.target.read_range(on.tables[name], (4,), (7,)) == ([5, 7], ["y", "x"])


def test_cascades_and_foreign_keys_stay_quiet_for_the_applier(secondary: Make) -> None:
    """The source did what a cascade does, and sends it; the order inside a batch is not the order of the keys."""
    on = secondary(
        "CREATE TABLE p (id int PRIMARY KEY);CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE)"
    )
    on.put("c", [(1, 7)])
    on.put("p", [(7,)])
    on.write(on.tables["p"], (Op.DELETE, (7,)))
    assert on.ask("SELECT * FROM c") == [(1, 7)]


def test_a_table_that_changed_is_seen_without_a_new_session(secondary: Make) -> None:
    on = secondary("CREATE TABLE t (id int PRIMARY KEY, v varchar(2))")
    on.put("t", [(1, "a")])
    with pytest.raises(RowRefused):
        on.put("t", [(1, "abc")])
    on.app.execute("ALTER TABLE t ALTER v TYPE text, ALTER id TYPE bigint")
    on.put("t", [(1, "abc"), (2**40, "b")])
    on.app.execute("ALTER TABLE t DROP CONSTRAINT t_pkey")
    on.put("t", [(1, "abcd")])
    on.app.execute("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v text)")
    on.put("t", [(1, "new")])
    on.app.execute("ALTER TABLE t DROP COLUMN v")
    with pytest.raises(RowRefused) as refused:
        on.put("t", [(1, "newer")])
    assert refused.value.column == "v"


def test_rolled_back_staging_tables_are_made_again(secondary: Make) -> None:
    on = secondary("CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v < 5))")
    for bad in (9, 1):
        rows: list[tuple[Op, Row]] = [(Op.UPSERT, (n, 1)) for n in range(MANY)]
        rows.append((Op.UPSERT, (MANY, bad)))
        if bad == 1:
            on.write(on.tables["t"], *rows)
        else:
            with pytest.raises(RowRefused):
                on.write(on.tables["t"], *rows)
    assert on.ask("SELECT count(*) FROM t") == [(MANY + 1,)]


def test_write_ordered_names_the_row_too(secondary: Make) -> None:
    on = secondary("CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL)")
    on.target.begin()
    with pytest.raises(RowRefused) as refused:
        on.target.write_ordered(
            [Change(on.tables["t"], Op.INSERT, (1, 1)), Change(on.tables["t"], Op.UPDATE, (2, None))]
        )
    on.target.rollback()
    assert (refused.value.key, refused.value.column) == ("(id=2)", "v")


def test_a_lost_connection_is_one_of_our_errors_at_every_call(secondary: Make) -> None:
    on = secondary("CREATE TABLE t (id int PRIMARY KEY)")
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    on.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    on.target.begin()
    with pytest.raises(DatabaseError):
        on.target.write(net([Block.of(on.tables["t"], [(Op.INSERT, (1,))])]))
    on.target.rollback()
    for call in (on.target.epoch, on.target.flush, on.target.tables):
        with pytest.raises(DatabaseError):
            call()
    on.target.close()
    on.target.open()
    on.put("t", [(1,)])


def test_flush_makes_earlier_commits_durable(secondary: Make) -> None:
    """Invariant 9: a commit is only visible; what is reported durable the server's log has on disk."""
    on = secondary("CREATE TABLE t (id int PRIMARY KEY)")
    on.put("t", [(1,)])
    before = str(on.ask("SELECT pg_current_wal_insert_lsn()")[0][0])
    on.target.flush()
    assert on.ask(f"SELECT pg_current_wal_flush_lsn() >= '{before}'") == [(True,)]


def test_the_log_is_followed_without_waiting_for_it(secondary: Make) -> None:
    """Invariant 9: what is called durable is on the disk, also while a transaction is open."""
    on = secondary("CREATE TABLE t (id int PRIMARY KEY)")
    ends: list[object] = [None]
    for number in range(1, 60):
        on.put("t", [(number,)])
        ends.append(on.ask("SELECT pg_current_wal_insert_lsn()")[0][0])
        found = on.target.durable(Position(number))
        if found:
            assert on.ask(f"SELECT pg_current_wal_flush_lsn() >= '{ends[found]}'") == [(True,)]
    on.target.begin()
    on.target.write(net([Block.of(on.tables["t"], [(Op.INSERT, (1000,))])]))
    assert on.target.durable(Position(60)) <= 60
    on.target.commit(Checkpoint("somewhere", 1, Position(61)))
    on.target.flush()
    assert on.target.durable(Position(61)) == 61


def test_two_appliers_can_not_work_at_once(secondary: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_ORIGIN_TRIES", 1)
    on = secondary("CREATE TABLE t (id int PRIMARY KEY)")
    other = PostgresTarget(on.url)
    with pytest.raises(DatabaseError, match="55006"):
        other.open()
    on.target.close()


UNPRIVILEGED = """
DROP ROLE IF EXISTS {role};
CREATE ROLE {role} LOGIN;
GRANT CREATE, TEMPORARY ON DATABASE {database} TO {role};
GRANT ALL ON SCHEMA public TO {role};
SET ROLE {role};
CREATE TABLE p (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p DEFERRABLE);
RESET ROLE;
"""


def unprivileged(url: str) -> tuple[str, str]:
    """DDL and name of a role of this database's own that is no superuser."""
    database = conninfo_to_dict(url)["dbname"]
    return UNPRIVILEGED.format(role=f"role_{database}", database=database), f"role_{database}"


def test_without_superuser_the_applier_passes_guard_and_deferrable_constraints(secondary: Make, url: str) -> None:
    on = secondary(*unprivileged(url))
    on.target.begin()
    on.target.write(net([Block.of(on.tables["c"], [(Op.INSERT, (1, 7))])]))
    on.target.write(net([Block.of(on.tables["p"], [(Op.INSERT, (n, f"{n}")) for n in range(MANY)])]))
    on.target.commit(Checkpoint("somewhere", 1, Position(1)))
    assert on.put("p", [(1, "2"), (2, "1")]) == 1
    on.target.flush()
    with pytest.raises(psycopg.Error, match="make the change on cms-east"):
        on.app.execute("UPDATE p SET name = 'x'")
    assert on.ask("SELECT * FROM c, p WHERE p.id = c.p") == [(1, 7, 7, "7")]


def test_without_superuser_a_deferred_constraint_is_named_at_commit(secondary: Make, url: str) -> None:
    on = secondary(*unprivileged(url))
    with pytest.raises(RowRefused, match="c_p_fkey") as refused:
        on.put("c", [(1, 7)])
    assert refused.value.table == "c"
    on.put("p", [(7, "a")])
    on.put("c", [(1, 7)])


def test_without_superuser_a_swap_never_takes_the_rows_of_a_cascade_along(secondary: Make, url: str) -> None:
    """Invariant 1: where foreign keys fire, the applier would rather stop than delete what the primary kept."""
    ddl, user = unprivileged(url)
    on = secondary(ddl.replace("REFERENCES p", "REFERENCES p ON DELETE CASCADE"), user)
    on.put("p", [(1, "a"), (2, "b")])
    on.put("c", [(10, 1), (20, 2)])
    with pytest.raises(RowRefused, match="c_p_fkey") as refused:
        on.put("p", [(1, "b"), (2, "a")])
    assert "session_replication_role" in refused.value.remedy
    assert on.ask("SELECT * FROM c ORDER BY id") == [(10, 1), (20, 2)]
    on.put("p", [(1, "c")])


def test_without_superuser_what_is_applied_is_marked_in_the_log(secondary: Make, url: str) -> None:
    on = secondary(*unprivileged(url))
    on.ask("SELECT pg_create_logical_replication_slot('look', 'test_decoding')")
    on.put("p", [(7, "a")])
    on.target.flush()
    seen = [str(line) for (line,) in on.ask("SELECT data FROM pg_logical_slot_get_changes('look', NULL, NULL)")]
    assert [APPLIED_MESSAGE in line for line in seen[1:2]] == [True]
