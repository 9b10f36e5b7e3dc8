"""The command line: `admin-sync`. The composition root, where adapters, node and operations meet.

One command a file, imported when it is asked for. A command prints results to stdout, returns an exit code or raises
an error of sync.errors; this module alone turns errors into messages on stderr and codes.
"""

from __future__ import annotations

import difflib
import sys
import traceback
from collections.abc import Sequence

from sync.errors import AdminSyncError, Negative, UsageError

INTERRUPTED = 130
INTERNAL = 70
WRONG_USAGE = 2
DEBUG = "--debug"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    sys.exit(execute(list(sys.argv[1:] if arguments is None else arguments)))


def execute(arguments: list[str]) -> int:
    """Run one command; gives the exit code and lets no exception out."""
    debug = DEBUG in arguments
    arguments = [argument for argument in arguments if argument != DEBUG]
    try:
        return _dispatch(arguments)
    except AdminSyncError as error:
        _explain(error)
        if debug:
            traceback.print_exc()
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads us has enough (`tail | head`); the interpreter must not flush into the closed pipe again.
        sys.stdout = None
        return 0
    except Exception as error:  # noqa: BLE001 (the last wall: everything below it is a defect of ours)
        text = "".join(traceback.format_exception_only(error)).strip()
        print(f"error: internal error: {text}", file=sys.stderr)
        again = "" if debug else " with the output of the same command and --debug"
        print(f"  This is a defect of Admin-Sync. Please report it{again}.", file=sys.stderr)
        if debug:
            traceback.print_exc()
        return INTERNAL


def _dispatch(arguments: list[str]) -> int:
    from cyclopts import CycloptsError

    from sync.cli.app import COMMANDS, build

    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        # Looked up here: the parser would import every command to say the same.
        close = difflib.get_close_matches(arguments[0], COMMANDS, n=1)
        remedy = f"Did you mean `admin-sync {close[0]}`?" if close else "See: admin-sync --help"
        raise UsageError(f'there is no command "{arguments[0]}"', remedy=remedy)
    app = build(overview=not arguments or arguments[0] in {"-h", "--help"})
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        command = f" {arguments[0]}" if arguments and not arguments[0].startswith("-") else ""
        print(f"  See: admin-sync{command} --help", file=sys.stderr)
        return WRONG_USAGE
    return code if isinstance(code, int) else 0


def _explain(error: AdminSyncError) -> None:
    # A "no" is an answer, not a failure: it needs no "error:" before it.
    prefix = "" if isinstance(error, Negative) else "error: "
    print(f"{prefix}{error.what}{': ' if error.why else ''}{error.why}".replace(": \n", ":\n"), file=sys.stderr)
    if error.remedy:
        print(f"  {error.remedy}", file=sys.stderr)
