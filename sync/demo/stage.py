"""Sets the stage: two sites, and a node for each, made the way an operator would make them.

The rule it keeps: what is made is made by the product, its commands above all, so the demo proves the road that a user
walks. The secondary has call data of its own, and a copy of it is kept: what crossed is counted, not supposed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sync.core.profiles import CMS
from sync.demo.database import Database
from sync.demo.programs import command
from sync.demo.site import create
from sync.demo.tables import ADMIN_TABLES, CALL_TABLES, TRAP_TABLES, Size
from sync.ops.identity import Identity

REPLICATED: Final = tuple(table for table in ADMIN_TABLES if table in CMS.allow)
STAYING: Final = tuple(table for table in (*ADMIN_TABLES, *CALL_TABLES, *TRAP_TABLES) if table not in CMS.allow)
LOCAL_COLUMNS: Final = CMS.local_columns

Ground = Callable[[Path], Database]
"""Gives a side's database, still to be made, for its directory. Called once for each side, from a thread of its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """One side: a site's database and the node beside it."""

    name: str
    role: str
    directory: Path
    database: Database

    @property
    def config(self) -> Path:
        return self.directory / "node.toml"

    @property
    def state_dir(self) -> Path:
        return self.directory / "state"

    @property
    def log(self) -> Path:
        return self.directory / "node.log"


@dataclass(frozen=True, slots=True)
class Stage:
    """Both sides, ready to be started."""

    primary: Place
    secondary: Place
    before: Database
    """The secondary's database as it was before the product came."""


def set_up(directory: Path, ground: Ground, size: Size, seed: int) -> Stage:
    """Make both sides below `directory`, paired and installed."""
    address = f"127.0.0.1:{_free_port()}"

    def side(name: str, role: str) -> Place:
        (directory / name).mkdir()
        return Place(name, role, directory / name, ground(directory / name))

    def east() -> Place:
        place = side("east", "primary")
        create(place.database, size, seed=seed)
        _identify(place, "--peer", address)
        return place

    def west() -> tuple[Place, Database]:
        place = side("west", "secondary")
        create(place.database, size, seed=seed + 1, tables=STAYING)
        before = place.database.copy()
        _identify(place, "--listen", address)
        return place, before

    with ThreadPoolExecutor(2) as both:
        made_east, made_west = both.submit(east), both.submit(west)
        primary, (secondary, before) = made_east.result(), made_west.result()
        for trusted in [both.submit(_trust, primary, secondary), both.submit(_trust, secondary, primary)]:
            trusted.result()
    return Stage(primary, secondary, before)


def _identify(place: Place, *address: str) -> None:
    named = ("--name", place.name, "--role", place.role, "--database", place.database.url)
    command("init", str(place.directory), *named, *address)


def _trust(place: Place, peer: Place) -> None:
    # What `pair --export` and `pair --import` do, without the start of four more interpreters.
    Identity.of(place.state_dir).pin(Identity.of(peer.state_dir).own(), expected=peer.name, own_name=place.name)
    command("install", "-c", str(place.config))


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port
