"""A column comes back to the table that it was taken from, whatever else has its parked name."""

from __future__ import annotations

import pytest

from alembic_zanith.errors import AmbiguousTargetError, UnknownObjectError
from alembic_zanith.recovery import (
    archive_column,
    cleanup,
    inspect_artifact,
    list_artifacts,
    purge,
    restore_column,
    soft_drop_column,
)
from tests.support.database import Database

USERS = "CREATE TABLE users (id int PRIMARY KEY, note text); INSERT INTO users VALUES (1, 'a');"


def columns(database: Database, table: str) -> list[str]:
    """Return the columns of a table, a parked one as `parked`."""
    names = database.rows(
        "SELECT attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped"
        f" AND attrelid = '{table}'::regclass ORDER BY attnum"
    )
    return ["parked" if name.startswith("_zanith_") else name for (name,) in names]


def into_another_database(database: Database, twin: Database) -> Database:
    """Copy everything by way of a dump, so that all OIDs are others."""
    twin.psql(database.dump_of_all())
    return twin


@pytest.fixture
def elsewhere(database: Database) -> Database:
    """An empty twin, made before there is anything to copy."""
    return database.clone()


@pytest.mark.parametrize(
    "copy", ["AS SELECT * FROM users", "(LIKE users INCLUDING ALL)"], ids=["as", "like"]
)
@pytest.mark.parametrize("where", ["here", "from a dump"])
def test_a_copy_of_the_table_keeps_its_own(
    database: Database, elsewhere: Database, copy: str, where: str
) -> None:
    database.execute(USERS)
    artifact = database.do(soft_drop_column, "users", "note")
    database.execute(f"CREATE TABLE a_copy {copy}")
    if where == "from a dump":
        database = into_another_database(database, elsewhere)
    report = database.do(restore_column, "users.note")
    assert columns(database, "users") == ["id", "note"]
    assert columns(database, "a_copy") == ["id", "parked"]
    assert any("a_copy has the column as well" in warning for warning in report.warnings)
    assert database.scalar("SELECT note FROM users") == "a"
    assert not database.do(purge, artifact.id).dropped
    assert columns(database, "a_copy") == ["id", "parked"]


def test_a_copy_keeps_its_own_through_a_purge_and_a_cleanup(database: Database) -> None:
    database.execute(USERS + "ALTER TABLE users ADD other text")
    database.do(soft_drop_column, "users", "note", retention_days=0)
    database.do(soft_drop_column, "users", "other")
    database.execute("CREATE TABLE a_copy AS SELECT * FROM users")
    assert [report.dropped for report in database.do(cleanup)] == [True]
    assert database.do(purge, "users.other").dropped
    assert columns(database, "users") == ["id"]
    assert columns(database, "a_copy") == ["id", "parked", "parked"]


def test_a_cleanup_drops_nothing_of_what_was_restored(database: Database) -> None:
    database.execute(USERS)
    database.do(soft_drop_column, "users", "note", retention_days=0)
    database.execute("CREATE TABLE a_copy AS SELECT * FROM users")
    database.do(restore_column, "users.note")
    (summary,) = database.do(list_artifacts, include_restored=True)
    assert not summary.present
    assert [report.dropped for report in database.do(cleanup)] == [False]
    assert columns(database, "a_copy") == ["id", "parked"]


@pytest.mark.parametrize("older", ["the partition", "the table"])
def test_a_detached_partition_keeps_its_own(database: Database, older: str) -> None:
    table = "CREATE TABLE logs (id int NOT NULL, note text, k int NOT NULL) PARTITION BY RANGE (k);"
    part = "CREATE TABLE logs_1 (id int NOT NULL, note text, k int NOT NULL);"
    database.execute(part + table if older == "the partition" else table + part)
    database.execute(
        "ALTER TABLE logs ATTACH PARTITION logs_1 FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM (10) TO (20);"
        "INSERT INTO logs VALUES (1, 'a', 1), (2, 'b', 11)"
    )
    artifact = database.do(soft_drop_column, "logs", "note")
    database.execute("ALTER TABLE logs DETACH PARTITION logs_1")
    report = database.do(restore_column, "logs.note")
    assert columns(database, "logs") == columns(database, "logs_2") == ["id", "note", "k"]
    assert columns(database, "logs_1") == ["id", "parked", "k"]
    assert any("logs_1 has the column as well" in warning for warning in report.warnings)
    assert not database.do(purge, artifact.id).dropped
    assert columns(database, "logs_1") == ["id", "parked", "k"]


def test_a_child_that_inherits_no_more_keeps_its_own(database: Database) -> None:
    database.execute(USERS + "CREATE TABLE a_child () INHERITS (users)")
    database.do(soft_drop_column, "users", "note")
    database.execute("ALTER TABLE a_child NO INHERIT users")
    report = database.do(restore_column, "users.note")
    assert columns(database, "users") == ["id", "note"]
    assert columns(database, "a_child") == ["id", "parked"]
    assert any("a_child has the column as well" in warning for warning in report.warnings)


