"""Syntax trees of what only Informix has: triggers that list actions, routines in SPL, calls.

The rule it keeps: a trigger's conditions and actions are trees, so that they can be checked and run elsewhere. A
routine's body is text, for SPL is a language of its own.
"""

from __future__ import annotations

from sqlglot import exp


class Trigger(exp.Expression):
    """CREATE TRIGGER. `event` is INSERT, UPDATE or DELETE; `columns` those of UPDATE OF."""

    arg_types = {
        "this": True,
        "event": True,
        "columns": False,
        "table": True,
        "old": False,
        "new": False,
        "before": False,
        "each": False,
        "after": False,
        "mode": False,
        "exists": False,
    }


class Actions(exp.Expression):
    """Statements of a trigger that run before, for each row, or after; `when` is their condition."""

    arg_types = {"when": False, "expressions": True}


class Call(exp.Expression):
    """EXECUTE PROCEDURE or FUNCTION; `references` is WITH TRIGGER REFERENCES."""

    arg_types = {"this": True, "kind": True, "references": False}


class Routine(exp.Expression):
    """CREATE PROCEDURE or FUNCTION. `table` is that of a trigger's routine, with its names for OLD and NEW."""

    arg_types = {
        "this": True,
        "kind": True,
        "parameters": False,
        "returns": False,
        "old": False,
        "new": False,
        "table": False,
        "body": True,
        "exists": False,
    }


class Parameter(exp.Expression):
    """A parameter of a routine."""

    arg_types = {"this": True, "kind": True, "default": False}
