"""The spool: appending, syncing, and reading back, beside a plain copy of the same bytes."""

from __future__ import annotations

import os
from pathlib import Path

from bench.admin import batches
from bench.measure import SIZE, Stage
from sync.model.batch import Encoded
from sync.model.position import START
from sync.spool.disk import LocalDisk
from sync.spool.log import SegmentedSpool
from sync.wire.codec import Codec

ENCODED: list[Encoded] = [Codec().encode(batch) for batch in batches(SIZE.rows)]
BYTES = sum(len(encoded.payload) for encoded in ENCODED)
CHANGES = sum(encoded.changes for encoded in ENCODED)


def _fresh(path: Path) -> SegmentedSpool:
    spool = SegmentedSpool(LocalDisk(path), origin="bench", bytes_max=1 << 30, cache_bytes_max=0)
    spool.open()
    return spool


def test_append_and_sync(stage: Stage, tmp_path: Path) -> None:
    numbers = iter(range(10**6))

    def append(spool: SegmentedSpool) -> None:
        for encoded in ENCODED:
            spool.append(encoded)
        spool.sync()

    def plain(_: object) -> None:
        fd = os.open(tmp_path / f"raw{next(numbers)}", os.O_WRONLY | os.O_CREAT)
        for encoded in ENCODED:
            os.write(fd, encoded.payload)
        os.fdatasync(fd)
        os.close(fd)

    stage(
        "spool append and sync",
        append,
        plain,
        limit="write and fdatasync",
        before=lambda: _fresh(tmp_path / str(next(numbers))),
        changes=CHANGES,
        bytes_=BYTES,
    )


def test_read(stage: Stage, tmp_path: Path) -> None:
    spool = _fresh(tmp_path / "spool")
    for encoded in ENCODED:
        spool.append(encoded)
    spool.sync()
    (file,) = (tmp_path / "spool").glob("*.spool")

    def read(_: object) -> None:
        reader = spool.read(START)
        while reader.next() is not None:
            pass
        reader.close()

    stage("spool read", read, lambda _: file.read_bytes(), limit="read the file", changes=CHANGES, bytes_=BYTES)
