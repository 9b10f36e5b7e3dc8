"""Tells systemd how the service is, in the datagrams that sd_notify(3) describes.

It exists because the protocol is one line and a library for it would be one more thing to trust. The rule it keeps:
telling never fails the telling program. Without NOTIFY_SOCKET, or with nobody behind it, nothing happens.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

STATUS_CHARS_MAX = 200


class Notifier:
    """Speaks to the socket that the environment names. Safe to call from the event loop: it never blocks."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_interval_s = _watchdog_interval_s(environ)
        """How often `alive` is due: half of what systemd allows. None where no watchdog waits."""

    def ready(self, status: str = "") -> None:
        self._send("READY=1", *_status(status))

    def stopping(self, status: str = "") -> None:
        self._send("STOPPING=1", *_status(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(*_status(text))

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None or not lines:
            return
        # A full or a vanished socket loses a message that the next one replaces.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(0)
            sender.sendto("\n".join(lines).encode(), self._address)


def _address(named: str) -> str | None:
    """A path as it stands; an abstract socket, written with @, begins with a zero byte."""
    if named.startswith("@"):
        return "\0" + named[1:]
    return named if named.startswith("/") else None


def _status(text: str) -> tuple[str, ...]:
    line = " ".join(text.split())[:STATUS_CHARS_MAX]
    return (f"STATUS={line}",) if line else ()


def _watchdog_interval_s(environ: Mapping[str, str]) -> float | None:
    meant_for = environ.get("WATCHDOG_PID")
    if meant_for is not None and meant_for != str(os.getpid()):
        return None
    allowed_us = environ.get("WATCHDOG_USEC", "")
    return int(allowed_us) / 2_000_000 if allowed_us.isdecimal() and int(allowed_us) > 0 else None
