"""The messages of a session as records.

What each field means stands here, how it travels in `sync.wire.coding`, and when it may be sent in `sync.wire.state`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from sync.model.batch import Checkpoint
from sync.model.position import START, Position
from sync.wire.state import Half

PROTOCOL_VERSIONS: Final = (1,)
"""What this release speaks, newest first."""


class RefusalCode(Enum):
    """Why a node does not go on with its peer. The value is the word on the wire; docs/wire.md explains each."""

    PROTOCOL_VERSION = "protocol_version"
    WRONG_ROLE = "wrong_role"
    LOWER_EPOCH = "lower_epoch"
    RELEASE_MISMATCH = "release_mismatch"
    BASE_LOAD_MISMATCH = "base_load_mismatch"
    UNKNOWN_PEER = "unknown_peer"
    HISTORY_MISMATCH = "history_mismatch"
    CALL_DATA = "call_data"
    SCHEMA_MISMATCH = "schema_mismatch"
    NOT_INSTALLED = "not_installed"
    MALFORMED = "malformed"
    BUSY = "busy"
    SHUTTING_DOWN = "shutting_down"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks. Empty texts and START where a field means nothing for this half."""

    node: str
    role: Half
    epoch: int
    release: str = ""
    base_load: str = ""
    origin: str = ""
    """Of the sender's source; empty for a receiver."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Table to schema fingerprint, of every replicated table."""
    wall_us: int = 0
    newest: Position = START
    """A sender's: newest position in its spool."""
    features: tuple[str, ...] = ()
    protocol_versions: tuple[int, ...] = PROTOCOL_VERSIONS


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a receiver stands: what its target's checkpoint says, and what of it is durable."""

    checkpoint: Checkpoint | None
    durable: Position = START
    credit: int = 0
    """Batches that may be under way; 0 means the session's own limit."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BeatAnswer:
    """How the primary is: newest and oldest position in its spool, and what its probes say."""

    newest: Position = START
    oldest: Position = START
    capture_healthy: bool = True
    committed_at_us: int = 0
    """Of the newest transaction in the spool."""
    spool_bytes: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    code: RefusalCode
    what: str
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Ack:
    received: int
    applied: Position
    durable: Position
    waits: str = ""
    """Why the target can not go on; empty while it can."""


@dataclass(frozen=True, slots=True)
class Request:
    number: int
    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    number: int
    ok: bool
    body: Mapping[str, Any]
    final: bool


def highest_common(ours: Sequence[int], theirs: Sequence[int]) -> int | None:
    """The protocol version to speak; None where there is none in common."""
    return max(set(ours) & set(theirs), default=None)


def no_common_version(ours: Sequence[int], theirs: Sequence[int]) -> Refusal:
    return Refusal(
        RefusalCode.PROTOCOL_VERSION,
        "no protocol version in common",
        f"this node speaks {_listed(ours)}, the peer {_listed(theirs)}",
        "Update the node with the older release.",
    )


def wrong_role(ours: Half) -> Refusal:
    return Refusal(
        RefusalCode.WRONG_ROLE,
        "both nodes have the same role",
        f"both are the {ours.value} of a session",
        "Look at the status of both nodes; one has to be the secondary.",
    )


def _listed(versions: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(versions)[:8]))
