"""Identity files: readable by their owner alone, never overwritten, and good for TLS 1.3 with pinning (invariant 8)."""

from __future__ import annotations

import ssl
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import UsageError
from sync.model.catalog import Severity
from sync.ops.identity import Identity, certificate_name, fingerprint, identity_findings, load_certificate

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def east(tmp_path: Path) -> Identity:
    identity = Identity.of(tmp_path / "east")
    identity.create("cms-east")
    return identity


@pytest.fixture
def west(tmp_path: Path) -> Identity:
    identity = Identity.of(tmp_path / "west")
    identity.create("cms-west")
    return identity


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_reads_the_key(east: Identity) -> None:
    assert mode(east.key) == 0o600
    assert mode(east.directory) == 0o700


def test_an_identity_is_never_overwritten(east: Identity) -> None:
    before = east.key.read_bytes(), east.own()
    with pytest.raises(UsageError, match="did not overwrite"):
        east.create("cms-east")
    assert (east.key.read_bytes(), east.own()) == before


def test_the_certificate_names_the_node_and_outlives_the_machine(tmp_path: Path) -> None:
    identity = Identity.of(tmp_path)
    identity.create("cms-east", NOW)
    certificate = load_certificate(identity.own())
    assert certificate_name(identity.own()) == "cms-east"
    assert certificate.not_valid_after_utc > NOW + timedelta(days=19 * 365)
    assert certificate.not_valid_before_utc < NOW - timedelta(days=1)
    assert len(fingerprint(identity.own()).replace(" ", "")) == 64


def shake(server: ssl.SSLContext, client: ssl.SSLContext) -> str | None:
    """Run a TLS handshake in memory; gives the version."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname="cms-east"),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[0].version()


def context(own: Identity, peer: Identity, protocol: int) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    made.load_cert_chain(own.certificate, own.key)
    made.load_verify_locations(peer.certificate)
    return made


def test_pinned_certificates_make_a_mutual_tls_session(east: Identity, west: Identity) -> None:
    server = context(east, west, ssl.PROTOCOL_TLS_SERVER)
    assert shake(server, context(west, east, ssl.PROTOCOL_TLS_CLIENT)) == "TLSv1.3"


def test_a_namesake_that_is_not_pinned_is_refused(east: Identity, west: Identity, tmp_path: Path) -> None:
    forged = Identity.of(tmp_path / "forged")
    forged.create("cms-west")
    server = context(east, west, ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ssl.SSLError):
        shake(server, context(forged, east, ssl.PROTOCOL_TLS_CLIENT))


def test_a_pin_replaces_the_one_before(east: Identity, west: Identity, tmp_path: Path) -> None:
    other = Identity.of(tmp_path / "other")
    other.create("cms-west")
    assert east.paired() is None
    assert east.pin(west.own(), expected="cms-west", own_name="cms-east") == "cms-west"
    assert east.pin(other.own(), expected=None, own_name="cms-east") == "cms-west"
    assert east.paired() == other.own()
    assert sorted(path.name for path in east.directory.iterdir()) == ["node.crt", "node.key", "peer.crt"]


def test_the_wrong_certificate_is_not_pinned(east: Identity, west: Identity) -> None:
    for pem, expected in ((west.own(), "cms-north"), (east.own(), None), (b"", None), (west.own() * 2, None)):
        with pytest.raises(UsageError):
            east.pin(pem, expected=expected, own_name="cms-east")
    assert east.paired() is None


@given(st.binary(max_size=200))
def test_garbage_is_no_certificate(pem: bytes) -> None:
    framed = b"-----BEGIN CERTIFICATE-----\n" + pem + b"\n-----END CERTIFICATE-----\n"
    for text in (pem, framed):
        with pytest.raises(UsageError, match="not a node's certificate"):
            load_certificate(text)


def severities(identity: Identity, name: str, now: datetime) -> set[Severity]:
    return {finding.severity for finding in identity_findings(identity, name, now)}


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_damage_inside_of_a_certificate_is_found_when_it_is_read(east: Identity) -> None:
    """Found by fuzzing the pairing: the library reads name, dates and key only when asked for them."""
    sound = ssl.PEM_cert_to_DER_cert(east.own().decode())
    for at in range(0, len(sound), 3):
        damaged = bytes((*sound[:at], sound[at] ^ 0xFF, *sound[at + 1 :]))
        with suppress(UsageError):
            pem = ssl.DER_cert_to_PEM_cert(damaged).encode()
            certificate_name(pem)
            assert load_certificate(pem).not_valid_after_utc.year > 0


def test_check_sees_a_missing_pair_a_loose_key_a_wrong_name_and_the_end_of_life(east: Identity, west: Identity) -> None:
    now = datetime.now(UTC)
    assert severities(east, "cms-east", now) == {Severity.OK, Severity.WARNING}
    east.pin(west.own(), expected=None, own_name="cms-east")
    assert severities(east, "cms-east", now) == {Severity.OK}
    assert Severity.PROBLEM in severities(east, "cms-north", now)
    ends = load_certificate(east.own()).not_valid_after_utc
    assert Severity.WARNING in severities(east, "cms-east", ends - timedelta(days=90))
    assert Severity.PROBLEM in severities(east, "cms-east", ends)
    east.key.chmod(0o640)
    assert Severity.PROBLEM in severities(east, "cms-east", now)


def test_without_files_check_reports_and_reading_raises(tmp_path: Path) -> None:
    identity = Identity.of(tmp_path / "none")
    assert severities(identity, "cms-east", NOW) == {Severity.PROBLEM}
    with pytest.raises(UsageError, match="no identity"):
        identity.own()
