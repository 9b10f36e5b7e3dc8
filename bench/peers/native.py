"""PostgreSQL's own logical replication, with its defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.peers import measure
from bench.peers.servers import NATIVE, SOURCE, Servers, Slot, eventually
from bench.peers.system import backends
from bench.peers.workloads import TABLE

SLOT = "bench_native"


class Native:
    """One publication and one subscription. See `System`."""

    name = "native"
    database = NATIVE

    def __init__(self, servers: Servers) -> None:
        self._source = servers.source.connect(SOURCE)
        self._target = servers.target.connect(NATIVE)
        self._source_port = servers.source.cluster.port
        self.slot = Slot(servers.source.connect(SOURCE), SLOT)
        self._source.execute(f"CREATE PUBLICATION bench_native FOR TABLE {TABLE}")
        self._target.execute(
            f"CREATE SUBSCRIPTION bench_native CONNECTION '{servers.source.tcp(SOURCE)}' PUBLICATION bench_native"
            f" WITH (copy_data = false, slot_name = '{SLOT}')"
        )
        eventually(self.slot.pid, "the subscription")

    def attach(self) -> None:
        self._target.execute("ALTER SUBSCRIPTION bench_native ENABLE")
        eventually(self.slot.pid, "the subscription")

    def detach(self) -> None:
        self._target.execute("ALTER SUBSCRIPTION bench_native DISABLE")
        self.slot.until_detached()

    def parts(self) -> Mapping[str, Sequence[int]]:
        walsender = self.slot.pid()
        return {
            "walsender": [walsender] if walsender else [],
            "apply worker": backends(self._target, "backend_type LIKE 'logical replication%%worker'"),
        }

    def sent_bytes(self) -> int | None:
        found = self._source.execute("SELECT client_port FROM pg_stat_replication WHERE pid = %s", (self.slot.pid(),))
        port = found.fetchone()
        return measure.sent_bytes(local_port=self._source_port, remote_port=port[0]) if port else None
