"""Prometheus metrics: one table names and describes each, and reads it from the status board.

There is no second set of counters that could disagree with status.json. What was not measured has no sample,
rather than a zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sync.ops.latency import BOUNDS_S
from sync.ops.status import Json, StatusBoard

CONTENT_TYPE = CONTENT_TYPE_LATEST
PREFIX = "admin_sync_"


@dataclass(frozen=True, slots=True)
class Gauge:
    name: str
    path: str
    """Where the value stands in status.json."""
    description: str


@dataclass(frozen=True, slots=True)
class Counter(Gauge):
    """A gauge that only grows; `_total` is added to its name."""


METRICS = (
    Gauge("uptime_seconds", "uptime_s", "Seconds since this process started."),
    Gauge("epoch", "epoch", "Fencing number; grows at every promotion."),
    Gauge("peer_connected", "peer.connected", "1 while a session with the peer is open."),
    Gauge("peer_last_beat_age_seconds", "peer.last_beat_age_s", "Seconds since a beat was answered."),
    Gauge("peer_round_trip_seconds", "peer.round_trip_s", "Round trip of the last beat."),
    Gauge("peer_clock_skew_seconds", "peer.clock_skew_s", "The peer's clock minus this one, when the session opened."),
    Gauge("capture_healthy", "capture.healthy", "1 while the primary's source answers."),
    Gauge("capture_position", "capture.position", "Last position captured on the primary."),
    Gauge("capture_lag_seconds", "capture.lag_s", "Delay from commit to spool; while capture fails, since when."),
    Gauge("spool_bytes", "spool.bytes", "Size of the spool on disk."),
    Gauge("spool_oldest_position", "spool.oldest_position", "Everything after this can still be sent."),
    Gauge("spool_newest_position", "spool.newest_position", "Last position that is durable in the spool."),
    Gauge("apply_healthy", "apply.healthy", "0 while the target refuses, 1 after it applied."),
    Gauge("apply_position", "apply.position", "Last position applied on the secondary."),
    Gauge("apply_durable_position", "apply.durable_position", "Last position durable on the secondary."),
    Gauge("apply_lag_seconds", "apply.lag_s", "Age of the oldest commit that is not applied; 0 when level."),
    Gauge("apply_lag_transactions", "apply.lag_transactions", "Transactions captured and not applied."),
    Gauge("apply_lag_bytes", "apply.lag_bytes", "Compressed bytes captured and not applied."),
    Counter("transactions", "counters.transactions", "Transactions captured (primary) or applied (secondary)."),
    Counter("changes", "counters.changes", "Row changes captured (primary) or applied (secondary)."),
    Counter("batches", "counters.batches", "Batches captured (primary) or applied (secondary)."),
    Counter("raw_bytes", "counters.bytes_raw", "Bytes of batches before compression."),
    Counter("wire_bytes", "counters.bytes_wire", "Bytes of batches after compression."),
    Counter("duplicates", "counters.duplicates", "Transactions that came again and were skipped."),
    Counter("repairs", "counters.repairs", "Writes that needed another form than the first."),
    Counter("refused_call_data", "counters.refused_call_data", "Times that a wall stopped call data."),
    Counter("quarantined", "counters.quarantined", "Transactions in quarantine."),
    Counter("rows_blocked", "counters.rows_blocked", "Changes that row rules kept at home."),
    Counter("changes_skipped", "counters.changes_skipped", "Changes of paused tables that were left out."),
    Gauge("paused_tables", "paused", "Tables that are paused."),
    Counter("connections_refused", "counters.connections_refused", "Connections from who may not connect."),
    Counter("capture_failures", "counters.capture_failures", "Times that capture stopped."),
    Counter("apply_failures", "counters.apply_failures", "Times that the target refused."),
    Counter("sessions", "counters.sessions", "Sessions opened with the peer."),
)


class BoardCollector(Collector):
    """Reads all metrics off one report, so that a scrape is of one moment."""

    def __init__(self, board: StatusBoard) -> None:
        self._board = board

    def describe(self) -> Iterable[Metric]:
        """Nothing is registered twice, and reading early would be reading nothing."""
        return ()

    def collect(self) -> Iterable[Metric]:
        report = self._board.report()
        known_as = {key: str(report[key]) for key in ("node", "role", "state")}
        yield InfoMetricFamily(f"{PREFIX}node", "This node.", {**known_as, "peer": report["peer"]["name"] or ""})
        for metric in METRICS:
            value = _value(report, metric.path)
            if value is not None:
                family = CounterMetricFamily if isinstance(metric, Counter) else GaugeMetricFamily
                yield family(PREFIX + metric.name, metric.description, value)
        yield self._latency()

    def _latency(self) -> HistogramMetricFamily:
        latency = self._board.latency
        totals = list(accumulate(latency.counts))
        # Every fourth bound: a factor of three between buckets is what a dashboard can use.
        buckets = [(str(BOUNDS_S[index]), float(totals[index])) for index in range(3, len(BOUNDS_S), 4)]
        description = "Seconds from commit on the primary to commit on the secondary."
        family = HistogramMetricFamily(f"{PREFIX}apply_latency_seconds", description)
        family.add_metric([], [*buckets, ("+Inf", float(totals[-1]))], latency.sum_s)
        return family


def _value(report: Json, path: str) -> float | None:
    found: Any = reduce(lambda level, key: level[key], path.split("."), report)
    if isinstance(found, list):
        return float(len(found))
    return None if found is None else float(found)


class Metrics:
    """The node's registry; renders itself as text."""

    def __init__(self, board: StatusBoard) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(BoardCollector(board))

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)
