"""No child outlives the demo, whatever ends it; and a child that fails is quoted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sync.demo.feed import Feed
from sync.demo.programs import Crew, Program, command
from sync.errors import AdminSyncError

FOREVER = ["-c", "import time; print('up', flush=True); time.sleep(600)"]


def alive(number: int) -> bool:
    """Whether a process runs; a dead one that nobody has asked for yet does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(number: int, limit_s: float = 10.0) -> bool:
    end_s = time.monotonic() + limit_s
    while alive(number):
        if time.monotonic() > end_s:
            return False
    return True


def number_of(program: Program) -> int:
    return program._child.pid


@pytest.mark.parametrize("ending", [KeyboardInterrupt, RuntimeError, None])
def test_leaving_a_crew_ends_its_programs(tmp_path: Path, ending: type[BaseException] | None) -> None:
    numbers = []

    def work() -> None:
        with Crew() as crew:
            for name in ("one", "two"):
                program = crew.start(name, FOREVER, tmp_path / name, piped=True)
                assert program.output.readline() == b"up\n"
                numbers.append(number_of(program))
            if ending is not None:
                raise ending

    if ending is None:
        work()
    else:
        with pytest.raises(ending):
            work()
    assert len(numbers) == 2
    assert not any(map(alive, numbers))
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


@pytest.mark.skipif(sys.platform != "linux", reason="the leash needs Linux")
def test_a_demo_that_is_killed_outright_takes_its_programs_with_it(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom sync.demo.programs import Program\n"
        f"program = Program('child', {FOREVER!r}, Path({str(tmp_path / 'log')!r}), piped=True)\n"
        "program.output.readline()\nprint(program._child.pid, flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as demo:
        assert demo.stdout is not None
        number = int(demo.stdout.readline())
        assert alive(number)
        demo.kill()
    assert gone(number)


def test_the_number_of_a_program_is_its_own(tmp_path: Path) -> None:
    """The kill of the show must hit the node, not something that stands before it."""
    with Crew() as crew:
        program = crew.start("it", ["-c", "import os; print(os.getpid(), flush=True)"], tmp_path / "log", piped=True)
        assert int(program.output.readline()) == number_of(program)


def test_killing_gives_no_chance_and_stopping_does(tmp_path: Path) -> None:
    script = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("up", flush=True)
time.sleep(600)
"""
    with Crew() as crew:
        one, other = (crew.start("it", ["-c", script], tmp_path / "log", piped=True) for _ in range(2))
        for program in (one, other):
            program.output.readline()
        one.kill()
        assert one.code == -signal.SIGKILL
        assert other.stop() == 7


def test_a_program_that_ended_is_quoted(tmp_path: Path) -> None:
    with Crew() as crew:
        line = ["-c", "import sys\nfor n in range(99): print('line', n, file=sys.stderr)\nsys.exit(3)"]
        program = crew.start("the primary", line, tmp_path / "log", piped=True)
        program.output.read()
        program._child.wait()
        with pytest.raises(AdminSyncError, match=r"the primary ended on its own with 3") as raised:
            program.need()
    assert "line 98" in raised.value.why
    assert "line 50" not in raised.value.why
    assert raised.value.exit_code == 70


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(AdminSyncError, match=r"admin-sync install ended with 2: error: "):
        command("install", "-c", os.devnull)


def say(steps: list[dict[str, object]], ending: str = "") -> list[str]:
    lines = "".join(f"print({json.dumps(json.dumps(step))}, flush=True)\n" for step in steps)
    return ["-c", lines + ending]


STEP = {"number": 1, "written_ns": 5, "kind": "rename", "rows": 2, "calls": 0}
END = {"number": 0, "written_ns": 0, "kind": "", "rows": 0, "calls": 20}


def test_a_feed_holds_all_steps_and_the_end(tmp_path: Path) -> None:
    with Crew() as crew:
        feed = Feed(crew.start("the writer", say([STEP, END]), tmp_path / "log", piped=True))
        feed.wait_first()
        feed.wait(30)
        assert feed.ended
    assert [step.kind for step in feed.steps] == ["rename"]
    assert (feed.rows, feed.calls) == (2, 20)


@pytest.mark.parametrize("steps", [[], [STEP]])
def test_traffic_that_ends_without_saying_so_is_a_failure(tmp_path: Path, steps: list[dict[str, object]]) -> None:
    with Crew() as crew:
        line = say(steps, "raise SystemExit('database is locked')")
        feed = Feed(crew.start("the writer", line, tmp_path / "log", piped=True))
        feed.wait(30)
        with pytest.raises(AdminSyncError, match="database is locked"):
            assert feed.ended
        if not steps:
            with pytest.raises(AdminSyncError, match="did not start"):
                feed.wait_first()
