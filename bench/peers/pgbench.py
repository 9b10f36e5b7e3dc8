"""Writers on the source: pgbench at a steady rate, as a process of its own.

The rule it keeps: what was written, and when each transaction ended, is read from pgbench's own log.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.peers.servers import SOURCE, Server
from tests import postgres


class Writer:
    """Runs one script; its variable `n` counts the transactions of each client, from 0."""

    def __init__(
        self,
        server: Server,
        script: Path,
        rate: int,
        clients: int,
        seconds: float,
        folder: Path,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        install = postgres.installation()
        assert install is not None
        self.seconds = seconds
        self._log = folder / script.stem
        for old in folder.glob(f"{script.stem}.[0-9]*"):
            old.unlink()
        given = {"n": "0", **(variables or {})}
        self._process = subprocess.Popen(
            [
                install / "bin" / "pgbench", "--no-vacuum", "--protocol", "prepared", "--log",
                "--log-prefix", self._log, "--file", script, "--rate", str(rate),
                "--client", str(clients), "--time", f"{seconds:.0f}",
                *(word for name, value in given.items() for word in ("--define", f"{name}={value}")),
                server.cluster.url(SOURCE),
            ],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def written(self) -> dict[int, int] | None:
        """Transactions of each client; None while it writes."""
        if self._process.poll() is None:
            return None
        self.end()
        last: dict[int, int] = {}
        for client, number in self.committed():
            last[client] = max(number, last.get(client, 0))
        return last

    def committed(self) -> dict[tuple[int, int], float]:
        """See the function of that name; only behind the end."""
        return committed(self._log)

    def end(self) -> None:
        """Wait for it. Raises `RuntimeError` where it failed."""
        said, _ = self._process.communicate(timeout=self.seconds + 60)
        if self._process.returncode:
            raise RuntimeError(f"pgbench ended with {self._process.returncode}: {said}")


def committed(log: Path) -> dict[tuple[int, int], float]:
    """When each transaction ended, in seconds since 1970, by client and number from 1; `log` is pgbench's prefix."""
    ended: dict[tuple[int, int], float] = {}
    count: dict[int, int] = {}
    for path in sorted(log.parent.glob(f"{log.name}.[0-9]*")):
        for line in path.read_text("ascii").splitlines():
            client, _, _, _, second, micro, *_ = map(int, line.split())
            count[client] = count.get(client, 0) + 1
            ended[client, count[client]] = second + micro / 1e6
    return ended
