"""Runs: neighbouring row messages of one kind and relation, taken out of the stream's bytes together.

The rule it keeps: a run is what the messages' own lengths say it is. Searching for the head that such rows share finds
where they may begin, in one call for all of them; a row counts only if its length leads exactly to the next one, with
nothing between the two, or with nothing but the end of a transaction and the begin of another. Whatever else
stands there ends the run, and is left to whoever reads messages one by one.

    message  d, length u32 (of itself and what follows); then a frame (see pgoutput.py): 30 bytes to the message proper
    row      30 bytes; I | U | D, relation u32, N | K | O, columns u16 (together the head); tuple
    between  C message of 56 bytes, B message of 51 bytes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import sub
from struct import Struct, unpack
from typing import Final

HEADER: Final = 30
"""Where, from a message's first byte, pgoutput's own message begins."""
HEAD: Final = slice(HEADER, HEADER + 8)
BEFORE_TUPLE: Final = 37
"""What the length of a row message counts beside the tuple."""
WINDOW_BYTES: Final = 256 << 10
"""How much is searched at once; a longer row is no part of a run."""

_BETWEEN: Final = 56 + 51
_INSIDE: Final = HEADER - BEFORE_TUPLE
_ACROSS: Final = _BETWEEN + _INSIDE
_START: Final = 6
_SEEN: Final = _START - HEADER
"""What is looked at of each beginning: `d`, the length, `w`."""
_GAPS: Final = {_INSIDE, _ACROSS}
_length_at: Final = Struct(">I").unpack_from
_ends: Final = Struct(">31xx8xQ8x30xxQqI").iter_unpack
_FIXED: Final = (*enumerate(b"d\0\0\0\x37w"), (30, ord("C")), *enumerate(b"d\0\0\0\x32w", 56), (86, ord("B")))
"""Bytes of what stands between two transactions, and where: lengths and kinds of its two messages."""

End = tuple[int, int, int, int]
"""The LSN behind the commit record of the transaction that ends; LSN, time and number of the one that begins."""


@dataclass(frozen=True, slots=True)
class Run:
    """Rows of one head."""

    tuples: list[bytes]
    places: list[int]
    """The rows behind which a transaction ends, ascending; another begins at once."""
    ends: list[End]
    """One for each of `places`."""
    stop: int
    """Where the message behind the last row begins."""


def take(buffer: bytes, at: int, rows_max: int) -> Run | None:
    """The run that begins with the row message at `at`, which is there whole; None where it stands alone."""
    start = at + HEAD.stop
    head = buffer[at + HEADER : start]
    size = _length_at(buffer, at + 1)[0] - BEFORE_TUPLE
    if not _goes_on(buffer, start + size, head):
        return None
    pieces = buffer[start : start + WINDOW_BYTES].split(head, rows_max - 1)
    pieces.pop()
    # Each piece is a tuple and the beginning of the next message; only the lengths tell where one ends.
    if pieces and len(min(pieces, key=len)) < HEADER:
        del pieces[next(place for place, piece in enumerate(pieces) if len(piece) < HEADER) :]
    if not pieces:
        return None
    starts = b"".join([piece[-HEADER:_SEEN] for piece in pieces])
    lengths = [size + BEFORE_TUPLE, *_lengths(starts, len(pieces))]
    # How much longer a piece is than its tuple, less what a length counts too much.
    gaps = list(map(sub, map(len, pieces), lengths))
    good = _good(pieces, starts, gaps)
    del pieces[good:]
    places = [place for place, gap in enumerate(gaps[:good]) if gap == _ACROSS] if _ACROSS in gaps else []
    stop = start + sum(map(len, pieces)) + len(head) * good
    ends = list(_ends(_between(pieces, places)))
    if places:
        tuples = [piece[: length - BEFORE_TUPLE] for piece, length in zip(pieces, lengths, strict=False)]
    else:
        tuples = [piece[:-HEADER] for piece in pieces]
    # The row behind the last of them: its own length says where it ends.
    end = stop + lengths[good] - BEFORE_TUPLE
    if not stop <= end <= len(buffer):
        return Run(tuples, places, ends, stop - HEAD.stop)
    tuples.append(buffer[stop:end])
    return Run(tuples, places, ends, end)


def _goes_on(buffer: bytes, at: int, head: bytes) -> bool:
    """Whether a row of this head follows, at once or in the next transaction."""
    return buffer.startswith(head, at + HEADER) or buffer.startswith(head, at + _BETWEEN + HEADER)


def _lengths(starts: bytes, count: int) -> tuple[int, ...]:
    """The lengths that stand in the beginnings of so many messages."""
    packed = bytearray(4 * count)
    for place in range(4):
        packed[place::4] = starts[1 + place :: _START]
    return unpack(f">{count}I", packed)


def _good(pieces: Sequence[bytes], starts: bytes, gaps: Sequence[int]) -> int:
    """How many of the pieces are a tuple and what may follow it."""
    count = len(pieces)
    if starts[::_START] == b"d" * count and starts[5::_START] == b"w" * count and _GAPS.issuperset(gaps):
        across = [place for place, gap in enumerate(gaps) if gap == _ACROSS] if _ACROSS in gaps else []
        if _is_between(_between(pieces, across)):
            return count
    return next((place for place, pair in enumerate(zip(pieces, gaps, strict=True)) if not _is_good(*pair)), count)


def _is_good(piece: bytes, gap: int) -> bool:
    if gap not in _GAPS or piece[-HEADER] != ord("d") or piece[5 - HEADER] != ord("w"):
        return False
    return gap == _INSIDE or _is_between(piece[-_BETWEEN - HEADER : -HEADER])


def _between(pieces: Sequence[bytes], places: Sequence[int]) -> bytes:
    return b"".join([pieces[place][-_BETWEEN - HEADER : -HEADER] for place in places])


def _is_between(joined: bytes) -> bool:
    """Whether these are, each of them, the end of a transaction and the begin of the next."""
    count = len(joined) // _BETWEEN
    return all(joined[at::_BETWEEN] == bytes((byte,)) * count for at, byte in _FIXED)
