"""Nothing is purged, or restored, that only looks like what was named."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import (
    AmbiguousTargetError,
    HoldsParkedColumnsError,
    NothingParkedError,
    UnknownObjectError,
    ZanithError,
)
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    cleanup,
    export_artifact,
    inspect_artifact,
    list_artifacts,
    purge,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.support.database import Database
from tests.support.ways import each_way_to_drop_a_table

TWO_SCHEMAS = """
CREATE SCHEMA app;
CREATE TABLE users (id int PRIMARY KEY, x text); INSERT INTO users VALUES (1, 'public');
CREATE TABLE app.users (id int PRIMARY KEY, x text); INSERT INTO app.users VALUES (1, 'app');
"""

NOTES = "CREATE TABLE notes (id int PRIMARY KEY, x text); INSERT INTO notes VALUES (1, 'a')"


def sources(database: Database) -> list[str]:
    """Return what is live, in alphabetical order."""
    return sorted(each.artifact.source for each in database.do(list_artifacts))


def test_a_second_restore_does_not_reach_the_namesake_in_another_schema(
    database: Database,
) -> None:
    database.execute(TWO_SCHEMAS)
    database.do(archive_column, "users", "x")
    database.do(archive_column, "users", "x", schema="app")
    assert database.do(restore_column, "users.x").restored_as == "users.x"
    again = database.do(restore_column, "users.x")
    assert (again.already_restored, again.restored_as) == (True, "users.x")
    assert sources(database) == ["app.users.x"]
    assert database.do(inspect_artifact, "users.x").artifact.source == "users.x"


def test_a_purge_refuses_a_name_that_fits_in_two_schemas(database: Database) -> None:
    database.execute(TWO_SCHEMAS)
    database.do(archive_column, "users", "x")
    database.do(archive_column, "users", "x", schema="app")
    database.do(restore_column, "users.x")
    with pytest.raises(AmbiguousTargetError, match=r"app\.users\.x .*public\.users\.x"):
        database.do(purge, "users.x")
    assert sources(database) == ["app.users.x"]
    assert database.do(purge, "app.users.x").artifact.source == "app.users.x"


def test_a_column_and_a_table_of_one_spelling_are_told_apart_by_the_verb_or_not_at_all(
    database: Database,
) -> None:
    database.execute(
        "CREATE SCHEMA a; CREATE TABLE a.b (id int PRIMARY KEY);"
        "CREATE TABLE a (id int PRIMARY KEY, b text)"
    )
    column = database.do(archive_column, "a", "b")
    table = database.do(soft_drop_table, "b", schema="a")
    for status in ("live", "restored"):
        for function in (purge, inspect_artifact):
            with pytest.raises(AmbiguousTargetError) as error:
                database.do(function, "a.b")
            assert column.id in str(error.value), status
            assert table.id in str(error.value), status
        with pytest.raises(AmbiguousTargetError):
            database.do(export_artifact, "a.b", output=io.BytesIO())
        assert database.do(restore_table, "a.b").artifact.id == table.id
    assert database.do(restore_column, "a.b").artifact.id == column.id


def test_letter_case_counts_in_what_is_quoted_and_in_every_purge(database: Database) -> None:
    database.execute('CREATE TABLE "Log" (i int); CREATE TABLE plain (i int)')
    database.do(soft_drop_table, "Log")
    database.do(soft_drop_table, "plain")
    for target in ('"log"', "log"):
        with pytest.raises(NothingParkedError, match=r'Did you mean .*"Log"'):
            database.do(restore_table, target)
    for target in ("log", '"log"', "PLAIN", '"Plain"'):
        with pytest.raises(UnknownObjectError):
            database.do(purge, target)
    assert sources(database) == ['"Log"', "plain"]
    assert database.do(restore_table, "PLAIN").restored_as == "plain"
    assert database.do(purge, '"Log"').dropped


@each_way_to_drop_a_table
def test_a_table_that_holds_a_parked_column_is_not_purged(
    database: Database, drop: Callable[..., Artifact]
) -> None:
    database.execute(NOTES)
    column = database.do(soft_drop_column, "notes", "x", retention_days=None)
    table = database.do(drop, "notes", retention_days=0)
    with pytest.raises(HoldsParkedColumnsError, match=f"notes.x .artifact {column.id}"):
        database.do(purge, "notes")
    for dry_run in (True, False):
        (report,) = database.do(cleanup, dry_run=dry_run)
        assert "notes.x" in str(report.error)
        assert not report.dropped
    database.do(restore_table, "notes")
    database.do(restore_column, "notes.x")
    assert database.rows("SELECT id, x FROM notes") == [(1, "a")]
    assert database.do(purge, table.id).dropped is False
    assert database.rows("SELECT id, x FROM notes") == [(1, "a")]


@each_way_to_drop_a_table
def test_a_table_goes_with_columns_that_are_due_as_well(
    database: Database, drop: Callable[..., Artifact]
) -> None:
    database.execute(NOTES)
    with database.begin() as connection:
        soft_drop_column(connection, "notes", "x", retention_days=0)
        drop(connection, "notes", retention_days=0)
    foreseen = database.do(cleanup, dry_run=True)
    assert [(each.artifact.source, each.error) for each in foreseen] == [
        ("notes.x", None),
        ("notes", None),
    ]
    assert [each.dropped for each in database.do(cleanup)] == [True, True]
    assert sources(database) == []


def test_an_archived_column_outlives_its_table(database: Database) -> None:
    """Its values are in the archive schema, so nothing is lost with the table."""
    database.execute(NOTES)
    database.do(archive_column, "notes", "x")
    database.do(archive_table, "notes", retention_days=0)
    assert [each.dropped for each in database.do(cleanup)] == [True]
    assert sources(database) == ["notes.x"]


def test_of_several_that_were_restored_a_purge_wants_the_id(database: Database) -> None:
    database.execute(NOTES)
    for _ in range(2):
        database.do(archive_column, "notes", "x")
        database.do(restore_column, "notes.x")
    with pytest.raises(AmbiguousTargetError, match="Give the id"):
        database.do(purge, "notes.x")


def test_an_archive_is_used_again_when_what_came_back_was_dropped(database: Database) -> None:
    database.execute(NOTES)
    artifact = database.do(archive_column, "notes", "x")
    first = database.do(restore_column, "notes.x", as_name="x2")
    database.execute("ALTER TABLE notes DROP x2")
    report = database.do(restore_column, "notes.x")
    assert not report.already_restored
    assert report.artifact.id == artifact.id
    assert any("restored before, as notes.x2" in warning for warning in report.warnings)
    assert database.rows("SELECT id, x FROM notes") == [(1, "a")]
    (summary,) = database.do(list_artifacts, include_restored=True)
    assert summary.artifact.restored_as == "notes.x"
    assert first.restored_as == "notes.x2"
    assert database.do(restore_column, "notes.x").already_restored


@pytest.mark.parametrize("name", ["", " ", "n" * 64, "é" * 32, "_zanith_x"])
def test_nothing_comes_back_under_a_name_that_is_none(database: Database, name: str) -> None:
    database.execute(NOTES + "; CREATE TABLE sessions (id int)")
    database.do(soft_drop_column, "notes", "x")
    database.do(soft_drop_table, "sessions")
    for function, target in ((restore_column, "notes.x"), (restore_table, "sessions")):
        with pytest.raises(ZanithError, match="Nothing can come back under the name"):
            database.do(function, target, as_name=name)
    assert sources(database) == ["notes.x", "sessions"]
