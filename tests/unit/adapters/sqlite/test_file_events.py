"""Waiting for writes to a file: a hint that comes at once, and never a reason to hang."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.sqlite.file_events import FileEvents

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
LONG_S = 60.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"")
    return path


@pytest.fixture
def events(file: Path) -> Iterator[FileEvents]:
    made = FileEvents.of([str(file), f"{file}-missing"])
    assert made is not None
    yield made
    made.close()


def test_a_write_before_the_wait_is_told_once(events: FileEvents, file: Path) -> None:
    file.write_bytes(b"1")
    assert events.wait(LONG_S)
    assert not events.wait(0)


def test_a_write_during_the_wait_ends_it(events: FileEvents, file: Path) -> None:
    writer = threading.Thread(target=lambda: file.write_bytes(b"1"))
    writer.start()
    assert events.wait(LONG_S)
    writer.join()


def test_wake_ends_a_wait_and_is_no_write(events: FileEvents) -> None:
    events.wake()
    assert not events.wait(LONG_S)


def test_closed_it_may_be_woken_and_closed_again(events: FileEvents) -> None:
    events.close()
    events.wake()
    events.close()


def test_files_that_are_not_there_can_not_be_watched(tmp_path: Path) -> None:
    assert FileEvents.of([str(tmp_path / "none")]) is None
