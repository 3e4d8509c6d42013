"""What others do to the surroundings of something parked: told, refused or followed, never lost."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from alembic_zanith.errors import (
    DataMissingError,
    IntegrityError,
    KeyChangedError,
    NameTakenError,
)
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    cleanup,
    list_artifacts,
    purge,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.support.database import Database

CHILD = """
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent);
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1);
"""
ANOTHER_PARENT = """
ALTER TABLE parent RENAME TO former_parent;
CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);
"""


@pytest.mark.parametrize("target", ["child.parent_id", "child"])
def test_a_foreign_key_to_another_table_of_the_name_is_told(
    database: Database, target: str
) -> None:
    database.execute(CHILD)
    if target == "child":
        database.do(soft_drop_table, "child")
    else:
        database.do(soft_drop_column, "child", "parent_id")
    database.execute(ANOTHER_PARENT)
    restore = restore_table if target == "child" else restore_column
    (warning,) = database.do(restore, target).warnings
    assert "foreign key child_parent_id_fkey" in warning
    assert "another table than the one it went to" in warning


def test_a_foreign_key_to_the_same_table_is_not(database: Database) -> None:
    database.execute(CHILD)
    database.do(soft_drop_column, "child", "parent_id")
    assert database.do(restore_column, "child.parent_id").warnings == ()


def test_a_partition_of_another_table_of_the_name_is_told(database: Database) -> None:
    parent = "CREATE TABLE t (id int) PARTITION BY RANGE (id)"
    database.execute(f"{parent}; CREATE TABLE t_1 PARTITION OF t DEFAULT")
    database.do(soft_drop_table, "t_1")
    database.execute(f"ALTER TABLE t RENAME TO t_before; {parent}")
    (warning,) = database.do(restore_table, "t_1").warnings
    assert "partition of t" in warning


@pytest.mark.parametrize("what", ["table", "archived table", "archived column"])
def test_data_in_a_schema_that_was_renamed(database: Database, what: str) -> None:
    database.execute(f"CREATE SCHEMA shop; SET search_path = shop; {CHILD}")
    schema = "_zanith_archive" if what.startswith("archived") else "shop"
    if what == "archived column":
        database.do(archive_column, "child", "parent_id", schema="shop")
        target = "shop.child.parent_id"
    else:
        park = soft_drop_table if what == "table" else archive_table
        database.do(park, "child", schema="shop")
        target = "shop.child"
    restore = restore_column if what == "archived column" else restore_table
    database.execute(f"ALTER SCHEMA {schema} RENAME TO other")
    (summary,) = database.do(list_artifacts)
    assert summary.present
    with pytest.raises(DataMissingError, match=r"its data is all there.*name back"):
        database.do(restore, target)
    database.execute(f"ALTER SCHEMA other RENAME TO {schema}")
    database.do(restore, target)
    assert database.rows("SELECT * FROM shop.child") == [(1, 1)]


def test_a_purge_finds_it_there(database: Database) -> None:
    database.execute(f"CREATE SCHEMA shop; SET search_path = shop; {CHILD}")
    database.do(soft_drop_table, "child", schema="shop", retention_days=0)
    database.execute("ALTER SCHEMA shop RENAME TO other")
    (report,) = database.do(cleanup)
    assert report.dropped
    tables = "SELECT relname FROM pg_class WHERE relname LIKE '%child%'"
    assert database.rows(tables) == []


def test_a_purge_tells_of_what_was_detached_meanwhile(database: Database) -> None:
    database.execute(
        "CREATE TABLE t (id int, gone int) PARTITION BY RANGE (id);"
        "CREATE TABLE t_1 PARTITION OF t DEFAULT"
    )
    artifact = database.do(soft_drop_column, "t", "gone")
    database.execute("ALTER TABLE t DETACH PARTITION t_1")
    (warning,) = database.do(purge, "t.gone").warnings
    assert f'ALTER TABLE "public"."t_1" DROP COLUMN "{artifact.parked_column}"' in warning
    database.execute(warning.rpartition(": ")[2])


@pytest.mark.parametrize("way", ["soft_drop", "archive"])
def test_a_child_with_a_column_of_the_name_is_in_the_way(database: Database, way: str) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, gone text)")
    database.do(soft_drop_column if way == "soft_drop" else archive_column, "t", "gone")
    database.execute("CREATE TABLE child () INHERITS (t); ALTER TABLE child ADD gone text")
    with pytest.raises(NameTakenError, match=r"public\.child has a column 'gone' again.*--as"):
        database.do(restore_column, "t.gone")


@pytest.mark.parametrize("way", ["soft_drop", "archive"])
def test_a_dry_run_foresees_that_not_null_refuses(database: Database, way: str) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, gone int NOT NULL)")
    database.do(soft_drop_column if way == "soft_drop" else archive_column, "t", "gone")
    database.execute("INSERT INTO t VALUES (1)")
    (warning,) = database.do(restore_column, "t.gone", dry_run=True).warnings
    assert "1 row was written since" in warning
    assert "--fill" in warning
    database.do(restore_column, "t.gone", fill="0")
    assert database.scalar("SELECT gone FROM t") == 0


@pytest.mark.parametrize("way", ["soft_drop", "archive"])
def test_a_dry_run_writes_nothing_so_a_standby_can_tell(database: Database, way: str) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, gone int)")
    database.do(soft_drop_column if way == "soft_drop" else archive_column, "t", "gone")
    with database.begin() as connection:
        connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        report = restore_column(connection, "t.gone", dry_run=True)
    assert report.dry_run
    assert report.statements


def test_a_key_that_lost_its_time_zone_is_for_the_user_to_convert(database: Database) -> None:
    database.execute(
        "CREATE TABLE t (at timestamptz PRIMARY KEY, gone int);"
        "INSERT INTO t VALUES ('2026-01-01 12:00+02', 7)"
    )
    database.do(archive_column, "t", "gone")
    database.execute("ALTER TABLE t ALTER at TYPE timestamp USING at AT TIME ZONE 'Asia/Tokyo'")
    with pytest.raises(KeyChangedError) as refusal:
        database.do(restore_column, "t.gone")
    assert "--force" in str(refusal.value)
    (statement,) = (line for line in str(refusal.value).splitlines() if "ALTER TABLE" in line)
    database.execute(statement.replace("'UTC'", "'Asia/Tokyo'"))
    with pytest.raises(IntegrityError):
        database.do(restore_column, "t.gone")
    database.do(restore_column, "t.gone", force=True)
    assert database.scalar("SELECT gone FROM t") == 7
