"""Text that databases sort or compare in different ways."""

from __future__ import annotations

import psycopg
import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres
CASELESS = "CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
ENGLISH = "CREATE COLLATION english (provider = icu, locale = 'en')"
WORDS = (
    "INSERT INTO t SELECT x || y, 0 FROM unnest('{a,B,ä,Z,z,_, ,\"\",é,0}'::text[]) x, unnest('{a,B,c,-}'::text[]) y"
)


def with_icu(pair: Pair, collation: str) -> None:
    """Make a collation on both sides, or skip the test."""
    try:
        pair.create(collation)
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server was built without ICU, so it has no such collations")


def test_sides_that_sort_differently_copy_and_compare_the_same(pair: Pair) -> None:
    """Invariant 1: ranges of keys are bytes on both sides."""
    with_icu(pair, ENGLISH)
    pair.east.alone("CREATE TABLE t (k text COLLATE english PRIMARY KEY, n int)")
    pair.west.alone('CREATE TABLE t (k text COLLATE "C" PRIMARY KEY, n int)')
    pair.east.run(WORDS)
    pair.west.run("INSERT INTO t VALUES ('Aa', 1), ('zz', 2), ('aa', 3)")
    pair.begin()
    pair.equal()
    pair.do("UPDATE t SET n = length(k)", "DELETE FROM t WHERE k > 'b'")
    assert pair.verify()["equal"]


def test_keys_that_differ_only_in_case_where_case_does_not_count(pair: Pair) -> None:
    """Invariant 4: a row is the same row under another spelling, and takes on the new one."""
    with_icu(pair, CASELESS)
    caseless_keys(pair, "text COLLATE caseless")


def test_caseless_texts_of_an_extension(pair: Pair) -> None:
    """Invariant 4, where the type and not the collation knows no case."""
    pair.create("CREATE EXTENSION citext")
    caseless_keys(pair, "citext")


def caseless_keys(pair: Pair, key: str) -> None:
    """Spell the same keys in other ways, here and there."""
    pair.create(f"CREATE TABLE t (k {key} PRIMARY KEY, n int)")
    pair.east.run("INSERT INTO t VALUES ('Ann', 1), ('bob', 2)")
    pair.west.run("INSERT INTO t VALUES ('ANN', 9), ('BOB', 9), ('Cy', 9)")
    pair.begin()
    pair.equal()
    pair.do("UPDATE t SET k = upper(k::text)")
    pair.do("UPDATE t SET k = lower(k::text), n = n + 1 WHERE k = 'ann'", "DELETE FROM t WHERE k = 'Bob'")
    pair.do("INSERT INTO t VALUES ('BOB', 5)", "UPDATE t SET k = 'x' || k::text")
    assert pair.verify()["equal"]


def test_enums_whose_labels_stand_in_another_order(pair: Pair) -> None:
    """Invariant 1: their order on either side is no matter, their labels are."""
    pair.east.alone("CREATE TYPE size AS ENUM ('small', 'medium', 'large', 'huge')")
    pair.west.alone("CREATE TYPE size AS ENUM ('huge', 'large', 'small', 'medium', 'tiny')")
    pair.create("CREATE TABLE t (k size, n int, v text, PRIMARY KEY (k, n))")
    pair.east.run("INSERT INTO t SELECT k, n, 'v' FROM unnest(enum_range(NULL::size)) k, generate_series(1, 10) n")
    pair.west.run("INSERT INTO t VALUES ('tiny', 1, 'too many'), ('huge', 1, 'other')")
    pair.begin()
    pair.equal()
    pair.do("DELETE FROM t WHERE k < 'medium'", "UPDATE t SET k = 'small' WHERE k = 'huge'")
    assert pair.verify()["equal"]
