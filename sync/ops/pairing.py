"""Pairing: two nodes that share a short one-time code exchange certificates that nobody in between can swap.

Pure protocol; sync.ops.pairing_io brings the bytes across. The dialling side (the primary) is A, the accepting side B.

    A → B  hello    version, SPAKE2 message
    B → A  hello    version, SPAKE2 message             both now hold a key; equal only if the codes are equal
    A → B  sealed   {name, certificate}                 authenticates A, and everything sent so far
    B → A  sealed   {name, certificate}                 authenticates B likewise
    A → B  sealed   {}                                  A has accepted B
    B → A  sealed   {}                                  B has accepted A and pinned it

SPAKE2 makes a guess cost one attempt on the wire: neither listening nor answering as the wrong side gives anything
to test codes against. Each sealed message is encrypted under a key of its own direction and bound to a hash over all
messages before it, so that none can be swapped, reordered or reflected. (The library computes in plain Python and not
in constant time; a code that lives ten minutes and three attempts leaves nothing to measure.)

A proves the code first: only a wrong proof counts as an attempt, and B answers nothing that depends on the code
before it has seen one. Nothing is pinned before the other side has proved the code.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

import msgpack
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from spake2 import SPAKE2_A, SPAKE2_B

from sync.errors import PeerRefused, ProtocolError, UsageError
from sync.ops.identity import certificate_name, fingerprint

VERSION = 1
MESSAGE_BYTES_MAX = 16 * 1024
CODE_DIGITS = 8
CODE_LIFE_S = 600.0
ATTEMPTS_MAX = 3
ID_A = b"admin-sync pairing 1, dialling side"
ID_B = b"admin-sync pairing 1, accepting side"
REFUSALS = {
    "wrong_code": "the code is wrong",
    "wrong_name": "it expects another node",
    "dead_code": "the code is used up or too old",
    "version": "it speaks another version of the pairing protocol",
}


def new_code() -> str:
    """Draw a code: 8 digits in two groups. With 3 attempts, a guess succeeds once in 33 million pairings."""
    digits = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    return f"{digits[:4]}-{digits[4:]}"


def read_code(text: str) -> bytes:
    """Give the digits of a code as a person typed it. Raises `UsageError`."""
    digits = text.replace("-", "").replace(" ", "")
    if len(digits) != CODE_DIGITS or not (digits.isascii() and digits.isdigit()):
        raise UsageError("this is not a pairing code", "it has 8 digits", "Take it from `admin-sync pair --accept`.")
    return digits.encode()


class Offer:
    """One code and how often it was tried. It dies after 3 wrong attempts, after 10 minutes, and by success."""

    def __init__(self, code: str, now_s: float) -> None:
        self.code = code
        self._ends_s = now_s + CODE_LIFE_S
        self._failures = 0
        self._used = False

    def alive(self, now_s: float) -> bool:
        return not self._used and self._failures < ATTEMPTS_MAX and now_s < self._ends_s

    def failed(self) -> None:
        """Count one wrong attempt."""
        self._failures += 1

    def used(self) -> None:
        self._used = True

    @property
    def attempts_left(self) -> int:
        return ATTEMPTS_MAX - self._failures


@dataclass(frozen=True, slots=True)
class Party:
    """What a side brings, and whom it expects (None: whoever knows the code)."""

    name: str
    certificate: bytes
    expected: str | None = None


class Handshake:
    """One side of one attempt: `receive` takes a message and gives the answers. After any error it is dead.

    Raises `PeerRefused` (`wrong_code`, `wrong_name`, or what the other side said) and `ProtocolError`.
    """

    def __init__(self, own: Party, code: bytes, *, dialling: bool) -> None:
        self._own = own
        self._dialling = dialling
        self._spake: Any = (SPAKE2_A if dialling else SPAKE2_B)(code, idA=ID_A, idB=ID_B)
        self._hello = _pack({"t": "hello", "v": VERSION, "pake": self._spake.start()})
        self._transcript = hashlib.sha256(b"admin-sync pairing 1")
        self._keys: dict[str, ChaCha20Poly1305] = {}
        self._step = 0
        self._dead = False
        self.peer: Party | None = None
        """The other side, once it has proved the code. B must pin it before it sends its last message."""
        self.done = False

    def open(self) -> list[bytes]:
        """Messages to send at first: A's hello; B waits."""
        if self._dialling:
            self._note(self._hello)
            return [self._hello]
        return []

    def receive(self, message: bytes) -> list[bytes]:
        """Take the other side's next message; gives what to send."""
        if self.done or self._dead:
            raise ProtocolError("pairing failed", "a message came after the end")
        self._dead = True
        content = _unpack(message)
        if content.get("t") == "refused":
            code = str(content.get("code"))[:32]
            why = REFUSALS.get(code, "it gives no reason that is known here")
            remedy = "Ask for a new code with `admin-sync pair --accept`." if code != "wrong_name" else ""
            raise PeerRefused(code, "the other node refused to pair", why, remedy)
        answers = (self._take_hello, self._take_party, self._take_end)[self._step](message, content)
        self._step += 1
        self._dead = False
        return answers

    def _take_hello(self, message: bytes, content: dict[str, Any]) -> list[bytes]:
        if content.get("t") != "hello":
            raise ProtocolError("pairing failed", "the other side did not say hello")
        if content.get("v") != VERSION:
            remedy = "Install the same release on both nodes."
            raise PeerRefused("version", "can not pair", "the other node speaks another version", remedy)
        theirs = content.get("pake")
        if not isinstance(theirs, bytes):
            raise ProtocolError("pairing failed", "the hello has no key exchange")
        self._note(message)
        if not self._dialling:
            self._note(self._hello)
        try:
            secret = self._spake.finish(theirs)
        except Exception as error:
            # The library has kinds of its own for what is not a point of its curve.
            raise ProtocolError("pairing failed", "the key exchange is malformed") from error
        for direction in ("a", "b"):
            info = b"admin-sync pairing 1 " + direction.encode()
            derive = HKDF(hashes.SHA256(), 32, salt=self._transcript.digest(), info=info)
            self._keys[direction] = ChaCha20Poly1305(derive.derive(secret))
        return [self._seal(self._introduction())] if self._dialling else [self._hello]

    def _take_party(self, message: bytes, content: dict[str, Any]) -> list[bytes]:
        about = self._unseal(message, content)
        name, certificate = about.get("name"), about.get("certificate")
        if not isinstance(name, str) or not isinstance(certificate, bytes):
            raise ProtocolError("pairing failed", "the other node did not introduce itself")
        try:
            named = certificate_name(certificate)
            own = fingerprint(certificate) == fingerprint(self._own.certificate)
        except UsageError as error:
            raise ProtocolError("pairing failed", "the other node's certificate can not be read") from error
        if named != name or own or name == self._own.name:
            raise ProtocolError("pairing failed", "the other node's certificate does not fit its name")
        if self._own.expected is not None and name != self._own.expected:
            remedy = f"Correct peer.name in node.toml, or pair with {self._own.expected}."
            why = f"it is {name}, and this node's configuration names {self._own.expected}"
            raise PeerRefused("wrong_name", "did not pair with that node", why, remedy)
        self.peer = Party(name, certificate)
        return [self._seal({} if self._dialling else self._introduction())]

    def _take_end(self, message: bytes, content: dict[str, Any]) -> list[bytes]:
        self._unseal(message, content)
        self.done = True
        return [] if self._dialling else [self._seal({})]

    def _introduction(self) -> dict[str, Any]:
        return {"name": self._own.name, "certificate": self._own.certificate}

    def _note(self, message: bytes) -> None:
        self._transcript.update(len(message).to_bytes(4, "big") + message)

    def _seal(self, content: dict[str, Any]) -> bytes:
        key = self._keys["a" if self._dialling else "b"]
        text = key.encrypt(self._nonce(), _pack(content), self._transcript.digest())
        message = _pack({"t": "sealed", "box": text})
        self._note(message)
        return message

    def _unseal(self, message: bytes, content: dict[str, Any]) -> dict[str, Any]:
        box = content.get("box")
        if content.get("t") != "sealed" or not isinstance(box, bytes):
            raise ProtocolError("pairing failed", "a sealed message was expected")
        key = self._keys["b" if self._dialling else "a"]
        try:
            text = key.decrypt(self._nonce(), box, self._transcript.digest())
        except InvalidTag as error:
            remedy = "Compare the code with the one shown by `admin-sync pair --accept`."
            why = "it is wrong, or somebody in between changes messages"
            raise PeerRefused("wrong_code", "the code does not fit", why, remedy) from error
        self._note(message)
        return _unpack(text)

    def _nonce(self) -> bytes:
        # Each direction seals under its own key, at most twice, and the transcript never repeats.
        return self._transcript.digest()[:12]


def refusal(code: str) -> bytes:
    """The message that tells the other side why not."""
    return _pack({"t": "refused", "code": code})


def _pack(content: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(content)
    return packed


def _unpack(message: bytes) -> dict[str, Any]:
    try:
        content = msgpack.unpackb(message) if len(message) <= MESSAGE_BYTES_MAX else None
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise ProtocolError("pairing failed", "a message can not be read") from error
    if not isinstance(content, dict):
        raise ProtocolError("pairing failed", "a message is not a map")
    return content
