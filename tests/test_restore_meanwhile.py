"""A column that comes back has what was written into the one in its place meanwhile."""

from __future__ import annotations

import pytest

from alembic_zanith.errors import ConfigurationError, FillError, UnknownObjectError
from alembic_zanith.operations import RestoreColumnOp
from alembic_zanith.recovery import Meanwhile, restore_column, soft_drop_column
from tests.support.database import Database

SAME = Meanwhile("name", "full_name", "name")


@pytest.fixture
def users(database: Database) -> Database:
    """A column that was parked, and another that was written in its place."""
    database.execute(
        "CREATE TABLE users (id int PRIMARY KEY, full_name text NOT NULL UNIQUE, name text);"
        "INSERT INTO users VALUES (1, 'Ann', 'Ann'), (2, 'Bea', 'Bea')"
    )
    database.do(soft_drop_column, "users", "full_name")
    return database


def rows(database: Database) -> list[tuple[object, ...]]:
    return database.rows("SELECT full_name, name FROM users ORDER BY id")


@pytest.mark.majors
def test_rows_written_meanwhile_get_what_the_other_column_has(users: Database) -> None:
    users.execute(
        "UPDATE users SET name = 'Cid' WHERE id = 1; INSERT INTO users (id, name) VALUES (3, 'Ann')"
    )
    users.do(restore_column, "users.full_name", meanwhile=SAME)
    assert rows(users) == [("Cid", "Cid"), ("Bea", "Bea"), ("Ann", "Ann")]


def test_no_trigger_fires_for_it(users: Database) -> None:
    users.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'fired'; END$$;"
        "UPDATE users SET name = 'Cid' WHERE id = 1;"
        "CREATE TRIGGER refuse BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    users.do(restore_column, "users.full_name", meanwhile=SAME)
    assert rows(users) == [("Cid", "Cid"), ("Bea", "Bea")]


def test_where_nothing_was_written_no_row_is_written_anew(users: Database) -> None:
    file = "SELECT pg_relation_filenode('users')"
    before = users.scalar(file)
    users.do(restore_column, "users.full_name", meanwhile=SAME)
    assert users.scalar(file) == before


@pytest.mark.majors
def test_what_the_other_type_could_not_hold_is_kept(database: Database) -> None:
    database.execute(
        'CREATE TABLE t (id int PRIMARY KEY, "To%tal" numeric, cents numeric(9, 0));'
        "INSERT INTO t VALUES (1, 1.234, 123), (2, 5.678, 568)"
    )
    database.do(soft_drop_column, "t", "To%tal")
    database.execute(
        "UPDATE t SET cents = 900 WHERE id = 2; INSERT INTO t (id, cents) VALUES (3, 50)"
    )
    meanwhile = Meanwhile("cents", 't."To%tal" * 100', "cents / 100")
    database.do(restore_column, 't."To%tal"', meanwhile=meanwhile)
    found = database.rows('SELECT "To%tal"::float FROM t ORDER BY id')
    assert found == [(1.234,), (9.0,), (0.5,)]


@pytest.mark.parametrize(
    ("meanwhile", "error", "reason"),
    [
        (Meanwhile("nmae", "full_name", "nmae"), UnknownObjectError, "Did you mean 'name'"),
        (Meanwhile("name", "full_name ||", "name"), FillError, "cannot be read"),
        (Meanwhile("name", "full_name", "nothing(name)"), FillError, "nothing"),
    ],
)
def test_what_does_not_work_changes_nothing(
    users: Database, meanwhile: Meanwhile, error: type[Exception], reason: str
) -> None:
    users.execute("UPDATE users SET name = 'Cid' WHERE id = 1")
    before = users.dump_of_all()
    with pytest.raises(error, match=reason):
        users.do(restore_column, "users.full_name", meanwhile=meanwhile)
    assert users.dump_of_all() == before


def test_the_operation_says_what_it_takes() -> None:
    with pytest.raises(ConfigurationError, match="is not a dict of the texts"):
        RestoreColumnOp("users", "full_name", meanwhile={"column": "name"})
    whole = {"column": "name", "forward": "full_name", "backward": "name"}
    with pytest.raises(ConfigurationError, match="Leave one out"):
        RestoreColumnOp("users", "full_name", fill="'x'", meanwhile=whole)
    assert RestoreColumnOp("users", "full_name", meanwhile=whole).meanwhile == whole
