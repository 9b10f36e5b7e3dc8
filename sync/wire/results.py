"""Chunk results on the wire: what a target found, row by row.

The rule it keeps: a message stays below its limit; where the differences of one chunk do not fit, the list is cut and
its count still tells how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from sync.model.batch import DIFFERENCES_MAX, PAUSED, ChunkDifference, ChunkResult
from sync.model.change import Row
from sync.wire.checks import Fields, array, boolean, integer, malformed, pack, text
from sync.wire.columns import VALUE_TYPES

RESULTS_BYTES_MAX: Final = 1 << 20
RESULTS_MAX: Final = 256
NAME_CHARS_MAX: Final = 512

_WHATS: Final = frozenset(("missing", "extra", "different", PAUSED))


def pack_results(results: Sequence[ChunkResult]) -> Iterator[bytes]:
    """Give the heads of as many RESULTS messages as it takes."""
    gathered: list[object] = []
    size = 0
    for result in results:
        item, item_bytes = _fitting(result)
        if gathered and (size + item_bytes > RESULTS_BYTES_MAX // 2 or len(gathered) == RESULTS_MAX):
            yield pack({"results": gathered})
            gathered, size = [], 0
        gathered.append(item)
        size += item_bytes
    if gathered:
        yield pack({"results": gathered})


def _fitting(result: ChunkResult) -> tuple[list[object], int]:
    """The packed form, with half of the differences left out until it fits."""
    while True:
        item = [
            result.run,
            result.number,
            result.table,
            result.equal,
            result.rows,
            result.difference_count,
            [[d.table, list(d.key), d.what, list(d.columns)] for d in result.differences],
        ]
        size = len(pack(item))
        if size <= RESULTS_BYTES_MAX // 2:
            return item, size
        result = replace(result, differences=result.differences[: len(result.differences) // 2])


def read_results(head: bytes) -> tuple[ChunkResult, ...]:
    """Read and check. Raises `ProtocolError`."""
    return tuple(_read_result(item) for item in Fields(head, "RESULTS").array("results"))


def _read_result(item: object) -> ChunkResult:
    where = "RESULTS.results"
    run, number, table, equal, rows, count, differences = array(item, where, 7)
    listed = array(differences, where)
    if len(listed) > DIFFERENCES_MAX:
        malformed(where, f"{len(listed)} differences are more than {DIFFERENCES_MAX}")
    return ChunkResult(
        run=integer(run, where),
        number=integer(number, where),
        table=text(table, where, NAME_CHARS_MAX),
        equal=boolean(equal, where),
        rows=integer(rows, where),
        differences=tuple(_read_difference(difference) for difference in listed),
        difference_count=integer(count, where, len(listed)),
    )


def _read_difference(item: object) -> ChunkDifference:
    where = "RESULTS.differences"
    table, key, what, columns = array(item, where, 4)
    if text(what, where) not in _WHATS:
        malformed(where, "a difference is neither missing, extra, different nor paused")
    names = tuple(text(name, where, NAME_CHARS_MAX) for name in array(columns, where))
    return ChunkDifference(text(table, where, NAME_CHARS_MAX), _read_key(key), text(what, where), names)


def _read_key(key: object) -> Row:
    values = array(key, "RESULTS.differences")
    if not VALUE_TYPES.issuperset(map(type, values)):
        malformed("RESULTS.differences", "a key holds something that is not a value")
    return tuple(values)  # type: ignore[arg-type]  # their types were just checked
