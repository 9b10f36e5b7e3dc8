"""`status`: what the running node measured, once or live."""

from __future__ import annotations

import json
import time
from typing import Annotated

from cyclopts import Parameter

from sync.cli.app import AsJson, ConfigFile

REFRESH_S = 1.0


def status(
    *,
    config: ConfigFile = None,
    as_json: AsJson = False,
    watch: Annotated[bool, Parameter(negative="", help="Go on showing it, once a second, until Ctrl-C.")] = False,
) -> int:
    """Show role, epoch, peer, positions, lag, counters and the last error of the running node.

    Example: admin-sync status --watch
    """
    from sync.cli import render
    from sync.cli.setting import read_config
    from sync.ops.client import ControlClient

    client = ControlClient(read_config(config).state_dir)
    if as_json:
        print(json.dumps(client.status(), ensure_ascii=False), flush=True)
        while watch:
            time.sleep(REFRESH_S)
            print(json.dumps(client.status(), ensure_ascii=False), flush=True)
        return 0
    screen = render.console()
    if not watch:
        screen.print(render.status(client.status()))
        return 0
    from rich.live import Live

    with Live(render.status(client.status()), console=screen, auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH_S)
            live.update(render.status(client.status()), refresh=True)
