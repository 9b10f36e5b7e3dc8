"""The side-by-side benchmark's own arithmetic: a wrong figure is worse than none (invariant 10)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.peers import latency, measure, report
from bench.peers.catchup import Result
from bench.peers.measure import Mark, Usage
from bench.peers.noise import Proof
from bench.peers.pgbench import committed
from bench.peers.workloads import workloads

INSERT = workloads(0.1)[0]
NATIVE = Result(INSERT.name, "native", 1, 20_000, 2.0, 2_000_000, {"apply worker": Usage(0.2, 9.0)}, 0.1)
OURS = replace(NATIVE, system="admin-sync", sent_bytes=100_000, parts={"primary node": Usage(0.1, 60.0)})


def test_rates_and_ratios_are_of_medians() -> None:
    ours = [replace(OURS, seconds=seconds) for seconds in (1.0, 100.0, 0.5)]
    line = report.catching_up([NATIVE, *ours], [INSERT], ["native", "admin-sync"])[1]
    rates, bytes_ = ["10,000", "20,000", "2.00"], ["100.0", "/", "5.0", "0.05"]
    assert line.split() == [*INSERT.title.split(), *rates, "10–10k", "0–40k", *bytes_]


def test_cpu_is_told_by_the_row_and_memory_by_the_process() -> None:
    lines = report.processes([NATIVE, OURS], [INSERT], ["native", "admin-sync"])
    figures = [line.split()[-1] for line in lines if line.startswith(("apply worker", "primary node"))]
    assert figures == ["10.00", "9", "5.00", "60"]


def test_a_row_is_taken_behind_the_warm_up_and_never_before_its_commit() -> None:
    at = {(0, 1): 10.0, (0, 2): 12.0, (0, 3): 13.0}
    seen = {(0, 1): 10.9, (0, 2): 12.5, (0, 3): 12.9}
    assert latency.taken(at, seen) == [0.5, 0.0]


def test_the_log_of_a_writer_counts_each_client_for_itself(tmp_path: Path) -> None:
    (tmp_path / "w.7").write_text("0 1 9 0 1700000000 500000 3\n1 1 9 0 1700000001 0 3\n0 2 9 0 1700000002 0 3\n")
    assert committed(tmp_path / "w") == {(0, 1): 1_700_000_000.5, (1, 1): 1_700_000_001.0, (0, 2): 1_700_000_002.0}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a connection has carried")
def test_what_a_connection_carries_is_counted_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as out:
        port = server.getsockname()[1]
        before = measure.sent_bytes(remote_port=port)
        came, _ = server.accept()
        with came:
            out.sendall(b"x" * 50_000)
            got = 0
            while got < 50_000:
                got += len(came.recv(1 << 16))
            came.sendall(b"y" * 7)
            assert out.recv(7) == b"y" * 7, "which acknowledges what came before"
            now = measure.sent_bytes(remote_port=port)
            assert before is not None
            assert now == before + 50_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process takes in /proc")
def test_a_process_that_came_later_counts_from_its_start() -> None:
    mark = Mark.of([os.getpid()])
    burning = subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", "print(sum(range(3_000_000)), flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with burning:
        assert burning.stdout is not None
        burning.stdout.readline()
        usage = mark.usage([burning.pid])
        assert usage.cpu_s == measure.cpu_s(burning.pid) > 0.01
        assert usage.peak_mb > 1
        burning.communicate(b"\n")


def test_nothing_read_is_no_proof() -> None:
    assert Proof(10, 0, 5, 0, 1000, 0).clean
    assert not Proof(0, 0, 5, 0, 1000, 0).clean
    assert not Proof(10, 0, 5, 1, 1000, 0).clean
