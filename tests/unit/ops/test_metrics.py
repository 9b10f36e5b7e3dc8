"""Metrics are the status board's figures under names that Prometheus accepts; unmeasured is absent."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from sync.model import notice as seen
from sync.model.position import Position
from sync.ops.clock import SystemClock
from sync.ops.metrics import METRICS, PREFIX, Counter, Metrics
from sync.ops.status import COUNTERS, StatusBoard


def samples(board: StatusBoard) -> dict[str, float]:
    text = Metrics(board).render().decode()
    return {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples if not s.labels}


def test_names_are_base_units_and_unique() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"[a-z][a-z_]*", metric.name)
        assert not re.search(r"_(ms|us|mb|kb|total)$", metric.name)
        assert metric.description.endswith(".")


def test_every_counter_of_the_board_is_exported() -> None:
    paths = {metric.path for metric in METRICS if isinstance(metric, Counter)}
    assert paths == {f"counters.{name}" for name in COUNTERS}


def test_what_was_not_measured_has_no_sample() -> None:
    """Invariant 10: an unknown lag is not a lag of 0."""
    board = StatusBoard("a", "secondary", "b", (), SystemClock())
    found = samples(board)
    assert PREFIX + "apply_lag_seconds" not in found
    assert PREFIX + "capture_healthy" not in found
    assert found[PREFIX + "peer_connected"] == 0
    assert found[PREFIX + "transactions_total"] == 0


def test_measured_values_and_the_latency_histogram_appear() -> None:
    board = StatusBoard("a", "secondary", "b", (), SystemClock())
    board.notice(seen.Applied(Position(7), 2, 5, 100, 1_000_000, 1_500_000))
    found = samples(board)
    assert found[PREFIX + "apply_position"] == 7
    assert found[PREFIX + "changes_total"] == 5
    assert found[PREFIX + "apply_latency_seconds_count"] == 1
    assert found[PREFIX + "apply_latency_seconds_sum"] == 0.5
