"""The kept inputs: `corpus/<target>/` reaches every path that was found, `crashers/<target>/` what once went wrong.

`first` gives the inputs that a target starts from when nothing is kept yet.
"""

from __future__ import annotations

import struct
from pathlib import Path

from sync.ops.pairing import refusal
from sync.wire.checks import pack
from tests.fuzz import seeds
from tests.fuzz.scripts import RAW, script_of
from tests.fuzz.targets import PARTED, TARGETS, WRAPPED, party
from tests.fuzz.targets import RAW as AS_IT_IS

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
CRASHERS = HERE / "crashers"
BYTES_MAX = 300 * 1024
"""Of all kept inputs together."""


def kept(target: str) -> list[Path]:
    """Files of a target, those that once failed first; notes are not inputs."""
    return [path for place in (CRASHERS, CORPUS) for path in sorted((place / target).glob("*")) if path.suffix != ".md"]


def first(target: str) -> list[bytes]:
    """Valid inputs of a target."""
    return {
        "decode": _payloads,
        "frames": _streams,
        "sender": lambda: _conversations("sender"),
        "receiver": lambda: _conversations("receiver"),
        "spool": _files,
        "config": lambda: [text.encode() for text in seeds.CONFIGS],
        "pairing": _messages,
    }[target]()


def _payloads() -> list[bytes]:
    found = [bytes((AS_IT_IS,)) + payload for payload in seeds.payloads()]
    for payload in seeds.payloads():
        content = seeds.unwrap(payload)
        contents, body = seeds.parted(content)
        found += [bytes((WRAPPED,)) + content, bytes((PARTED,)) + struct.pack(">H", len(contents)) + contents + body]
    return found


def _streams() -> list[bytes]:
    script = script_of([(kind, head, b"") for kind, head in seeds.messages()])
    raw = seeds.stream_of(seeds.transcripts()[1][1])[:200]
    return [b"\x07" + script, b"\xff" + script, b"\x00" + bytes((RAW, len(raw))) + raw]


def _conversations(half: str) -> list[bytes]:
    found = [b"\x00" + script_of(frames) for whose, frames in seeds.transcripts() if whose.value == half]
    more = b"".join(bytes((2, act)) for act in range(6)) + script_of([(k, h, b"") for k, h in seeds.messages()])
    return [*found, b"\x01" + more]


def _files() -> list[bytes]:
    one, two = seeds.segments()
    return [bytes((mode,)) + struct.pack(">H", len(one)) + one + two for mode in (0, 1)]


def _messages() -> list[bytes]:
    hello, refused = pack({"t": "hello", "v": 1, "pake": b"B" + bytes(32)}), refusal("wrong_name")
    found = [bytes((side,)) + _message(0, hello) for side in (0, 1)] + [b"\x02" + _message(0, refused)]
    for side in (2, 3):
        about = party(side == 2)
        introduction = pack({"name": about.name, "certificate": about.certificate})
        found.append(bytes((side,)) + _message(1, introduction) + _message(1, pack({})))
    return found


def _message(sealed: int, content: bytes) -> bytes:
    return struct.pack(">BH", sealed, len(content)) + content


def write_first(place: Path) -> None:
    """Write the first inputs of all targets."""
    for target in TARGETS:
        (place / target).mkdir(parents=True, exist_ok=True)
        for number, given in enumerate(first(target)):
            (place / target / f"seed-{number:02d}").write_bytes(given)
