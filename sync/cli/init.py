"""`init`: a new node's directory, with a configuration to read through and an identity. Overwrites nothing."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from sync.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from sync.ops.template import NewNode


def init(  # noqa: PLR0913 (each is a flag)
    directory: Path,
    /,
    *,
    name: str,
    database: str,
    role: Literal["primary", "secondary"] = "primary",
    peer: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    peer_name: str | None = None,
    listen: str | None = None,
    release: str = "",
    base_load: str = "",
    state_dir: Annotated[str, Parameter(help="Where the node keeps its state; relative to DIRECTORY.")] = "state",
) -> int:
    """Make a node: DIRECTORY/node.toml and the node's key and certificate.

    Example: admin-sync init east --name cms-east --database sqlite:///cms.db --peer 10.0.0.2:7443

    Parameters
    ----------
    directory
        Where the new node.toml goes.
    name
        The node's name; its peer will know it by this.
    database
        URL without a password, for example sqlite:///path.
    role
        The first role of the node.
    peer
        HOST:PORT of the peer; repeat it for a second network path.
    peer_name
        The peer's name; without it, pairing decides.
    listen
        HOST:PORT where this node listens. A secondary needs it for pairing.
    release
        Release of the application; must equal the peer's.
    base_load
        Base load of the application; must equal the peer's.

    """
    from sync.ops.identity import Identity, fingerprint
    from sync.ops.template import NewNode

    path = directory / "node.toml"
    if path.exists():
        remedy = "Edit it, or choose another directory."
        raise UsageError("did not overwrite a configuration", f"{path} is there already", remedy)
    wanted = NewNode(
        name=name,
        role=role,
        state_dir=state_dir,
        release=release,
        base_load=base_load,
        url=database,
        listen=listen,
        peer_name=peer_name,
        peer_addresses=peer,
    )
    content = _content(wanted, path)
    identity = Identity.of(directory / state_dir)
    identity.create(name)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"can not write {path}", error.strerror or str(error)) from error
    print(path)
    _next_steps(path, role, fingerprint(identity.own()))
    return 0


def _content(wanted: NewNode, path: Path) -> bytes:
    """What will stand in node.toml, valid from its first moment. Raises `UsageError`."""
    from adapters import dialect_of
    from sync.ops.config import parse_config
    from sync.ops.template import render

    text = render(wanted)
    try:
        content = text.encode()
        parse_config(tomllib.loads(text), path, dialect_of)
    except ConfigError as error:
        raise ConfigError("what was given to init", list(error.findings)) from error
    except ValueError as error:
        raise UsageError("can not write this down", str(error), "Use plain text.") from error
    return content


def _next_steps(path: Path, role: str, print_of: str) -> None:
    other, pairing = ("secondary", "--code CODE") if role == "primary" else ("primary", "--accept")
    steps = (
        f"Wrote {path} and this node's identity, fingerprint",
        f"  {print_of}",
        "Next:",
        f"  1. read through {path}",
        f"  2. admin-sync check -c {path}",
        f"  3. admin-sync install -c {path}",
        f"  4. admin-sync pair -c {path} {pairing}    (and pair the {other})",
        f"  5. admin-sync run -c {path}",
    )
    print("\n".join(steps), file=sys.stderr)
