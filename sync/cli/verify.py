"""`verify`: compares both sides at one stream position through the running primary, and says exactly what differs."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

from cyclopts import Parameter

from sync.cli.app import AsJson, ConfigFile

SHOWN_MAX = 50


def verify(
    *tables: Annotated[str, Parameter(help="Tables to compare; all replicated tables where none is named.")],
    config: ConfigFile = None,
    repair: Annotated[bool, Parameter(negative="", help="Send the rows that differ again.")] = False,
    as_json: AsJson = False,
) -> int:
    """Compare both sides row by row while changes go on. Exit code 1 where they differ.

    Example: admin-sync verify --repair
    """
    from sync.cli.progress import Progress, tell_waiting
    from sync.cli.setting import read_config
    from sync.errors import AdminSyncError, Negative
    from sync.ops.client import ControlClient

    client = ControlClient(read_config(config).state_dir)
    tell_waiting(client.status())
    result: dict[str, Any] | None = None
    with Progress("verify") as progress:
        for step in client.verify(tables, repair=repair):
            if step.get("final"):
                result = step
            elif "waits" in step:
                progress.say(f"The secondary waits: {step['waits']}")
            else:
                done, total = step.get("tables_done", 0), step.get("tables_total", 0)
                progress.show(str(step.get("table", "")), done, total, step.get("rows", 0))
    if result is None:
        raise AdminSyncError("verify ended without a result", "the node ended it", "See its log, and run it again.")
    if as_json:
        print(json.dumps({key: value for key, value in result.items() if key != "final"}, ensure_ascii=False))
    else:
        _show(result)
    if not result["equal"]:
        remedy = "" if repair else "Run `admin-sync verify --repair` to mend them from the primary."
        raise Negative("the two sides differ", remedy=remedy)
    mended = result.get("difference_count", 0)
    print(f"Mended {mended:,} differences." if mended else "Both sides are equal.", file=sys.stderr)
    return 0


def _show(result: dict[str, Any]) -> None:
    differences = result.get("differences", [])
    for table, about in result.get("tables", {}).items():
        print(f"{table}: {about if not isinstance(about, dict) else _line(about)}")
    for one in differences[:SHOWN_MAX]:
        columns = f" ({', '.join(one['columns'])})" if one.get("columns") else ""
        print(f"  {one.get('table')} {one.get('key')}: {one.get('what')}{columns}")
    if len(differences) > SHOWN_MAX:
        print(f"  and {len(differences) - SHOWN_MAX:,} more (--json shows all that were kept)")


def _line(about: dict[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in about.items())
