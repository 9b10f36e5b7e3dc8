"""Call-data rows, and rows of the traps beside them.

The rule it keeps: none of them may ever be seen on a secondary. They are made cheaply, one from each number, so that
a writer can pour them in beside the administration changes.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final

Value = int | str | None
Row = tuple[Value, ...]
Maker = Callable[[Random, int], Row]

FIRST_DAY: Final = date(2026, 1, 1)
DAYS: Final = 62
INTERVALS: Final = 96
FIRST_SECOND: Final = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())

_DATES: Final = tuple((FIRST_DAY + timedelta(days=day)).isoformat() for day in range(DAYS))


def _day(number: int) -> str:
    return _DATES[number // INTERVALS % DAYS]


def _clock(number: int) -> int:
    """The quarter hour as hours × 100 + minutes, the way the reports write it."""
    return number % INTERVALS // 4 * 100 + number % 4 * 15


def _hsplit(rng: Random, n: int) -> Row:
    calls = rng.randint(0, 90)
    second = FIRST_SECOND + 900 * n
    return _day(n), _clock(n), 15, 1, n % 50 + 1, calls, calls * 180, rng.randint(0, 9), 54_000, 0, second


def _hagent(rng: Random, n: int) -> Row:
    calls = rng.randint(0, 20)
    login = str(20_000 + n % 2_000)
    return _day(n), _clock(n), 15, 1, n % 50 + 1, str(7_000 + n % 900), login, 1, 0, calls, calls * 40, 900, 30


def _dagent(rng: Random, n: int) -> Row:
    login = str(20_000 + n % 2_000)
    return _day(n), 1, n % 50 + 1, str(7_000 + n % 900), login, 1, 0, rng.randint(0, 90), 9_000, 28_800


def _interval(low: int) -> Maker:
    """Rows of (day, time, length, switch, number, calls)."""
    return lambda rng, n: (_day(n), _clock(n), 15, 1, low + n % 80, rng.randint(0, 99))


def _hvdn(rng: Random, n: int) -> Row:
    return _day(n), _clock(n), 15, 1, str(50_000 + n % 300), n % 90 + 1, rng.randint(0, 99)


def _htkgrp(rng: Random, n: int) -> Row:
    return _day(n), _clock(n), 15, 1, n % 20 + 1, rng.randint(0, 200), 46


def _hcwc(rng: Random, n: int) -> Row:
    return _day(n), _clock(n), 15, 1, str(n % 30), rng.randint(0, 40)


def _call_rec(rng: Random, n: int) -> Row:
    start = FIRST_SECOND + 7 * n
    talk = rng.randint(5, 900)
    caller = f"+15550{rng.randint(0, 99_999):05d}"
    login = str(20_000 + n % 2_000)
    return (
        n,
        1,
        n % 65_536,
        1,
        _day(n),
        _clock(n),
        start,
        start + talk,
        login,
        caller,
        "5550100",
        "50001",
        talk,
        f"{n:020d}",
    )


def _haglog(_rng: Random, n: int) -> Row:
    start = FIRST_SECOND + 60 * n
    return 1, n % 50 + 1, _day(n), str(20_000 + n % 2_000), str(7_000 + n % 900), start, start + 28_800, _day(n), 0, 1


def _arch_stat(rng: Random, n: int) -> Row:
    return n % 8 + 1, f"interval {n // 8 % 6}", f"{_day(n)} {_clock(n):04d}", rng.choice(("Finished", "Running"))


MAKERS: Final[dict[str, Maker]] = {
    "hsplit": _hsplit,
    "dsplit": lambda rng, n: (_day(n), 1, n % 50 + 1, rng.randint(0, 900), 90_000, rng.randint(0, 40), 0),
    "wsplit": lambda rng, n: (_day(n), 1, n % 50 + 1, rng.randint(0, 5_000), 500_000),
    "msplit": lambda rng, n: (_day(n), 1, n % 50 + 1, rng.randint(0, 20_000), 2_000_000),
    "hagent": _hagent,
    "dagent": _dagent,
    "hvdn": _hvdn,
    "hvector": _interval(1),
    "htkgrp": _htkgrp,
    "hcwc": _hcwc,
    "call_rec": _call_rec,
    "haglog": _haglog,
    "ag_actv": lambda rng, n: (1, _day(n), FIRST_SECOND + n, n, str(20_000 + n % 2_000), n % 5, rng.randint(1, 600)),
    "spex": lambda rng, n: (1, _day(n), _clock(n), n, n % 50 + 1, n % 9 + 1, 30, rng.randint(30, 300)),
    "linkex": lambda rng, n: (1, _day(n), _clock(n), n, n % 4, rng.randint(1, 90), 0),
    "d_secs": lambda _rng, n: (_day(n), n % 8 + 1, 86_400),
    "hsplit_old": _hsplit,
    "c_schedule": lambda rng, n: (str(20_000 + n), _day(n), n % 4 + 1, rng.choice((None, "swap", "training"))),
    "arch_stat": _arch_stat,
    "customer_log": lambda rng, n: (1, 1, _day(n), f"archiver message {n}", rng.randint(1, 900), n, "INFO"),
}
