"""Compiles the one loop that gains from it, where that is possible: a build hook of hatchling, and a command.

The rule it keeps: it never fails a build. Without mypy, setuptools, a C compiler or Python's headers the same source
runs interpreted. As a command (`make compile`) it puts the extension beside its source and says what came of it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:
    BuildHookInterface = object  # type: ignore[assignment,misc]  # run as a command

SOURCE = Path("sync/model/walk.py")
PACKAGES = (Path("sync/__init__.py"), Path("sync/model/__init__.py"))
TIMEOUT_S = 300


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's configuration of a builder
    """What hatchling calls before it packs a wheel or makes an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compile beside the source, and take the extension into the wheel."""
        if self.target_name != "wheel":
            return
        extensions = compiled(Path(self.root))
        if not isinstance(extensions, str):
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["artifacts"] += [f"/{each.relative_to(self.root).as_posix()}" for each in extensions]


def compiled(root: Path) -> list[Path] | str:
    """The extension modules beside their source under `root`, made anew; or why there are none."""
    for stale in (root / SOURCE).parent.glob(f"{SOURCE.stem}*.so"):
        stale.unlink()
    # In a directory of its own: what reads the project's files there must not meet ours.
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        for file in (*PACKAGES, SOURCE):
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, place / file)
        command = [sys.executable, "-c", "from mypyc.__main__ import main; main()", str(SOURCE)]
        try:
            done = subprocess.run(  # noqa: S603  nothing of it comes from outside
                command, cwd=place, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        found = list((place / SOURCE).parent.glob("*.so"))
        if done.returncode or not found:
            return (done.stderr or done.stdout).strip().rpartition("\n")[2]
        return [Path(shutil.move(each, (root / SOURCE).parent / each.name)) for each in found]


if __name__ == "__main__":
    outcome = compiled(Path(__file__).parent)
    print(f"not compiled, it runs interpreted: {outcome}" if isinstance(outcome, str) else f"compiled {SOURCE}")  # noqa: T201
