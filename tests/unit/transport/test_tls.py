"""TLS 1.3, both certificates, one pin: what the contexts allow (invariant 8). What it means is in tests/integration."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from sync.errors import PeerRefused, UsageError
from sync.ops.identity import Identity
from sync.transport.tls import TlsMaterial, check_pinned, client_context, server_context


@pytest.fixture
def material(tmp_path: Path) -> TlsMaterial:
    east, west = Identity.of(tmp_path / "east"), Identity.of(tmp_path / "west")
    east.create("cms-east")
    west.create("cms-west")
    east.pin(west.own(), expected=None, own_name="cms-east")
    return TlsMaterial(east.certificate, east.key, east.peer_certificate, "cms-west")


@pytest.mark.parametrize("make", [server_context, client_context])
def test_nothing_older_than_tls_1_3_and_nobody_without_a_certificate(material: TlsMaterial, make: object) -> None:
    """Invariant 8."""
    context = cast("ssl.SSLContext", make(material))  # type: ignore[operator]
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs(binary_form=True)) <= 1, "no authority is trusted"
    assert context.options & ssl.OP_NO_TICKET


def test_a_node_that_is_not_paired_says_so(material: TlsMaterial) -> None:
    material.peer_certificate.unlink()
    with pytest.raises(UsageError, match="not paired with cms-west") as failure:
        client_context(material)
    assert "admin-sync pair" in failure.value.remedy


@pytest.mark.parametrize("file", ["certificate", "key", "peer_certificate"])
def test_a_damaged_identity_is_an_error_of_ours(material: TlsMaterial, tmp_path: Path, file: str) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_text("-----BEGIN NOTHING-----\n")
    with pytest.raises(UsageError, match="could not load the node's identity"):
        server_context(replace(material, **{file: damaged}))  # type: ignore[arg-type]  # each of the three is a path


class Shown:
    """An established TLS connection, as far as the pin looks at it."""

    def __init__(self, certificate: bytes | None) -> None:
        self._certificate = certificate

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        return self._certificate if binary_form else None


def test_the_pin_is_the_whole_certificate(material: TlsMaterial) -> None:
    """Invariant 8: not its name, not its issuer, not even its key alone."""
    pinned = ssl.PEM_cert_to_DER_cert(material.peer_certificate.read_text())
    check_pinned(cast("ssl.SSLObject", Shown(pinned)), material)
    own = ssl.PEM_cert_to_DER_cert(material.certificate.read_text())
    for other in (None, b"", own, pinned[:-1] + bytes([pinned[-1] ^ 1])):
        with pytest.raises(PeerRefused) as failure:
            check_pinned(cast("ssl.SSLObject", Shown(other)), material)
        assert failure.value.code == "unknown_peer"
