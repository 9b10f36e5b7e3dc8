"""Runs the fuzzer on one target, or many mutations in a row: `python -m tests.fuzz --help`.

The fuzzer is libFuzzer behind Atheris: an input that reaches new code is kept and mutated further. What is found goes
to a place of its own; `--merge` takes over into the kept corpus only what reaches more than is reached already.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPORT_EVERY = 100_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("target", nargs="?", help="which target to fuzz (see tests/fuzz/targets.py)")
    parser.add_argument("--seconds", type=int, default=60, help="how long (60)")
    parser.add_argument("--found", type=Path, default=Path(".make/fuzz"), help="where new inputs go (.make/fuzz)")
    parser.add_argument("--merge", action="store_true", help="take over into tests/fuzz/corpus what reaches more")
    parser.add_argument("--mutations", type=int, help="instead of fuzzing, run so many seeded mutations")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (0)")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mutations:
        return run_mutations(options.mutations, options.seed)
    if not options.target:
        parser.error("name a target, or --mutations")
    watched = _watched(options.target)
    arguments = options.child or _arguments(options)
    # Merging starts this program again for each input that kills it, with its own words behind the first.
    _hand_over([f"{sys.executable} -m tests.fuzz {options.target} --child", *arguments], watched)
    return 0


def run_mutations(count: int, seed: int) -> int:
    """Run mutations and print rate, memory and what came of them."""
    from tests.fuzz.mutate import Tally, mutate  # noqa: PLC0415  the fuzzer has to watch the first import

    tally = Tally()
    for number in range(min(count, 10_000)):
        mutate(number, seed + 1, tally)  # caches fill up before the memory is looked at
    tally = Tally()
    start, before_kib = time.monotonic(), rss_kib()
    for number in range(count):
        try:
            mutate(number, seed, tally)
        except BaseException:
            sys.stderr.write(f"mutation {number} of seed {seed} failed\n")
            raise
        if (number + 1) % REPORT_EVERY == 0:
            rate = (number + 1) / (time.monotonic() - start)
            sys.stdout.write(f"{number + 1:,} mutations, {rate:,.0f}/s, {rss_kib():,} KiB\n")
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"accepted {tally.accepted:,}, refused {sum(tally.refused.values()):,}, crashed 0\n")
    sys.stdout.write(f"memory {before_kib:,} KiB before, {rss_kib():,} KiB after, {peak_kib:,} KiB at most\n")
    for words, times in tally.refused.most_common():
        sys.stdout.write(f"{times:10,}  {words}\n")
    return 0


def rss_kib() -> int:
    """Memory of this process in use now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() // 1024


def _watched(target: str) -> Callable[[bytes], bool]:
    """Import the target, and everything under test with it, under the fuzzer's eyes."""
    import atheris  # noqa: PLC0415  comes with `make fuzz` only

    with atheris.instrument_imports(include=["sync", "adapters"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415  watched from here on

    return TARGETS[target]


def _arguments(options: argparse.Namespace) -> list[str]:
    """The fuzzer's own options, then the folders: the first is the one that it writes to."""
    from tests.fuzz.corpus import CORPUS, CRASHERS, write_first  # noqa: PLC0415  after the first watched import

    target = options.target
    mine, kept, crashers = options.found / target, CORPUS / target, CRASHERS / target
    for place in (mine, kept, crashers):
        place.mkdir(parents=True, exist_ok=True)
    write_first(options.found / "first")
    first = options.found / "first" / target
    limits = ["-rss_limit_mb=1024", "-malloc_limit_mb=256", "-timeout=10", "-max_len=4096"]
    settings = [*limits, f"-artifact_prefix={crashers}/"]
    if options.merge:
        return ["-merge=1", *settings, str(kept), str(mine), str(first)]
    return [f"-max_total_time={options.seconds}", "-print_final_stats=1", *settings, str(mine), str(kept), str(first)]


def _hand_over(arguments: list[str], check: Callable[[bytes], bool]) -> None:
    """Start the fuzzer, which ends the process itself."""
    import atheris  # noqa: PLC0415  as above

    def once(given: bytes) -> None:
        check(given)

    atheris.Setup(arguments, once)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
