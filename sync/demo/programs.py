"""The demo's child programs: the two nodes and the traffic.

The rule it keeps: no child outlives the demo. A crew ends all of its programs on the way out, whatever the way; each is
also on a leash, for the one way out that runs no code. What a program said goes to a log file, and the end of that
file to whoever has to know why it ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from sync.demo import leash
from sync.errors import AdminSyncError

STOP_TIMEOUT_S: Final = 10.0
TAIL_LINES: Final = 12
COMMAND_TIMEOUT_S: Final = 60.0


def command(*arguments: str) -> str:
    """Run one `admin-sync` command to its end; gives what it printed. Raises `AdminSyncError` with what it said."""
    line = [sys.executable, "-m", "sync.cli", *arguments]
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT_S)
    except subprocess.TimeoutExpired as late:
        raise AdminSyncError(f"admin-sync {arguments[0]} did not end", f"after {COMMAND_TIMEOUT_S:.0f} s") from late
    if done.returncode:
        raise AdminSyncError(f"admin-sync {arguments[0]} ended with {done.returncode}", done.stderr.strip())
    return done.stdout


class Program:
    """One running child. Not for several threads."""

    def __init__(self, name: str, arguments: list[str], log: Path, *, piped: bool = False) -> None:
        """Start `python ARGUMENT…`, its words appended to `log`; what it prints into `output` where `piped`."""
        self.name: Final = name
        self.log: Final = log
        # The leash imports nothing of the site's: -S and -E make it cost some milliseconds.
        bound = [sys.executable, "-S", "-E", str(Path(leash.__file__)), str(os.getpid())]
        with log.open("ab") as file:
            self._child = subprocess.Popen(
                [*bound, sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else file,
                stderr=file,
                # Ctrl-C is for the demo alone, which then ends its programs in order.
                start_new_session=True,
            )

    @property
    def output(self) -> IO[bytes]:
        """What the program prints. Only where it was started `piped`."""
        assert self._child.stdout is not None
        return self._child.stdout

    @property
    def code(self) -> int | None:
        """Exit code; None while it runs."""
        return self._child.poll()

    def kill(self) -> None:
        """SIGKILL: it gets no chance to tidy up."""
        self._child.kill()
        self._child.wait()

    def stop(self) -> int:
        """SIGTERM, and what it ended with; SIGKILL where it does not end."""
        self._child.terminate()
        try:
            return self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._child.wait()

    def need(self) -> None:
        """Raise where it has ended on its own."""
        if self.code is not None:
            raise self.failure(f"{self.name} ended on its own with {self.code}")

    def failure(self, what: str) -> AdminSyncError:
        """An error that shows the end of the log."""
        with self.log.open(encoding="utf-8", errors="replace") as file:
            # What happens with every batch would push out the line that matters.
            last = deque((line for line in file if '"level": "debug"' not in line), TAIL_LINES)
        why = "\n  ".join(
            ["the last lines of its log", *(line.rstrip() for line in last)] if last else ["it said nothing"]
        )
        return AdminSyncError(what, why, "Run `admin-sync demo --keep` to keep the whole log.")

    def close(self) -> None:
        if self.code is None:
            self.kill()
        if self._child.stdout is not None:
            self._child.stdout.close()


class Crew:
    """All programs of a demo. A context manager: leaving it ends those that still run."""

    def __init__(self) -> None:
        self._programs: list[Program] = []

    def start(self, name: str, arguments: list[str], log: Path, *, piped: bool = False) -> Program:
        program = Program(name, arguments, log, piped=piped)
        self._programs.append(program)
        return program

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An impatient second Ctrl-C must not stop the ending.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for program in self._programs:
                program.close()
        finally:
            signal.signal(signal.SIGINT, before)
