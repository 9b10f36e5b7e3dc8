"""`install`: what this node needs in its database. Refuses as a whole rather than capture some tables wrongly."""

from __future__ import annotations

import sys

from sync.cli.app import ConfigFile, Print


def install(*, config: ConfigFile = None, only_print: Print = False) -> int:
    """Install capture (primary) or checkpoint and write guard (secondary) in the database.

    Safe to repeat: it brings what is installed to what the configuration says.

    Example: admin-sync install -c node.toml --print
    """
    from sync.cli.setting import open_site, peer_name, read_config, selection, survey
    from sync.errors import UsageError
    from sync.ops.identity import Identity

    settings = read_config(config)
    primary = settings.node.role == "primary"
    guarded_by = "" if primary else peer_name(settings, Identity.of(settings.state_dir))
    with open_site(settings) as site:
        found = survey(site, selection(settings))
        if found.refused:
            lines = "".join(f"\n  {decision.table}: {decision.reason}" for decision in found.refused)
            names = ", ".join(f'"{decision.table}"' for decision in found.refused)
            remedy = f"Mend the tables, or leave them out: tables.exclude = [{names}]"
            raise UsageError(f"{len(found.refused)} wanted tables can not be captured", lines, remedy)
        if not found.captured:
            remedy = "See `admin-sync check` for every table and its rule; add tables with tables.include."
            raise UsageError("nothing to install", "the rules allow no table of this database", remedy)
        if only_print:
            statements = (
                site.capture_statements(found.captured)
                if primary
                else site.guard_statements(found.captured, guarded_by)
            )
            for statement in statements:
                print(f"{statement.rstrip().rstrip(';')};")
            return 0
        if primary:
            site.install_capture(found.captured)
            what = f"capture ({site.capture_mode()})"
        else:
            site.install_guard(found.captured, guarded_by)
            what = "checkpoint and write guard"
    print(f"Installed {what} for {len(found.captured)} tables.", file=sys.stderr)
    return 0
