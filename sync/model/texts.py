"""PostgreSQL's text forms as canonical values (docs/types.md). They stand in raw blocks, so both nodes read them.

The rule it keeps: one canonical value whichever way it was read. The texts are those of a session with the settings of
`adapters.postgres.connection.SESSION`.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sync.model.schema import Kind, Type
from sync.model.value import ABSENT, Value

Raw = bytes | None
"""A value's text form as the server sends it; None for NULL."""


def decode(column: Type, values: Sequence[Raw | Value]) -> list[Value]:
    """The canonical values of a whole column of text forms; NULL (None) and ABSENT stay what they are.

    Raises `ValueError` where a text is not of this type, or where the database's encoding let something in that is no
    text.
    """
    decoder = _DECODERS.get(column.kind, bytes.decode)
    if None not in values and ABSENT not in values:
        return list(map(decoder, values))  # type: ignore[arg-type]
    return [decoder(value) if isinstance(value, bytes) else value for value in values]


def _money(text: bytes) -> str:
    return text.decode().replace("$", "").replace(",", "")


_DECODERS: Final[Mapping[Kind, Callable[[bytes], Value]]] = {
    Kind.BOOL: b"t".__eq__,
    Kind.INT16: int,
    Kind.INT32: int,
    Kind.INT64: int,
    Kind.FLOAT: float,
    Kind.BYTES: lambda text: unhexlify(text[2:]),
    Kind.CHAR: lambda text: text.decode().rstrip(" "),
    Kind.MONEY: _money,
}
