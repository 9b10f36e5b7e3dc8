"""What a node needs to know, as plain values: the configuration after it was read, judged and resolved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sync.core.filter import Selection

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Settings of one node; units are in the names."""

    name: str
    role: str
    """`primary` or `secondary`: the first role; afterwards the node state decides."""
    state_dir: Path
    peer_name: str
    peer_addresses: tuple[Address, ...]
    listen: Address | None
    selection: Selection
    release: str = ""
    base_load: str = ""
    interval_s: float = 20.0
    missed_max: int = 3
    batch_bytes_max: int = 4 * 1024 * 1024
    spool_bytes_max: int = 2 * 1024 * 1024 * 1024
    in_flight_batches_max: int = 8
