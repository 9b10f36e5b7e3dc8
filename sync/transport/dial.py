"""Dialling the peer: one TCP and TLS connection to one address, with a deadline and errors that name the cause."""

from __future__ import annotations

import asyncio
import socket
import ssl

from sync.errors import PeerRefused, PeerUnreachable
from sync.transport.inbox import Inbox
from sync.transport.tls import TlsMaterial, check_pinned, client_context

CONNECT_TIMEOUT_S = 5.0
REPAIR = "Pair the nodes again if the peer was set up anew."
Streams = tuple[Inbox, asyncio.StreamWriter]


async def dial(host: str, port: int, material: TlsMaterial) -> Streams:
    """Connect to the peer; raises `PeerUnreachable`, or `PeerRefused` where it is not the paired one."""
    context = client_context(material)
    loop, inbox = asyncio.get_running_loop(), Inbox()
    protocol = asyncio.StreamReaderProtocol(inbox)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            transport, _ = await loop.create_connection(lambda: protocol, host, port, ssl=context)
    except ssl.SSLCertVerificationError as error:
        code = "unknown_peer"
        what = f"{host}:{port} showed a certificate that is not {material.peer_name}'s"
        raise PeerRefused(code, what, error.verify_message, REPAIR) from error
    except ssl.SSLError as error:
        code = "unknown_peer"
        what = f"{host}:{port} did not agree on TLS 1.3"
        raise PeerRefused(code, what, error.reason or "", "Check that the address is an Admin-Sync node's.") from error
    except (OSError, TimeoutError) as error:
        why = str(error) or f"no answer within {CONNECT_TIMEOUT_S:g} s"
        what = f"could not connect to {host}:{port}"
        raise PeerUnreachable(what, why, "Check that the peer runs and that its port is open.") from error
    writer = asyncio.StreamWriter(transport, protocol, inbox, loop)
    set_no_delay(writer)
    try:
        check_pinned(writer.get_extra_info("ssl_object"), material)
    except PeerRefused:
        writer.transport.abort()
        raise
    return inbox, writer


def set_no_delay(writer: asyncio.StreamWriter) -> None:
    """Send small frames at once, and notice dead hosts below the beats too."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
