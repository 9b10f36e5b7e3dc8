"""The real driver, pointed at a double: its surroundings, connections, and processes of its own for what may crash.

The driver reads its environment once, at its first connection, so whoever connects in a test process goes through
`quiet_driver` before. It switches automatic client reroute off, which would re-send a statement on a new connection
unseen, and sends the driver's diagnostics into a directory that goes with the process.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.drda.host import Double

REROUTES = "DB2_MAX_CLIENT_CONNRETRIES"
DIAGNOSTICS = "DB2_DIAGPATH"
_ROOT = Path(__file__).parents[2]
_CHILD_S = 60

needs_driver = pytest.mark.skipif(
    importlib.util.find_spec("ibm_db") is None,
    reason="the Informix driver ibm-db brings no library for this platform",
)


def needed_environment(diagnostics: Path) -> dict[str, str]:
    return {REROUTES: "0", DIAGNOSTICS: str(diagnostics)}


@cache
def quiet_driver() -> None:
    """Set up the surroundings; to be called before the first connection of a process."""
    diagnostics = Path(tempfile.mkdtemp(prefix="drda-diagnostics-"))
    atexit.register(shutil.rmtree, diagnostics, ignore_errors=True)
    os.environ.update(needed_environment(diagnostics))


def address(port: int, *, database: str = "db1", user: str = "u", password: str = "secret") -> str:
    return (
        f"DATABASE={database};HOSTNAME=127.0.0.1;PORT={port};PROTOCOL=TCPIP;UID={user};PWD={password};"
        "AUTHENTICATION=SERVER;"
    )


@contextmanager
def connected(double: Double, *, autocommit: bool = False, **parts: str) -> Iterator[Any]:
    """A connection of the driver's own kind, for the block."""
    import ibm_db  # noqa: PLC0415 - a C library that not every platform has

    quiet_driver()
    connection = ibm_db.connect(address(double.port, **parts), "", "")
    try:
        if not autocommit:
            ibm_db.autocommit(connection, ibm_db.SQL_AUTOCOMMIT_OFF)
        yield connection
    finally:
        if ibm_db.active(connection):
            ibm_db.close(connection)


@contextmanager
def fails(text: str) -> Iterator[None]:
    """The block ends in an error with this text, in itself or in its cause: some calls raise SystemError with one."""
    with pytest.raises(Exception) as told:  # noqa: PT011 - the driver has no other class
        yield
    said = f"{told.value} {told.value.__cause__ or ''}"
    assert text in said, said


def in_a_child(script: str, arguments: Sequence[str], environment: dict[str, str]) -> str:
    """Run a script with its own copy of the driver; give its output, or raise with all that it said."""
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | {"PYTHONPATH": str(_ROOT)} | environment,
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_CHILD_S,
        check=False,
    )
    assert ended.returncode == 0, f"exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout
