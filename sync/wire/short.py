"""Raw rows made shorter for the wire: one zero byte in place of the four that begin most of their values.

The rule it keeps: what comes back is what went in, or it was not made shorter. No text of PostgreSQL holds a zero byte,
so all of them belong to lengths; where each belongs to a text of less than 256 bytes, a zero says as much as the kind
and the three upper bytes of a length did. On a dictionary that takes an eighth off what zstd makes of it, and zstd is
quicker by about what this costs.
"""

from __future__ import annotations

from typing import Final

_START: Final = b"t\0\0\0"
_EMPTY: Final = _START + b"\0"


def shortened(body: bytes) -> bytes | None:
    """The rows, shorter; None where they are not of this kind."""
    starts = body.count(_START)
    if not starts or body.count(0) != 3 * starts + body.count(_EMPTY):
        return None
    return body.replace(_START, b"\0")


def restored(short: bytes) -> bytes:
    """What `shortened` was given; whatever else this is given, it makes at most four times of it."""
    # Zeros side by side are an empty text each two, from the left.
    return _EMPTY.join([piece.replace(b"\0", _START) for piece in short.split(b"\0\0")])
