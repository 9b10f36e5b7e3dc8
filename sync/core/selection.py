"""A selection: what the configuration says about tables, and the rules that follow from it together with a profile.

The rule it keeps: names compare without case and quotes; a pattern without a schema speaks of the default schema only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from sync.core.predicate import RowRule, parse
from sync.core.profiles import CATALOG_RULES, CATALOG_SCHEMAS, PROFILES, DenyRule, Profile
from sync.errors import UsageError

_WILD: Final = re.compile(r"[*?\[]")
_PART: Final = re.compile(r'"((?:[^"]|"")*)"|`([^`]*)`|\[([^\]]*)\]|([^.:]+)')


@dataclass(frozen=True, slots=True)
class Selection:
    """The `[tables]` of a configuration, and the database's dialect (`sqlite`, `postgres`, `informix`).

    `include` and `exclude` hold names as in the catalog (`table` in the default schema, `schema.table` elsewhere) or
    globs. `rows` maps a table to an SQL predicate; `local_columns` to the columns that stay each server's own, where it
    replaces what the profile says of that table.
    """

    profile: str = "cms"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rows: Mapping[str, str] = field(default_factory=dict)
    local_columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dialect: str = "sqlite"


def normal_name(name: str) -> str:
    """Give a table name without quotes and in lower case: `root.hsplit` for `"root".HSPLIT`."""
    parts = ["".join(groups).strip() for groups in _PART.findall(name)]
    return ".".join(parts).lower()


def catalog_name(name: str) -> str:
    """Give a name of the catalog, which has no quotes, in the form that `normal_name` gives of a configured one."""
    return name.lower()


def bare_names(name: str) -> frozenset[str]:
    """Give everything that could be meant as the table's own name, without owner and quotes, in lower case."""
    normal = normal_name(name)
    return frozenset({normal, re.split(r"[.:]", normal)[-1].strip(), name.strip().lower()})


def selection_findings(selection: Selection) -> list[str]:
    """Find everything wrong in a selection that can be seen without a database; each `path: message`."""
    findings: list[str] = []
    profile = PROFILES.get(selection.profile)
    if profile is None:
        known = ", ".join(PROFILES)
        findings.append(f"tables.profile: there is no profile {selection.profile!r}; there are {known}")
    findings += _name_findings(selection, Rules(selection) if profile else None)
    for table, text in selection.rows.items():
        try:
            parse(text, selection.dialect)
        except UsageError as error:
            findings.append(f"tables.rows.{table}: {error}")
    for setting, names in (("rows", selection.rows), ("columns", selection.local_columns)):
        seen: set[str] = set()
        for table in names:
            if normal_name(table) in seen:
                findings.append(f"tables.{setting}.{table}: the table is named twice, in another spelling")
            seen.add(normal_name(table))
    return findings


def _name_findings(selection: Selection, rules: Rules | None) -> list[str]:
    findings: list[str] = []
    for setting, patterns in (("include", selection.include), ("exclude", selection.exclude)):
        findings += [f"tables.{setting}: an empty name" for pattern in patterns if not pattern.strip()]
    for pattern in selection.include if rules else ():
        rule = rules.denying(pattern) if rules and not _WILD.search(pattern) else None
        if rule is not None:
            findings.append(f"tables.include: {pattern} is {rule.what}, and is never replicated ({rule.id})")
    return findings


class Rules:
    """A selection put together with its profile; answers by name."""

    def __init__(self, selection: Selection) -> None:
        self.profile: Profile = PROFILES[selection.profile]
        catalog = CATALOG_RULES.get(selection.dialect)
        self.deny: tuple[DenyRule, ...] = (*self.profile.deny, *((catalog,) if catalog else ()))
        self._selection = selection
        self._configured = {normal_name(table): tuple(names) for table, names in selection.local_columns.items()}
        self._row_texts = {normal_name(table): text for table, text in selection.rows.items()}
        self._row_rules: dict[str, RowRule] = {}

    def denying(self, name: str) -> DenyRule | None:
        """Give the deny rule that hits this name."""
        names = bare_names(name)
        return next((rule for rule in self.deny if any(map(rule.pattern.fullmatch, names))), None)

    def in_catalog_schema(self, name: str) -> bool:
        """Whether the name stands in a schema that belongs to the database system."""
        return not CATALOG_SCHEMAS.isdisjoint(normal_name(name).split(".")[:-1])

    def matches(self, pattern: str, table: str) -> bool:
        """Whether a pattern of the configuration means this table."""
        wanted, name = pattern.strip().lower(), catalog_name(table)
        if not _WILD.search(pattern):
            return normal_name(pattern) == name
        return wanted.count(".") == name.count(".") and fnmatchcase(name, wanted)

    def first_match(self, patterns: Iterable[str], table: str) -> str | None:
        """Give the first pattern that means this table."""
        return next((pattern for pattern in patterns if self.matches(pattern, table)), None)

    def configured_columns(self, table: str) -> tuple[str, ...]:
        """Columns that the configuration itself keeps local, as it spells them."""
        return self._configured.get(catalog_name(table), ())

    def local_columns(self, table: str) -> frozenset[str]:
        """Columns (lower case) that stay each server's own."""
        name = catalog_name(table)
        names = self._configured.get(name, self.profile.local_columns.get(name, ()))
        return frozenset(column.lower() for column in names)

    def row_rule(self, table: str) -> RowRule | None:
        """Give the row rule of a table, parsed once."""
        name = catalog_name(table)
        if name not in self._row_rules and name in self._row_texts:
            self._row_rules[name] = parse(self._row_texts[name], self._selection.dialect)
        return self._row_rules.get(name)
