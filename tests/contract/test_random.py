"""Any sequence of changes, read and applied at any moments, leaves both servers equal."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.model.schema import TableSchema
from tests.contract.pair import ANYTHING, COMPOSITE, KEYED, KEYLESS, LOOSE, Pair
from tests.contract.servers import Delete, Insert, Server, Step, Update

_ANY = st.sampled_from([None, 0, 1, 1.5, "", "x", b"x"])
_TEXT = st.sampled_from([None, "x", "X", "é"])
_ROWS = {
    KEYED: st.tuples(st.integers(0, 3), _TEXT, st.sampled_from([None, 0, 5])),
    COMPOSITE: st.tuples(st.integers(0, 1), st.sampled_from(["a", "A"]), _TEXT),
    KEYLESS: st.tuples(st.sampled_from([None, 0, 1]), _TEXT),
    LOOSE: st.tuples(st.sampled_from([None, 0, 1]), _TEXT, _TEXT),
    ANYTHING: st.tuples(st.integers(0, 2), _ANY),
}


@st.composite
def _steps(draw: st.DrawFn, table: TableSchema) -> Step:
    row = draw(_ROWS[table])
    key = tuple(draw(_ROWS[table])[index] for index in table.identity)
    steps: list[Step] = [
        Insert(table, row),
        Update(table, key, row),
        Delete(table, key),
        Delete(table, key, one=True),
    ]
    return draw(st.sampled_from(steps))


_TRANSACTION = st.lists(st.one_of([_steps(table) for table in _ROWS]), min_size=1, max_size=8)
_PLAN = st.lists(
    st.one_of(_TRANSACTION, _TRANSACTION, st.sampled_from(["pump", "confirm", "reopen", "replay"])), max_size=12
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=_PLAN)
def test_target_equals_source_after_every_apply(make: Callable[[Path], Server], plan: list[list[Step] | str]) -> None:
    """Invariants 1, 2 and 4."""
    with tempfile.TemporaryDirectory() as place, Pair(make, Path(place), tables=_ROWS) as pair:
        for move in plan:
            if isinstance(move, list):
                _run(pair, move)
            elif move == "confirm":
                pair.source.confirm(pair.position)
            elif move == "reopen":
                pair.reopen(part_rows_max=3)
            elif move == "replay":
                pair.pump()
                # The insert of a row without identity, as a log has it, can only be told from a second one by the
                # checkpoint; a journal's changes are states, and repeat themselves.
                pair.apply(pair.log[_whole(pair) :], again=pair.source.mode == "journal")
                pair.assert_equal()
            else:
                pair.pump()
                pair.assert_equal()
        pair.pump()
        pair.assert_equal()


def _whole(pair: Pair) -> int:
    """Where the last half of the log begins, at the start of a transaction."""
    half = len(pair.log) // 2
    while half and pair.log[half].part:
        half -= 1
    return half


def _run(pair: Pair, steps: list[Step]) -> None:
    """Run the steps that a unique key allows, as one transaction."""
    held = {name: list(pair.primary.rows(name)) for name in pair.tables}
    allowed: list[Step] = []
    for step in steps:
        table = step.table
        if table.name not in pair.tables:
            continue

        def key_of(row: tuple[object, ...], table: TableSchema = table) -> tuple[object, ...]:
            return tuple(row[index] for index in table.identity)

        rows = held[table.name]
        found = [] if isinstance(step, Insert) else [row for row in rows if key_of(row) == step.key]
        rest = [row for row in rows if row not in found]
        put = found[1:] if isinstance(step, Delete) and step.one else []
        if isinstance(step, Insert):
            put = [step.row]
        elif isinstance(step, Update):
            put = [step.row] * len(found)
        unique = [key_of(row) for row in [*rest, *put] if table.key and None not in key_of(row)]
        if len(unique) == len(set(unique)):
            allowed.append(step)
            held[table.name] = rest + put
    pair.run(*allowed)
