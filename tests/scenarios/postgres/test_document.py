"""docs/postgres.md names, for every subject, a test that there is; and every scenario has its line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[2]
PAGE = TESTS.parent / "docs/postgres.md"
SELF = Path(__file__).name


def lines() -> dict[str, str]:
    """Each subject with the test that its line names."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    return {row[0]: row[-1].strip("| `") for row in rows if row[0] != "subject"}


def functions(path: Path) -> set[str]:
    """The names of the tests in a file."""
    return {node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)}


def test_every_subject_names_a_test_that_exists() -> None:
    found = lines()
    assert len(found) > 40
    for subject, named in found.items():
        file, colons, function = named.partition("::")
        assert colons, f"{subject}: {named!r} names no test"
        assert (TESTS / file).is_file(), f"{subject}: there is no {file}"
        assert function in functions(TESTS / file), f"{subject}: {file} has no {function}"


def test_every_file_of_scenarios_has_a_subject() -> None:
    named = set(re.findall(r"scenarios/postgres/(test_\w+\.py)", PAGE.read_text("utf-8")))
    there = {path.name for path in Path(__file__).parent.glob("test_*.py")} - {SELF}
    assert there == named
