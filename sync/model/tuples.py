"""Raw rows: pgoutput's text tuples, kept as the server sent them until somebody looks into them.

The rule it keeps: they are the canonical columns, made late. Whoever takes columns may take `Tuples`; whoever can write
raw tuples asks for them by type. What a hostile peer put in ends in `ProtocolError`, and in no more memory than a few
times its bytes.

    row      for each column   t length u32, text   |   n (NULL)   |   u (not sent: ABSENT)

Rows stand one after another. No text of PostgreSQL holds a zero byte, so the start of a text of less than 64 KiB is
found nowhere else, and a body of nothing but such texts is taken apart by one search.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Final, NoReturn, cast, overload

from sync.errors import ProtocolError
from sync.model import walk
from sync.model.schema import TableSchema
from sync.model.texts import Raw, decode
from sync.model.value import ABSENT, Value

TEXT, NULL, UNCHANGED = walk.TEXT, walk.NULL, walk.UNCHANGED
MARK: Final = b"t\0\0"
"""How a text of less than 64 KiB begins."""
LONG_BYTES: Final = 1 << 16
"""From here on a text begins otherwise."""

_FALSE_MARK: Final = b"t\0" + MARK
_FALSE_MARK_BYTES: Final = 0x740000
"""The shortest text whose length looks like a mark."""
_short_texts = re.compile(re.escape(MARK) + b"..", re.DOTALL).split


class Tuples(Sequence[list[Value]]):
    """The columns of some rows, as raw tuples. Immutable; reads as one list of canonical values for each column.

    `width` is the number of the schema's columns. Reading a column raises `ProtocolError` where the body is not what it
    should be.
    """

    __slots__ = ("_columns", "_dense", "_texts", "body", "rows", "schema", "width")

    def __init__(self, schema: TableSchema, body: bytes, rows: int, *, dense: bool | None = None) -> None:
        self.schema = schema
        self.body = body
        self.rows = rows
        self.width = len(schema.columns)
        self._dense = dense
        self._texts: list[list[Raw | Value]] | None = None
        self._columns: list[list[Value] | None] = [None] * self.width

    def __len__(self) -> int:
        return self.width

    @overload
    def __getitem__(self, index: int) -> list[Value]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[list[Value]]: ...
    def __getitem__(self, index: int | slice) -> list[Value] | Sequence[list[Value]]:
        if isinstance(index, slice):
            return tuple(self)[index]
        known = self._columns[index]
        return self._decoded(range(self.width)[index]) if known is None else known

    def __iter__(self) -> Iterator[list[Value]]:
        for at in range(self.width):
            yield self[at]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Tuples):
            same = self.body == other.body and self.rows == other.rows and self.schema == other.schema
            return same or (self.rows == other.rows and tuple(self) == tuple(other))
        return isinstance(other, tuple) and tuple(self) == other

    __hash__ = None  # type: ignore[assignment]  # as a tuple of lists

    def __repr__(self) -> str:
        return f"Tuples({self.rows} rows of {self.schema.name}, {len(self.body)} bytes)"

    @property
    def dense(self) -> bool:
        """Whether every value is a text of less than 64 KiB: no NULL, none that is absent."""
        if self._dense is None:
            self._dense = is_dense(self.body, self.rows * self.width)
        return self._dense

    def texts(self) -> list[list[Raw | Value]]:
        """One list for each column: texts as bytes, None for NULL, ABSENT. Made anew with each call."""
        return texts(self.body, self.rows, self.width)

    def lines(self, key: Sequence[int]) -> tuple[list[bytes], list[bytes], list[int], bytes]:
        """See `walk.lines`: the lines, the keys over these columns, which rows lack a value; and all lines as one."""
        try:
            return _lines(self, key)
        except ValueError as error:
            _malformed(f"raw rows of {self.schema.name}", str(error))

    def cells(self) -> list[bytes]:
        """Every value as it stands in the body, kind and length included, row after row."""
        return cells(self.body, self.rows * self.width)

    def cut(self, first: int, end: int | None = None) -> Tuples:
        """The rows from one place to before another."""
        return self._some(self._lines()[first:end])

    def kept(self, wanted: Sequence[object]) -> Tuples:
        """The rows for which `wanted` holds something true."""
        return self._some(list(compress(self._lines(), wanted)))

    @classmethod
    def joined(cls, pieces: Sequence[Tuples]) -> Tuples:
        """All rows of some, which have one schema, in order."""
        if len(pieces) == 1:
            return pieces[0]
        body = b"".join([piece.body for piece in pieces])
        return cls(pieces[0].schema, body, sum([piece.rows for piece in pieces]))

    def _lines(self) -> list[bytes]:
        """The rows, one by one."""
        cells = self.cells()
        return [b"".join(cells[at : at + self.width]) for at in range(0, len(cells), self.width)]

    def _some(self, lines: list[bytes]) -> Tuples:
        return Tuples(self.schema, b"".join(lines), len(lines), dense=self._dense or None)

    def _decoded(self, at: int) -> list[Value]:
        column = self.schema.columns[at]
        if self._texts is None:
            self._texts = self.texts()
        try:
            values = decode(column.type, self._texts[at])
        except ValueError as error:
            _malformed(f"column {column.name} of {self.schema.name}", str(error))
        self._columns[at] = values
        if None not in self._columns:
            self._texts = None
        return values


def is_dense(body: bytes, count: int) -> bool:
    """Whether a body of `count` values holds nothing but texts of less than 64 KiB."""
    if not count:
        return not body
    if not body.startswith(MARK) or body.count(MARK) != count:
        return False
    return len(body) < _FALSE_MARK_BYTES or _FALSE_MARK not in body


def check(body: bytes, count: int, where: str) -> bool:
    """Whether the body is dense; raises `ProtocolError` where it does not hold exactly `count` values."""
    if is_dense(body, count):
        return True
    _bounds(body, count, where)
    return False


def texts(body: bytes, rows: int, width: int) -> list[list[Raw | Value]]:
    """One list for each column: texts as bytes, None for NULL, ABSENT. Raises `ProtocolError`."""
    count = rows * width
    if not walk.COMPILED and is_dense(body, count):
        pieces = _short_texts(body)
        if len(pieces) != count + 1:
            _malformed("raw rows", f"they are not {count} values")
        return [pieces[1 + at :: width] for at in range(width)]
    try:
        flat = cast("list[Raw | Value]", walk.values(body, count, ABSENT))
    except ValueError as error:
        _malformed("raw rows", str(error))
    return [flat[at::width] for at in range(width)]


def cells(body: bytes, count: int) -> list[bytes]:
    """Every value as it stands in the body, kind and length included. Raises `ProtocolError`."""
    if is_dense(body, count):
        return [MARK + piece for piece in body.split(MARK)[1:]]
    return [body[start:end] for start, end in zip(*_bounds(body, count), strict=True)]


def _lines(raw: Tuples, key: Sequence[int]) -> tuple[list[bytes], list[bytes], list[int], bytes]:
    if not walk.COMPILED and not key and raw.dense:
        made: list[bytes] = list(map(b"\t".join, zip(*raw.texts(), strict=True)))
        body = b"\n".join(made)
        if _is_clean(body, raw.rows, raw.width, 0):
            return made, [], [], body
    is_key = bytes(at in key for at in range(raw.width))
    made, keys, partial, nulls = walk.lines(raw.body, raw.rows, raw.width, is_key, False)  # noqa: FBT003
    body = b"\n".join(made)
    if not _is_clean(body, raw.rows, raw.width, nulls, len(partial)):
        made, *_ = walk.lines(raw.body, raw.rows, raw.width, b"\0" * raw.width, True)  # noqa: FBT003
        body = b"\n".join(made)
    return made, keys, partial, body


def _is_clean(body: bytes, rows: int, width: int, nulls: int, partial: int = 0) -> bool:
    """Whether no text holds what means something else in a line."""
    if body.count(b"\\") != nulls or b"\r" in body:
        return False
    return body.count(b"\n") == rows - 1 and body.count(b"\t") == (rows - partial) * (width - 1)


def _bounds(body: bytes, count: int, where: str = "raw rows") -> tuple[list[int], list[int]]:
    """Where each value begins and ends. Raises `ProtocolError` where the body is not exactly `count` values."""
    try:
        return walk.bounds(body, count)
    except ValueError as error:
        _malformed(where, str(error))


def _malformed(where: str, why: str) -> NoReturn:
    raise ProtocolError(f"malformed {where}", why, "If this stays, report it as a defect.")
