"""A pair of nodes, made with the commands that a user gives, as real processes over TLS.

Both run all the time. While a backlog builds, the primary's process is halted and its walsender ended. When it goes
on, it finds its connection broken and makes another one. So what is measured is neither the start of a program nor a
stream that was never let go, as with a subscription that is disabled and enabled.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import adapters
from bench.peers import measure, profiled
from bench.peers.servers import OURS, SOURCE, Servers, Slot, eventually, free_port
from bench.peers.system import backends
from sync.demo.programs import Crew, Program, command
from sync.errors import AdminSyncError
from sync.ops.client import ControlClient


class Ours:
    """See `System`."""

    name = "admin-sync"
    database = OURS

    def __init__(self, servers: Servers, folder: Path, crew: Crew, profiles: Path | None = None) -> None:
        self._folder, self._crew, self._profiles = folder, crew, profiles
        self._running: dict[str, Program] = {}
        self._target = servers.target.connect(OURS)
        self._source = servers.source.connect(SOURCE)
        self._source_url = servers.source.tcp(SOURCE)
        self._link_port = free_port()
        self.title = ""
        """Of the backlog that comes next, for the names of its profiles; empty: none are made."""
        self._set_up(servers)
        self._start("secondary")
        self._start("primary")
        eventually(self._streaming, "a session of the two nodes", 0.05)
        slots = self._source.execute("SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE 'admin%'")
        self.slot = Slot(servers.source.connect(SOURCE), str(slots.fetchall()[0][0]))

    def attach(self) -> None:
        if self.title:
            self.begin_profiles()
        os.kill(self._pid("primary"), signal.SIGCONT)
        eventually(self._active, "the primary's capture")
        for role in self._running:
            measure.reset_peak(self._pid(role))

    def detach(self) -> None:
        if self.title:
            self.end_profiles(self.title)
        os.kill(self._pid("primary"), signal.SIGSTOP)
        while (pid := self.slot.pid()) is not None:
            self._source.execute("SELECT pg_terminate_backend(%s)", (pid,))

    def parts(self) -> Mapping[str, Sequence[int]]:
        walsender = self.slot.pid()
        pids = {role: [self._pid(role)] for role in self._running}
        return {
            "walsender": [walsender] if walsender else [],
            "primary node": pids.get("primary", []),
            "primary's sessions": backends(self._source, "backend_type = 'client backend' AND datname = %s", SOURCE),
            "secondary node": pids.get("secondary", []),
            "secondary's sessions": backends(self._target, "backend_type = 'client backend' AND datname = %s", OURS),
        }

    def sent_bytes(self) -> int | None:
        return measure.sent_bytes(remote_port=self._link_port)

    def status(self, role: str) -> dict[str, Any]:
        """status.json; empty while the node does not answer."""
        with suppress(AdminSyncError):
            return ControlClient(self._folder / role / "state").status()
        return {}

    @property
    def origin(self) -> str:
        """The name of the history that it captures."""
        return adapters.open_source(self._source_url).origin

    @property
    def spool(self) -> Path:
        """Where the primary keeps encoded batches."""
        return self._folder / "primary" / "state" / "spool"

    def begin_profiles(self) -> None:
        """From here on, where profiles are wanted."""
        if self._profiles is not None:
            for role in self._running:
                os.kill(self._pid(role), profiled.BEGIN)

    def end_profiles(self, title: str) -> None:
        """Store what both nodes did since."""
        if self._profiles is None:
            return
        for role in self._running:
            made = Path(self._profile_of(role))
            os.kill(self._pid(role), profiled.END)
            eventually(made.exists, f"the profile of the {role}")
            made.rename(self._profiles / f"{title}-{role}.prof")

    def _set_up(self, servers: Servers) -> None:
        address = f"127.0.0.1:{self._link_port}"
        places = {"primary": self._source_url, "secondary": servers.target.tcp(OURS)}
        link = {"primary": ("--peer", address), "secondary": ("--listen", address)}
        for role, url in places.items():
            named = ("--name", f"bench-{role}", "--role", role, "--database", url)
            command("init", str(self._folder / role), *named, *link[role])
        for role, peer in (("primary", "secondary"), ("secondary", "primary")):
            certificate = self._folder / f"{peer}.pem"
            certificate.write_text(command("pair", "-c", self._config(peer), "--export"))
            command("pair", "-c", self._config(role), "--import", str(certificate))
        for role in places:
            command("install", "-c", self._config(role))

    def _config(self, role: str) -> str:
        return str(self._folder / role / "node.toml")

    def _start(self, role: str) -> None:
        program = (
            ["-m", "sync.cli"] if self._profiles is None else ["-m", "bench.peers.profiled", self._profile_of(role)]
        )
        run = [*program, "run", "-c", self._config(role), "--log", "json"]
        self._running[role] = self._crew.start(role, run, self._folder / f"{role}.log")

    def _pid(self, role: str) -> int:
        program = self._running[role]
        program.need()
        return program._child.pid

    def _profile_of(self, role: str) -> str:
        return str(self._folder / f"{role}.prof")

    def _active(self) -> bool:
        self._pid("primary")
        return self.slot.pid() is not None

    def _streaming(self) -> bool:
        for program in self._running.values():
            program.need()
        return bool(self.status("primary").get("peer", {}).get("connected"))
