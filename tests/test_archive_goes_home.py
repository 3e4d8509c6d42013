"""Archived values go back into the table that they are of, whatever its name is by now."""

from __future__ import annotations

import pytest

from alembic_zanith import recovery
from alembic_zanith.errors import UnknownObjectError
from tests.support.database import Database

USERS = """
CREATE TABLE users (id int PRIMARY KEY, note text);
INSERT INTO users SELECT g, 'note ' || g FROM generate_series(1, 3) g;
"""
ANOTHER = "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1), (2), (3)"


def archive_the_note(database: Database) -> str:
    with database.begin() as connection:
        return recovery.archive_column(connection, "users", "note").recovery_sql


def test_a_table_that_took_the_name_gets_nothing(database: Database) -> None:
    """The renamed table gets its values; the new one of its old name stays as it is."""
    database.psql(USERS)
    archive_the_note(database)
    database.psql(f"ALTER TABLE users RENAME TO customers; {ANOTHER}")
    with database.begin() as connection:
        report = recovery.restore_column(connection, "users.note")
    assert report.restored_as == "customers.note"
    assert database.rows("SELECT id, note FROM customers ORDER BY id") == [
        (1, "note 1"),
        (2, "note 2"),
        (3, "note 3"),
    ]
    assert database.rows("SELECT * FROM users ORDER BY id") == [(1,), (2,), (3,)]


def test_the_script_for_psql_stops_at_another_table(database: Database) -> None:
    """psql says why and changes nothing."""
    database.psql(USERS)
    script = archive_the_note(database)
    database.psql(f"ALTER TABLE users RENAME TO customers; {ANOTHER}")
    before = database.dump()
    with pytest.raises(
        AssertionError, match=r"another table than the one that users\.note was dropped from"
    ):
        database.psql(script)
    assert database.dump() == before


def test_a_parked_table_has_to_come_back_first(database: Database) -> None:
    """A new table of the same name does not stand in for the one that is parked."""
    database.psql(USERS)
    archive_the_note(database)
    with database.begin() as connection:
        recovery.soft_drop_table(connection, "users")
    database.psql(ANOTHER)
    with (
        database.begin() as connection,
        pytest.raises(UnknownObjectError, match="its table is parked itself"),
    ):
        recovery.restore_column(connection, "users.note")


def test_a_table_made_anew_takes_the_values_only_by_force(database: Database) -> None:
    """Dropped for real and made again: refused, with the way on; force matches by key."""
    database.psql(USERS)
    archive_the_note(database)
    database.psql(f"DROP TABLE users; {ANOTHER}")
    with (
        database.begin() as connection,
        pytest.raises(UnknownObjectError, match="--force"),
    ):
        recovery.restore_column(connection, "users.note")
    with database.begin() as connection:
        recovery.restore_column(connection, "users.note", force=True)
    assert database.scalar("SELECT note FROM users WHERE id = 2") == "note 2"


def test_a_restored_dump_is_served_by_name(database: Database) -> None:
    """In a clone of the database every OID is another's, so the name has to do."""
    database.psql(USERS)
    archive_the_note(database)
    copy = database.clone()
    try:
        with copy.begin() as connection:
            assert recovery.restore_column(connection, "users.note").restored_as == "users.note"
    finally:
        copy.drop()
