"""How results look to people. Words carry the meaning; colour only repeats it, and only on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sync.core.filter import Decision
from sync.model.catalog import Finding, Severity

MARKS = {Severity.OK: "[green]ok[/]", Severity.WARNING: "[yellow]warning[/]", Severity.PROBLEM: "[red]problem[/]"}
WIDE = 160
"""Characters a line where nobody's terminal says how wide it is."""
MIB = 1024 * 1024


def console(*, stderr: bool = False) -> Console:
    """A console that does not break lines for a pipe."""
    screen = Console(stderr=stderr, highlight=False)
    return screen if screen.is_terminal else Console(stderr=stderr, highlight=False, width=WIDE)


def findings(found: Sequence[Finding]) -> None:
    """One line a finding, the remedy below it."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for finding in found:
        message = escape(finding.message)
        if finding.remedy and finding.severity is not Severity.OK:
            message += f"\n[dim]{escape(finding.remedy)}[/]"
        table.add_row(MARKS[finding.severity], escape(finding.subject), message)
    console().print(table)


def tables(decisions: Sequence[Decision]) -> None:
    """Every table with verdict, rule and reason."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title_justify="left")
    for heading in ("table", "verdict", "rule", "reason"):
        table.add_column(heading)
    for decision in decisions:
        verdict = escape(decision.verdict.value)
        colour = {"replicate": "green", "refused": "red"}.get(decision.verdict.value, "dim")
        table.add_row(escape(decision.table), f"[{colour}]{verdict}[/]", escape(decision.rule), escape(decision.reason))
    screen = console()
    screen.print()
    screen.print(table)


def status(report: dict[str, Any]) -> Table:
    """The status of a node as a table to print or to show live."""
    peer, capture, spool, apply = report["peer"], report["capture"], report["spool"], report["apply"]
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    good = report["state"] == "streaming"
    state = report["state"].replace("_", " ")
    table.add_row("node", f"{escape(report['node'])}, {report['role']}, epoch {_shown(report['epoch'])}")
    table.add_row("state", f"[{'green' if good else 'red'}]{state}[/]")
    connected = "connected" if peer["connected"] else "[red]not connected[/]"
    beat = "" if peer["last_beat_age_s"] is None else f", last beat {_seconds(peer['last_beat_age_s'])} ago"
    table.add_row("peer", f"{escape(peer['name'] or '?')} {connected}{beat}")
    healthy = {True: "healthy", False: "[red]failed[/]", None: "not known"}[capture["healthy"]]
    table.add_row("capture", f"{healthy}, position {_shown(capture['position'])}, lag {_seconds(capture['lag_s'])}")
    size = "–" if spool["bytes"] is None else f"{spool['bytes'] / MIB:.1f} MiB"
    table.add_row("spool", f"{size}, up to {_shown(spool['newest_position'])}")
    behind = f"{_shown(apply['lag_transactions'])} transactions, {_shown(apply['lag_bytes'])} bytes"
    table.add_row("apply", f"position {_shown(apply['position'])}, lag {_seconds(apply['lag_s'])}, {behind}")
    counted = ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in report["counters"].items() if value)
    table.add_row("counted", counted or "nothing yet")
    for paused in report.get("paused", []):
        skipped = paused["changes_skipped"]
        left_out = f", {skipped:,} changes left out" if skipped else ""
        words = f"[red]{escape(paused['difference'])}[/]{left_out}\n{escape(paused['remedy'])}"
        table.add_row("paused", f"{escape(paused['table'])}: {words}")
    for run in report.get("snapshots", []):
        ended = "done" if run["finished"] else f"at {escape(run['table'])}"
        place = f"{run['tables_done']}/{run['tables_total']} tables, {run['rows']:,} rows"
        table.add_row(run["kind"], f"run {run['run']} {ended}, {place}")
    for warning in report.get("warnings", []):
        table.add_row("warning", f"[yellow]{escape(warning['what'])}[/]")
    error = report["last_error"]
    if error:
        table.add_row(
            "last error", f"[red]{escape(error['what'])}[/]: {escape(error['why'])}\n{escape(error['remedy'])}"
        )
    return table


def _seconds(value: float | None) -> str:
    if value is None:
        return "not known"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"
