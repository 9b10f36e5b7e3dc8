"""`tail`: the changes as they pass through the running node. It looks on and slows nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter

from sync.cli.app import AsJson, ConfigFile


def tail(
    *,
    config: ConfigFile = None,
    table: Annotated[tuple[str, ...], Parameter(help="Only this table; may be repeated.")] = (),
    as_json: AsJson = False,
) -> int:
    """Show changes as they pass, until Ctrl-C.

    Example: admin-sync tail --table synonyms --json
    """
    from sync.cli.setting import read_config
    from sync.ops.client import ControlClient

    client = ControlClient(read_config(config).state_dir)
    for change in client.tail(table):
        print(json.dumps(change, ensure_ascii=False) if as_json else _line(change), flush=True)
    return 0


def _line(change: dict[str, Any]) -> str:
    row = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in change.get("row", {}).items())
    committed = datetime.fromtimestamp(change.get("committed_at_us", 0) / 1_000_000, UTC)
    return f"{committed:%H:%M:%S.%f} {change.get('position')} {change.get('table')} {change.get('op')} {row}"
