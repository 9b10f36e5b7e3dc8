"""Schemas, and names that must be quoted."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_the_same_name_in_several_schemas(pair: Pair) -> None:
    """Invariant 1."""
    pair.create(
        "CREATE SCHEMA a",
        'CREATE SCHEMA "B.c"',
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        "CREATE TABLE a.t (id int PRIMARY KEY, v text)",
        'CREATE TABLE "B.c".t (id int PRIMARY KEY, v int)',
    )
    pair.begin(include=("*", "*.*", "*.*.*"))
    pair.do(
        "INSERT INTO t VALUES (1, 'public')", "INSERT INTO a.t VALUES (1, 'a')", 'INSERT INTO "B.c".t VALUES (1, 3)'
    )
    pair.do("UPDATE a.t SET v = 'other'", 'DELETE FROM "B.c".t', "TRUNCATE t")


def test_names_that_must_be_quoted(pair: Pair) -> None:
    """Invariant 1."""
    odd = """"O'dd ""Name"" ä%s" """
    pair.create(
        f'CREATE TABLE {odd} ("Key" int, "select" text, "a""b" int, "%s" text, "" "" text, PRIMARY KEY ("Key", "a""b"))'
        .replace('"" ""', '" "'),
        'CREATE TABLE "order" ("user" int PRIMARY KEY, "table" text)',
    )  # fmt: skip
    pair.begin()
    pair.do(f"INSERT INTO {odd} VALUES (1, 'x', 2, 'y', 'z')", "INSERT INTO \"order\" VALUES (1, 'x'), (2, 'y')")
    pair.do(f'UPDATE {odd} SET "%s" = NULL, "Key" = 5', 'DELETE FROM "order" WHERE "user" = 2')


def test_names_that_differ_only_in_case(pair: Pair) -> None:
    """Invariant 1."""
    pair.create('CREATE TABLE "Case" (id int PRIMARY KEY, "V" int, v int)', 'CREATE TABLE "CASE" (id int PRIMARY KEY)')
    pair.begin()
    pair.do('INSERT INTO "Case" VALUES (1, 2, 3)', 'INSERT INTO "CASE" VALUES (4)')
    pair.do('UPDATE "Case" SET "V" = 5', 'DELETE FROM "CASE"')
