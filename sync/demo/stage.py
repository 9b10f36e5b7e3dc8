"""Sets the stage: two sites, and a node for each, made the way an operator would make them.

The rule it keeps: what is made is made by the product, its commands above all, so the demo proves the road that a user
walks. The secondary has call data of its own, and a copy of it is kept: what crossed is counted, not supposed.
"""

from __future__ import annotations

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sync.core.profiles import CMS
from sync.demo.programs import command
from sync.demo.site import create
from sync.demo.tables import ADMIN_TABLES, CALL_TABLES, TRAP_TABLES, Size
from sync.ops.identity import Identity

REPLICATED: Final = tuple(table for table in ADMIN_TABLES if table in CMS.allow)
STAYING: Final = tuple(table for table in (*ADMIN_TABLES, *CALL_TABLES, *TRAP_TABLES) if table not in CMS.allow)
LOCAL_COLUMNS: Final = CMS.local_columns


@dataclass(frozen=True, slots=True)
class Place:
    """One side: a site's database and the node beside it."""

    name: str
    role: str
    directory: Path

    @property
    def database(self) -> Path:
        return self.directory / "site.db"

    @property
    def before(self) -> Path:
        """The database as it was before the product came. On the secondary only."""
        return self.directory / "before.db"

    @property
    def config(self) -> Path:
        return self.directory / "node.toml"

    @property
    def state_dir(self) -> Path:
        return self.directory / "state"

    @property
    def log(self) -> Path:
        return self.directory / "node.log"


def set_up(directory: Path, size: Size, seed: int) -> tuple[Place, Place]:
    """Make both sides below `directory`, paired and installed; gives primary and secondary."""
    address = f"127.0.0.1:{_free_port()}"
    primary = Place("east", "primary", directory / "east")
    secondary = Place("west", "secondary", directory / "west")

    def east() -> None:
        primary.directory.mkdir()
        create(primary.database, size, seed=seed)
        _identify(primary, "--peer", address)

    def west() -> None:
        secondary.directory.mkdir()
        create(secondary.database, size, seed=seed + 1, tables=STAYING)
        shutil.copyfile(secondary.database, secondary.before)
        _identify(secondary, "--listen", address)

    with ThreadPoolExecutor(2) as both:
        for made in [both.submit(east), both.submit(west)]:
            made.result()
        for made in [both.submit(_trust, primary, secondary), both.submit(_trust, secondary, primary)]:
            made.result()
    return primary, secondary


def _identify(place: Place, *address: str) -> None:
    url = f"sqlite:///{place.database}"
    command("init", str(place.directory), "--name", place.name, "--role", place.role, "--database", url, *address)


def _trust(place: Place, peer: Place) -> None:
    # What `pair --export` and `pair --import` do, without the start of four more interpreters.
    Identity.of(place.state_dir).pin(Identity.of(peer.state_dir).own(), expected=peer.name, own_name=place.name)
    command("install", "-c", str(place.config))


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port
