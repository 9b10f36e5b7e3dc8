"""Call data beside the administration: many rows a second on the source that no system may carry.

The rule it keeps: absence is shown by reading, not by trusting: what the publication of each system gives out is read
from the same log again, and so is every batch of our spool, and no word of any call record may stand in them.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from adapters.postgres.publication import PUBLICATION
from bench.peers.pgbench import Writer
from bench.peers.servers import Server
from bench.peers.workloads import TABLE, Session
from sync.spool.disk import LocalDisk
from sync.spool.log import SegmentedSpool
from sync.wire.codec import Codec
from sync.wire.envelope import Envelope, EnvelopeLimits

ROWS_A_TRANSACTION = 100
WORD = "zqcallrecordqz"
"""Stands in every call record, and nowhere else."""
_WRITE = f"""\\set n :n + 1
INSERT INTO call_rec SELECT :n, 1, i, 1, date '2026-01-31', 900, i, i + 60, '{WORD}', '+1555' || i, '{WORD}', '{WORD}',
  60, '{WORD}' FROM generate_series(1, {ROWS_A_TRANSACTION}) i;
"""
_BYTES_MAX = 1 << 30


@dataclass
class Noise:
    """Writes call records at a rate."""

    server: Server
    folder: Path
    rows_per_s: int
    clients: int = 4
    _writer: Writer | None = field(default=None, init=False)

    def start(self, seconds: float) -> None:
        script = self.folder / "noise.sql"
        script.write_text(_WRITE, "utf-8")
        rate = max(1, self.rows_per_s // ROWS_A_TRANSACTION)
        self._writer = Writer(self.server, script, rate, self.clients, seconds, self.folder)

    def end(self) -> None:
        """Wait until it has written all."""
        assert self._writer is not None
        self._writer.end()


@dataclass(frozen=True)
class Proof:
    """What was read after the noise, and in how much of it a word of a call record stood."""

    messages: int
    """Given out by our publication in the same stretch of the log."""
    tainted_messages: int
    batches: int
    """In the spool."""
    tainted_batches: int
    spool_bytes: int
    """Decompressed."""
    refused: int
    """How often a wall behind the publication had to stop something."""

    @property
    def clean(self) -> bool:
        return self.messages > 0 and self.batches > 0 and not (self.tainted_messages + self.tainted_batches)


class Ear:
    """Keeps the stretch of the log that comes, and reads what our publication gives out of it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        session.execute("SELECT pg_create_logical_replication_slot('bench_ear', 'pgoutput')")

    def heard(self) -> tuple[int, int]:
        """Messages, and those with a word of a call record."""
        found = self._session.execute(
            "SELECT count(*), count(*) FILTER (WHERE position(%s::bytea IN data) > 0)"
            " FROM pg_logical_slot_get_binary_changes('bench_ear', NULL, NULL, 'proto_version', '1',"
            " 'publication_names', %s)",
            (WORD.encode(), PUBLICATION),
        ).fetchone()
        assert found is not None
        self._session.execute("SELECT pg_drop_replication_slot('bench_ear')")
        return int(found[0]), int(found[1])


def in_spool(spool: Path, origin: str, aside: Path) -> tuple[int, int, int]:
    """Batches in a copy of a spool, those that hold call data, and the bytes looked at."""
    shutil.copytree(spool, aside)
    copied = SegmentedSpool(LocalDisk(aside), origin=origin, bytes_max=_BYTES_MAX)
    envelope, codec = Envelope(EnvelopeLimits(_BYTES_MAX, _BYTES_MAX), 1), Codec()
    batches = tainted = looked_at = 0
    copied.open()
    reader = copied.read(copied.oldest)
    while (encoded := reader.next()) is not None:
        content = b"".join(map(bytes, envelope.open(encoded.payload)))
        tables = {name for name, _ in codec.directory(encoded.payload).tables}
        batches += 1
        looked_at += len(content)
        tainted += WORD.encode() in content or not tables <= {TABLE}
    copied.close()
    return batches, tainted, looked_at
