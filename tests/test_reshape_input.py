"""Split and merge with wrong input, and with rows that an expression does not work for."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa

from alembic_zanith.errors import (
    ConfigurationError,
    ConstraintConflictError,
    DependentObjectsError,
    ExpressionError,
    IsolationLevelError,
    MissingPrivilegeError,
    NameTakenError,
    NoKeyError,
    NotDroppableError,
    NotRestorableError,
    OneWayError,
    UnknownObjectError,
    ZanithError,
)
from alembic_zanith.operations import MergeColumnsOp, SplitColumnOp
from tests.support.database import Database
from tests.support.project import Project
from tests.support.splitting import (
    BACK,
    FORWARD,
    USERS,
    columns,
    merge,
    operations,
    split,
    split_project,
    users,
)


@pytest.fixture
def shop(database: Database) -> Database:
    """A database with four users."""
    database.execute(USERS)
    return database


def refused(database: Database, error: type[ZanithError], **options: Any) -> str:
    """Return why a split is refused, and make sure that nothing has changed."""
    before = database.dump_of_all()
    with pytest.raises(error) as caught:
        split(database, **options)
    assert database.dump_of_all() == before
    return str(caught.value)


# -- arguments ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"using": {"first": "a"}}, "using= has no expression for 'last'"),
        ({"using": {**FORWARD, "lst": "a"}}, "using= has 'lst', which is no column of it. Did you mean 'last' or 'first'?"),
        ({"using": {**FORWARD, "last": "  "}}, "using= for 'last' is no SQL expression, but a text"),
        ({"into": []}, "into needs the name of a column"),
        ({"into": ["first", "first"]}, "into names 'first' twice"),
        ({"into": ["full_name", "last"]}, "into= names 'full_name', which is what the values are taken from"),
        ({"into": [sa.Column("first", sa.Text, sa.Computed("id")), "last"]}, "into= has 'first', which gets its values by itself"),
        ({"into": [sa.Column("first", sa.Text, primary_key=True), "last"]}, "into= has 'first' as primary key"),
        ({"then": "drop"}, "then='drop' is none of 'soft_drop', 'archive', 'keep'"),
        ({"reverse": ""}, "reverse= for 'full_name' is no SQL expression"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_named(options: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"into": ["first", "last"], "using": FORWARD, **options}
    with pytest.raises(ConfigurationError) as caught:
        SplitColumnOp("users", "full_name", **given)
    assert f"split_column('users', 'full_name'): {message}" in str(caught.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SplitColumnOp("t", "c", into="a", using={"a": "c"}), "split_column: into='a' is not a list of columns."),
        (lambda: SplitColumnOp("t", "c", into=["a"], using="c"), "split_column: using='c' is not a dict"),  # type: ignore[arg-type]
        (lambda: MergeColumnsOp("t", "ab", into="c", using="a"), "merge_columns: columns='ab' is not a list of columns."),
        (lambda: MergeColumnsOp("t", ["a"], into="c", using={"c": "a"}), "merge_columns: using={'c': 'a'} is not an SQL expression."),  # type: ignore[arg-type]
        (lambda: MergeColumnsOp("t", ["a", "b"], into="c", using="a", reverse={"a": "c"}), "merge_columns('t', ['a', 'b']): reverse= has no expression for 'b'"),
        (lambda: SplitColumnOp("t", "c", into=["a"], using={"a": "c"}, retention_days=-1), "split_column: retention_days=-1"),
    ],
)  # fmt: skip
def test_arguments_of_the_wrong_kind_are_named(build: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        build()


# -- what is not there, or there already --------------------------------------------------


def test_an_unknown_table_or_column_is_named_with_the_close_one(shop: Database) -> None:
    with shop.begin() as connection:
        op = operations(connection)
        with pytest.raises(UnknownObjectError, match="Did you mean 'users'"):
            op.split_column("user", "full_name", into=columns(), using=FORWARD)
        with pytest.raises(UnknownObjectError, match=r"no column 'fullname'.*'full_name'"):
            op.split_column("users", "fullname", into=columns(), using=FORWARD)


def test_a_column_that_is_there_is_never_overwritten(shop: Database) -> None:
    shop.execute("ALTER TABLE users ADD first text")
    message = refused(shop, NameTakenError)
    assert "public.users.first exists, and live data is never overwritten" in message


def test_a_column_that_is_said_to_be_there_has_to_be(shop: Database) -> None:
    assert "into_exists=True says" in refused(shop, UnknownObjectError, into_exists=True)


def test_what_depends_on_the_old_column_is_named_before_anything_is_done(shop: Database) -> None:
    shop.execute("CREATE VIEW names AS SELECT full_name FROM users")
    # The expression would fail as well, if it came to that.
    broken = {**FORWARD, "last": "(1 / 0)::text"}
    message = refused(shop, DependentObjectsError, using=broken)
    assert "view names depends on column full_name of table users" in message
    split(shop, then="keep")
    assert shop.scalar("SELECT count(*) FROM names") == 4


def test_an_archive_needs_a_key_and_a_soft_drop_does_not(shop: Database) -> None:
    shop.execute("ALTER TABLE users DROP CONSTRAINT users_pkey, ALTER id DROP NOT NULL")
    assert "op.soft_drop_column" in refused(shop, NoKeyError, then="archive")
    assert split(shop).rows == 4


def test_our_own_tables_and_columns_are_refused(shop: Database) -> None:
    into = [sa.Column("_zanith_a", sa.Text)]
    refused(shop, NotDroppableError, into=into, using={"_zanith_a": "full_name"})


# -- expressions -------------------------------------------------------------------------


def test_an_expression_that_fails_on_one_row_shows_that_row(shop: Database) -> None:
    shop.execute(
        "INSERT INTO users SELECT i, 'No ' || i FROM generate_series(10, 4000) i;"
        "UPDATE users SET full_name = 'Nobody' WHERE id = 3001"
    )
    numbers = [sa.Column("number", sa.Integer)]
    using = {"number": "CAST(split_part(full_name, ' ', 2) AS int)"}
    shop.execute("DELETE FROM users WHERE id < 10")
    before = shop.dump_of_all()
    with pytest.raises(ExpressionError) as caught:
        split(shop, into=numbers, using=using)
    assert shop.dump_of_all() == before
    assert str(caught.value) == (
        "split_column('users', 'full_name') changed nothing: invalid input syntax for type integer: "
        '"", at the row id = 3001, full_name = Nobody of public.users. Mend the row, or the '
        "expression for number."
    )
    assert caught.value.row == "id = 3001, full_name = Nobody"


def test_a_value_that_is_too_long_shows_its_row_without_a_key(database: Database) -> None:
    database.execute(
        "CREATE TABLE users (full_name text);"
        "INSERT INTO users SELECT 'a' FROM generate_series(1, 500); INSERT INTO users VALUES ('ab c')"
    )
    options = {"into": [sa.Column("first", sa.String(2))], "using": {"first": "full_name"}}
    message = refused(database, ExpressionError, **options)
    assert "value too long for type character varying(2), at the row full_name = 'ab c'" in message


def test_a_row_of_a_partition_is_shown(database: Database) -> None:
    database.execute("""
        CREATE TABLE users (id int PRIMARY KEY, full_name text) PARTITION BY RANGE (id);
        CREATE TABLE users_1 PARTITION OF users FOR VALUES FROM (0) TO (10);
        CREATE TABLE users_2 PARTITION OF users FOR VALUES FROM (10) TO (20);
        INSERT INTO users VALUES (1, '7'), (11, 'x');
    """)
    options = {"into": [sa.Column("n", sa.Integer)], "using": {"n": "users.full_name::int"}}
    assert "at the row id = 11, full_name = x" in refused(database, ExpressionError, **options)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("full_name", 'column "first" is of type integer but expression is of type character varying'),
        ("nobody", 'column "nobody" does not exist'),
        ("full_name ||", "syntax error"),
    ],
)  # fmt: skip
def test_an_expression_that_cannot_work_is_told(
    shop: Database, expression: str, message: str
) -> None:
    options = {"into": [sa.Column("first", sa.Integer)], "using": {"first": expression}}
    found = refused(shop, ExpressionError, **options)
    assert "an expression for first does not work" in found
    assert message in found


def test_rows_without_a_value_for_a_required_column_are_counted_and_shown(shop: Database) -> None:
    using = {**FORWARD, "first": "CASE WHEN id < 3 THEN 'x' END"}
    message = refused(shop, ConstraintConflictError, using=using)
    assert message.startswith(
        "split_column('users', 'full_name') changed nothing: 2 rows have no value for first, which "
        "is NOT NULL, for example: id = 3, full_name = 'Cy Coe'; id = 4, full_name = 'Di de Ray'."
    )


def test_a_trigger_that_keeps_rows_from_being_written_is_noticed(shop: Database) -> None:
    shop.execute("""
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN RETURN CASE WHEN NEW.id > 1 THEN NEW END; END';
        CREATE TRIGGER keep BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION keep();
    """)
    assert "1 of 4 rows of public.users were not written" in refused(shop, ZanithError)


def test_what_a_deferred_trigger_has_still_to_see_is_told(shop: Database) -> None:
    shop.execute("""
        CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER seen AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION seen();
    """)
    assert "SET CONSTRAINTS ALL IMMEDIATE" in refused(shop, ZanithError)
    with shop.begin() as connection:
        op = operations(connection)
        op.execute("SET CONSTRAINTS ALL IMMEDIATE")
        op.split_column("users", "full_name", into=columns(), using=FORWARD)


# -- one way -----------------------------------------------------------------------------


def test_without_the_way_back_what_is_untouched_comes_back_and_the_rest_is_refused(
    shop: Database, caplog: pytest.LogCaptureFixture
) -> None:
    split(shop, reverse=None)
    assert "split_column('users', 'full_name') is one-way" in caplog.text
    shop.execute("UPDATE users SET first = 'Anna' WHERE id = 1")
    before = shop.dump_of_all()
    with pytest.raises(OneWayError) as caught:
        merge(shop, using=None)
    assert shop.dump_of_all() == before
    assert (
        "1 rows were written since then, for example: id = 1, first = Anna, last = Lee, full_name "
        "= 'Ann Lee'. using= does not say what full_name would be for them"
    ) in str(caught.value)
    shop.execute("UPDATE users SET first = 'Ann' WHERE id = 1")
    assert merge(shop, using=None).rows == 0
    assert users(shop)[1] == (2, "Bob van Dyk")


def test_without_what_the_values_came_from_nothing_can_be_told(shop: Database) -> None:
    split(shop)
    with pytest.raises(OneWayError, match="it cannot tell the rows that were written since"):
        merge(shop, reverse=None)


def test_a_new_column_needs_an_expression(shop: Database) -> None:
    assert "it is one-way" in refused(shop, OneWayError, using=None)


def test_a_definition_that_was_edited_since_is_refused(project: Project) -> None:
    split_project(project)
    project.upgrade()
    project.downgrade()
    script = next(path for path in project.versions.glob("*.py") if "merge" in path.read_text())
    edited = script.read_text().replace('"first", sa.Text', '"first", sa.String(9)')
    script.write_text(edited)
    output = project.alembic("upgrade", "head").failed().output
    assert "is TEXT, and the script says VARCHAR(9)" in output
    assert "alembic zanith-recover purge" in output
    assert NotRestorableError.__name__ not in output


# -- sessions ----------------------------------------------------------------------------


def test_other_isolation_levels_are_refused(shop: Database) -> None:
    engine = shop.engine(isolation_level="REPEATABLE READ")
    with engine.begin() as connection, pytest.raises(IsolationLevelError):
        operations(connection).split_column(
            "users", "full_name", into=columns(), using=FORWARD, then="keep"
        )


def test_a_role_that_is_not_the_owner_is_refused(shop: Database) -> None:
    role = shop.role()
    with shop.begin(role=role) as connection, pytest.raises(MissingPrivilegeError):
        operations(connection).split_column("users", "full_name", into=columns(), using=FORWARD)


def test_rows_that_a_policy_hides_are_never_left_out(shop: Database) -> None:
    role = shop.role()
    shop.execute(
        f"ALTER TABLE users OWNER TO {role}; ALTER TABLE users FORCE ROW LEVEL SECURITY,"
        " ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON users USING (id > 1)"
    )
    with shop.begin(role=role) as connection, pytest.raises(MissingPrivilegeError, match="hide"):
        operations(connection).split_column(
            "users", "full_name", into=columns(), using=FORWARD, reverse=BACK, then="keep"
        )