def test_temporary_tables_of_others_do_not_count(database: Database) -> None:
    database.execute(USERS)
    database.do(soft_drop_column, "users", "note", retention_days=0)
    database.execute("ALTER TABLE users RENAME TO customers")
    with database.begin() as other:
        other.exec_driver_sql("CREATE TEMPORARY TABLE a_copy AS SELECT * FROM customers")
        other.commit()
        (report,) = database.do(cleanup)
        assert (report.error, report.dropped) == (None, True)
    assert columns(database, "customers") == ["id"]


def test_of_a_renamed_table_and_its_copy_the_renamed_one_is_meant(database: Database) -> None:
    database.execute(USERS)
    database.do(soft_drop_column, "users", "note")
    database.execute(
        "ALTER TABLE users RENAME TO customers; CREATE TABLE a_copy AS SELECT * FROM customers"
    )
    assert database.do(restore_column, "users.note").restored_as == "customers.note"
    assert columns(database, "a_copy") == ["id", "parked"]


def test_a_renamed_table_is_found_in_a_dump(database: Database, elsewhere: Database) -> None:
    database.execute(USERS)
    database.do(soft_drop_column, "users", "note")
    database.execute("ALTER TABLE users RENAME TO customers")
    database = into_another_database(database, elsewhere)
    assert database.do(restore_column, "users.note").restored_as == "customers.note"


def test_what_cannot_be_told_is_refused_with_all_that_it_may_be(
    database: Database, elsewhere: Database
) -> None:
    """In a restored dump no OID tells the renamed table from its copy."""
    database.execute(USERS)
    artifact = database.do(soft_drop_column, "users", "note", retention_days=0)
    database.execute(
        "ALTER TABLE users RENAME TO customers; CREATE TABLE a_copy AS SELECT * FROM customers"
    )
    database = into_another_database(database, elsewhere)
    for function in (restore_column, purge, inspect_artifact):
        with pytest.raises(AmbiguousTargetError, match=r"public\.a_copy, public\.customers"):
            database.do(function, "users.note")
    (report,) = database.do(cleanup)
    assert "public.a_copy, public.customers" in str(report.error)
    assert [summary.present for summary in database.do(list_artifacts)] == [True]
    assert columns(database, "a_copy") == columns(database, "customers") == ["id", "parked"]
    assert database.scalar("SELECT id FROM _zanith_migration_artifacts") == artifact.id


COPIES = {
    "a copy": "CREATE TABLE left_over AS SELECT * FROM logs",
    "a partition": "ALTER TABLE logs DETACH PARTITION left_over",
}


@pytest.mark.parametrize("left", COPIES)
def test_what_is_left_of_a_table_that_is_gone_loses_nothing(database: Database, left: str) -> None:
    """The only table with the column need not be the one that it was taken from."""
    database.execute(
        "CREATE TABLE logs (id int, note text) PARTITION BY RANGE (id);"
        + "CREATE TABLE left_over PARTITION OF logs DEFAULT;" * (left == "a partition")
        + "CREATE TABLE other PARTITION OF logs FOR VALUES FROM (0) TO (10);"
        "INSERT INTO logs VALUES (1, 'a')" + ", (11, 'b')" * (left == "a partition")
    )
    database.do(soft_drop_column, "logs", "note", retention_days=0)
    database.execute(f"{COPIES[left]}; DROP TABLE logs")
    before = database.dump_of_all()
    for function in (restore_column, purge):
        with pytest.raises(AmbiguousTargetError, match=r"public\.left_over\..* RENAME COLUMN"):
            database.do(function, "logs.note")
    for dry_run in (True, False):
        (report,) = database.do(cleanup, dry_run=dry_run)
        assert "public.left_over" in str(report.error)
    assert database.dump_of_all() == before


def test_a_table_made_anew_under_its_name_has_the_column(database: Database) -> None:
    """As batch mode does it, and a dump of the one table."""
    database.execute(USERS)
    database.do(soft_drop_column, "users", "note")
    database.execute(
        "CREATE TABLE a_copy AS SELECT * FROM users; DROP TABLE users;"
        "ALTER TABLE a_copy RENAME TO users"
    )
    database.do(restore_column, "users.note")
    assert database.rows("SELECT id, note FROM users") == [(1, "a")]


def test_an_archive_goes_to_no_table_that_has_the_number_of_its_own_by_chance(
    database: Database, elsewhere: Database
) -> None:
    """OIDs of a restored dump are those of other tables."""
    database.execute(USERS)
    database.do(archive_column, "users", "note")
    database.execute("ALTER TABLE users RENAME TO customers")
    database = into_another_database(database, elsewhere)
    database.execute(
        "CREATE TABLE another (id int PRIMARY KEY); INSERT INTO another VALUES (1);"
        "UPDATE _zanith_migration_artifacts SET definition = jsonb_set(definition,"
        " '{relation_oid}', to_jsonb('another'::regclass::oid::bigint))"
    )
    with pytest.raises(UnknownObjectError, match="users does not exist"):
        database.do(restore_column, "users.note")
    assert columns(database, "another") == ["id"]
