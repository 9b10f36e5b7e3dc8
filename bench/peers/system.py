"""What the measurements ask of either system.

The rule it keeps: both are asked the same, and attach and detach at the same place: the slot of the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import psycopg

from bench.peers.servers import Servers, Slot


class System(Protocol):
    """A way of bringing the source's changes to a database of the target."""

    name: str
    database: str
    """Of the target."""
    slot: Slot

    def attach(self) -> None:
        """Begin to follow; returns when the slot is active."""

    def detach(self) -> None:
        """Stop; returns when the slot is free."""

    def parts(self) -> Mapping[str, Sequence[int]]:
        """Its processes by what they do, as they are now."""

    def sent_bytes(self) -> int | None:
        """What its connection between the two machines has carried so far, outwards from the source's."""


def backends(session: psycopg.Connection[tuple[Any, ...]], condition: str, *values: object) -> list[int]:
    """Processes of a server, without the benchmark's own."""
    query = f"SELECT pid FROM pg_stat_activity WHERE application_name <> 'bench' AND {condition}"
    return [pid for (pid,) in session.execute(query.encode(), values)]


def shared_parts(servers: Servers) -> dict[str, list[int]]:
    """Processes that serve everybody: writers, checkpointers, I/O workers."""
    found: dict[str, list[int]] = {}
    for where, server in (("source", servers.source), ("target", servers.target)):
        with server.connect("postgres") as session:
            kinds = (
                "backend_type NOT IN ('client backend', 'walsender') AND backend_type NOT LIKE 'logical replication%%'"
            )
            found[f"{where}'s writers"] = backends(session, kinds)
    return found
