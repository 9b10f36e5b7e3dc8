"""What a demo found, and whether that is a yes.

The rule it keeps: each figure says what was counted and where. A yes needs two equal sides, no call data across, and
traffic that really ran.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The figures of one demo; the field names are the keys of `--json`."""

    admin_transactions: int
    """Transactions of the administrators."""
    admin_changes: int
    """Row changes that the primary captured from them."""
    applied: int
    """Row changes that the secondary applied, by its own log, before and after the kill.

    A batch that the kill caught between its commit and its line in the log is not among them.
    """
    call_rows_written: int
    """Call-data rows written on the primary meanwhile."""
    call_rows_crossed: int
    """Rows of the tables that stay home (call data, traps, a server's own) that the secondary did not have before."""
    lag_ms_p50: float | None
    """From the write on the primary to the first sight on the secondary, without the kill and the catch-up."""
    lag_ms_p99: float | None
    lag_samples: int
    lag_samples_apart: int
    """Transactions first seen between the kill and the end of the catch-up; not in the percentiles."""
    catch_up_s: float | None
    """From the secondary's restart until it was as close behind as before the kill; its start is in it."""
    bytes_raw: int
    """Size of the changes, encoded, before compression (counters.bytes_raw of the primary, without the copy)."""
    bytes_wire: int
    """The same as it was sent."""
    copy_rows: int
    """Rows of the initial copy."""
    copy_s: float
    verify_equal: bool
    """What `verify` said."""
    rows_different: int
    """Rows of the replicated tables that stand on one side only, by plain SQL on both databases."""
    equal: bool
    """Both of these: nothing differs."""

    @property
    def good(self) -> bool:
        return self.equal and not self.call_rows_crossed and self.applied > 0 and self.call_rows_written > 0

    @property
    def complaints(self) -> str:
        """Why it is a no."""
        found = []
        if not self.verify_equal:
            found.append("verify found differences")
        if self.rows_different:
            found.append(f"{self.rows_different:,} rows stand on one side only")
        if self.call_rows_crossed:
            found.append(f"tables that stay home differ from before in {self.call_rows_crossed:,} rows")
        if not (self.applied and self.call_rows_written):
            found.append("the traffic did not run, so nothing was shown")
        return ", ".join(found)

    def lines(self) -> list[tuple[str, str]]:
        """The summary as (subject, text)."""
        saved = 1 - self.bytes_wire / self.bytes_raw if self.bytes_raw else 0
        return [
            ("initial copy", f"{self.copy_rows:,} rows in {self.copy_s:.1f} s"),
            (
                "admin changes",
                f"{self.admin_changes:,} rows in {self.admin_transactions:,} transactions, {self.applied:,} applied",
            ),
            ("call data", f"{self.call_rows_written:,} rows written, {self.call_rows_crossed:,} crossed"),
            ("lag", f"p50 {_ms(self.lag_ms_p50)}, p99 {_ms(self.lag_ms_p99)} of {self.lag_samples:,} transactions"),
            (
                "kill -9",
                f"caught up {_s(self.catch_up_s)} after the restart; {self.lag_samples_apart:,} transactions waited",
            ),
            (
                "bytes",
                f"{self.bytes_raw / KIB:,.0f} KiB of changes as {self.bytes_wire / KIB:,.0f} KiB, {saved:.0%} saved",
            ),
            (
                "verify",
                f"{'equal' if self.verify_equal else 'DIFFERENT'}; {self.rows_different:,} rows differ by plain SQL",
            ),
        ]


def _ms(value: float | None) -> str:
    return "not measured" if value is None else f"{value:,.1f} ms"


def _s(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f} s"
