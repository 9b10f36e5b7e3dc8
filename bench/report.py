"""The table of a run, and the comparison of two.

`python -m bench.report BASE [NEW]` compares saved runs (JSON of pytest-benchmark); without NEW the newest saved run is
taken. The rule it keeps: a difference is called one only where it is outside of the noise of both runs; what was
measured once has no noise that is known, and no verdict.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

SAVED = Path(".benchmarks")


@dataclass(frozen=True)
class Line:
    """One line of the table: a stage with its rate, or one figure with its unit."""

    stage: str
    changes_per_s: float | None = None
    mb_per_s: float | None = None
    bytes_per_change: float | None = None
    limit: str = ""
    """What the raw limit did, or which goal a figure has."""
    ratio: float | None = None
    """Speed of the stage as a share of the raw limit's."""
    noise: float = 0.0
    """Half the span between the quartiles, as a share of the median."""
    value: float | None = None
    unit: str = ""

    @property
    def measure(self) -> tuple[float, bool]:
        """What two runs are compared by, and whether more is better."""
        if self.ratio is not None:
            return self.ratio, True
        if self.value is not None:
            return self.value, self.unit.endswith("/s")
        return self.changes_per_s or self.mb_per_s or 0.0, True


def table(lines: Sequence[Line]) -> list[str]:
    """The lines as text under one heading."""
    heading = ["stage", "changes/s", "MB/s", "bytes/change", "ratio", "noise", "to what"]
    cells = [heading]
    for line in lines:
        if line.value is not None:
            cells.append([line.stage, f"{line.value:,.2f} {line.unit}", "", "", "", _share(line.noise), line.limit])
            continue
        cells.append(
            [
                line.stage,
                f"{line.changes_per_s:,.0f}" if line.changes_per_s else "",
                f"{line.mb_per_s:,.1f}" if line.mb_per_s else "",
                f"{line.bytes_per_change:,.2f}" if line.bytes_per_change else "",
                f"{line.ratio:.2f}" if line.ratio is not None else "",
                _share(line.noise),
                line.limit,
            ]
        )
    return aligned(cells)


def compare(base: Sequence[Line], new: Sequence[Line]) -> list[str]:
    """One line a stage: how much faster the new run is, by the ratio to the raw limit where there is one."""
    before = {line.stage: line for line in base}
    cells = [["stage", "base", "new", "better by", "noise", ""]]
    for line in new:
        old = before.get(line.stage)
        if old is None:
            continue
        (was, more_is_better), (now, _) = old.measure, line.measure
        if not was or not now:
            continue
        gain = now / was if more_is_better else was / now
        noise = (old.noise**2 + line.noise**2) ** 0.5
        known = old.noise and line.noise
        verdict = "" if not known or abs(gain - 1) <= 2 * noise else "faster" if gain > 1 else "SLOWER"
        cells.append([line.stage, f"{was:,.2f}", f"{now:,.2f}", f"{gain:.2f}", _share(noise), verdict])
    return aligned(cells)


def load(path: Path) -> list[Line]:
    """Read the lines of a saved run."""
    known = {field.name for field in fields(Line)}
    saved = json.loads(path.read_text("utf-8"))
    lines = [line for benchmark in saved["benchmarks"] for line in benchmark["extra_info"].get("lines", ())]
    return [Line(**{name: value for name, value in line.items() if name in known}) for line in lines]


def main(arguments: Sequence[str]) -> int:
    """Compare two saved runs; gives the exit code."""
    saved = sorted(SAVED.glob("**/*.json"), key=lambda path: path.stat().st_mtime)
    if not arguments or not saved:
        listed = "\n".join(f"  {path}" for path in saved) or "  (none: run `make bench` first)"
        sys.stderr.write(f"Name the run to compare with: make bench-compare BASE=file\n{listed}\n")
        return 2
    base, new = Path(arguments[0]), Path(arguments[1]) if len(arguments) > 1 else saved[-1]
    sys.stdout.write(f"{base} (base) and {new} (new)\n" + "\n".join(compare(load(base), load(new))) + "\n")
    return 0


def _share(noise: float) -> str:
    return f"±{noise:.0%}" if noise else ""


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        inner = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *inner, row[-1]]).rstrip())
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
