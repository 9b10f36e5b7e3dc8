"""A program started through this file ends when its parent does, even when the parent is killed outright.

It exists because `finally` does not run under SIGKILL, and a demo must not leave nodes behind. The rule it keeps: it
imports next to nothing and becomes the program, with the same number. Run: python leash.py PARENT PROGRAM ARGUMENT…
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def bind() -> None:
    """Ask Linux to kill this process with its parent; elsewhere the parent's own care has to do."""
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415  costs more than the rest of this file, and Linux alone needs it

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    bind()
    # The parent may have ended before the request: then this process has another one by now.
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  there is no shell, and none is wanted
