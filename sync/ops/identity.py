"""A node's identity: a P-256 key and a self-signed certificate that the peer pins.

The pin is the trust: no authority signs, nobody else's certificate is ever accepted, and so a long life costs
nothing. Twenty years outlive the machine; `check` still warns in time, because TLS refuses an expired certificate.
P-256 because every TLS 1.3 library must support it. The key never leaves its file (mode 0600) and is never
overwritten.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sync.errors import UsageError
from sync.model.catalog import Finding, Severity

LIFE = timedelta(days=20 * 365)
SKEW = timedelta(days=2)
"""A certificate starts this much earlier, so that a peer whose clock is behind accepts it at once."""
WARN_BEFORE = timedelta(days=180)
CERTIFICATE_BYTES_MAX = 8192


@dataclass(frozen=True, slots=True)
class Identity:
    """Paths of a node's key and certificates; they need not exist."""

    directory: Path

    @classmethod
    def of(cls, state_dir: Path) -> Identity:
        """The identity that belongs to a state directory."""
        return cls(state_dir / "identity")

    @property
    def key(self) -> Path:
        return self.directory / "node.key"

    @property
    def certificate(self) -> Path:
        return self.directory / "node.crt"

    @property
    def peer_certificate(self) -> Path:
        return self.directory / "peer.crt"

    def create(self, name: str, now: datetime | None = None) -> None:
        """Make key and certificate; `name` becomes common name and DNS name. Raises `UsageError` if one is there."""
        now = now or datetime.now(UTC)
        if self.key.exists() or self.certificate.exists():
            remedy = "Use it as it is; or move it away, and pair the node again."
            raise UsageError("did not overwrite this node's identity", f"{self.directory} holds one", remedy)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key, name, now)
        try:
            self._make_directory()
            _write_new(self.key, _pem(key), 0o600)
            _write_new(self.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        except OSError as error:
            raise _unwritable(self.directory, error) from error

    def _make_directory(self) -> None:
        self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.mkdir(mode=0o700, exist_ok=True)

    def own(self) -> bytes:
        """This node's certificate as PEM. Raises `UsageError` where there is none."""
        try:
            return self.certificate.read_bytes()
        except OSError as error:
            remedy = "Run `admin-sync init`, or correct node.state_dir."
            raise UsageError(f"this node has no identity in {self.directory}", error.strerror or "", remedy) from error

    def paired(self) -> bytes | None:
        """The pinned peer's certificate as PEM; None before pairing."""
        try:
            return self.peer_certificate.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"can not read {self.peer_certificate}", error.strerror or "") from error

    def pin(self, pem: bytes, *, expected: str | None, own_name: str) -> str:
        """Trust this certificate and no other from now on; gives the peer's name. Durable on return.

        Raises `UsageError` where it is not a certificate, is this node's own, or carries another name than expected.
        """
        name = certificate_name(pem)
        if expected is not None and name != expected:
            remedy = f"Correct peer.name, or pair with {expected}."
            raise UsageError("did not pin the certificate", f"it belongs to {name}, not to {expected}", remedy)
        if name == own_name or (self.certificate.exists() and fingerprint(pem) == fingerprint(self.own())):
            raise UsageError("did not pin the certificate", "it is this node's own", "Take the other node's.")
        try:
            self._make_directory()
            fresh = self.directory / f"peer.crt.{os.getpid()}"
            fresh.unlink(missing_ok=True)
            _write_new(fresh, pem, 0o644)
            fresh.replace(self.peer_certificate)
            _sync_directory(self.directory)
        except OSError as error:
            raise _unwritable(self.directory, error) from error
        return name


def load_certificate(pem: bytes) -> x509.Certificate:
    """Read one PEM certificate. Raises `UsageError` for anything else."""
    if len(pem) <= CERTIFICATE_BYTES_MAX and pem.count(b"-----BEGIN") == 1:
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            # The library reads these only when asked: what is no name, date or key must be found here.
            certificate.subject, certificate.not_valid_after_utc, certificate.public_key()
        except (ValueError, UnsupportedAlgorithm):
            pass
        else:
            return certificate
    remedy = "It must be the file that `admin-sync pair --export` wrote."
    raise UsageError("this is not a node's certificate", "one PEM certificate was expected", remedy)


def certificate_name(pem: bytes) -> str:
    """The node's name in a certificate. Raises `UsageError`."""
    names = load_certificate(pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise UsageError("this is not a node's certificate", "it names no node")
    return names[0].value


def fingerprint(pem: bytes) -> str:
    """SHA-256 over the DER form, as 64 hex digits in groups of 4, to be read out on the telephone."""
    digits = load_certificate(pem).fingerprint(hashes.SHA256()).hex()
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def identity_findings(identity: Identity, name: str, now: datetime) -> list[Finding]:
    """Judge key, certificate and pairing for `check`."""
    try:
        own = identity.own()
        findings = [_own_name(own, name), *_expiry("identity", own, now), *_key_mode(identity.key)]
        peer = identity.paired()
        if peer is None:
            message = "not paired with a peer"
            findings.append(Finding("pairing", Severity.WARNING, message, "Run `admin-sync pair` on both nodes."))
        else:
            findings.append(Finding("pairing", Severity.OK, f"{certificate_name(peer)}, {fingerprint(peer)[:19]} …"))
            findings += _expiry("pairing", peer, now)
    except UsageError as error:
        return [Finding("identity", Severity.PROBLEM, f"{error.what}: {error.why}", error.remedy)]
    return findings


def _own_name(pem: bytes, name: str) -> Finding:
    found = certificate_name(pem)
    if found == name:
        return Finding("identity", Severity.OK, f"{name}, {fingerprint(pem)[:19]} …")
    message = f"the certificate belongs to {found}, but node.name is {name}"
    return Finding("identity", Severity.PROBLEM, message, f"Set node.name to {found}, or make a new identity.")


def _expiry(subject: str, pem: bytes, now: datetime) -> list[Finding]:
    ends = load_certificate(pem).not_valid_after_utc
    if now >= ends:
        message = f"the certificate expired on {ends:%Y-%m-%d}"
        return [Finding(subject, Severity.PROBLEM, message, "Make a new identity there and pair again.")]
    if now >= ends - WARN_BEFORE:
        message = f"the certificate expires on {ends:%Y-%m-%d}"
        return [Finding(subject, Severity.WARNING, message, "Plan a new identity and pair again.")]
    return []


def _key_mode(key: Path) -> list[Finding]:
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
    except OSError as error:
        return [Finding("identity", Severity.PROBLEM, f"can not read {key}: {error.strerror}")]
    if mode & 0o077:
        message = f"{key} has mode {mode:04o}: others can read this node's key"
        return [Finding("identity", Severity.PROBLEM, message, f"Run: chmod 600 {key}")]
    return []


def _self_signed(key: ec.EllipticCurvePrivateKey, name: str, now: datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    public = key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    both_ways = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(both_ways, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that must not exist, with its mode from the first byte on, durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(directory: Path, error: OSError) -> UsageError:
    return UsageError(f"can not write in {directory}", error.strerror or str(error), "Run as the node's user.")
