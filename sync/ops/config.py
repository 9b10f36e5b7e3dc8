"""Reads node.toml and tells everything that is wrong with it at once, each finding with its path.

A configuration either comes out whole and checked, or as one `ConfigError` with every finding; nothing in between,
whatever the file holds. Passwords are not part of it (sync.ops.credentials).
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo, fields

from sync.core.filter import Selection, selection_findings
from sync.errors import AdminSyncError, ConfigError, UsageError
from sync.ops.address import parse_address
from sync.ops.config_model import Config, LimitsSection, Section
from sync.ops.credentials import url_findings

VARIABLE = "ADMIN_SYNC_CONFIG"
SYSTEM_FILE = Path("/etc/admin-sync/node.toml")
FILE_BYTES_MAX = 1024 * 1024
BATCHES_IN_SPOOL_MIN = 2

AnySection = TypeVar("AnySection", bound=Section)


def find_config(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Choose the file: `given`, else $ADMIN_SYNC_CONFIG, else ./node.toml, else the system's. It need not exist."""
    if given is not None:
        return given
    if named := environment.get(VARIABLE):
        return Path(named)
    here = Path("node.toml")
    return here if here.exists() else SYSTEM_FILE


def load_config(path: Path, dialect_of: Callable[[str], str]) -> Config:
    """Read and check one file. `dialect_of` gives the SQL dialect of a database URL, or raises `UsageError`.

    Raises `ConfigError` with all findings, `UsageError` where the file can not be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        remedy = f"Make one with `admin-sync init`, or name another with -c or ${VARIABLE}."
        raise UsageError(f"can not read {path}", error.strerror or str(error), remedy) from error
    if len(content) > FILE_BYTES_MAX:
        raise UsageError(f"can not read {path}", f"it is larger than {FILE_BYTES_MAX} bytes", "Is this the right file?")
    return read_config(content, path, dialect_of)


def read_config(content: bytes, path: Path, dialect_of: Callable[[str], str]) -> Config:
    """Check the content of a file. Raises `ConfigError` with all findings and nothing else."""
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigError(str(path), [f"not TOML: {str(error) or type(error).__name__}"]) from error
    return parse_config(document, path, dialect_of)


def parse_config(document: Mapping[str, object], path: Path, dialect_of: Callable[[str], str]) -> Config:
    """Check a TOML document. Raises `ConfigError` with all findings and nothing else."""
    reading = _Reading()
    config = reading.section(Config, document, "")
    findings = reading.findings + _judge(reading.good, dialect_of)
    if findings or config is None:
        raise ConfigError(str(path), findings)
    return msgspec.structs.replace(config, directory=path.parent)


def selection_of(config: Config, dialect: str) -> Selection:
    """What the file says about tables, for the filter."""
    tables = config.tables
    return Selection(
        profile=tables.profile,
        include=tuple(tables.include),
        exclude=tuple(tables.exclude),
        rows=dict(tables.rows),
        local_columns=config.local_columns,
        dialect=dialect,
    )


class _Reading:
    """Walks over a document and collects findings instead of stopping at the first."""

    def __init__(self) -> None:
        self.findings: list[str] = []
        self.good: dict[str, Any] = {}
        """Every value that is right by itself, by its path: what is judged across keys, whatever else is wrong."""

    def section(self, kind: type[AnySection], values: object, path: str) -> AnySection | None:
        """Build one section; None where something in it was found wrong."""
        if not isinstance(values, Mapping):
            self.findings.append(f"{path}: must be a table ([{path}]), not {_kind_name(values)}")
            return None
        before = len(self.findings)
        known = {info.name: info for info in fields(kind) if info.name != "directory"}
        self.findings += [_unknown(str(key), path, list(known)) for key in values if key not in known]
        built: dict[str, object] = {}
        for name, info in known.items():
            where = f"{path}.{name}" if path else name
            if name in values:
                built[name] = self.good[where] = self._value(info.type, values[name], where)
            elif info.required:
                self.findings.append(f"{where}: {_missing(info)}")
        return kind(**built) if len(self.findings) == before else None

    def _value(self, kind: object, value: object, path: str) -> object:
        """Convert one value; None where it is wrong."""
        section = _section_in(kind)
        if section is not None:
            return self.section(section, value, path)
        if get_origin(kind) is dict and isinstance(value, Mapping):
            inner = get_args(kind)[1]
            found = {str(key): self._value(inner, one, f"{path}.{_quoted(str(key))}") for key, one in value.items()}
            return {key: one for key, one in found.items() if one is not None}
        try:
            return msgspec.convert(value, kind)
        except (msgspec.ValidationError, OverflowError, RecursionError) as error:
            self.findings.append(_reworded(path, str(error), value))
            return None


def _section_in(kind: object) -> type[Section] | None:
    options = get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)
    for option in options:
        if isinstance(option, type) and issubclass(option, Section):
            return option
    return None


def _missing(info: FieldInfo) -> str:
    return "this section is missing" if _section_in(info.type) else "missing, and it has no default"


def _unknown(key: str, path: str, known: list[str]) -> str:
    where = f"{path}.{_quoted(key)}" if path else _quoted(key)
    close = difflib.get_close_matches(key.lower(), known, n=1)
    noun = "key" if path else "section"
    hint = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(known)}"
    return f"{where}: unknown {noun}; {hint}"


def _quoted(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else '"' + key.encode("unicode_escape").decode() + '"'


def _reworded(path: str, message: str, value: object) -> str:
    text, _, place = message.partition(" - at `$")
    if place:
        path += place.rstrip("`")
    text = text.replace("`", "").replace("Expected ", "must be ").replace(" matching regex ", " like ")
    if "like '^" in text:
        text = "must be a word like cms-east: letters, digits, hyphens and dots, at most 63"
    if text.startswith("Invalid enum value"):
        text = f"unknown value {_short(value)}"
    elif isinstance(value, str | int | float | bool):
        text += f", but is {_short(value)}"
    return f"{path}: {text}"


def _short(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 (a line of a terminal)


def _kind_name(value: object) -> str:
    return {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}.get(
        type(value), "a single value"
    )


def _judge(good: Mapping[str, Any], dialect_of: Callable[[str], str]) -> list[str]:
    """Find what single keys can not show; a key that is wrong by itself is None or missing in `good`."""
    findings = _addresses(good)
    own = good.get("node.name")
    if own is not None and own == good.get("peer.name"):
        findings.append("peer.name: is this node's own name; the two of a pair must differ")
    defaults = LimitsSection()
    batch_bytes = good.get("limits.batch_bytes_max") or defaults.batch_bytes_max
    spool_bytes = good.get("limits.spool_bytes_max") or defaults.spool_bytes_max
    if spool_bytes < BATCHES_IN_SPOOL_MIN * batch_bytes:
        findings.append(f"limits.spool_bytes_max: must be at least {BATCHES_IN_SPOOL_MIN} times limits.batch_bytes_max")
    findings += [
        f"{path}: a path can not contain a NUL character"
        for path in ("node.state_dir", "database.password_file")
        if "\x00" in (good.get(path) or "")
    ]
    return findings + _database(good, dialect_of)


def _database(good: Mapping[str, Any], dialect_of: Callable[[str], str]) -> list[str]:
    """Judge the URL, and the rules that need its dialect."""
    url = good.get("database.url")
    if url is None:
        return []
    findings = url_findings(url)
    if findings:
        return findings
    try:
        dialect = dialect_of(url)
    except AdminSyncError as error:
        return [f"database.url: {error}"]
    except ValueError as error:
        return [f"database.url: not a URL ({error})"]
    chosen = Selection(
        profile=good.get("tables.profile") or "cms",
        include=tuple(good.get("tables.include") or ()),
        exclude=tuple(good.get("tables.exclude") or ()),
        rows=good.get("tables.rows") or {},
        local_columns={table: tuple(rule.local) for table, rule in (good.get("tables.columns") or {}).items()},
        dialect=dialect,
    )
    return selection_findings(chosen)


def _addresses(good: Mapping[str, Any]) -> list[str]:
    named = [(path, good[path]) for path in ("listen.address", "http.address") if good.get(path) is not None]
    named += [(f"peer.addresses[{place}]", text) for place, text in enumerate(good.get("peer.addresses") or ())]
    findings: list[str] = []
    for path, text in named:
        try:
            parse_address(text)
        except ValueError as error:
            findings.append(f"{path}: {error}")
    if good.get("listen.address") is not None and good.get("listen.address") == good.get("http.address"):
        findings.append("http.address: is the same as listen.address; each needs a port of its own")
    return findings
