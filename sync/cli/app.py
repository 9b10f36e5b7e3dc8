"""The table of commands. A command's module is imported when the command, or the list of all, is asked for."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

COMMANDS = {
    "demo": "Show two nodes on this machine, with call traffic beside the admin changes.",
    "init": "Make a node: its configuration and its identity.",
    "pair": "Make two nodes trust each other.",
    "check": "Look at everything that replication needs, and say what is wrong.",
    "install": "Install what this node needs in its database.",
    "uninstall": "Remove all of it.",
    "run": "Run the node.",
    "status": "Show what the running node measured.",
    "snapshot": "Copy tables to the secondary while changes go on.",
    "verify": "Compare both sides row by row; repair on request.",
    "tail": "Show the changes as they pass.",
}
"""In the order in which a new user meets them."""

ConfigFile = Annotated[
    Path | None,
    Parameter(
        name=["--config", "-c"],
        help="The node's configuration. Default: $ADMIN_SYNC_CONFIG, ./node.toml, /etc/admin-sync/node.toml.",
    ),
]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for scripts.")]
Print = Annotated[bool, Parameter(name="--print", negative="", help="Show the SQL and change nothing.")]


def build(*, overview: bool = False) -> App:
    """Make the app with all commands; for the `overview` with one line on each, without importing them."""
    app = App(
        name="admin-sync",
        help="Keep the administration tables of a secondary database equal to those of a primary.",
        help_epilogue="Start with: admin-sync demo. With --debug, every command shows the trace of an error.",
        help_format="plaintext",
        version=_version,
        version_flags=["--version"],
    )
    for place, (name, summary) in enumerate(COMMANDS.items()):
        said = {"help": summary} if overview else {}
        app.command(f"sync.cli.{name}:{name}", name=name, sort_key=place, **said)
    return app


def _version() -> str:
    try:
        return version("admin-sync")
    except PackageNotFoundError:
        return "unknown"
