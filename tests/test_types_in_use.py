"""Types that are in use, or in use again, while a column of them is parked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alembic_zanith.errors import IntegrityError, LabelChangedError
from alembic_zanith.recovery import (
    archive_table,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.support.database import Database, PsqlFailed

pytestmark = pytest.mark.majors

TYPES = {
    "enum": ("ENUM ('a', 'b')", "'a'"),
    "composite": ("(x int, y text)", "(1, 'a')"),
    "array": ("ENUM ('a', 'b')", "'{a,b}'"),
}
EACH_WAY = pytest.mark.parametrize("way", ["command", "psql"])
EACH_TARGET = pytest.mark.parametrize(
    ("park", "names", "restore"),
    [
        (soft_drop_column, ("t", "x"), restore_column),
        (soft_drop_table, ("t",), restore_table),
        (archive_table, ("t",), restore_table),
    ],
    ids=["column", "table", "archived table"],
)
CHANGES = {
    "renamed": "ALTER TYPE kind RENAME TO sort",
    "moved": "CREATE SCHEMA o; ALTER TYPE kind SET SCHEMA o",
    "made anew under its name": (
        "ALTER TYPE kind RENAME TO former; CREATE TYPE kind AS ENUM ('a', 'b', 'c');"
        "ALTER TABLE u ALTER z DROP DEFAULT, ALTER z TYPE kind USING 'c'"
    ),
    "the like of it under its name": (
        "ALTER TYPE kind RENAME TO former; CREATE TYPE kind AS ENUM ('a', 'b');"
        "COMMENT ON TYPE kind IS 'another'"
    ),
}


def a_type(kind: str) -> str:
    definition, value = TYPES[kind]
    type_ = "kind[]" if kind == "array" else "kind"
    return (
        f"CREATE TYPE kind AS {definition}; CREATE TABLE t (id int PRIMARY KEY, x {type_});"
        f"INSERT INTO t VALUES (1, {value})"
    )


def bring_back(database: Database, artifact: Any, restore: Callable[..., Any], way: str) -> None:
    if way == "command":
        database.do(restore, artifact.id)
    else:
        database.psql(artifact.recovery_sql)


@EACH_WAY
@EACH_TARGET
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", TYPES)
def test_a_live_type_is_left_as_it_is(
    database: Database,
    kind: str,
    change: str,
    park: Callable[..., Any],
    names: tuple[str, ...],
    restore: Callable[..., Any],
    way: str,
) -> None:
    """The column goes along with what happens to it, as if it had never been parked."""
    database.execute(f"{a_type(kind)}; CREATE TABLE u (z kind)")
    twin = database.clone()
    artifact = database.do(park, *names)
    for each in (database, twin):
        each.execute(CHANGES[change])
    bring_back(database, artifact, restore, way)
    assert database.dump() == twin.dump()


@EACH_WAY
@EACH_TARGET
@pytest.mark.parametrize("kind", TYPES)
def test_a_type_of_the_name_by_then_keeps_its_comment_and_grants(
    database: Database,
    kind: str,
    park: Callable[..., Any],
    names: tuple[str, ...],
    restore: Callable[..., Any],
    way: str,
) -> None:
    database.execute(a_type(kind))
    rows = database.rows("SELECT id, x::text FROM t")
    artifact = database.do(park, *names)
    database.execute(
        f"DROP TYPE kind; CREATE TYPE kind AS {TYPES[kind][0]}; COMMENT ON TYPE kind IS 'mine';"
        "GRANT USAGE ON TYPE kind TO pg_monitor"
    )
    bring_back(database, artifact, restore, way)
    comments = "SELECT obj_description('kind'::regtype, 'pg_type'), typacl::text ~ 'pg_monitor'"
    assert database.rows(f"{comments} FROM pg_type WHERE typname = 'kind'") == [("mine", True)]
    assert database.rows("SELECT id, x::text FROM t") == rows


SWAPPED = (
    "ALTER TYPE kind RENAME VALUE 'a' TO 'c'; ALTER TYPE kind RENAME VALUE 'b' TO 'a';"
    "ALTER TYPE kind RENAME VALUE 'c' TO 'b'"
)


@EACH_TARGET
@pytest.mark.parametrize("kind", ["enum", "array"])
def test_values_do_not_go_to_another_label_of_the_clone(
    database: Database,
    kind: str,
    park: Callable[..., Any],
    names: tuple[str, ...],
    restore: Callable[..., Any],
) -> None:
    database.execute(a_type(kind))
    rows = database.rows("SELECT id, x::text FROM t")
    artifact = database.do(park, *names)
    database.execute(f"CREATE TABLE u (z kind); INSERT INTO u VALUES ('a'); {SWAPPED}")
    with pytest.raises(LabelChangedError, match=r"public\.kind .* 'a' is called 'b'"):
        database.do(restore, artifact.id)
    with pytest.raises(
        PsqlFailed, match=f"restore-{(names[1:] and 'column') or 'table'} .* --force"
    ):
        database.psql(artifact.recovery_sql)
    assert database.clone().do(restore, artifact.id, force=True).warnings == ()
    database.execute(SWAPPED)
    database.do(restore, artifact.id)
    assert database.rows("SELECT id, x::text FROM t") == rows


FIXED = {
    "partition key": (
        "CREATE TABLE t (x kind) PARTITION BY LIST (x);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES IN ('a'); CREATE TABLE t_2 PARTITION OF t DEFAULT"
    ),
    "expression in a partition key": (
        "CREATE TABLE t (x kind) PARTITION BY LIST ((x = 'a'));"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (true); CREATE TABLE t_2 PARTITION OF t DEFAULT"
    ),
    "key of a partition": (
        "CREATE TABLE t (id int, x kind) PARTITION BY LIST (id);"
        "CREATE TABLE t_1 PARTITION OF t DEFAULT PARTITION BY LIST (x);"
        "CREATE TABLE t_1_1 PARTITION OF t_1 DEFAULT"
    ),
    "generated column": ("CREATE TABLE t (x kind, g boolean GENERATED ALWAYS AS (x = 'a') STORED)"),
    "index of a partitioned table": (
        "CREATE TABLE t (id int, x kind) PARTITION BY LIST (id);"
        "CREATE INDEX ix ON t (x); CREATE TABLE t_1 PARTITION OF t DEFAULT"
    ),
}


@EACH_WAY
@pytest.mark.parametrize("park", [soft_drop_table, archive_table])
@pytest.mark.parametrize("place", FIXED)
def test_a_column_that_can_have_no_other_type_keeps_its_own(
    database: Database, place: str, park: Callable[..., Any], way: str
) -> None:
    database.execute(
        f"CREATE TYPE kind AS ENUM ('a', 'b'); {FIXED[place]};"
        "INSERT INTO t (x) VALUES ('a'), ('b'), (NULL)"
    )
    twin = database.clone()
    artifact = database.do(park, "t")
    for each in (database, twin):
        each.execute("CREATE TABLE u (z kind); ALTER TYPE kind RENAME VALUE 'b' TO 'c'")
    if park is archive_table:
        # The rows read otherwise by now, which a checksum cannot tell from other rows.
        with pytest.raises(IntegrityError, match="changed it, or a type of its columns, since"):
            database.do(restore_table, "t")
        database.do(restore_table, "t", force=True)
    else:
        bring_back(database, artifact, restore_table, way)
    assert database.dump() == twin.dump()
