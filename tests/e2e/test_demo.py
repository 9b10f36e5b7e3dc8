"""The whole road as a user walks it first: invariants 1, 3, 5 and 10 over two real processes and a kill."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CONTRACT = {
    "admin_changes",
    "applied",
    "call_rows_written",
    "call_rows_crossed",
    "lag_ms_p50",
    "lag_ms_p99",
    "bytes_raw",
    "bytes_wire",
    "equal",
}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_demo_ends_with_two_equal_sides_and_no_call_data_across() -> None:
    """Nothing lost through the kill (1), nothing applied twice (4), no call data across (5), figures measured (10)."""
    line = [sys.executable, "-m", "sync.cli", "demo", "--seconds", "4", "--rate", "50", "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result) >= CONTRACT
    assert result["equal"] is True
    assert result["verify_equal"] is True
    assert result["rows_different"] == 0
    assert result["call_rows_crossed"] == 0
    assert result["admin_transactions"] > 10
    assert result["call_rows_written"] > 10 * result["admin_transactions"]
    assert result["applied"] >= result["admin_transactions"]
    # The kill may fall between a commit and its line in the log; what was applied then can not be counted.
    assert 0 <= result["admin_changes"] - result["applied"] < 0.2 * result["admin_changes"]
    assert 0 < result["lag_ms_p50"] <= result["lag_ms_p99"]
    assert result["lag_samples"] + result["lag_samples_apart"] == result["admin_transactions"]
    assert result["lag_samples_apart"] > 0
    assert result["catch_up_s"] > 0
    assert 0 < result["bytes_wire"] < result["bytes_raw"]
    assert result["copy_rows"] > 80_000
