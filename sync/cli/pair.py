"""`pair`: makes two nodes trust each other's certificates, by a one-time code or by hand."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sync.cli.app import ConfigFile
from sync.cli.setting import read_config
from sync.errors import UsageError
from sync.ops.config_model import Config
from sync.ops.identity import Identity, certificate_name, fingerprint

FILE_BYTES_MAX = 64 * 1024


def pair(
    *,
    config: ConfigFile = None,
    accept: Annotated[
        bool, Parameter(negative="", help="On the secondary: show a code, wait for the primary.")
    ] = False,
    code: Annotated[str | None, Parameter(help="On the primary: the code that the secondary shows.")] = None,
    export: Annotated[bool, Parameter(negative="", help="Print this node's public certificate.")] = False,
    take: Annotated[Path | None, Parameter(name="--import", help="Pin the certificate in this file.")] = None,
) -> int:
    """Pair this node with its peer: each pins the other's certificate, and from then on trusts no other.

    Pairing again replaces the peer. The node must not be running with --accept, which needs its address.

    Example: admin-sync pair --accept    then on the primary:    admin-sync pair --code 1234-5678
    """
    settings = read_config(config)
    chosen = [accept, code is not None, export, take is not None]
    if sum(chosen) != 1:
        remedy = "Choose --accept (secondary), --code CODE (primary), --export or --import FILE."
        raise UsageError("one way to pair is needed", f"{sum(chosen)} were given", remedy)
    identity = Identity.of(settings.state_dir)
    own = identity.own()
    if export:
        print(own.decode(), end="")
        return 0
    if take is not None:
        _import(settings, identity, take)
        return 0
    _same_name(settings, own)
    if accept:
        _accept(settings, identity)
    else:
        _dial(settings, identity, code or "")
    return 0


def _import(config: Config, identity: Identity, path: Path) -> None:
    try:
        with path.open("rb") as file:
            pem = file.read(FILE_BYTES_MAX)
    except OSError as error:
        raise UsageError(f"can not read {path}", error.strerror or str(error)) from error
    name = identity.pin(pem, expected=config.peer_name, own_name=config.node.name)
    _tell(name, pem)


def _same_name(config: Config, own: bytes) -> None:
    if certificate_name(own) != config.node.name:
        why = f"it belongs to {certificate_name(own)}, and node.name is {config.node.name}"
        raise UsageError("this node's certificate has another name", why, "Correct node.name.")


def _accept(config: Config, identity: Identity) -> None:
    from sync.ops.clock import SystemClock
    from sync.ops.pairing import Offer, Party, new_code
    from sync.ops.pairing_io import Acceptor

    if config.listen_at is None:
        raise UsageError("this node does not listen", "listen.address is not set", "Set it, or pair from this side.")
    clock = SystemClock()
    offer = Offer(new_code(), clock.monotonic())

    def pin(party: Party) -> None:
        identity.pin(party.certificate, expected=config.peer_name, own_name=config.node.name)

    def listening() -> None:
        print(offer.code, flush=True)
        text = f"On the other node run: admin-sync pair --code {offer.code}\nThe code lives for 10 minutes."
        print(text, file=sys.stderr, flush=True)

    own = Party(config.node.name, identity.own(), config.peer_name)
    acceptor = Acceptor(own, offer, pin, clock, lambda text: print(text, file=sys.stderr))
    party = asyncio.run(acceptor.run(config.listen_at, listening))
    _tell(party.name, party.certificate)


def _dial(config: Config, identity: Identity, code: str) -> None:
    from sync.ops.pairing import Party
    from sync.ops.pairing_io import dial

    if not config.peer_addresses:
        remedy = "Set peer.addresses to the other node's [listen] address."
        raise UsageError("this node does not know where its peer is", "peer.addresses is empty", remedy)

    def pin(party: Party) -> None:
        identity.pin(party.certificate, expected=config.peer_name, own_name=config.node.name)

    own = Party(config.node.name, identity.own(), config.peer_name)
    party = asyncio.run(dial(config.peer_addresses, own, code, pin))
    _tell(party.name, party.certificate)


def _tell(name: str, pem: bytes) -> None:
    print(f"Paired with {name}, fingerprint\n  {fingerprint(pem)}", file=sys.stderr)
