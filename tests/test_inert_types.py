"""A type that only parked columns still use can be dropped and changed like any other."""

from __future__ import annotations

import pytest

from tests.conftest import MakeTwins

pytestmark = pytest.mark.majors

DOMAIN = "CREATE DOMAIN kind AS int NOT NULL DEFAULT 1 CHECK (VALUE > 0)"
TYPES = {
    "enum": ("CREATE TYPE kind AS ENUM ('a', 'b')", "'a'"),
    "composite": ("CREATE TYPE kind AS (x int, y text)", "(1, 'a')"),
    "domain": (DOMAIN, "1"),
    "domain over a domain": (f"CREATE DOMAIN base AS int CHECK (VALUE > 0); {DOMAIN}", "1"),
}
USES = {
    "plain": "kind",
    "not null": "kind NOT NULL",
    "array": "kind[]",
    "unique": "kind UNIQUE",
}


def a_column(kind: str, use: str) -> str:
    create, value = TYPES[kind]
    if use == "array":
        value = f"ARRAY[{value}::kind]"
    return (
        f"{create}; CREATE TABLE t (id int PRIMARY KEY, gone {USES[use]});"
        f"INSERT INTO t VALUES (1, {value}), (2, {value})".replace(f", (2, {value})", "")
    )


def drop_statement(kind: str) -> str:
    return "DROP DOMAIN kind" if kind.startswith("domain") else "DROP TYPE kind"


CASES = [(kind, use) for kind in TYPES for use in USES if (kind[:6], use) != ("domain", "array")]


@pytest.mark.parametrize("target", ["t.gone", "t"], ids=["column", "table"])
@pytest.mark.parametrize(("kind", "use"), CASES)
def test_it_can_be_dropped_and_made_anew(
    twin_schemas: MakeTwins, kind: str, use: str, target: str
) -> None:
    made = twin_schemas(a_column(kind, use), target)
    made.agree_on(
        drop_statement(kind),
        "CREATE TYPE kind AS ENUM ('something', 'else')",
        "DROP TYPE kind",
        "CREATE TABLE kind (id int)",
    )


ENUM_CHANGES = (
    "ALTER TYPE kind ADD VALUE 'c' BEFORE 'b'",
    "ALTER TYPE kind RENAME VALUE 'a' TO 'z'",
    "ALTER TYPE kind RENAME TO sort",
    "CREATE TABLE u (s sort)",
    "INSERT INTO u VALUES ('c'), ('z')",
)
COMPOSITE_CHANGES = (
    "ALTER TYPE kind ADD ATTRIBUTE z int",
    "ALTER TYPE kind ALTER ATTRIBUTE x TYPE bigint",
    "ALTER TYPE kind DROP ATTRIBUTE y",
    "ALTER TYPE kind RENAME ATTRIBUTE x TO w",
    "CREATE TABLE u (s kind)",
    "INSERT INTO u VALUES ((1, 2))",
)
DOMAIN_CHANGES = (
    "ALTER DOMAIN kind ADD CHECK (VALUE > 100)",
    "ALTER DOMAIN kind SET DEFAULT 500",
    "ALTER DOMAIN kind DROP NOT NULL",
    "ALTER DOMAIN kind ADD CONSTRAINT c CHECK (VALUE IS NOT NULL)",
    "CREATE TABLE u (s kind)",
    "INSERT INTO u VALUES (101)",
)


@pytest.mark.parametrize("target", ["t.gone", "t"], ids=["column", "table"])
@pytest.mark.parametrize(
    ("kind", "changes"),
    [("enum", ENUM_CHANGES), ("composite", COMPOSITE_CHANGES), ("domain", DOMAIN_CHANGES)],
    ids=["enum", "composite", "domain"],
)
def test_it_can_be_changed(
    twin_schemas: MakeTwins, kind: str, changes: tuple[str, ...], target: str
) -> None:
    twin_schemas(a_column(kind, "plain"), target).agree_on(*changes)


@pytest.mark.parametrize("kind", ["enum", "composite"])
def test_what_else_uses_it_goes_on_and_lets_go_in_any_order(
    twin_schemas: MakeTwins, kind: str
) -> None:
    """The type is still live when the first column is parked, and no more when the second is."""
    create, value = TYPES[kind]
    made = twin_schemas(
        f"{create}; CREATE TABLE t (id int PRIMARY KEY, gone kind, also kind);"
        f"CREATE TABLE u (id int PRIMARY KEY, v kind); INSERT INTO t VALUES (1, {value}, {value});"
        f"INSERT INTO u VALUES (1, {value})",
        "t.gone",
    )
    made.agree_on(
        f"INSERT INTO t (id, also) VALUES (2, {value})",
        "UPDATE t SET also = v FROM u RETURNING also",
    )
    made.drop("t.also", "u")
    made.agree_on("DROP TYPE kind")


def test_a_partitioned_table_with_a_type_of_the_user(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(
        "CREATE TYPE kind AS ENUM ('a', 'b'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
        "CREATE TABLE t (k int PRIMARY KEY, gone kind, d positive) PARTITION BY RANGE (k);"
        "CREATE TABLE t_1 PARTITION OF t DEFAULT; INSERT INTO t VALUES (1, 'a', 1)",
        "t.gone",
        "t.d",
    )
    made.agree_on("DROP TYPE kind", "DROP DOMAIN positive")
