"""`run`: the daemon. Puts the node together from its parts and gives it signals, logs, status and systemd's ear."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from functools import partial
from typing import Annotated, Literal

import structlog
from cyclopts import Parameter

import adapters
from sync.cli.app import ConfigFile
from sync.cli.setting import peer_name, read_config, selection
from sync.core.filter import Filter
from sync.errors import AdminSyncError, UsageError
from sync.model.notice import CaptureRunning, Listening, Notice
from sync.node.service import Node
from sync.node.settings import NodeSettings
from sync.node.state import load
from sync.ops.clock import SystemClock
from sync.ops.config_model import Config
from sync.ops.control import Control
from sync.ops.control_server import ControlServer
from sync.ops.credentials import database_password
from sync.ops.identity import Identity
from sync.ops.logs import LogObserver, Observers, set_up_logs
from sync.ops.notify import Notifier
from sync.ops.status import StatusBoard
from sync.ports import Observer
from sync.spool.disk import LocalDisk, StateLock
from sync.transport.tls import TlsMaterial

LogForm = Literal["auto", "console", "json"]
_COLLECT_AFTER = 10_000
"""Objects that may be made, beyond those that went, before the young ones are looked at."""
LogLevel = Literal["debug", "info", "warning", "error"]


def run(
    *,
    config: ConfigFile = None,
    log: Annotated[LogForm, Parameter(help="Form of the log lines on stderr; auto: console on a terminal.")] = "auto",
    log_level: Annotated[LogLevel, Parameter(help="The least important lines to write.")] = "info",
) -> int:
    """Run the node until SIGTERM or SIGINT: replicator on the primary, receiver on the secondary.

    The first signal ends in good order, a second one at once; nothing is lost by either.

    Example: admin-sync run -c /etc/admin-sync/node.toml --log json
    """
    settings = read_config(config)
    form = log if log != "auto" else "console" if sys.stderr.isatty() else "json"
    set_up_logs(form, log_level)
    identity = Identity.of(settings.state_dir)
    identity.own()
    lock = StateLock(settings.state_dir)
    lock.acquire()
    logger = structlog.get_logger().bind(node=settings.node.name)
    try:
        daemon = _Daemon(settings, identity)
        _spare_collector()
        logger.info("started", pid=os.getpid(), state_dir=str(settings.state_dir))
        asyncio.run(daemon.run())
        logger.info("stopped")
    finally:
        lock.release()
    return 0


def _spare_collector() -> None:
    """Keep the collector of reference cycles from stopping everything for what will not be garbage.

    A full collection looks at all that was imported, for tens of milliseconds, several times a minute under load.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 100)


class _Daemon:
    """One node with everything around it."""

    def __init__(self, config: Config, identity: Identity) -> None:
        clock = SystemClock()
        peer = peer_name(config, identity)
        self._notifier = Notifier()
        state = load(LocalDisk(config.state_dir), config.node.role)
        _fits(config, state.role)
        self._board = StatusBoard(config.node.name, state.role, peer, config.peer_addresses, clock, state.epoch)
        ready = _ReadyOnce(self._notifier)
        observer = Observers([self._board, LogObserver(config.node.name, clock), ready])
        self._node = _node(config, identity, peer, observer, clock)
        self._server = ControlServer(Control(self._board, self._node), config.state_dir, config.http_at)
        self._stopping = asyncio.Event()
        self._abort = asyncio.Event()

    async def run(self) -> None:
        """Run until a signal, or until a part fails for good."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        ended = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._server.run(ended))
                beating = group.create_task(self._watchdog())
                try:
                    await self._node.run(self._stopping, self._abort)
                finally:
                    ended.set()
                    beating.cancel()
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures
        finally:
            self._server.close()

    def _signalled(self) -> None:
        if self._stopping.is_set():
            self._abort.set()
        self._stopping.set()
        self._board.stopping()
        self._notifier.stopping()

    async def _watchdog(self) -> None:
        interval_s = self._notifier.watchdog_interval_s
        while interval_s is not None:
            self._notifier.alive()
            await asyncio.sleep(interval_s)


class _ReadyOnce:
    """Tells systemd once that the node does its work: a primary captures, a secondary listens."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._told = False

    def notice(self, notice: Notice) -> None:
        if not self._told and isinstance(notice, CaptureRunning | Listening):
            self._told = True
            self._notifier.ready()


def _fits(config: Config, role: str) -> None:
    if role == "secondary" and config.listen is None:
        remedy = 'Add [listen] with an address, for example "0.0.0.0:7443".'
        raise UsageError("a secondary needs an address to listen on", "listen.address is not set", remedy)
    if role == "primary" and not config.peer_addresses:
        remedy = "Set peer.addresses to the secondary's [listen] address."
        raise UsageError("a primary needs its peer's address", "peer.addresses is empty", remedy)


def _node(config: Config, identity: Identity, peer: str, observer: Observer, clock: SystemClock) -> Node:
    url, limits = config.database.url, config.limits
    password, capture = database_password(config), config.database.capture
    chosen = selection(config)
    rule_of = Filter(chosen).row_rule
    settings = NodeSettings(
        name=config.node.name,
        role=config.node.role,
        state_dir=config.state_dir,
        peer_name=peer,
        peer_addresses=config.peer_addresses,
        listen=config.listen_at,
        selection=chosen,
        release=config.node.release,
        base_load=config.node.base_load,
        interval_s=config.heartbeat.interval_s,
        missed_max=config.heartbeat.missed_max,
        batch_bytes_max=limits.batch_bytes_max,
        spool_bytes_max=limits.spool_bytes_max,
        in_flight_batches_max=limits.in_flight_batches_max,
    )
    material = TlsMaterial(identity.certificate, identity.key, identity.peer_certificate, peer)
    return Node(
        settings,
        partial(adapters.open_source, url, password=password, capture=capture, rule_of=rule_of),
        partial(adapters.open_target, url, password=password),
        partial(adapters.open_site, url, password=password, capture=capture, rule_of=rule_of),
        material,
        observer,
        clock,
    )


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """What to tell: an error with a remedy before any other."""
    leaves = list(_leaves(failures))
    with contextlib.suppress(StopIteration):
        return next(failure for failure in leaves if isinstance(failure, AdminSyncError))
    return leaves[0]


def _leaves(failures: BaseException) -> list[BaseException]:
    if isinstance(failures, BaseExceptionGroup):
        return [leaf for failure in failures.exceptions for leaf in _leaves(failure)]
    return [failures]
