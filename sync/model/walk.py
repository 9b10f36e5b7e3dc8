"""The walk through raw rows, value by value: the one loop of the hot path that no C function of Python does.

The rule it keeps: this source runs as it stands, or compiled by mypyc (`make compile`), several times faster, to the
same results. It is therefore written plainly: integers, bytes and lists. It raises `ValueError`, saying why, where a
body is not exactly the rows that it should be, having taken no more memory than a few times its bytes.
"""

from __future__ import annotations

from typing import Final

TEXT: Final = 0x74
NULL: Final = 0x6E
UNCHANGED: Final = 0x75

COMPILED: Final = not __file__.endswith(".py")

_NULL_CELL: Final = b"\\N"


def bounds(body: bytes, count: int) -> tuple[list[int], list[int]]:
    """Where each value begins and ends."""
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    _demand_room(body, count)
    for _ in range(count):
        starts.append(at)
        at = _end(body, at)
        ends.append(at)
    _demand_end(body, at)
    return starts, ends


def values(body: bytes, count: int, absent: object) -> list[object]:
    """The text of each value; None for NULL, and `absent` for one that was not sent."""
    flat: list[object] = []
    add = flat.append
    at, size = 0, len(body)
    _demand_room(body, count)
    for _ in range(count):
        # As `_end`, whose call would cost more than the rest where this runs interpreted.
        if at + 5 < size and body[at] == TEXT:
            start = at + 5
            at = start + (body[at + 1] << 24 | body[at + 2] << 16 | body[at + 3] << 8 | body[at + 4])
            add(body[start:at])
            continue
        end = _end(body, at)
        kind = body[at]
        if kind == TEXT:
            add(body[at + 5 : end])
        else:
            add(None if kind == NULL else absent)
        at = end
    _demand_end(body, at)
    return flat


def lines(
    body: bytes,
    rows: int,
    width: int,
    is_key: bytes,
    escaping: bool,  # noqa: FBT001
) -> tuple[list[bytes], list[bytes], list[int], int]:
    """A line for COPY of each row, without its end; the keys as they stand in the body; which rows lack a value.

    Last comes how many values are NULL. `is_key` has one byte for each column; where all are 0 no keys are made.
    Without `escaping`, the lines are right if no text holds a backslash or an end of line or column. The line of a row
    that lacks a value is empty, and so is a key that holds NULL or lacks a value.
    """
    made: list[bytes] = []
    keys: list[bytes] = []
    partial: list[int] = []
    at, nulls = 0, 0
    keyed = 1 in is_key
    _demand_room(body, rows * width)
    for row in range(rows):
        cells: list[bytes] = []
        key: list[bytes] = []
        for column in range(width):
            end = _end(body, at)
            kind = body[at]
            if kind == TEXT:
                cell = body[at + 5 : end]
                cells.append(escaped(cell) if escaping else cell)
                if keyed and is_key[column]:
                    key.append(body[at:end])
            elif kind == NULL:
                cells.append(_NULL_CELL)
                nulls += 1
            at = end
        if len(cells) == width:
            made.append(b"\t".join(cells))
        else:
            made.append(b"")
            partial.append(row)
        if keyed:
            keys.append(b"".join(key) if len(key) == is_key.count(1) else b"")
    _demand_end(body, at)
    return made, keys, partial, nulls


def _end(body: bytes, at: int) -> int:
    """Where the value ends that begins here."""
    size = len(body)
    if at >= size:
        raise ValueError(f"{size} bytes are too few")
    kind = body[at]
    if kind == TEXT:
        if at + 5 > size:
            raise ValueError("a text ends early")
        return at + 5 + (body[at + 1] << 24 | body[at + 2] << 16 | body[at + 3] << 8 | body[at + 4])
    if kind in (NULL, UNCHANGED):
        return at + 1
    raise ValueError(f"a value is of the unknown kind {kind}")


def _demand_room(body: bytes, count: int) -> None:
    if count > len(body):
        raise ValueError(f"{len(body)} bytes do not hold {count} values")


def _demand_end(body: bytes, at: int) -> None:
    if at != len(body):
        raise ValueError(f"their {len(body)} bytes are longer or shorter than their values")


def escaped(cell: bytes) -> bytes:
    """A text as it stands in a line."""
    return cell.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r").replace(b"\t", b"\\t")
