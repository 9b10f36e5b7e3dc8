"""Writes a new node.toml: every section with its default and what it means, ready to be edited."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

TEXT = """\
# One Admin-Sync node. A key that is missing has the value shown here; unknown keys are errors.
# Relative paths count from this file's directory.

[node]
name = {name}
role = {role:<28} # first role only; afterwards the node's own state decides
state_dir = {state_dir:<23} # identity, node state, spool, control socket; on a local disk
release = {release:<25} # release and base load must equal the peer's, or the pair refuses to sync
base_load = {base_load}

[database]
url = {url:<29} # no password in here
# password_file = "db-password"     # one line, mode 0600; or the systemd credential db-password,
                                    # or the environment variable ADMIN_SYNC_DB_PASSWORD
capture = "auto"                    # log | journal | compare

[tables]
profile = "cms"                     # built-in allow-list, deny rules and structural rule; "none": only `include`
include = []                        # more tables, by catalog name; globs are allowed
exclude = []                        # fewer
# What the deny rules name can never be included: call data stays where it was collected.

# [tables.rows]                     # rows that cross, as an SQL predicate in the database's dialect
# synonyms = "acd_no IN (1, 2)"

# [tables.columns]                  # columns that stay each server's own; replaces a built-in list of that table
# timetables = {{ local = ["run_on", "active", "next_run"] }}

{listen}
{peer}
[heartbeat]
interval_s = 20
missed_max = 3                      # so many missed beats, and the peer counts as lost

[failover]
mode = "automatic"                  # automatic | manual; in this release a lost primary is only reported

[limits]
batch_bytes_max = 4194304           # a larger transaction travels in parts and still commits as one
spool_bytes_max = 2147483648        # changes kept for a peer that is away
in_flight_batches_max = 8           # batches on the wire before the first must be acknowledged

# [http]                            # read-only page, /healthz, /readyz, /metrics, /status.json; no password
# address = "127.0.0.1:7480"
"""


@dataclass(frozen=True, slots=True)
class NewNode:
    """What `init` was told."""

    name: str
    role: str
    state_dir: str
    release: str
    base_load: str
    url: str
    listen: str | None
    peer_name: str | None
    peer_addresses: Sequence[str]


def render(node: NewNode) -> str:
    """Give the text of a node.toml."""
    listening = (
        f"[listen]\naddress = {_quoted(node.listen)}\n" if node.listen else '# [listen]\n# address = "0.0.0.0:7443"\n'
    )
    named = (
        f"name = {_quoted(node.peer_name)}"
        if node.peer_name
        else '# name = "cms-west"                 # else: as paired'
    )
    where = f"addresses = [{', '.join(map(_quoted, node.peer_addresses))}]"
    peer = f"[peer]\n{named}\n{where:<35} # tried in order\n"
    return TEXT.format(
        name=_quoted(node.name),
        role=_quoted(node.role),
        state_dir=_quoted(node.state_dir),
        release=_quoted(node.release),
        base_load=_quoted(node.base_load),
        url=_quoted(node.url),
        listen=listening,
        peer=peer,
    )


def _quoted(text: str) -> str:
    """A TOML basic string. JSON's escapes are a subset of TOML's, except for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
