"""The node state: role and epoch, durable and atomic. It outlives the configuration's first role."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sync.errors import UsageError
from sync.ports import Disk

FILE = "node.json"
RUNS_FILE = "runs.state"


@dataclass(frozen=True, slots=True)
class NodeState:
    """What survives a restart. The epoch grows at every promotion; the first primary starts at 1."""

    role: str
    epoch: int


def load(disk: Disk, first_role: str) -> NodeState:
    """Read the state, or make and store the first one."""
    if FILE not in disk.names():
        state = NodeState(first_role, 1)
        store(disk, state)
        return state
    raw = disk.read(FILE, 0, 65536)
    try:
        saved = json.loads(raw)
        state = NodeState(str(saved["role"]), int(saved["epoch"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"could not read the node state {FILE}"
        remedy = "Restore it from a backup of the state directory; deleting it starts in the configured role, epoch 1."
        raise UsageError(what, repr(error), remedy) from error
    if state.role not in ("primary", "secondary") or state.epoch < 1:
        what = f"the node state {FILE} makes no sense"
        raise UsageError(what, raw.decode(errors="replace"), "Restore it from a backup of the state directory.")
    return state


def store(disk: Disk, state: NodeState) -> None:
    """Write the state; durable when this returns."""
    disk.replace(FILE, json.dumps(asdict(state)).encode())
