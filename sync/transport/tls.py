"""TLS 1.3 with both certificates pinned: the only way that two nodes talk.

There is no authority to trust and no name to resolve. Pairing stored the peer's certificate; a connection is good
when the other side proves that it holds the key of exactly that certificate. Expiry is still checked.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from sync.errors import PeerRefused, UsageError


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """Where a node's own certificate and key and its peer's pinned certificate lie (PEM)."""

    certificate: Path
    key: Path
    peer_certificate: Path
    peer_name: str


def server_context(material: TlsMaterial) -> ssl.SSLContext:
    """Build the listening side's context."""
    return _context(ssl.PROTOCOL_TLS_SERVER, material)


def client_context(material: TlsMaterial) -> ssl.SSLContext:
    """Build the dialling side's context."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, material)


def _context(protocol: int, material: TlsMaterial) -> ssl.SSLContext:
    if not material.peer_certificate.exists():
        what = f"this node is not paired with {material.peer_name or 'a peer'}"
        remedy = "Run `admin-sync pair --accept` on the secondary and `admin-sync pair --code CODE` on the primary."
        raise UsageError(what, f"{material.peer_certificate} is missing", remedy)
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The pinned certificate itself is the trust anchor, so the name in it proves nothing more.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    # A pinned certificate need not be a root, nor carry the extensions of one.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    # Every connection proves the key anew: a resumed session would outlive a re-pairing.
    context.options |= ssl.OP_NO_TICKET
    if protocol is ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    try:
        context.load_cert_chain(material.certificate, material.key)
        context.load_verify_locations(material.peer_certificate)
    except (OSError, ssl.SSLError) as error:
        what = "could not load the node's identity"
        raise UsageError(what, str(error), "Pair the nodes again, or restore the identity folder.") from error
    return context


def check_pinned(tls: ssl.SSLObject, material: TlsMaterial) -> None:
    """Make sure that the peer showed exactly the pinned certificate; raises `PeerRefused` where it did not."""
    shown = tls.getpeercert(binary_form=True)
    pinned = ssl.PEM_cert_to_DER_cert(material.peer_certificate.read_text())
    if shown != pinned:
        what = f"the peer's certificate is not the one that was paired with {material.peer_name}"
        code = "unknown_peer"
        raise PeerRefused(code, what, remedy="If the peer was set up anew, pair the nodes again.")
