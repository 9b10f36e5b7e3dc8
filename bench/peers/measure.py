"""What the kernel counts for processes and connections: CPU time, memory, bytes sent.

The rules it keeps: everything is read from outside, the same way for both systems; what the kernel of this machine
does not tell is None, never an estimate.
"""

from __future__ import annotations

import os
import platform
import socket
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST_DUMP = 0x301
_ESTABLISHED = 1 << 1
_INET_DIAG_INFO = 2
_BYTES_ACKED_AT = 120


@dataclass(frozen=True)
class Usage:
    """What one process took for a piece of work."""

    cpu_s: float
    peak_mb: float
    """The most that it ever had resident (VmHWM), without the shared buffers that it has looked at."""


@dataclass(frozen=True)
class Mark:
    """CPU seconds of processes at one moment."""

    cpu_s: Mapping[int, float]

    @classmethod
    def of(cls, pids: Iterable[int]) -> Mark:
        return cls({pid: cpu_s(pid) for pid in pids})

    def usage(self, pids: Iterable[int]) -> Usage:
        """Of processes together since this mark; one that was not there yet counts from its start."""
        pids = list(pids)
        took = sum(cpu_s(pid) - self.cpu_s.get(pid, 0.0) for pid in pids)
        return Usage(took, max(map(peak_mb, pids), default=0.0))


def cpu_s(pid: int) -> float:
    """CPU seconds of all threads of a process so far, in nanosecond steps; 0 where it is gone."""
    total = 0
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                total += int((task / "schedstat").read_text("ascii").split()[0])
    return total / 1e9


def peak_mb(pid: int) -> float:
    """See `Usage`."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        return (_kb(status, "VmHWM") - _kb(status, "RssShmem")) / 1024
    return 0.0


def reset_peak(pid: int) -> None:
    """Let the peak begin at what is resident now."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def sent_bytes(*, local_port: int | None = None, remote_port: int | None = None) -> int | None:
    """Bytes that open TCP connections between these ports (None: any) have carried outwards, as acknowledged."""
    with suppress(OSError, struct.error), socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4) as asked:
        asked.bind((0, 0))
        body = struct.pack("=BBBBI48x", socket.AF_INET, socket.IPPROTO_TCP, 1 << (_INET_DIAG_INFO - 1), 0, _ESTABLISHED)
        asked.send(struct.pack("=IHHII", 16 + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0) + body)
        total = 0
        while True:
            got = asked.recv(1 << 20)
            for kind, message in _messages(got):
                if kind != _SOCK_DIAG_BY_FAMILY:
                    return total
                local, remote = struct.unpack_from(">HH", message, 4)
                if local_port in {None, local} and remote_port in {None, remote}:
                    total += _bytes_acked(message)
    return None


def machine() -> dict[str, object]:
    """What somebody else needs to judge the figures."""
    with suppress(OSError):
        model = Path("/proc/cpuinfo").read_text("ascii").partition("model name")[2].partition("\n")[0].strip(" \t:")
        memory_gb = round(_kb("\n" + Path("/proc/meminfo").read_text("ascii"), "MemTotal") / 1024 / 1024, 1)
        return {
            "cores": os.cpu_count(),
            "cpu": model,
            "memory_gb": memory_gb,
            "kernel": platform.release(),
            "python": platform.python_version(),
        }
    return {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}


def load() -> float:
    """Processes that ran or waited for a core, averaged over the last minute."""
    return os.getloadavg()[0]


def _messages(got: bytes) -> Iterable[tuple[int, bytes]]:
    at = 0
    while at < len(got):
        length, kind = struct.unpack_from("=IH", got, at)
        yield kind, got[at + 16 : at + length]
        at += (length + 3) & ~3


def _bytes_acked(message: bytes) -> int:
    at = 72  # behind struct inet_diag_msg stand attributes
    while at + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, at)
        if kind == _INET_DIAG_INFO:
            return int(struct.unpack_from("=Q", message, at + 4 + _BYTES_ACKED_AT)[0])
        at += (length + 3) & ~3
    return 0


def _kb(text: str, name: str) -> int:
    found = text.partition(f"\n{name}:")[2].split()
    return int(found[0]) if found else 0
