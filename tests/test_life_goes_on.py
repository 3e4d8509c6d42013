"""Rows are written while a column is parked; it comes back to them as far as that is possible."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import (
    DataMissingError,
    KeyChangedError,
    NameTakenError,
    NothingParkedError,
    UnknownObjectError,
)
from alembic_zanith.recovery import (
    archive_column,
    restore_column,
    soft_drop_column,
)
from tests.support.database import Database
from tests.support.users import is_refused, notes, recorded, users_with
from tests.support.ways import each_way_to_drop_a_column

Drop = Callable[..., Artifact]


@each_way_to_drop_a_column
def test_values_stay_with_their_rows(database: Database, drop: Drop) -> None:
    users_with(database, "note text", "(1, 'one'), (2, NULL), (3, 'three'), (4, '')")
    database.do(drop, "users", "note")
    database.execute(
        "UPDATE users SET email = 'a@b'; DELETE FROM users WHERE id = 3;"
        "INSERT INTO users VALUES (5, 'new')"
    )
    database.do(restore_column, "users.note")
    assert notes(database) == {1: "one", 2: None, 4: "", 5: None}


def test_archived_rows_without_a_live_one_are_counted_kept_and_reported(
    database: Database,
) -> None:
    users_with(database, "note text", "(1, 'one'), (2, 'two'), (3, 'three')")
    artifact = database.do(archive_column, "users", "note")
    database.execute("DELETE FROM users WHERE id = 1; UPDATE users SET id = 30 WHERE id = 3")
    report = database.do(restore_column, "users.note")
    assert notes(database) == {2: "two", 30: None}
    assert (report.orphaned_rows, report.rows_without_value) == (2, 1)
    assert any("2 archived rows" in warning for warning in report.warnings)
    assert recorded(database, report)["orphaned_rows"] == 2
    kept = f"SELECT key_1, value FROM {artifact.parked_name} ORDER BY 1"
    assert database.rows(kept) == [(1, "one"), (2, "two"), (3, "three")]


def test_a_row_that_is_written_anew_gets_the_value_of_its_key(database: Database) -> None:
    users_with(database, "note text")
    database.do(archive_column, "users", "note")
    database.execute("DELETE FROM users; INSERT INTO users VALUES (1, 'again'), (9, 'new')")
    report = database.do(restore_column, "users.note")
    assert notes(database) == {1: "one", 9: None}
    assert (report.orphaned_rows, report.rows_without_value) == (1, 1)


@each_way_to_drop_a_column
def test_a_constant_default_fills_the_rows_written_since(database: Database, drop: Drop) -> None:
    users_with(database, "note text NOT NULL DEFAULT 'it''s 100%'", "(1, 'one')")
    database.do(drop, "users", "note")
    database.execute("INSERT INTO users VALUES (2, 'new')")
    database.do(restore_column, "users.note")
    assert notes(database) == {1: "one", 2: "it's 100%"}


def test_a_null_that_was_archived_is_not_filled_by_the_default(database: Database) -> None:
    users_with(database, "note text DEFAULT 'x'")
    database.do(archive_column, "users", "note")
    database.execute("INSERT INTO users VALUES (3, 'new')")
    database.do(restore_column, "users.note")
    assert notes(database) == {1: "one", 2: None, 3: "x"}


@each_way_to_drop_a_column
class TestForeignKey:
    """A column that refers to a table, of which rows or all are gone."""

    @pytest.fixture(autouse=True)
    def parked(self, database: Database, drop: Drop) -> None:
        database.execute(
            "CREATE TABLE parents (id int PRIMARY KEY);"
            "INSERT INTO parents SELECT generate_series(1, 20)"
        )
        values = ", ".join(f"({n}, {n})" for n in range(1, 11))
        users_with(database, "note int CONSTRAINT to_parent REFERENCES parents", values)
        database.do(drop, "users", "note")

    def test_it_comes_back_valid_while_all_parents_are_there(self, database: Database) -> None:
        report = database.do(restore_column, "users.note")
        assert report.not_valid == ()
        valid = "SELECT convalidated FROM pg_constraint WHERE conname = 'to_parent'"
        assert database.scalar(valid) is True

    def test_it_comes_back_not_valid_when_parent_rows_are_gone(self, database: Database) -> None:
        database.execute("DELETE FROM parents WHERE id IN (2, 3, 15)")
        report = database.do(restore_column, "users.note")
        (invalid,) = report.not_valid
        assert (invalid.name, invalid.count) == ("to_parent", 2)
        assert sorted(invalid.sample) == ["(2)", "(3)"]
        assert report.left_out == ()
        assert recorded(database, report)["not_valid"] == [
            {"name": "to_parent", "count": 2, "sample": list(invalid.sample)}
        ]
        valid = "SELECT convalidated FROM pg_constraint WHERE conname = 'to_parent'"
        assert database.scalar(valid) is False
        assert notes(database) == {n: n for n in range(1, 11)}
        with pytest.raises(Exception, match="to_parent"):
            database.execute("INSERT INTO users VALUES (99, '', 15)")

    def test_it_is_refused_when_the_parent_table_is_gone(self, database: Database) -> None:
        database.execute("DROP TABLE parents")
        message = str(is_refused(database))
        assert "to_parent" in message
        assert "parents" in message
        assert "--relax" in message
        report = database.do(restore_column, "users.note", relax=True)
        assert any("to_parent" in each for each in report.left_out)
        assert notes(database) == {n: n for n in range(1, 11)}


@each_way_to_drop_a_column
def test_another_column_that_an_index_needs_is_gone(database: Database, drop: Drop) -> None:
    users_with(database, "note text")
    database.execute("CREATE INDEX two ON users (email, note); CREATE INDEX one ON users (note)")
    database.do(drop, "users", "note")
    database.execute("ALTER TABLE users DROP email")
    message = str(is_refused(database))
    assert "index two" in message
    assert "email" in message
    report = database.do(restore_column, "users.note", relax=True)
    assert len(report.left_out) == 1
    assert database.scalar("SELECT count(*) FROM pg_indexes WHERE indexname = 'one'") == 1


@each_way_to_drop_a_column
def test_a_name_that_is_taken_is_never_overwritten(database: Database, drop: Drop) -> None:
    users_with(database, "note text")
    database.do(drop, "users", "note")
    database.execute("ALTER TABLE users ADD note text DEFAULT 'live'")
    before = database.dump_of_all()
    with pytest.raises(NameTakenError, match=r"never overwritten(.|\n)*--as note_restored"):
        database.do(restore_column, "users.note")
    assert database.dump_of_all() == before
    report = database.do(restore_column, "users.note", as_name="note_restored")
    assert report.restored_as == "users.note_restored"
    assert notes(database) == {1: "live", 2: "live"}
    assert notes(database, "note_restored") == {1: "one", 2: None}


@each_way_to_drop_a_column
def test_the_table_was_renamed_and_moved(database: Database, drop: Drop) -> None:
    users_with(database, "note text CHECK (note <> 'bad')")
    database.execute("CREATE INDEX by_note ON users (note)")
    database.do(drop, "users", "note")
    database.execute(
        "CREATE SCHEMA other; ALTER TABLE users RENAME TO people;"
        "ALTER TABLE people SET SCHEMA other; INSERT INTO other.people VALUES (3)"
    )
    report = database.do(restore_column, "users.note")
    assert report.restored_as == "other.people.note"
    found = database.rows("SELECT id, note FROM other.people ORDER BY id")
    assert found == [(1, "one"), (2, None), (3, None)]
    indexes = "SELECT schemaname FROM pg_indexes WHERE indexname = 'by_note'"
    assert database.scalar(indexes) == "other"


@pytest.mark.parametrize("wider", ["bigint", "smallint"])
def test_the_key_has_another_type_of_its_family(database: Database, wider: str) -> None:
    users_with(database, "note text")
    database.do(archive_column, "users", "note")
    database.execute(f"ALTER TABLE users ALTER id TYPE {wider}; INSERT INTO users VALUES (3)")
    database.do(restore_column, "users.note")
    assert notes(database) == {1: "one", 2: None, 3: None}


@pytest.mark.parametrize("other", ["text", "numeric", 'text COLLATE "C"'])
def test_a_key_of_a_type_that_no_index_compares_is_refused_with_the_way_on(
    database: Database, other: str
) -> None:
    users_with(database, "note text")
    artifact = database.do(archive_column, "users", "note")
    database.execute(f"ALTER TABLE users ALTER id TYPE {other}; INSERT INTO users VALUES (3)")
    before = database.dump_of_all()
    with pytest.raises(KeyChangedError) as refusal:
        database.do(restore_column, "users.note")
    message = str(refusal.value)
    assert message.startswith("users.note cannot come back: its values are found by id, which was")
    assert f"integer when they were archived and is {other.split()[0]} now" in message
    assert f"export {artifact.id}" in message
    assert database.dump_of_all() == before

    (statement,) = [line for line in message.splitlines() if "ALTER TABLE" in line]
    database.execute(statement)
    database.do(restore_column, "users.note")
    assert list(notes(database).values()) == ["one", None, None]


@pytest.mark.parametrize("life", ["RENAME id TO number", "DROP id"])
def test_a_key_column_that_is_gone_is_named(database: Database, life: str) -> None:
    users_with(database, "note text")
    artifact = database.do(archive_column, "users", "note")
    database.execute(f"ALTER TABLE users {life}")
    with pytest.raises(UnknownObjectError, match=f"found by id(.|\n)*export {artifact.id}"):
        database.do(restore_column, "users.note")


@each_way_to_drop_a_column
def test_the_table_was_dropped_for_real(database: Database, drop: Drop) -> None:
    users_with(database, "note text")
    artifact = database.do(drop, "users", "note")
    database.execute("DROP TABLE users")
    with pytest.raises((DataMissingError, UnknownObjectError)) as refusal:
        database.do(restore_column, "users.note")
    message = str(refusal.value)
    assert "users" in message
    way_on = "purge" if drop is soft_drop_column else "export"
    assert f"zanith-recover {way_on} {artifact.id}" in message


def test_the_parked_column_was_dropped_for_real(database: Database) -> None:
    users_with(database, "note text")
    artifact = database.do(soft_drop_column, "users", "note")
    database.execute(f'ALTER TABLE users DROP "{artifact.parked_column}"')
    with pytest.raises(DataMissingError, match=f"purge {artifact.id}"):
        database.do(restore_column, "users.note")


@each_way_to_drop_a_column
@pytest.mark.parametrize("as_name", [None, "note_2"])
def test_a_second_restore_does_nothing(database: Database, drop: Drop, as_name: str | None) -> None:
    users_with(database, "note text")
    artifact = database.do(drop, "users", "note")
    first = database.do(restore_column, "users.note", as_name=as_name)
    assert not first.already_restored
    before = database.dump_of_all()
    for target in ("users.note", artifact.id):
        again = database.do(restore_column, target, as_name=as_name)
        assert again.already_restored
        assert again.restored_as == first.restored_as
    assert database.dump_of_all() == before


def test_what_was_restored_and_dropped_since_is_not_called_restored(database: Database) -> None:
    users_with(database, "note text")
    artifact = database.do(soft_drop_column, "users", "note")
    database.do(restore_column, "users.note", as_name="note_2")
    database.execute("ALTER TABLE users DROP note_2; ALTER TABLE users ADD note text")
    with pytest.raises(NothingParkedError) as refusal:
        database.do(restore_column, "users.note")
    assert artifact.id in str(refusal.value)
    assert "users.note_2" in str(refusal.value)


def test_an_archive_that_was_restored_and_dropped_since_is_used_again(database: Database) -> None:
    users_with(database, "note text")
    database.do(archive_column, "users", "note")
    database.do(restore_column, "users.note")
    database.execute("UPDATE users SET note = 'changed'; ALTER TABLE users DROP note")
    report = database.do(restore_column, "users.note")
    assert not report.already_restored
    assert any("restored before" in warning for warning in report.warnings)
    assert notes(database) == {1: "one", 2: None}
