"""Large objects of results: a row holds a number, by which the driver asks for length and content."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from tests.drda import codepoints as cp
from tests.drda.engine import Field, Kind, Value
from tests.drda.framing import Ddm, Malformed, Part, thing
from tests.drda.groups import Voice, parameters, qrydsc
from tests.drda.values import ROW_HEAD, WrongValue, encode_row

_PACKAGE = slice(36, 54)
_STATIC = b"SYSSTAT"
_LENGTHS = {7: Kind.CLOB, 6: Kind.BLOB}
_PIECES = {4: Kind.CLOB, 3: Kind.BLOB}
_LENGTH_FIELD = [Field("", Kind.INTEGER)]


class Locators:
    """The large objects that were given to a client in its transaction, as bytes of UTF-8 for text."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._kept: dict[int, bytes] = {}
        self._last = 0

    def keep(self, kind: Kind, value: Value) -> int:
        if kind is Kind.CLOB and isinstance(value, str):
            content = value.encode()
        elif kind is Kind.BLOB and isinstance(value, bytes):
            content = value
        else:
            raise WrongValue(f"{type(value).__name__} where {kind.name} was described")
        self._last += 1
        self._kept[self._last] = content
        return self._last

    def forget(self) -> None:
        self._kept.clear()

    def asked(self, package: bytes, objects: Sequence[Ddm]) -> list[Part] | None:
        """The answer, if this is one of the driver's built-in statements on locators; else None."""
        if package[_PACKAGE].rstrip() != _STATIC:
            return None
        section = int.from_bytes(package[-2:])
        values = parameters(objects)
        number = values[0]
        if not isinstance(number, int) or number not in self._kept:
            raise Malformed(f"section {section} asks for the unknown locator {number!r}")
        content = self._kept[number]
        if section in _LENGTHS:
            return [self._length(content)]
        if section in _PIECES:
            start, length = values[1], values[2]
            assert isinstance(start, int)
            assert isinstance(length, int)
            return self._piece(_PIECES[section], content, start, length)
        raise Malformed(f"section {section} of the static package is not known")

    def _length(self, content: bytes) -> Part:
        row = encode_row(_LENGTH_FIELD, [len(content)], self._voice.order, self.keep)
        inside = Ddm(cp.FDODSC, qrydsc(_LENGTH_FIELD)).encoded() + Ddm(cp.FDODTA, row).encoded()
        return thing(cp.SQLDTARD, inside)

    def _piece(self, kind: Kind, content: bytes, start: int, length: int) -> list[Part]:
        """Counted from one, in bytes; text is cut between characters because the driver asks for all of it."""
        piece = content[start - 1 : start - 1 + length]
        field = Field("", kind)
        row = ROW_HEAD + b"\x00" + pack(">I", len(piece))
        inside = Ddm(cp.FDODSC, qrydsc([field])).encoded() + Ddm(cp.FDODTA, row).encoded()
        outside = [thing(cp.EXTDTA, b"\x00" + piece)] if piece else []
        return [thing(cp.SQLDTARD, inside), *outside]
