"""`check`: looks at everything that replication needs, changes nothing, and names a remedy for each problem."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from sync.cli.app import AsJson, ConfigFile
from sync.cli.setting import Survey, open_site, peer_name, read_config, selection, survey
from sync.errors import AdminSyncError, DatabaseError, Negative, UsageError
from sync.model.catalog import Finding, Severity
from sync.ops.address import is_loopback, show_address
from sync.ops.config_model import Config
from sync.ops.credentials import password_findings
from sync.ops.identity import Identity, identity_findings

SKEW_MAX_S = 1.0


def check(
    *,
    config: ConfigFile = None,
    as_json: AsJson = False,
    offline: Annotated[bool, Parameter(negative="", help="Do not try to reach the peer.")] = False,
) -> int:
    """Look at configuration, database, tables, identity and peer, and say what is wrong.

    Shows every table of the database with its verdict, the rule and the reason. Exit code 1 where something must be
    mended first, 3 where the database can not be reached.

    Example: admin-sync check -c node.toml
    """
    settings = read_config(config)
    identity = Identity.of(settings.state_dir)
    findings = [*_node_findings(settings), *identity_findings(identity, settings.node.name, datetime.now(UTC))]
    findings += password_findings(settings)
    found, failure = _database(settings, identity, findings)
    if not offline and identity.peer_certificate.exists():
        findings += _running(settings) or asyncio.run(_peer(settings, identity))
    if as_json:
        print(json.dumps(_report(findings, found), indent=2, ensure_ascii=False))
    else:
        from sync.cli import render

        render.findings(findings)
        if found is not None:
            render.tables(found.decisions)
    if failure is not None:
        raise failure
    problems = sum(finding.severity is Severity.PROBLEM for finding in findings)
    if problems:
        raise Negative(f"{problems} {'problem' if problems == 1 else 'problems'} to mend")
    return 0


def _node_findings(config: Config) -> list[Finding]:
    findings = []
    if not (config.node.release and config.node.base_load):
        message = "node.release or node.base_load is empty: both sides of the pair must leave it so"
        findings.append(Finding("release", Severity.WARNING, message, "Set both, equal on both nodes."))
    else:
        findings.append(Finding("release", Severity.OK, f"{config.node.release}, load {config.node.base_load}"))
    if config.http_at and not is_loopback(config.http_at[0]):
        message = f"{show_address(*config.http_at)} can be read from other machines without a password"
        findings.append(Finding("http", Severity.WARNING, message, "Use 127.0.0.1, or keep the network closed."))
    message = "this release takes no node over by itself: a lost primary is reported, and an operator acts"
    findings.append(Finding("failover", Severity.WARNING, message))
    if config.node.role == "secondary" and config.listen is None:
        message = "a secondary must listen for its primary"
        findings.append(Finding("listen", Severity.PROBLEM, message, "Add [listen] with an address."))
    if config.node.role == "primary" and not config.peer_addresses:
        message = "the primary does not know where its peer is"
        findings.append(Finding("peer", Severity.PROBLEM, message, "Set peer.addresses."))
    return findings


def _database(
    config: Config, identity: Identity, findings: list[Finding]
) -> tuple[Survey | None, DatabaseError | None]:
    try:
        with open_site(config) as site:
            found = survey(site, selection(config))
            findings += site.preflight(found.captured, _primary(config, identity))
    except DatabaseError as error:
        findings.append(Finding("database", Severity.PROBLEM, f"{error.what}: {error.why}", error.remedy))
        return None, error
    for decision in found.refused:
        remedy = f'Mend it, or add "{decision.table}" to tables.exclude.'
        findings.append(Finding(f"table {decision.table}", Severity.PROBLEM, decision.reason, remedy))
    findings += [Finding("configuration", Severity.WARNING, mismatch) for mismatch in found.mismatches]
    count = len(found.captured)
    severity = Severity.OK if count else Severity.PROBLEM
    remedy = "" if count else "Add tables with tables.include."
    findings.append(Finding("tables", severity, f"{count} of {len(found.facts)} are replicated", remedy))
    return found, None


def _primary(config: Config, identity: Identity) -> str:
    """The primary's name as a secondary knows it, and some name where it was not paired yet; empty on a primary."""
    if config.node.role == "primary":
        return ""
    try:
        return peer_name(config, identity)
    except UsageError:
        return "?"


def _running(config: Config) -> list[Finding]:
    """Ask the running node about its peer; a second connection would push out the one that it has."""
    from sync.ops.client import ControlClient

    try:
        status = ControlClient(config.state_dir).status()
    except AdminSyncError:
        return []
    peer = status["peer"]
    if peer["connected"]:
        connected = Finding("peer", Severity.OK, f"{peer['name']} is connected, at {peer['address']}")
        return [connected, *_clock_skew(peer["clock_skew_s"])]
    message = f"the node runs ({status['state'].replace('_', ' ')}), and {peer['name']} is not connected"
    return [Finding("peer", Severity.WARNING, message, "See `admin-sync status` for the last error.")]


def _clock_skew(skew_s: float | None) -> list[Finding]:
    if skew_s is None:
        return []
    message = f"the clocks of the two nodes differ by {skew_s:+.3f} s; order never depends on them, lag figures do"
    far = abs(skew_s) > SKEW_MAX_S
    remedy = "Let both machines follow a time server." if far else ""
    return [Finding("clock", Severity.WARNING if far else Severity.OK, message, remedy)]


async def _peer(config: Config, identity: Identity) -> list[Finding]:
    """Connect to the peer's addresses. Not reachable is a warning: it may not run yet."""
    from sync.transport.dial import dial
    from sync.transport.tls import TlsMaterial

    name = peer_name(config, identity)
    material = TlsMaterial(identity.certificate, identity.key, identity.peer_certificate, name)
    findings = []
    for host, port in config.peer_addresses:
        subject = f"peer {show_address(host, port)}"
        try:
            _, writer = await dial(host, port, material)
        except AdminSyncError as error:
            findings.append(Finding(subject, Severity.WARNING, f"{error.what}: {error.why}", error.remedy))
        else:
            writer.transport.abort()
            findings.append(Finding(subject, Severity.OK, f"{name} answers, mutual TLS 1.3"))
    return findings


def _report(findings: list[Finding], found: Survey | None) -> dict[str, object]:
    return {
        "ok": all(finding.severity is not Severity.PROBLEM for finding in findings),
        "findings": [
            {
                "subject": finding.subject,
                "severity": finding.severity.value,
                "message": finding.message,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
        "tables": [
            {
                "table": decision.table,
                "verdict": decision.verdict.value,
                "rule": decision.rule,
                "reason": decision.reason,
            }
            for decision in (found.decisions if found else ())
        ],
    }
