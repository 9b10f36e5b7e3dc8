"""`uninstall`: takes everything out of the database again. Refuses while the node runs."""

from __future__ import annotations

import sys

from sync.cli.app import ConfigFile, Print


def uninstall(*, config: ConfigFile = None, only_print: Print = False) -> int:
    """Remove everything that Admin-Sync installed in this node's database.

    Changes that were not shipped yet are forgotten; a later install starts with a new snapshot.

    Example: admin-sync uninstall -c node.toml --print
    """
    from sync.cli.setting import open_site, read_config
    from sync.spool.disk import StateLock

    settings = read_config(config)
    if only_print:
        with open_site(settings) as site:
            for statement in site.uninstall_statements():
                print(f"{statement.rstrip().rstrip(';')};")
        return 0
    lock = StateLock(settings.state_dir)
    lock.acquire()
    try:
        with open_site(settings) as site:
            site.uninstall()
    finally:
        lock.release()
    print("Removed everything that Admin-Sync had installed.", file=sys.stderr)
    return 0
