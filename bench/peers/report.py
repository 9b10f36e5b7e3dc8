"""The table of a run, and the run as JSON.

The rule it keeps: every figure is the median of the rounds, and every single one is in the JSON, with the machine and
what else it was doing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from bench.peers import measure
from bench.peers.catchup import Result
from bench.peers.latency import Latency
from bench.peers.noise import Proof
from bench.peers.workloads import Workload
from bench.report import aligned

SAVED = Path(".benchmarks") / "peers"


def catching_up(results: Sequence[Result], workloads: Sequence[Workload], systems: Sequence[str]) -> list[str]:
    """Rates and ratios."""
    head = ["backlog", *(f"{name} rows/s" for name in systems), "ratio", "spread", "bytes/row", "share", ""]
    cells = [head]
    for workload in workloads:
        of = {name: [r for r in results if (r.workload, r.system) == (workload.name, name)] for name in systems}
        if not all(of.values()):
            continue
        rates = {name: median(_rate(r) for r in rows) for name, rows in of.items()}
        spreads = " ".join(_span(sorted(map(_rate, rows))) for rows in of.values())
        sent = {name: median((r.sent_bytes or 0) / r.rows for r in rows) for name, rows in of.items()}
        sides = [f"{rate:,.0f}" for rate in rates.values()]
        bytes_ = " / ".join(f"{one:.1f}" for one in sent.values())
        cells.append([workload.title, *sides, _ratio(rates), spreads, bytes_, _ratio(sent), ""])
    return aligned(cells)


def processes(results: Sequence[Result], workloads: Sequence[Workload], systems: Sequence[str]) -> list[str]:
    """CPU microseconds a row and peak memory of every process."""
    known = [workload for workload in workloads if any(r.workload == workload.name for r in results)]
    lines = []
    for system in systems:
        rows = [r for r in results if r.system == system]
        names = list(dict.fromkeys(name for r in rows for name in r.parts))
        cells = [
            [f"{system}: CPU µs a row", *(w.name for w in known), ""],
            *([name, *(f"{_cpu_us(rows, w, (name,)):.2f}" for w in known), ""] for name in names),
            ["together", *(f"{_cpu_us(rows, w, names):.2f}" for w in known), ""],
            [f"{system}: peak MB", *("" for _ in known), ""],
            *([name, *(f"{_peak(rows, w, name):.0f}" for w in known), ""] for name in names if "writers" not in name),
        ]
        lines += [*aligned(cells), ""]
    return lines


def latencies(measured: Sequence[Latency], systems: Sequence[str]) -> list[str]:
    """Commit to visible."""
    cells = [["commit to visible", "system", "p50 ms", "p95 ms", "p99 ms", "max ms", "bytes/tx", "CPU ms/s", ""]]
    for rate, noise in dict.fromkeys((one.rate, one.noise_rows_per_s) for one in measured):
        for system in systems:
            of = [m for m in measured if (m.rate, m.noise_rows_per_s, m.system) == (rate, noise, system)]
            if of:
                title = f"{rate:,}/s" + (f" beside {noise:,} call records/s" if noise else "")
                sent = median((m.sent_bytes or 0) / m.transactions for m in of)
                busy = median(sum(part.cpu_s for part in m.parts.values()) / m.seconds * 1000 for m in of)
                points = (median(getattr(m, name) for m in of) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms"))
                cells.append([title, system, *(f"{p:.1f}" for p in points), f"{sent:.0f}", f"{busy:.0f}", ""])
    return aligned(cells)


def words(proof: Proof) -> str:
    """What the search for call data found."""
    verdict = "No call data crossed" if proof.clean else "CALL DATA WAS FOUND"
    return (
        f"{verdict}: a word of the call records stands in {proof.tainted_messages} of {proof.messages:,} messages of"
        f" the publication\nand in {proof.tainted_batches} of {proof.batches:,} batches of the spool"
        f" ({proof.spool_bytes:,} bytes); the walls behind the publication stopped {proof.refused}."
    )


def save(
    name: str,
    settings: Mapping[str, object],
    results: Iterable[Result],
    measured: Iterable[Latency],
    proof: Proof | None,
) -> Path:
    """Store everything that was measured; gives the file."""
    SAVED.mkdir(parents=True, exist_ok=True)
    path = SAVED / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}.json"
    everything = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": measure.machine(),
        **settings,
        "backlogs": [asdict(result) for result in results],
        "latencies": [asdict(latency) for latency in measured],
        "no_call_data": None if proof is None else asdict(proof),
    }
    path.write_text(json.dumps(everything, indent=1), "utf-8")
    return path


def _rate(result: Result) -> float:
    return result.rows / result.seconds


def _span(rates: Sequence[float]) -> str:
    return f"{rates[0] / 1000:.0f}–{rates[-1] / 1000:.0f}k"


def _ratio(of: Mapping[str, float]) -> str:
    """The second by the first, where there are two."""
    values = list(of.values())
    return f"{values[1] / values[0]:.2f}" if len(values) == 2 and values[0] else ""


def _cpu_us(results: Sequence[Result], workload: Workload, names: Sequence[str]) -> float:
    return _median(
        results,
        workload,
        lambda r: sum(r.parts[name].cpu_s for name in names if name in r.parts) / r.rows * 1e6,
    )


def _peak(results: Sequence[Result], workload: Workload, name: str) -> float:
    return _median(results, workload, lambda r: r.parts[name].peak_mb if name in r.parts else 0.0)


def _median(results: Sequence[Result], workload: Workload, of: Callable[[Result], float]) -> float:
    return median([of(r) for r in results if r.workload == workload.name] or [0.0])
