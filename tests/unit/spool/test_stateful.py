"""The spool against a model, on a disk that loses power. Defends invariants 1 (no loss), 3 (ordered), 9 (durable).

The model is a list of what was appended. After any crash the spool must hold a prefix of it that covers everything it
had called durable, and end with a whole transaction (invariant 2).
"""

from __future__ import annotations

import errno
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sync.errors import PositionLost, SpoolError, SpoolFull
from sync.model.batch import Encoded
from sync.model.position import START, Position
from sync.spool.log import SegmentedSpool
from sync.spool.reader import Reader, Rewound
from sync.spool.segment import HEAD_BYTES, HEADER_BYTES
from tests.sim.disk import SimDisk

BYTES_MAX = 48 * 1024
SEGMENT_BYTES = 3 * 1024
PAYLOAD_MAX = 2500
payloads = st.integers(0, PAYLOAD_MAX)


class SpoolMachine(RuleBasedStateMachine):
    """Appends, syncs, releases, failures and crashes in any order."""

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        self.random = Random(seed)
        self.disk = SimDisk(self.random)
        self.model: list[Encoded] = []
        self.parts: list[Encoded] = []
        self.durable = START
        self.oldest = START
        self.top = START
        self.released = START
        self.given: list[Encoded] = []
        self.reader: Reader | None = None
        self.reader_after = START
        self.restart()

    def restart(self) -> None:
        """Begin a new process on what the disk still has."""
        self.spool = SegmentedSpool(
            self.disk,
            origin="east-1",
            bytes_max=BYTES_MAX,
            segment_bytes_max=SEGMENT_BYTES,
            cache_bytes_max=self.random.choice([0, 2000, 10**6]),
        )
        self.reopen()

    def reopen(self) -> None:
        self.spool.open()
        assert self.spool.newest >= self.durable, "durable records were lost"
        self.accept(self.spool.newest)
        assert self.spool.durable == self.spool.newest
        self.durable = self.spool.durable
        self.open_reader()

    def accept(self, newest: Position) -> None:
        """Forget in the model what the spool may have lost: a suffix, and whatever was unfinished."""
        self.parts = []
        self.model = [encoded for encoded in self.model if encoded.position <= newest]

    def open_reader(self) -> None:
        self.reader_after = self.spool.oldest
        self.given = []
        self.reader = self.spool.read(self.reader_after)

    def make(self, size: int, count: int, part: int, *, last: bool) -> Encoded:
        first = Position(self.top + 1) if part == 0 else self.parts[0].first
        position = Position(self.top + count) if part == 0 else self.parts[0].position
        self.top = max(self.top, position)
        return Encoded(self.random.randbytes(size), first, position, part, last, int(last), size, size, position * 7)

    def put(self, encoded: Encoded) -> bool:
        try:
            self.spool.append(encoded)
        except SpoolFull:
            return False
        self.parts.append(encoded)
        if encoded.last:
            self.model += self.parts
            self.parts = []
        return True

    @precondition(lambda self: not self.parts)
    @rule(size=payloads, count=st.integers(1, 5))
    def append(self, size: int, count: int) -> None:
        self.put(self.make(size, count, 0, last=True))

    @rule(size=payloads, last=st.booleans())
    def append_part(self, size: int, last: bool) -> None:
        self.put(self.make(size, 1, len(self.parts), last=last))

    @rule()
    def sync(self) -> None:
        assert self.spool.sync() == self.spool.newest == self.spool.durable

    @rule(share=st.floats(0, 1))
    def release(self, share: float) -> None:
        """A peer may have made durable what is not yet durable here."""
        oldest, newest = self.spool.oldest, self.spool.newest
        position = Position(oldest + int((newest - oldest) * share))
        self.released = max(self.released, position)
        self.spool.release(position)
        assert self.spool.oldest <= self.released
        self.model = [encoded for encoded in self.model if encoded.position > self.spool.oldest]

    @rule()
    def release_all(self) -> None:
        self.release(1.0)

    @rule()
    def abandon(self) -> None:
        assert self.spool.abandon() == self.spool.newest
        self.parts = []

    @rule(number=st.sampled_from([errno.ENOSPC, errno.EIO]), size=payloads)
    def append_to_a_refusing_disk(self, number: int, size: int) -> None:
        """Nothing of the record stays, and the spool goes on."""
        self.disk.fail_next("write", number)
        before = self.spool.bytes
        with pytest.raises(SpoolError):
            self.spool.append(self.make(size, 1, len(self.parts), last=True))
        assert self.spool.bytes <= before + HEADER_BYTES
        self.disk.clear_faults()

    @rule(broken_truncate=st.booleans(), crash=st.booleans(), size=payloads)
    def fail_to_sync(self, broken_truncate: bool, crash: bool, size: int) -> None:
        """What was durable before stays, and nothing else is ever called durable."""
        if not self.put(self.make(size, 1, len(self.parts), last=True)):
            return
        if self.spool.durable == self.spool.newest:
            return
        self.durable = self.spool.durable
        self.disk.fail_next("sync")
        if broken_truncate:
            self.disk.fail_next("truncate")
        with pytest.raises(SpoolError):
            self.spool.sync()
        with pytest.raises(SpoolError):
            self.spool.sync()
        assert self.spool.durable == self.durable
        self.disk.clear_faults()
        if crash:
            self.crash()
        else:
            self.reopen()
            assert self.spool.newest == self.durable

    @rule()
    def crash(self) -> None:
        self.durable = max(self.durable, self.spool.durable)
        self.disk.crash()
        self.restart()

    @rule()
    def stop_and_start(self) -> None:
        """Without a crash, every whole transaction survives, synced or not."""
        newest, model = self.spool.newest, list(self.model)
        self.spool.close()
        self.restart()
        assert (self.spool.newest, self.model) == (newest, model)

    @rule(count=st.integers(1, 10))
    def read_on(self, count: int) -> None:
        """A reader beside the writer gives what was appended, in order, and learns of what was taken back."""
        assert self.reader is not None
        for _ in range(count):
            try:
                encoded = self.reader.next()
            except Rewound:
                assert self.given[-1] not in self.model, "only who was given an abandoned part is sent back"
                assert self.given[-1] not in self.parts
                self.open_reader()
                return
            except PositionLost:
                reached = self.given[-1].position if self.given else self.reader_after
                is_behind = reached < self.spool.oldest or not self.given[-1].last
                assert is_behind, "only who was not given all that was released is sent away"
                self.open_reader()
                return
            if encoded is None:
                break
            self.given.append(encoded)
        kept = [encoded for encoded in self.given if encoded.position > self.spool.oldest]
        after = max(self.reader_after, self.spool.oldest)
        expected = [encoded for encoded in self.model + self.parts if encoded.position > after]
        assert kept == expected[: len(kept)]

    @rule()
    def read_all(self) -> None:
        self.read_on(10**6)

    @rule(share=st.floats(0, 1))
    def read_from_anywhere(self, share: float) -> None:
        after = Position(self.spool.oldest + int((self.top - self.spool.oldest) * share))
        reader = self.spool.read(after)
        found = []
        while (encoded := reader.next()) is not None:
            found.append(encoded)
        assert found == [encoded for encoded in self.model + self.parts if encoded.position > after]

    @invariant()
    def bounded(self) -> None:
        """Invariant 7: never above the limit, but for one record where nothing else is held."""
        if hasattr(self, "spool"):
            assert self.spool.bytes == self.disk.used_bytes
            assert self.spool.bytes <= max(BYTES_MAX, PAYLOAD_MAX + HEAD_BYTES + HEADER_BYTES)

    @invariant()
    def positions_keep_their_order(self) -> None:
        if hasattr(self, "spool"):
            assert self.oldest <= self.spool.oldest <= self.spool.newest
            assert self.durable <= self.spool.durable <= self.spool.newest
            self.oldest, self.durable = self.spool.oldest, self.spool.durable

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.crash()
            self.read_all()


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
