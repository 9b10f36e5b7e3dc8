"""What the spool says when its disk or its limit refuses: each error with its reason and the way on.

The rule it keeps: a full disk is `SpoolFull`, because waiting helps; anything else of the disk is `SpoolError`.
"""

from __future__ import annotations

import errno

from sync.errors import SpoolError, SpoolFull
from sync.model.position import Position

_CHECK_DISK = "Check the disk that holds `node.state_dir`, then start the node again."


def disk_failed(what: str, error: OSError) -> SpoolError:
    """The disk failed in a way that waiting does not mend."""
    return SpoolError(what, error.strerror or str(error), _CHECK_DISK)


def disk_refused(what: str, error: OSError) -> SpoolError:
    """The disk would not write; the spool is as it was before."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        remedy = "Make room on the disk that holds `node.state_dir`; nothing was lost."
        return SpoolFull(what, error.strerror or str(error), remedy)
    return disk_failed(what, error)


def limit_reached(bytes_now: int, bytes_max: int, record_bytes: int) -> SpoolFull:
    """The spool may not grow, and the peer has not taken what is in it."""
    why = f"{bytes_now} bytes of {bytes_max} are taken, and {record_bytes} more were to come"
    return SpoolFull("the spool is full", why, "Check the peer: capture goes on as it catches up.")


def transaction_too_large(position: Position | None, bytes_max: int) -> SpoolFull:
    """Waiting will not help: one transaction does not fit."""
    why = f"transaction {position} alone is larger than its {bytes_max} bytes"
    return SpoolFull("the spool is full", why, "Raise `limits.spool_bytes_max`.")


def batch_refused(why: str) -> SpoolError:
    """The batch can not stand here."""
    return SpoolError("the spool refused a batch", why, "Call `abandon`, and capture again.")


def out_of_work() -> SpoolError:
    """Someone went on after a failure."""
    return SpoolError("the spool is out of work", "its disk failed before", "It must be opened again.")


def not_open() -> SpoolError:
    """Someone forgot to open it, or went on after closing."""
    return SpoolError("the spool is not open", "it was closed, or never opened", "Open it first.")
