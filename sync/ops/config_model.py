"""The shape of node.toml: one struct a section, every bound beside its key.

Contract: docs name the keys, this module is their only definition. A key is added here, with its bound and its
default, and nowhere else; sync.ops.config only walks over these structs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sync.ops.address import parse_address

NodeName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$")]
"""A host-name-like word of at most 63 characters: it is the common name of the node's certificate."""

Text = Annotated[str, Meta(min_length=1)]
KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections."""


class NodeSection(Section, frozen=True, kw_only=True):
    name: NodeName
    role: Literal["primary", "secondary"]
    state_dir: Text
    release: str = ""
    base_load: str = ""


class DatabaseSection(Section, frozen=True, kw_only=True):
    url: Text
    password_file: Text | None = None
    capture: Literal["auto", "log", "journal", "compare"] = "auto"


class ColumnRules(Section, frozen=True, kw_only=True):
    local: list[Text]
    """Columns that stay each server's own."""


class TablesSection(Section, frozen=True, kw_only=True):
    profile: Literal["cms", "none"] = "cms"
    include: list[Text] = field(default_factory=list)
    exclude: list[Text] = field(default_factory=list)
    rows: dict[str, Text] = field(default_factory=dict)
    columns: dict[str, ColumnRules] = field(default_factory=dict)


class ListenSection(Section, frozen=True, kw_only=True):
    address: Text


class PeerSection(Section, frozen=True, kw_only=True):
    name: NodeName | None = None
    """Where it is missing, the paired certificate says who the peer is."""
    addresses: list[Text] = field(default_factory=list)


class HeartbeatSection(Section, frozen=True, kw_only=True):
    interval_s: Annotated[float, Meta(ge=0.01, le=3600)] = 20.0
    missed_max: Annotated[int, Meta(ge=1, le=1000)] = 3


class FailoverSection(Section, frozen=True, kw_only=True):
    mode: Literal["automatic", "manual"] = "automatic"


class LimitsSection(Section, frozen=True, kw_only=True):
    batch_bytes_max: Annotated[int, Meta(ge=4 * KIB, le=64 * MIB)] = 4 * MIB
    spool_bytes_max: Annotated[int, Meta(ge=64 * KIB, le=1024 * GIB)] = 2 * GIB
    in_flight_batches_max: Annotated[int, Meta(ge=1, le=1024)] = 8


class HttpSection(Section, frozen=True, kw_only=True):
    address: Text


class Config(Section, frozen=True, kw_only=True):
    """One node's configuration, checked. Relative paths count from the directory of the file."""

    node: NodeSection
    database: DatabaseSection
    tables: TablesSection = field(default_factory=TablesSection)
    listen: ListenSection | None = None
    peer: PeerSection | None = None
    heartbeat: HeartbeatSection = field(default_factory=HeartbeatSection)
    failover: FailoverSection = field(default_factory=FailoverSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    http: HttpSection | None = None
    directory: Path = Path()
    """Where the file lies; not a key of the file."""

    @property
    def state_dir(self) -> Path:
        """The node's state: identity, spool, control socket, lock."""
        return self.directory / self.node.state_dir

    @property
    def listen_at(self) -> tuple[str, int] | None:
        """Where the node listens for its peer."""
        return parse_address(self.listen.address) if self.listen else None

    @property
    def http_at(self) -> tuple[str, int] | None:
        """Where the read-only page is served."""
        return parse_address(self.http.address) if self.http else None

    @property
    def peer_name(self) -> str | None:
        """The peer as the file names it."""
        return self.peer.name if self.peer else None

    @property
    def peer_addresses(self) -> tuple[tuple[str, int], ...]:
        """The peer's addresses, in the order to try them."""
        return tuple(map(parse_address, self.peer.addresses)) if self.peer else ()

    @property
    def local_columns(self) -> dict[str, tuple[str, ...]]:
        """Local columns by table."""
        return {table: tuple(rule.local) for table, rule in self.tables.columns.items()}
