"""Profiles: which tables may be replicated at all, and which never, as plain values.

The rule it keeps: deny rules are anchored, match the bare lower-case name, and win over everything that a
configuration says. The `cms` profile follows the published table names of a call centre reporting database; names that
are not public stand for the site's own (docs/filter.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class DenyRule:
    """Names that are never replicated. `what` completes the sentence "… is"."""

    id: str
    pattern: re.Pattern[str]
    what: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A built-in allow-list with its deny rules. All names are lower case, in the default schema."""

    name: str
    allow: Mapping[str, str] = field(default_factory=dict)
    """Table to its class, which is shown in the rule (`allow: cms/dictionary`)."""
    compare_only: Mapping[str, str] = field(default_factory=dict)
    """Table to the reason why it must not be written."""
    hazards: Mapping[str, str] = field(default_factory=dict)
    """Table to what writing it can do; replicated only where `include` names it in full."""
    deny: tuple[DenyRule, ...] = ()
    structural: bool = False
    """Whether tables that look like call data are refused whatever their name."""
    local_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _rule(rule: str, pattern: str, what: str) -> DenyRule:
    return DenyRule(rule, re.compile(pattern, re.ASCII), what)


CATALOG_RULES: Final[Mapping[str, DenyRule]] = MappingProxyType(
    {
        "sqlite": _rule("D7", r"sqlite_.*", "a system table of SQLite"),
        "postgres": _rule("D7", r"pg_.*", "a system table of PostgreSQL"),
        "informix": _rule("D7", r"sys[a-z_]+", "a table of the Informix catalog"),
    }
)
"""By dialect: what no profile ever replicates."""

CATALOG_SCHEMAS: Final = frozenset({"pg_catalog", "information_schema", "pg_toast"})

_CMS_DENY: Final = (
    _rule("D1", r"[cphdwm](split|agent|trunk|tkgrp|vector|vdn|cwc)", "call data: an interval or real-time table"),
    _rule("D2", r"haglog|ag_actv|call_rec", "call data: agent login records, agent trace or call records"),
    _rule("D3", r"(ag|sp|tg|vdn|vec|link|mct|full)ex", "call data: a history of exceptions"),
    _rule("D4", r"[dwm]_secs", "the record of seconds collected on its own server"),
    _rule("D5", r"f_[a-z0-9_]+", "forecast data, which stands with call history"),
    _rule("D6", r"arch_stat|customer_log", "the state of its own server"),
    _rule("D7", r"sys[a-z_]+", "a table of the Informix catalog"),
)

_CMS_CLASSES: Final = {
    "dictionary": ("synonyms", "agroups", "dbitems", "acd_shifts"),
    "users": ("users",),
    "permissions": (
        "user_feat",
        "user_acd",
        "user_split",
        "user_tkgrp",
        "user_vdn",
        "user_vector",
        "user_menu",
    ),
    "exceptions": ("ex_agent", "ex_split", "ex_tkgrp", "ex_vdn", "ex_vector"),
    "menus": ("main_menu",),
    "timetables": ("timetables", "tt_tasks", "shortcuts"),
    "reports": ("rep_defs",),
}

_SINGLE_USER: Final = "changing it needs single-user mode, so it is compared and never written"
_CALL_PROFILE: Final = "changing a call profile drops call data back to the start of the interval"

CMS: Final = Profile(
    name="cms",
    allow={table: f"cms/{kind}" for kind, tables in _CMS_CLASSES.items() for table in tables},
    compare_only={
        "acds": "the switches of each server are set up on it, so they are compared and never written",
        "acd_groups": _SINGLE_USER,
        "ds_alloc": _SINGLE_USER,
    },
    hazards={"split_pro": _CALL_PROFILE, "vdn_pro": _CALL_PROFILE},
    deny=_CMS_DENY,
    structural=True,
    local_columns={"users": ("printer",), "timetables": ("run_on", "active", "next_run")},
)

NONE: Final = Profile(name="none")

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType({"cms": CMS, "none": NONE})

_LOOKS_LIKE_CALL_DATA: Final = (
    ({"row_date"}, "column row_date marks a record of calls or intervals"),
    ({"login", "logout"}, "columns login and logout mark a record of agent sessions"),
    ({"segstart", "segstop"}, "columns segstart and segstop mark a record of calls"),
)


def structure_reason(column_names: frozenset[str]) -> str | None:
    """Say why a table with these columns (lower case) looks like call data, whatever its name; None where it does not.

    Names alone decide, not types, so that a wall that sees only names judges as the capture did.
    """
    for columns, reason in _LOOKS_LIKE_CALL_DATA:
        if columns <= column_names:
            return reason
    return None
