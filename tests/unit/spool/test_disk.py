"""The real disk and the lock on the state directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from sync.errors import SpoolError, StateLocked
from sync.model.batch import Encoded
from sync.model.position import Position
from sync.ports import Disk
from sync.spool.disk import LocalDisk, StateLock
from sync.spool.log import SegmentedSpool
from tests.sim.disk import SimDisk

_OWNER = """
import sys
from pathlib import Path
from sync.spool.disk import StateLock
StateLock(Path(sys.argv[1])).acquire()
print("owner", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["local", "simulated"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    """Both disks keep the same contract."""
    return LocalDisk(tmp_path / "spool") if request.param == "local" else SimDisk(Random(1))


def test_a_file_holds_what_was_appended_and_replaced(disk: Disk) -> None:
    file = disk.append("b")
    file.write(b"hello ")
    file.write(b"world")
    assert disk.read("b", 0, 100) == b"hello world", "readers see it before it is synced"
    file.sync()
    disk.truncate("b", 5)
    file.write(b"!")
    file.close()
    file.close()
    again = disk.append("b")
    again.write(b"?")
    again.close()
    disk.replace("a", b"whole")
    disk.replace("a", b"new")
    disk.sync()
    assert disk.names() == ["a", "b"]
    assert (disk.size("b"), disk.read("b", 4, 2), disk.read("b", 7, 9)) == (7, b"o!", b"")
    assert disk.read("a", 0, 100) == b"new"
    disk.remove("b")
    disk.remove("b")
    assert disk.names() == ["a"]
    for missing in (lambda: disk.read("b", 0, 1), lambda: disk.size("b"), lambda: disk.truncate("b", 0)):
        with pytest.raises(FileNotFoundError):
            missing()


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o755)
    disk = LocalDisk(tmp_path / "spool")
    disk.append("a").close()
    disk.replace("b", b"content")
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "spool", tmp_path / "spool/a", tmp_path / "spool/b")]
    assert modes == [0o700, 0o600, 0o600]


def test_what_a_crash_left_of_a_replace_is_cleaned_up(tmp_path: Path) -> None:
    (tmp_path / ".a.tmp").write_bytes(b"half")
    disk = LocalDisk(tmp_path)
    assert disk.names() == []
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolError, match=r"file/spool.*node\.state_dir"):
        LocalDisk(tmp_path / "file" / "spool")


def test_a_spool_survives_on_the_real_disk(tmp_path: Path) -> None:
    """Invariant 9."""
    spool = SegmentedSpool(LocalDisk(tmp_path), origin="east", bytes_max=2**24, segment_bytes_max=2**18)
    spool.open()
    batches = [Encoded(os.urandom(100_000), Position(n), Position(n), 0, True, 1, 1, 100_000, 0) for n in range(1, 9)]
    for encoded in batches:
        spool.append(encoded)
    spool.sync()
    spool.close()
    spool = SegmentedSpool(LocalDisk(tmp_path), origin="east", bytes_max=2**24, segment_bytes_max=2**18)
    spool.open()
    reader = spool.read(Position(0))
    assert [reader.next() for _ in range(9)] == [*batches, None]
    assert spool.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    spool.release(Position(8))
    assert (spool.oldest, len(list(tmp_path.iterdir()))) == (8, 1)
    spool.close()


def test_the_lock_names_its_owner_and_a_dead_owner_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _OWNER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "owner\n"
        with pytest.raises(StateLocked, match=f"process {owner.pid} owns it.*kill {owner.pid}"):
            StateLock(tmp_path).acquire()
        owner.kill()
        owner.wait()
    with StateLock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_the_lock_is_free_after_release(tmp_path: Path) -> None:
    first, second = StateLock(tmp_path / "state"), StateLock(tmp_path / "state")
    first.acquire()
    first.acquire()
    with pytest.raises(StateLocked):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_a_lock_that_can_not_be_made_names_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateLocked, match=r"node\.state_dir"):
        StateLock(tmp_path / "file").acquire()
