"""What cannot be done is refused before anything has changed, with the way on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import (
    AmbiguousTargetError,
    ConfigurationError,
    DependentObjectsError,
    NoKeyError,
    NotDroppableError,
    NothingParkedError,
    TransactionRequiredError,
    UnknownObjectError,
    UnsupportedDatabaseError,
    ZanithError,
)
from alembic_zanith.failures import explained
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    cleanup,
    inspect_artifact,
    list_artifacts,
    purge,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.support.database import Database
from tests.support.refusals import refusal
from tests.support.ways import each_way_to_drop_a_column, each_way_to_drop_a_table

Drop = Callable[..., Artifact]
EVERY_DROP = [soft_drop_column, archive_column, soft_drop_table, archive_table]
each_drop = pytest.mark.parametrize("drop", EVERY_DROP)


@pytest.fixture
def users(database: Database) -> Database:
    """A database with a table of users."""
    database.execute(
        "CREATE TABLE users (id int PRIMARY KEY, email text, legacy_uuid uuid);"
        "CREATE SCHEMA other; CREATE TABLE other.invoices (id int PRIMARY KEY, total int)"
    )
    return database


def arguments_for(drop: Drop, table: str, column: str) -> list[str]:
    return [table, column] if drop in (soft_drop_column, archive_column) else [table]


@each_drop
def test_an_unknown_table_is_answered_with_the_near_name(users: Database, drop: Drop) -> None:
    message = refusal(users, UnknownObjectError, drop, *arguments_for(drop, "user", "email"))
    assert message == "There is no table 'user' on the search path. Did you mean 'users'?"


@each_drop
def test_a_table_of_another_schema_is_answered_with_the_schema(users: Database, drop: Drop) -> None:
    arguments = arguments_for(drop, "invoices", "total")
    message = refusal(users, UnknownObjectError, drop, *arguments)
    assert "there is other.invoices: pass schema=" in message
    message = refusal(users, UnknownObjectError, drop, *arguments, schema="public")
    assert "in schema 'public'" in message


@each_way_to_drop_a_column
def test_an_unknown_column_is_answered_with_the_near_name(users: Database, drop: Drop) -> None:
    message = refusal(users, UnknownObjectError, drop, "users", "legacy_uid")
    assert message == ("Table public.users has no column 'legacy_uid'. Did you mean 'legacy_uuid'?")


@each_way_to_drop_a_column
@pytest.mark.parametrize("column", ["ctid", "tableoid", "", "id, email"])
def test_what_is_no_column_of_the_users_own_is_unknown(
    users: Database, drop: Drop, column: str
) -> None:
    refusal(users, UnknownObjectError, drop, "users", column)


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE t (id int, v int)",
        "CREATE TABLE t (id int UNIQUE, v int)",
        "CREATE TABLE t (id int NOT NULL, v int); CREATE UNIQUE INDEX ON t (id) WHERE id > 0",
        "CREATE TABLE t (id int NOT NULL, v int); CREATE UNIQUE INDEX ON t ((id + 1))",
        "CREATE TABLE t (id int NOT NULL UNIQUE DEFERRABLE, v int)",
        "CREATE TABLE t (id int, v int PRIMARY KEY)",
    ],
)
def test_an_archive_without_a_key_offers_a_soft_drop(database: Database, table: str) -> None:
    database.execute(table)
    message = refusal(database, NoKeyError, archive_column, "t", "v")
    assert message.startswith("public.t.v cannot be archived: the table has no primary key")
    assert "Use op.soft_drop_column('t', 'v'), which needs no key." in message


@pytest.mark.parametrize(
    ("made", "name", "what"),
    [
        ("CREATE VIEW x AS SELECT 1 AS v", "x", "a view"),
        ("CREATE MATERIALIZED VIEW x AS SELECT 1 AS v", "x", "a materialized view"),
        ("CREATE SEQUENCE x", "x", "a sequence"),
        ("CREATE INDEX x ON users (email)", "x", "an index"),
        ("CREATE TYPE x AS (v int)", "x", "a composite type"),
    ],
)
@each_drop
def test_what_is_no_table_is_named(
    users: Database, drop: Drop, made: str, name: str, what: str
) -> None:
    users.execute(made)
    message = refusal(users, NotDroppableError, drop, *arguments_for(drop, name, "v"))
    assert f"'x' is {what}, not a table" in message


@each_drop
def test_a_temporary_table_refusal(users: Database, drop: Drop) -> None:
    with users.begin() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE users (id int PRIMARY KEY, v int)")
        with pytest.raises(NotDroppableError, match="temporary table"):
            drop(connection, *arguments_for(drop, "users", "v"))
    assert users.do(list_artifacts) == []


@each_drop
@pytest.mark.parametrize("table", ["_zanith_migration_artifacts", "_zanith_migrations"])
def test_our_own_tables_are_refused(users: Database, drop: Drop, table: str) -> None:
    users.do(soft_drop_column, "users", "email")
    message = refusal(users, NotDroppableError, drop, *arguments_for(drop, table, "id"))
    assert "belongs to alembic-zanith" in message
    assert "zanith-recover purge" in message


@each_drop
def test_what_is_parked_cannot_be_parked_again(users: Database, drop: Drop) -> None:
    column = users.do(soft_drop_column, "users", "email")
    table = users.do(soft_drop_table, "users")
    if drop in (soft_drop_column, archive_column):
        arguments = [table.parked_table, str(column.parked_column)]
    else:
        arguments = [table.parked_table]
    refusal(users, NotDroppableError, drop, *arguments)


@each_drop
def test_a_catalog_of_postgresql_refusal(users: Database, drop: Drop) -> None:
    arguments = arguments_for(drop, "pg_class", "relname")
    message = refusal(users, NotDroppableError, drop, *arguments, schema="pg_catalog")
    assert "belongs to PostgreSQL itself" in message


@each_drop
def test_dependents_are_all_named(users: Database, drop: Drop) -> None:
    users.execute(
        "CREATE VIEW first AS SELECT email FROM users; CREATE VIEW second AS SELECT * FROM first;"
        "CREATE MATERIALIZED VIEW third AS SELECT lower(email) AS l FROM users"
    )
    arguments = arguments_for(drop, "users", "email")
    message = refusal(users, DependentObjectsError, drop, *arguments)
    for needed in ("view first", "view second", "materialized view third"):
        assert needed in message
    assert "Drop or change them in an earlier step" in message


@each_drop
@pytest.mark.parametrize("days", [-1, 1.5, "30", True, 10**9, float("nan")])
def test_nonsense_for_retention_days_refusal(users: Database, drop: Drop, days: Any) -> None:
    arguments = arguments_for(drop, "users", "email")
    message = refusal(users, ZanithError, drop, *arguments, retention_days=days)
    assert message.startswith("retention_days")


@each_drop
def test_none_keeps_for_ever_and_zero_expires_at_once(users: Database, drop: Drop) -> None:
    arguments = arguments_for(drop, "users", "email")
    kept = users.do(drop, *arguments, retention_days=None)
    assert kept.expires_at is None
    assert users.do(cleanup) == []
    users.do(purge, kept.id)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (soft_drop_column, ["users", "email"]),
        (archive_column, ["users", "email"]),
        (soft_drop_table, ["users"]),
        (archive_table, ["users"]),
        (restore_column, ["users.email"]),
        (restore_table, ["users"]),
        (purge, ["users"]),
        (cleanup, []),
    ],
)
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_session_that_commits_each_statement_refusal(
    users: Database, driver: str, function: Callable[..., object], arguments: list[str]
) -> None:
    before = users.fingerprint()
    with users.engine(driver, isolation_level="AUTOCOMMIT").connect() as connection:
        with pytest.raises(TransactionRequiredError) as refused:
            function(connection, *arguments)
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    assert "Nothing has changed" in str(refused.value)
    assert users.fingerprint() == before


@pytest.mark.parametrize("function", [*EVERY_DROP, restore_column, restore_table, purge])
def test_another_product_refusal(function: Callable[..., object]) -> None:
    arguments = arguments_for(function, "users", "email") if function in EVERY_DROP else ["users"]  # type: ignore[arg-type]
    with (
        sa.create_engine("sqlite://").begin() as connection,
        pytest.raises(UnsupportedDatabaseError, match=r"PostgreSQL only(.|\n)*sqlite"),
    ):
        function(connection, *arguments)


@each_drop
def test_a_session_that_may_not_write_is_told_so(users: Database, drop: Drop) -> None:
    with users.begin() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        with (
            pytest.raises((sa.exc.DBAPIError, ZanithError)) as refused,
            connection.begin_nested(),
        ):
            drop(connection, *arguments_for(drop, "users", "email"))
    message = str(told(refused.value))
    assert "changed nothing" in message or "Nothing has changed" in message
    assert "Connect to the primary server" in message


def told(error: BaseException) -> ZanithError:
    """Return what the command or the operation would tell the user."""
    if isinstance(error, sa.exc.DBAPIError):
        return explained("the operation", error)
    assert isinstance(error, ZanithError)
    return error


@each_drop
def test_a_lock_that_is_not_had_is_no_half_work(users: Database, drop: Drop) -> None:
    before = users.fingerprint()
    with users.begin() as reader:
        reader.exec_driver_sql("SELECT * FROM users")
        with users.engine().connect() as connection:
            connection.exec_driver_sql("SET lock_timeout = '50ms'")
            with pytest.raises(sa.exc.DBAPIError) as refused, connection.begin_nested():
                drop(connection, *arguments_for(drop, "users", "email"))
            connection.commit()
    assert "Another session holds the lock" in str(told(refused.value))
    assert users.fingerprint() == before


@each_way_to_drop_a_table
def test_a_restore_that_has_to_wait_in_vain_changes_nothing(users: Database, drop: Drop) -> None:
    artifact = users.do(drop, "users")
    before = users.fingerprint()
    with users.begin() as reader:
        reader.exec_driver_sql(f"SELECT * FROM {artifact.parked_name}")
        with users.engine().connect() as connection:
            connection.exec_driver_sql("SET lock_timeout = '50ms'")
            with pytest.raises(sa.exc.DBAPIError), connection.begin_nested():
                restore_table(connection, "users")
            connection.commit()
    assert users.fingerprint() == before


@each_way_to_drop_a_column
def test_two_restores_at_once_are_one_restore(users: Database, drop: Drop) -> None:
    users.do(drop, "users", "email")
    together = threading.Barrier(2)
    reports = []

    def restore() -> None:
        with users.begin() as connection:
            connection.exec_driver_sql("SELECT 1")
            together.wait()
            reports.append(restore_column(connection, "users.email"))

    threads = [threading.Thread(target=restore) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.already_restored for report in reports) == [False, True]


@pytest.mark.parametrize(
    ("function", "target"),
    [
        (restore_column, "users.email"),
        (restore_table, "users"),
        (inspect_artifact, "users.email"),
        (purge, "users.email"),
    ],
)
def test_where_nothing_was_ever_parked_that_is_what_is_said(
    users: Database, function: Callable[..., object], target: str
) -> None:
    message = refusal(users, UnknownObjectError, function, target)
    assert "parked in this database" in message
    assert target in message


@pytest.mark.parametrize("function", [restore_column, inspect_artifact, purge])
def test_a_name_that_nothing_parked_has_is_answered_with_the_near_one(
    users: Database, function: Callable[..., object]
) -> None:
    users.do(soft_drop_column, "users", "email")
    message = refusal(users, UnknownObjectError, function, "users.emial")
    assert "Did you mean 'users.email'?" in message


def test_a_column_is_not_restored_as_a_table_nor_a_table_as_a_column(users: Database) -> None:
    column = users.do(soft_drop_column, "users", "email")
    for target in ("users", column.id):
        message = refusal(users, NothingParkedError, restore_table, target)
        assert "No parked table is named" in message
    users.do(soft_drop_table, "invoices", schema="other")
    message = refusal(users, NothingParkedError, restore_column, "other.invoices")
    assert "restore-table" in message


@pytest.mark.parametrize("target", ["", "a.b.c.d", "users..email", 'users."email', "a b", "."])
def test_what_is_no_target_is_explained(users: Database, target: str) -> None:
    users.do(soft_drop_column, "users", "email")
    message = refusal(users, ZanithError, restore_column, target)
    assert "Write an artifact id, table, schema.table, table.column" in message


def test_a_target_of_two_schemas_is_ambiguous(users: Database) -> None:
    users.execute(
        "CREATE TABLE other.things (v int); CREATE SCHEMA third; CREATE TABLE third.things (v int)"
    )
    users.do(soft_drop_column, "things", "v", schema="other")
    users.do(soft_drop_column, "things", "v", schema="third")
    message = refusal(users, AmbiguousTargetError, restore_column, "things.v")
    assert "other.things.v" in message
    assert "third.things.v" in message
    assert users.do(restore_column, "third.things.v").restored_as == "third.things.v"


def test_an_artifact_of_something_else_refusal(users: Database) -> None:
    email = users.do(soft_drop_column, "users", "email")
    users.do(soft_drop_column, "users", "legacy_uuid")
    message = refusal(
        users, UnknownObjectError, restore_column, "users.legacy_uuid", artifact=email.id
    )
    assert f"Artifact {email.id} is of users.email" in message


@each_way_to_drop_a_column
@pytest.mark.parametrize("as_name", ["", "x" * 64, "ž" * 32, "_zanith_dropped_x_00000000", "nul\0"])
def test_a_name_that_cannot_be_refusal(users: Database, drop: Drop, as_name: str) -> None:
    users.do(drop, "users", "email")
    message = refusal(users, ZanithError, restore_column, "users.email", as_name=as_name)
    assert "name" in message


@each_way_to_drop_a_table
@pytest.mark.parametrize("as_name", ["", "x" * 64, "_zanith_dropped_x_00000000"])
def test_a_table_name_that_cannot_be_refusal(users: Database, drop: Drop, as_name: str) -> None:
    users.do(drop, "users")
    refusal(users, ZanithError, restore_table, "users", as_name=as_name)


COMPUTED = sa.Column("b", sa.Integer, sa.Computed("a"))
INTO: dict[str, Any] = {"into": [sa.Column("b", sa.Text)], "using": {"b": "a"}}
SAME = {"forward": "a", "backward": "b"}


@pytest.mark.parametrize(
    ("kind", "arguments", "options", "argument"),
    [
        ("backfill", [None], {"set": {"a": "1"}}, "table_name"),
        ("rebuild_table", [None], {"columns": ["a"]}, "table_name"),
        ("split_column", [None, "a"], INTO, "table_name"),
        ("split_column", ["t", None], INTO, "column_name"),
        ("merge_columns", [None, ["a"]], {"into": "c", "using": "a"}, "table_name"),
        ("merge_columns", ["t", ["a", None]], {"into": "c", "using": "a"}, "column_name"),
        ("add_generated_column", [None, COMPUTED], {}, "table_name"),
        ("sync_columns", [None, "a", "b"], SAME, "table_name"),
        ("sync_columns", ["t", None, "b"], SAME, "old"),
        ("unsync_columns", ["t", "a", None], {}, "new"),
        ("enable_rls", [None], {}, "table_name"),
        ("disable_rls", [" "], {}, "table_name"),
        ("create_policy", ["p", None], {"using": "true"}, "table_name"),
        ("drop_policy", [None, "t"], {}, "policy_name"),
        ("drop_policy", ["p", 7], {}, "table_name"),
        ("drop_extension", [None], {}, "extension_name"),
        ("soft_drop_column", [None, "a"], {}, "table_name"),
        ("archive_column", ["t", None], {}, "column_name"),
        ("soft_drop_table", [None], {}, "table_name"),
        ("archive_table", [None], {}, "table_name"),
    ],
)
def test_what_is_no_name_is_refused_by_its_argument(
    kind: str, arguments: list[Any], options: dict[str, Any], argument: str
) -> None:
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True})
    with pytest.raises(ConfigurationError, match=f"{kind}: {argument}=.* is not a name"):
        getattr(Operations(context), kind)(*arguments, **options)
