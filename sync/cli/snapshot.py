"""`snapshot`: asks the running primary to copy tables, and follows the run until it ends."""

from __future__ import annotations

import sys
import time
from typing import Annotated

from cyclopts import Parameter

from sync.cli.app import ConfigFile

LOOK_S = 0.2


def snapshot(
    *tables: Annotated[str, Parameter(help="Tables to copy; all replicated tables where none is named.")],
    config: ConfigFile = None,
    no_wait: Annotated[bool, Parameter(negative="", help="Start it and return; see its progress in status.")] = False,
) -> int:
    """Copy tables to the secondary while changes go on: the initial copy, or a resync.

    Runs inside the node, so it goes on when this command is interrupted, and resumes after a restart of the node.

    Example: admin-sync snapshot synonyms agroups
    """
    from sync.cli.progress import Progress, tell_waiting
    from sync.cli.setting import read_config
    from sync.errors import UsageError
    from sync.ops.client import ControlClient

    client = ControlClient(read_config(config).state_dir)
    tell_waiting(client.status())
    run = client.snapshot(tables)
    print(run)
    if no_wait:
        return 0
    seen = False
    with Progress("snapshot") as progress:
        while True:
            status = client.status()
            moved = next((one for one in status["snapshots"] if one["run"] == run), None)
            if moved is not None:
                seen = True
                progress.show(moved["table"], moved["tables_done"], moved["tables_total"], moved["rows"])
                if moved["finished"]:
                    break
            elif seen:
                raise UsageError(f"snapshot {run} is gone", "the node was restarted or started newer runs")
            time.sleep(LOOK_S)
    print(f"Snapshot {run} is done: {moved['rows']:,} rows.", file=sys.stderr)
    return 0
