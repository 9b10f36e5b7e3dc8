"""systemd hears what the service says, and a service without systemd says it to nobody, without harm."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.ops.notify import STATUS_CHARS_MAX, Notifier


def listening(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(address)
    listener.settimeout(5)
    return listener


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    if request.param == "path":
        address = named = str(tmp_path / "notify")
    else:
        named = f"@admin-sync-test-{os.getpid()}"
        address = "\0" + named[1:]
    with listening(address) as listener:
        yield listener, named


def test_each_message_arrives_as_one_datagram(systemd: tuple[socket.socket, str]) -> None:
    listener, named = systemd
    notifier = Notifier({"NOTIFY_SOCKET": named})
    notifier.ready("primary, epoch 1")
    notifier.alive()
    notifier.status("peer connected")
    notifier.stopping()
    heard = [listener.recv(4096) for _ in range(4)]
    assert heard == [b"READY=1\nSTATUS=primary, epoch 1", b"WATCHDOG=1", b"STATUS=peer connected", b"STOPPING=1"]


def test_a_status_is_one_line_of_bounded_length(systemd: tuple[socket.socket, str]) -> None:
    listener, named = systemd
    notifier = Notifier({"NOTIFY_SOCKET": named})
    notifier.status("could not connect:\nno route READY=0")
    notifier.status("ü" * 10_000)
    assert listener.recv(4096) == b"STATUS=could not connect: no route READY=0"
    assert len(listener.recv(4096).decode()) == len("STATUS=") + STATUS_CHARS_MAX


@pytest.mark.parametrize(
    "environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": "/no/one"}]
)
def test_without_a_listener_nothing_happens(environ: dict[str, str]) -> None:
    notifier = Notifier(environ)
    notifier.ready("here")
    notifier.alive()
    notifier.stopping()


def test_a_full_socket_does_not_stop_the_teller(systemd: tuple[socket.socket, str]) -> None:
    _, named = systemd
    notifier = Notifier({"NOTIFY_SOCKET": named})
    for _ in range(5_000):  # far more than a datagram queue holds
        notifier.alive()


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_asked(environ: dict[str, str], interval_s: float | None) -> None:
    assert Notifier(environ).watchdog_interval_s == interval_s
