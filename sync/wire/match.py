"""Whether two nodes belong together: what the hello must say. Both halves judge by the same rule."""

from __future__ import annotations

from dataclasses import dataclass

from sync.wire.messages import Hello, RefusalCode

Reason = tuple[RefusalCode, str, str, str]
"""Code, what, why and remedy of a refusal."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the peer must be."""

    node: str
    release: str
    base_load: str


def refusal_of(hello: Hello, expected: Expected) -> Reason | None:
    """Say why this peer can not be worked with: code, what, why, remedy; None where it can. Both halves use it."""
    if expected.node and hello.node != expected.node:
        remedy = "Set [peer] name to the peer's [node] name."
        return RefusalCode.UNKNOWN_PEER, f"the peer calls itself {hello.node!r}", f"expected {expected.node!r}", remedy
    for code, what, theirs, ours in (
        (RefusalCode.RELEASE_MISMATCH, "release", hello.release, expected.release),
        (RefusalCode.BASE_LOAD_MISMATCH, "base load", hello.base_load, expected.base_load),
    ):
        if theirs != ours:
            remedy = "Bring both servers to the same release and base load, and say so in [node]."
            return code, f"the servers differ in {what}", f"{theirs!r} there, {ours!r} here", remedy
    return None
