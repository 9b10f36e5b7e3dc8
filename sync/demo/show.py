"""The show: an initial copy, traffic with a kill in the middle, a verify, and the figures.

The rule it keeps: it judges from outside. What it reports comes from its own readers of both databases, from the nodes'
status and log, and from the writer; where something can be measured in two ways, both have to agree.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sync.demo import lag
from sync.demo.compare import different_rows
from sync.demo.feed import Feed
from sync.demo.lag import NS_PER_MS, Watcher
from sync.demo.programs import Crew, Program
from sync.demo.result import Result
from sync.demo.servers import Servers
from sync.demo.sqlite import SqliteDatabase
from sync.demo.stage import LOCAL_COLUMNS, REPLICATED, STAYING, Ground, Place, Stage, set_up
from sync.demo.view import Figures, View
from sync.errors import AdminSyncError
from sync.ops.client import ControlClient

SEED: Final = 1
TICK_S: Final = 0.2
READY_S: Final = 30.0
COPY_S: Final = 120.0
DRAIN_S: Final = 30.0
VERIFY_S: Final = 120.0
DOWN_S: Final = 1.0
NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Copy:
    """The initial copy."""

    rows: int
    seconds: float


def show(directory: Path, seconds: float, rate_per_s: float, view: View, *, postgres: bool = False) -> Result:
    """Run one demo below `directory`, which must be empty. Raises `AdminSyncError` where a program fails."""
    with (_servers if postgres else _files)(directory) as (kind, ground), Crew() as crew:
        view.phase(f"making two sites ({kind}) with 27 admin and 16 call tables, and a node for each")
        return _Show(directory, set_up(directory, ground, "medium", SEED), crew, view).run(seconds, rate_per_s)


@contextmanager
def _files(_directory: Path) -> Iterator[tuple[str, Ground]]:
    yield "SQLite", lambda side: SqliteDatabase(side / "site.db")


@contextmanager
def _servers(directory: Path) -> Iterator[tuple[str, Ground]]:
    with Servers(directory) as servers:
        yield "PostgreSQL, a server for each", servers.database


class _Show:
    def __init__(self, directory: Path, stage: Stage, crew: Crew, view: View) -> None:
        self._directory, self._crew, self._view = directory, crew, view
        self._east, self._west, self._before = stage.primary, stage.secondary, stage.before
        self._secondary = self._start(self._west)
        self._primary = self._start(self._east)
        self._status = ControlClient(self._east.state_dir).status
        self._figures = Figures()

    def run(self, seconds: float, rate_per_s: float) -> Result:
        copied = self._copy()
        before = self._status()["counters"]
        with Watcher(self._west.database) as watcher:
            feed, killed_ns, restarted_ns = self._traffic(watcher, seconds, rate_per_s)
            self._drain(watcher, feed)
        after = self._status()["counters"]
        verify_equal = self._verify()
        self._stop()
        self._say("comparing both databases with plain SQL")
        differences = different_rows(self._east.database, self._west.database, REPLICATED, LOCAL_COLUMNS)
        crossed = different_rows(self._west.database, self._before, STAYING)
        written_ns = [step.written_ns for step in feed.steps]
        caught_up_ns = lag.caught_up_ns(watcher.sights, killed_ns, restarted_ns, len(feed.steps))
        # Without a sight after the restart everything since the kill stands apart.
        end_ns = caught_up_ns or time.time_ns()
        lags = lag.lags(written_ns, watcher.sights, (killed_ns, end_ns))
        return Result(
            admin_transactions=len(feed.steps),
            admin_changes=after["changes"] - before["changes"],
            applied=applied_changes(self._west.log),
            call_rows_written=feed.calls,
            call_rows_crossed=sum(crossed.values()),
            lag_ms_p50=lags.ms(0.5),
            lag_ms_p99=lags.ms(0.99),
            lag_samples=len(lags.steady),
            lag_samples_apart=lags.apart,
            catch_up_s=None if caught_up_ns is None else round((caught_up_ns - restarted_ns) / NS_PER_S, 3),
            bytes_raw=after["bytes_raw"] - before["bytes_raw"],
            bytes_wire=after["bytes_wire"] - before["bytes_wire"],
            copy_rows=copied.rows,
            copy_s=round(copied.seconds, 3),
            verify_equal=verify_equal,
            rows_different=sum(differences.values()),
            equal=verify_equal and not differences,
        )

    def _start(self, place: Place) -> Program:
        # At this level the log names every batch that was applied; it survives the kill, counters do not.
        line = ["-m", "sync.cli", "run", "-c", str(place.config), "--log", "json", "--log-level", "debug"]
        return self._crew.start(f"the {place.role}", line, place.log)

    def _say(self, text: str) -> None:
        self._figures.phase = text
        self._view.phase(text)

    def _need(self) -> None:
        self._primary.need()
        self._secondary.need()

    # The initial copy ----------------------------------------------------------------------------------------------

    def _copy(self) -> Copy:
        self._say("starting both nodes")
        self._until(READY_S, "the nodes did not meet", lambda: self._progress() is not None)
        self._say("copying the admin tables while both nodes are up")
        started_s = time.monotonic()
        self._until(COPY_S, "the initial copy did not end", self._copied)
        return Copy(int((self._progress() or {})["rows"]), time.monotonic() - started_s)

    def _until(self, limit_s: float, otherwise: str, reached: Callable[[], bool]) -> None:
        end_s = time.monotonic() + limit_s
        while not reached():
            self._need()
            if time.monotonic() > end_s:
                raise self._primary.failure(f"{otherwise} in {limit_s:.0f} s")
            time.sleep(TICK_S / 4)

    def _copied(self) -> bool:
        run = self._progress()
        if run is None:
            return False
        place = f"{run['tables_done']}/{run['tables_total']} tables"
        self._figures.last = f"initial copy: {run['table'] or 'done'}, {place}, {run['rows']:,} rows"
        self._view.update(self._figures)
        return bool(run["finished"])

    def _progress(self) -> dict[str, Any] | None:
        """The newest run of the primary's; None while it does not answer yet, or has none."""
        with suppress(AdminSyncError):
            runs: list[dict[str, Any]] = self._status()["snapshots"]
            return runs[-1] if runs else None
        return None

    # The traffic ---------------------------------------------------------------------------------------------------

    def _traffic(self, watcher: Watcher, seconds: float, rate_per_s: float) -> tuple[Feed, int, int]:
        """Everything between the first change and the last; gives the steps, and when west died and rose."""
        line = ["-m", "sync.demo.traffic", self._east.database.url, str(SEED), str(seconds), str(rate_per_s)]
        writer = self._crew.start("the writer", line, self._directory / "traffic.log", piped=True)
        feed = Feed(writer)
        self._say("administrators at work, calls beside them")
        feed.wait_first()
        started_s = time.monotonic()
        down_s = min(DOWN_S, seconds / 8)
        self._watch(watcher, feed, started_s, started_s + seconds / 2)
        self._say("kill -9 of the secondary")
        self._secondary.kill()
        killed_ns = time.time_ns()
        self._watch(watcher, feed, started_s, time.monotonic() + down_s)
        restarted_ns = time.time_ns()
        self._secondary = self._start(self._west)
        self._say("the secondary starts again and catches up")
        while not feed.ended:
            self._watch(watcher, feed, started_s, time.monotonic() + TICK_S)
            if self._figures.phase.startswith("the secondary") and lag.caught_up_ns(
                watcher.sights, killed_ns, restarted_ns
            ):
                self._say("caught up; administrators at work, calls beside them")
        return feed, killed_ns, restarted_ns

    def _watch(self, watcher: Watcher, feed: Feed, started_s: float, until_s: float) -> None:
        """Show the figures until then, or until the traffic ends."""
        while (pause_s := until_s - time.monotonic()) > 0 and not feed.ended:
            feed.wait(min(TICK_S, pause_s))
            self._primary.need()
            self._look(watcher, feed, time.monotonic() - started_s)
            if watcher.failure is not None:
                raise self._secondary.failure(f"could not read the secondary's database: {watcher.failure}")

    def _look(self, watcher: Watcher, feed: Feed, elapsed_s: float) -> None:
        figures, steps = self._figures, feed.steps
        unseen_ns = lag.oldest_unseen_ns([step.written_ns for step in steps[watcher.number :]], time.time_ns())
        sight = watcher.sights[-1] if watcher.sights else None
        newest_ns = sight.seen_ns - sight.written_ns if sight else 0
        figures.lag_ms = max(unseen_ns, newest_ns) / NS_PER_MS
        figures.history_ms.append(figures.lag_ms)
        figures.elapsed_s = elapsed_s
        figures.transactions, figures.call_rows = len(steps), feed.calls
        figures.admin_rows = feed.rows
        figures.last = f"{steps[-1].kind}, {steps[-1].rows} rows" if steps else ""
        counters = self._status()["counters"]
        figures.bytes_raw, figures.bytes_wire = counters["bytes_raw"], counters["bytes_wire"]
        self._view.update(figures)

    # The end -------------------------------------------------------------------------------------------------------

    def _drain(self, watcher: Watcher, feed: Feed) -> None:
        """Wait until the last change is seen; where it never is, verify will say what is missing."""
        until_s = time.monotonic() + DRAIN_S
        while watcher.number < len(feed.steps) and time.monotonic() < until_s:
            self._need()
            time.sleep(TICK_S / 10)

    def _verify(self) -> bool:
        self._say("verify: both sides row by row, at one position")
        # verify has no time limit of its own: a node that hangs is ended, and the request fails with it.
        alarm = threading.Timer(VERIFY_S, self._primary.kill)
        alarm.start()
        try:
            final: dict[str, Any] = {}
            for final in ControlClient(self._east.state_dir).verify((), repair=False):
                self._figures.last = f"verify: {final.get('table') or 'done'}, {final.get('rows', 0):,} rows"
                self._view.update(self._figures)
            return bool(final.get("equal"))
        except AdminSyncError as error:
            raise self._primary.failure(f"verify failed: {error}") from error
        finally:
            alarm.cancel()

    def _stop(self) -> None:
        self._say("stopping both nodes")
        for program in (self._primary, self._secondary):
            program.need()
            code = program.stop()
            if code:
                raise program.failure(f"{program.name} did not end in order: exit code {code}")


def applied_changes(log: Path) -> int:
    """Row changes that a secondary applied, by its log, over all of its lives."""
    total = 0
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"event": "Applied"' in line:
                # The kill may have cut the last line of a life.
                with suppress(ValueError):
                    total += int(json.loads(line)["changes"])
    return total
