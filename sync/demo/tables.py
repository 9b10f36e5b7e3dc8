"""The tables of the sample site and how many rows each holds at a given size.

The rule it keeps: the three groups share no table, and together they are every table in schema.sql. The counts
follow what sites report, from one switch with 150 agents up to eight with 10,000.
"""

from typing import Final, Literal, NamedTuple

Size = Literal["small", "medium", "large"]


class Scale(NamedTuple):
    """How many things a site of some size has; the row counts are multiples of these."""

    acds: int
    users: int
    splits: int
    """Splits that each user may see, over all switches."""


SCALES: Final[dict[Size, Scale]] = {
    "small": Scale(acds=1, users=25, splits=20),
    "medium": Scale(acds=2, users=250, splits=100),
    "large": Scale(acds=8, users=2_000, splits=400),
}
SIZES: Final[tuple[Size, ...]] = ("small", "medium", "large")

# Table to rows, in the order of SIZES.
_ADMIN: Final[dict[str, tuple[int, int, int]]] = {
    "synonyms": (900, 14_000, 120_000),
    "agroups": (300, 6_000, 60_000),
    "dbitems": (1_600, 1_650, 1_800),
    "acd_shifts": (4, 8, 32),
    "acds": (1, 2, 8),
    "acd_groups": (1, 2, 8),
    "users": (25, 250, 2_000),
    "user_feat": (300, 3_500, 28_000),
    "user_acd": (25, 500, 16_000),
    "user_split": (500, 25_000, 800_000),
    "user_tkgrp": (75, 3_750, 40_000),
    "user_vdn": (200, 10_000, 160_000),
    "user_vector": (125, 6_250, 100_000),
    "user_menu": (175, 2_000, 16_000),
    "main_menu": (12, 12, 12),
    "ex_agent": (20, 40, 160),
    "ex_split": (100, 2_000, 20_000),
    "ex_tkgrp": (40, 460, 4_840),
    "ex_vdn": (100, 2_500, 25_000),
    "ex_vector": (40, 1_000, 10_000),
    "split_pro": (50, 1_000, 10_000),
    "vdn_pro": (100, 2_000, 30_000),
    "ds_alloc": (8, 16, 64),
    "timetables": (15, 250, 2_000),
    "tt_tasks": (30, 500, 6_000),
    "shortcuts": (15, 250, 2_000),
    "rep_defs": (80, 600, 4_000),
}

# What a real site of that size holds; the sample makes one row in a hundred of it.
_CALL: Final[dict[str, tuple[int, int, int]]] = {
    "hsplit": (120_000, 3_000_000, 48_000_000),
    "dsplit": (7_300, 146_000, 2_300_000),
    "wsplit": (2_000, 42_000, 330_000),
    "msplit": (500, 9_600, 77_000),
    "hagent": (1_500_000, 50_000_000, 600_000_000),
    "dagent": (55_000, 1_500_000, 15_000_000),
    "hvdn": (300_000, 6_000_000, 60_000_000),
    "hvector": (60_000, 1_200_000, 12_000_000),
    "htkgrp": (60_000, 600_000, 4_800_000),
    "hcwc": (10_000, 100_000, 1_000_000),
    "call_rec": (5_000, 100_000, 1_000_000),
    "haglog": (20_000, 250_000, 1_250_000),
    "ag_actv": (200_000, 2_500_000, 12_500_000),
    "spex": (5_000, 60_000, 400_000),
    "linkex": (1_000, 2_000, 8_000),
    "d_secs": (36_500, 73_000, 292_000),
}

# Neither group: what must not cross although no list of call tables names it.
_TRAPS: Final[dict[str, tuple[int, int, int]]] = {
    "hsplit_old": (200, 2_000, 20_000),
    "c_schedule": (50, 500, 5_000),
    "arch_stat": (6, 12, 48),
    "customer_log": (100, 500, 2_000),
}

ADMIN_TABLES: Final = tuple(_ADMIN)
CALL_TABLES: Final = tuple(_CALL)
TRAP_TABLES: Final = tuple(_TRAPS)

CALL_SAMPLE: Final = 100
"""One call row in so many is made."""
CALL_ROWS_MAX: Final = 20_000
"""And no more than this in a table: the point is that none moves, not how many there are."""


def rows_of(size: Size) -> dict[str, int]:
    """Table to the number of rows that a fresh site of this size holds."""
    column = SIZES.index(size)
    counts = {table: rows[column] for table, rows in _ADMIN.items()}
    counts |= {table: min(rows[column] // CALL_SAMPLE, CALL_ROWS_MAX) for table, rows in _CALL.items()}
    counts |= {table: rows[column] for table, rows in _TRAPS.items()}
    return counts
