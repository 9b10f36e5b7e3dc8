"""The way in: who the server is, who the client is, and which database it wants."""

from __future__ import annotations

from collections.abc import Callable
from struct import pack

from tests.drda import codepoints as cp
from tests.drda.assumptions import Assumptions
from tests.drda.engine import Connection, Engine, NoSuchDatabase
from tests.drda.framing import Ddm, Malformed, Part, message
from tests.drda.groups import Voice, managers, sqlcard

_EBCDIC = "cp500"
_UTF8_CCSID, _UTF16_CCSID = 1208, 1200
_CLEAR_PASSWORD = b"\x00\x03"
_LEVELS = {cp.AGENT: 7, cp.CMNTCPIP: 5, cp.RDB: 7, cp.SECMGR: 7, cp.UNICODEMGR: _UTF8_CCSID}
_OK, _FAILED = Ddm(cp.SVRCOD, b"\x00\x00"), Ddm(cp.SVRCOD, b"\x00\x08")
_ADMITTED, _WRONG_PASSWORD = b"\x00", b"\x0f"
_RDBNAM_BYTES = 18

Parts = dict[int, bytes]


class Access:
    """The four requests of the way in. Each answer says also whether the way ends there."""

    def __init__(self, engine: Engine, assumptions: Assumptions, voice: Voice) -> None:
        self._engine = engine
        self._facts = assumptions
        self._voice = voice
        self._admitted = False
        self.rdbnam = Ddm(cp.RDBNAM)
        self.connection: Connection | None = None
        self.answers: dict[int, Callable[[Parts], tuple[list[Part], bool]]] = {
            cp.EXCSAT: self._greet,
            cp.ACCSEC: self._agree,
            cp.SECCHK: self._check,
            cp.ACCRDB: self._enter,
        }

    def _greet(self, parts: Parts) -> tuple[list[Part], bool]:
        """Levels are answered only where some were proposed: in the middle of a session there are none."""
        inside = [Ddm(cp.EXTNAM, "loopback".encode(_EBCDIC))]
        if cp.MGRLVLLS in parts:
            levels = _LEVELS | {cp.SQLAM: self._facts.sqlam}
            agreed = [pack(">HH", code, levels.get(code, 0)) for code, _proposed in managers(parts[cp.MGRLVLLS])]
            inside.append(Ddm(cp.MGRLVLLS, b"".join(agreed)))
        names = {cp.SRVCLSNM: self._facts.server_class, cp.SRVNAM: "loopback", cp.SRVRLSLV: self._facts.product}
        inside += [Ddm(code, name.encode(_EBCDIC)) for code, name in names.items()]
        return [message(cp.EXCSATRD, *inside)], False

    def _agree(self, _parts: Parts) -> tuple[list[Part], bool]:
        """Whatever the driver proposes, it comes back with a clear password when told to."""
        return [message(cp.ACCSECRD, Ddm(cp.SECMEC, _CLEAR_PASSWORD))], False

    def _check(self, parts: Parts) -> tuple[list[Part], bool]:
        """Behind a failed check nothing may be answered: the driver would take the next answer for consent."""
        self._admitted = self._engine.admits(parts[cp.USRID].decode(), parts[cp.PASSWORD].decode())
        verdict = _ADMITTED if self._admitted else _WRONG_PASSWORD
        outcome = message(cp.SECCHKRM, _OK if self._admitted else _FAILED, Ddm(cp.SECCHKCD, verdict))
        return [outcome], not self._admitted

    def _enter(self, parts: Parts) -> tuple[list[Part], bool]:
        if not self._admitted or self.connection:
            raise Malformed("a database is asked for without a password, or twice")
        name = parts[cp.RDBNAM].decode().strip()
        self.rdbnam = Ddm(cp.RDBNAM, name.encode().ljust(_RDBNAM_BYTES))
        try:
            self.connection = self._engine.connect(name)
        except NoSuchDatabase:
            return [message(cp.RDBNFNRM, _FAILED, self.rdbnam)], True
        code_sets = b"".join(
            Ddm(code, pack(">H", ccsid)).encoded()
            for code, ccsid in ((cp.CCSIDSBC, _UTF8_CCSID), (cp.CCSIDDBC, _UTF16_CCSID), (cp.CCSIDMBC, _UTF8_CCSID))
        )
        entered = message(
            cp.ACCRDBRM,
            _OK,
            Ddm(cp.PRDID, self._facts.product.encode()),
            Ddm(cp.TYPDEFNAM, self._facts.type_definition.encode()),
            Ddm(cp.TYPDEFOVR, code_sets),
        )
        return [entered, sqlcard(self._voice.sqlca(0, "00000", warnings=self._facts.connect_warnings))], False
