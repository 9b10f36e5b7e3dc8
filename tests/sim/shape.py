"""The shape of a world: limits and rates, drawn once from its seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from sync.wire.session import SessionLimits


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes are small, so that every limit is met."""

    session_limits: SessionLimits
    batch_bytes_max: int
    spool_bytes_max: int
    segment_bytes_max: int
    cache_bytes_max: int
    part_rows_max: int
    chunk_rows: int
    large_rows: int
    transactions: int
    """How many the applications commit."""
    duration_s: float
    """How long faults come."""
    fault_interval_s: float
    """About how often; infinite in a calm world."""


def draw(random: Random) -> Shape:
    """Draw one."""
    duration_s = random.choice((3.0, 6.0, 12.0))
    return Shape(
        session_limits=SessionLimits(
            in_flight_batches_max=random.randint(1, 8), handshake_timeout_s=3.0, beat_interval_s=1.0, beats_missed_max=3
        ),
        batch_bytes_max=random.choice((200, 600, 3000)),
        spool_bytes_max=random.choice((10_000, 30_000, 200_000)),
        segment_bytes_max=random.choice((600, 2_000, 10_000)),
        cache_bytes_max=random.choice((0, 500, 100_000)),
        part_rows_max=random.choice((2, 4, 50)),
        chunk_rows=random.choice((1, 3, 50)),
        large_rows=random.choice((6, 20)),
        transactions=random.choice((20, 40, 80)),
        duration_s=duration_s,
        fault_interval_s=random.choice((0.3, 1.0, 3.0, float("inf"))),
    )
