"""The administration rows of a fresh sample site.

The rule it keeps: rows depend on the size, the seed and nothing else, and every key is unique by construction, so a
table is filled in one pass without asking the database anything.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from sync.demo import names
from sync.demo.tables import Scale

Value = int | str | None
Row = tuple[Value, ...]
Maker = Callable[[Random, Scale, int], Iterator[Row]]

FEATURES: Final = (
    "agent_admin", "acd_admin", "call_center", "custom_reports", "designer", "dictionary", "exceptions", "forecast",
    "historical", "maintenance", "real_time", "scripting", "timetable", "user_perms", "vector_admin",
)  # fmt: skip
MENUS: Final = (
    "Reports", "Dictionary", "Exceptions", "Agents", "System", "Maintenance", "Permissions", "Graphics", "Forecast",
    "Custom", "Backup", "Logout",
)  # fmt: skip
LAST_MINUTE: Final = 1_439
THRESHOLD_MAX: Final = 600


def user_id(index: int) -> str:
    return f"sup{index:05d}"


def agent_id(index: int) -> str:
    return str(20_000 + index)


def vdn(index: int) -> str:
    return str(50_000 + index)


def _permission(rng: Random) -> str:
    return "y" if rng.random() < 0.9 else "n"  # noqa: PLR2004  nine in ten


def _spread(index: int, acds: int) -> tuple[int, int]:
    """A switch and a number on it, both from one."""
    return index % acds + 1, index // acds + 1


def _synonyms(rng: Random, scale: Scale, count: int) -> Iterator[Row]:
    for index in range(count):
        acd, number = _spread(index, scale.acds)
        kind = names.KINDS[number % len(names.KINDS)]
        value = agent_id(number) if kind == "agname" else str(number)
        # 0, 1 and nothing at all are three answers, and must stay three.
        yield acd, kind, names.item(rng, kind, number), value, rng.choice(names.NOTES), rng.choice((None, 0, 1))


def _agroups(rng: Random, scale: Scale, count: int) -> Iterator[Row]:
    for index in range(count):
        acd, number = _spread(index, scale.acds)
        yield acd, "ag_group", f"{rng.choice(names.SKILLS)} team", agent_id(number)


def _dbitems(rng: Random, _scale: Scale, count: int) -> Iterator[Row]:
    for index in range(count):
        kind = ("dbase", "calc", "constant", "cust_def")[index % 4]
        formula = f"100 * ACDCALLS / (CALLSOFFERED + {index})" if kind == "calc" else None
        yield kind, f"{kind.upper()}_{index:04d}", formula, 1 if index % 3 else None, rng.choice(names.NOTES)


def _acd_shifts(_rng: Random, scale: Scale, count: int) -> Iterator[Row]:
    for index in range(count):
        acd, shift = _spread(index, scale.acds)
        yield acd, shift, (shift - 1) * 360, min(shift * 360, LAST_MINUTE), 40 * shift


def _acds(_rng: Random, _scale: Scale, count: int) -> Iterator[Row]:
    for acd in range(1, count + 1):
        yield acd, f"Switch {acd}", "R021", 1, 1


def _acd_groups(_rng: Random, _scale: Scale, count: int) -> Iterator[Row]:
    for acd in range(1, count + 1):
        yield 1, acd, "All switches"


def _users(rng: Random, scale: Scale, count: int) -> Iterator[Row]:
    for index in range(count):
        phone = f"555-{rng.randint(0, 9_999):04d}"
        changed = f"2026-01-{index % 28 + 1:02d} 08:{index % 60:02d}:00"
        kind = "admin" if index % 10 == 0 else "normal"
        yield user_id(index), kind, index % scale.acds + 1, 8, 15, f"lp{index % 7}", f"R{index % 40}", phone, changed


def _by_user(width: int, item: Callable[[int, Scale], Row]) -> Maker:
    """Rows of (user, item, permission × width): each user gets the first items, as many as the count allows."""

    def rows(rng: Random, scale: Scale, count: int) -> Iterator[Row]:
        for index in range(count):
            number, user = divmod(index, scale.users)
            yield user_id(user), *item(number, scale), *(_permission(rng) for _ in range(width))

    return rows


def _main_menu(_rng: Random, _scale: Scale, count: int) -> Iterator[Row]:
    for index, menu in enumerate(MENUS[:count]):
        yield menu, index, f"/cms/bin/{menu.lower()}"


def _thresholds(kinds: int, name: Callable[[int], Row]) -> Maker:
    """Rows of (switch, item, exception type, …): so many exception types for an item."""

    def rows(rng: Random, scale: Scale, count: int) -> Iterator[Row]:
        for index in range(count):
            acd, number = _spread(index, scale.acds)
            item, kind = divmod(number - 1, kinds)
            active = "y" if rng.random() < 0.5 else None  # noqa: PLR2004  one in two
            yield acd, *name(item + 1), kind + 1, active, rng.randint(1, THRESHOLD_MAX), rng.randint(0, 60)

    return rows


def _profiles(increments: int, name: Callable[[int], Row]) -> Maker:
    def rows(rng: Random, scale: Scale, count: int) -> Iterator[Row]:
        for index in range(count):
            acd, number = _spread(index, scale.acds)
            yield acd, *name(number), rng.choice((10, 20, 30)), *(15 * (n + 1) for n in range(increments))

    return rows


def _ds_alloc(_rng: Random, scale: Scale, count: int) -> Iterator[Row]:
    entities = ("agents", "splits", "trunks", "trunk_groups", "vdns", "vectors", "cwcs", "shifts")
    for index in range(count):
        acd, number = _spread(index, scale.acds)
        yield acd, entities[number - 1], 500 * number, 62, 1_825, 520, 120


def _timetables(_rng: Random, scale: Scale, count: int) -> Iterator[Row]:
    for index in range(count):
        number, user = divmod(index, scale.users)
        start = 30 * (index % 48)
        due = f"2026-02-01 {start // 60:02d}:{start % 60:02d}"
        yield user_id(user), f"nightly {number}", user % scale.acds + 1, "t", "y", start, "yyyyynn", due


def _tt_tasks(rng: Random, scale: Scale, count: int) -> Iterator[Row]:
    for index in range(count):
        seq, user = divmod(index, scale.users)
        yield user_id(user), "nightly 0", seq, "print report", f"-split {rng.randint(1, 99)} -printer default"


def _shortcuts(rng: Random, scale: Scale, count: int) -> Iterator[Row]:
    for index in range(count):
        seq, user = divmod(index, scale.users)
        yield user_id(user), "morning", seq, f"open {rng.choice(MENUS)}"


def _rep_defs(rng: Random, scale: Scale, count: int) -> Iterator[Row]:
    for index in range(count):
        owner = user_id(index % scale.users)
        day = f"2026-01-{index % 28 + 1:02d}"
        kind = "hi" if index % 2 else "rt"
        yield 1_000 + index, names.skill(rng, index), owner, "global", kind, day, names.report_body(rng, index)


def _split(number: int, scale: Scale) -> Row:
    return _spread(number, scale.acds)


def _vdn_item(number: int, scale: Scale) -> Row:
    acd, index = _spread(number, scale.acds)
    return acd, vdn(index)


MAKERS: Final[dict[str, Maker]] = {
    "synonyms": _synonyms,
    "agroups": _agroups,
    "dbitems": _dbitems,
    "acd_shifts": _acd_shifts,
    "acds": _acds,
    "acd_groups": _acd_groups,
    "users": _users,
    "user_feat": _by_user(2, lambda number, _: (FEATURES[number],)),
    "user_acd": _by_user(3, lambda number, _: (number + 1,)),
    "user_split": _by_user(3, _split),
    "user_tkgrp": _by_user(3, _split),
    "user_vdn": _by_user(3, _vdn_item),
    "user_vector": _by_user(3, _split),
    "user_menu": _by_user(1, lambda number, _: (MENUS[number],)),
    "main_menu": _main_menu,
    "ex_agent": _thresholds(40, lambda _: ()),
    "ex_split": _thresholds(5, lambda number: (number,)),
    "ex_tkgrp": _thresholds(4, lambda number: (number,)),
    "ex_vdn": _thresholds(5, lambda number: (vdn(number),)),
    "ex_vector": _thresholds(4, lambda number: (number,)),
    "split_pro": _profiles(4, lambda number: (number,)),
    "vdn_pro": _profiles(2, lambda number: (vdn(number),)),
    "ds_alloc": _ds_alloc,
    "timetables": _timetables,
    "tt_tasks": _tt_tasks,
    "shortcuts": _shortcuts,
    "rep_defs": _rep_defs,
}
