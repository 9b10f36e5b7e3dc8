"""Words for the sample site: people, skills, descriptions.

The rule it keeps: a name made with a number is unique among the names made with other numbers, so tables with a
unique name column can be filled without looking.
"""

from random import Random
from typing import Final

# Some do not fit one byte a letter: widths are counted in bytes on some servers and in letters on others.
FIRST: Final = (
    "Ada", "Björn", "Chloé", "Dagny", "Émile", "Femi", "Grace", "Hồng", "Idris", "José", "Keiko", "Łukasz",
    "Mina", "Nadia", "Oluwaseun", "Priya", "Quentin", "Renée", "Søren", "Tomás", "Ursula", "Véra", "Wim", "Zoë",
)  # fmt: skip
LAST: Final = (
    "Abelman", "Brontë", "Castañeda", "Dvořák", "Eriksen", "Fofana", "Gómez", "Hughes", "Ibsen", "Jansen",
    "Kowalczyk", "Lindqvist", "Müller", "Nguyễn", "O'Neil", "Park", "Quist", "Rossi", "Şahin", "Tanaka",
)  # fmt: skip
SKILLS: Final = (
    "Billing", "Claims", "Deliveries", "Emergency", "Fraud", "General", "Help desk", "Insurance", "Key accounts",
    "Loans", "Mortgage", "New business", "Outbound", "Payments", "Refunds", "Sales", "Travel", "Warranty",
)  # fmt: skip
NOTES: Final = (
    None, "", "moved from the old site", "ask before changing", "seasonal", "night shift only", "two blanks follow  ",
    "überprüft 2026", "see ticket; don't delete", "backslash \\ and 'quotes'",
)  # fmt: skip

KINDS: Final = ("agname", "split", "vdn", "vector", "tkgrp", "aux_rsn")
"""Item types of the dictionary."""


def person(rng: Random, number: int) -> str:
    return f"{rng.choice(FIRST)} {rng.choice(LAST)} {number}"


def skill(rng: Random, number: int) -> str:
    return f"{rng.choice(SKILLS)} {number}"


def item(rng: Random, kind: str, number: int) -> str:
    return person(rng, number) if kind == "agname" else f"{kind} {skill(rng, number)}"


def report_body(rng: Random, number: int) -> str:
    """A designer report's text: some hundred bytes with line ends, tabs and letters of several bytes."""
    lines = [f"REPORT {number}", f"TITLE\t{skill(rng, number)} — Übersicht"]
    lines += [f"FIELD {column}\tsum(acdcalls) / {rng.randint(1, 900)}" for column in range(rng.randint(4, 12))]
    return "\n".join(lines) + "\n"
