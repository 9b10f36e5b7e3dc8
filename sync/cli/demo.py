"""`demo`: a pair at work on this machine, from nothing to the verified end."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from sync.cli.app import AsJson
from sync.errors import Negative

if TYPE_CHECKING:
    from sync.demo.result import Result


def demo(
    *,
    seconds: Annotated[float, Parameter(validator=Number(gte=2, lte=3600), help="How long the traffic runs.")] = 20.0,
    rate: Annotated[float, Parameter(validator=Number(gte=1, lte=1000), help="Admin transactions a second.")] = 50.0,
    postgres: Annotated[bool, Parameter(negative="", help="On two PostgreSQL servers instead of SQLite.")] = False,
    keep: Annotated[bool, Parameter(negative="", help="Keep the databases, configurations and logs.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show two nodes on this machine, with call traffic beside the admin changes.

    Makes two sample sites (27 admin and 16 call tables, in SQLite or on two
    PostgreSQL servers that it starts), pairs a node for each, copies, lets
    administrators work while calls come in at ten times the rate, kills the
    secondary halfway and brings it back, and verifies.
    Exit code 0 only where both sides are equal and no call data crossed, else 1.

    --json prints one object, with among others:
    admin_changes: rows changed by administrators, as the primary captured them
    applied: rows that the secondary applied, by its log, before and after the kill
    (a batch that the kill caught between its commit and its line is missing)
    call_rows_written, call_rows_crossed: rows of call data on the primary, and
    rows of tables that stay home that are not on the secondary what they were
    lag_ms_p50, lag_ms_p99: from the write to the first sight by a reader of the
    secondary, without the kill and the catch-up
    catch_up_s: from the restart until the lag was as before the kill
    bytes_raw, bytes_wire: the changes before and after compression
    equal: verify and a comparison by plain SQL found nothing

    Example: admin-sync demo --seconds 10 --rate 100
    """
    from sync.demo.servers import room
    from sync.demo.show import show
    from sync.demo.view import view

    with _terminable(), _workspace(room() if postgres else None, keep=keep) as directory, view() as seen:
        result = show(directory, seconds, rate, seen, postgres=postgres)
    if as_json:
        print(json.dumps(asdict(result)))
    else:
        _summary(result)
    if not result.good:
        raise Negative("the demo failed", result.complaints, "Run it with --keep, and report this with its directory.")
    return 0


def _summary(result: Result) -> None:
    width = max(len(subject) for subject, _ in result.lines())
    for subject, text in result.lines():
        print(f"{subject:<{width}}  {text}")
    if result.good:
        print("Both sides are equal, and no call data crossed.")


@contextmanager
def _workspace(room: Path | None, *, keep: bool) -> Iterator[Path]:
    """A directory in `room` for everything that the demo makes; removed at the end, whatever the end."""
    directory = Path(tempfile.mkdtemp(prefix="admin-sync-demo-", dir=room))
    try:
        yield directory
    finally:
        if keep:
            print(f"Kept: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the demo as Ctrl-C does: children first, then the directory."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, way in before.items():
            signal.signal(number, way)
