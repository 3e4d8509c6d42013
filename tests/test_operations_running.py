"""The operations on a real database: what they note, where they refuse, and how errors read."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

import alembic_zanith
from alembic_zanith.errors import (
    DependentObjectsError,
    MissingPrivilegeError,
    NameTakenError,
    NoKeyError,
    OfflineModeError,
    TransactionRequiredError,
    UnknownObjectError,
    UnsupportedDatabaseError,
    ZanithError,
)
from alembic_zanith.models import ArtifactKind
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project

USERS = """
CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, legacy uuid UNIQUE);
INSERT INTO users (name, legacy) SELECT 'u' || i, md5(i::text)::uuid FROM generate_series(1, 9) i
"""

EVERY_CALL = [
    "op.soft_drop_column('users', 'legacy')",
    "op.archive_column('users', 'legacy')",
    "op.soft_drop_table('users')",
    "op.archive_table('users')",
    "op.restore_column('users', sa.Column('legacy', sa.Uuid()))",
    "op.restore_table('users', sa.Column('id', sa.Integer()))",
    "op.split_column('users', 'legacy', into=[sa.Column('a', sa.Text)], using={'a': 'legacy::text'})",
    "op.merge_columns('users', ['name'], into=sa.Column('a', sa.Text), using='name')",
    "op.rebuild_table('users', columns=['id'])",
]

IN_TRANSACTIONS_ONLY = EVERY_CALL[:-1]


@contextmanager
def op_on(database: Database, driver: str = "psycopg", **options: Any) -> Iterator[Any]:
    """Operations in a transaction, as a revision script has them."""
    with database.begin(driver) as connection:
        yield Operations(MigrationContext.configure(connection, opts=options))


@pytest.fixture
def users(database: Database) -> Database:
    """A database with a table of nine users."""
    database.execute(USERS)
    return database


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_each_operation_and_its_restore_run_and_return_what_they_did(
    users: Database, driver: str
) -> None:
    before = users.dump()
    with op_on(users, driver) as op:
        assert op.soft_drop_column("users", "legacy").kind is ArtifactKind.SOFT_DROP_COLUMN
        assert op.restore_column("users", "legacy").restored_as == "users.legacy"
        assert op.soft_drop_table("users").source == "users"
        assert op.restore_table("users").restored_as == "users"
        assert op.archive_table("users", retention_days=None).expires_at is None
        assert op.restore_table("users").row_count == 9
    assert users.dump() == before
    with op_on(users, driver) as op:
        assert op.archive_column("users", "legacy").row_count == 9
        assert op.restore_column("users", "legacy").rows_without_value == 0
    assert users.dump() == before


def test_the_parked_name_and_the_way_back_are_logged(
    users: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "alembic.zanith"), op_on(users) as op:
        parked = op.soft_drop_column("users", "legacy")
        op.restore_column("users", "legacy")
    logged = [each.getMessage() for each in caplog.records if each.name == "alembic.zanith"]
    assert logged == [
        f"users.legacy is parked as public.users._zanith_dropped_legacy_{parked.id} (artifact "
        f"{parked.id}); bring it back: alembic zanith-recover restore-column users.legacy",
        f"users.legacy is back (artifact {parked.id})",
    ]


def test_what_is_not_as_it_was_is_warned_of(
    users: Database, caplog: pytest.LogCaptureFixture
) -> None:
    users.execute("CREATE TABLE orders (id serial, user_id int CONSTRAINT fk REFERENCES users)")
    users.execute("INSERT INTO orders (user_id) VALUES (1), (2)")
    with op_on(users) as op:
        op.soft_drop_column("orders", "user_id")
        op.execute("DELETE FROM users WHERE id = 2")
        op.restore_column("orders", "user_id")
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warning.getMessage().startswith(
        "Foreign key fk of orders.user_id came back NOT VALID: 1 rows have no parent row any more"
    )


@pytest.mark.parametrize("per_migration", [False, True])
def test_an_artifact_knows_the_revision_that_parked_it(
    project: Project, per_migration: bool
) -> None:
    project.configure_context(f"transaction_per_migration={per_migration}")
    project.revision(f"op.execute('''{USERS}''')")
    first = project.revision("op.soft_drop_column('users', 'name')")
    second = project.revision("pass", "op.soft_drop_column('users', 'legacy')")
    project.upgrade()
    project.downgrade()
    noted = "SELECT source_column, revision FROM _zanith_migration_artifacts ORDER BY created_at"
    assert project.database.rows(noted) == [("name", first), ("legacy", second)]


def test_an_artifact_of_a_merge_and_of_a_branch_knows_its_revision(project: Project) -> None:
    base = project.revision(f"op.execute('''{USERS}''')")
    left = project.revision("op.soft_drop_column('users', 'name')", head=base)
    right = project.revision("pass", head=base, splice=True)
    merge = project.revision("op.soft_drop_column('users', 'legacy')", head=[left, right])
    project.upgrade()
    noted = "SELECT source_column, revision FROM _zanith_migration_artifacts"
    assert set(project.database.rows(noted)) == {("name", left), ("legacy", merge)}


def test_outside_of_a_revision_there_is_none_to_know(users: Database) -> None:
    with op_on(users) as op:
        assert op.soft_drop_column("users", "legacy").revision is None


@pytest.mark.parametrize("per_migration", [False, True])
def test_a_transaction_that_env_py_began_itself_is_served(
    project: Project, per_migration: bool
) -> None:
    project.edit_env(
        r"^(\s+)with connectable.connect\(\) as connection:",
        r"\1with connectable.begin() as connection:\n"
        r"\1    connection.exec_driver_sql('SET application_name = early')",
    )
    project.configure_context(f"transaction_per_migration={per_migration}")
    project.revision(f"op.execute('''{USERS}''')")
    project.upgrade()
    before = project.database.dump()
    project.revision(
        "op.soft_drop_column('users', 'legacy')", "op.restore_column('users', 'legacy')"
    )
    project.upgrade()
    assert project.database.scalar("SELECT status FROM _zanith_migration_artifacts") == "live"
    project.downgrade()
    assert project.database.dump() == before


def test_bookkeeping_lies_beside_alembic_version(make_project: MakeProject) -> None:
    project = make_project()
    project.database.execute("CREATE SCHEMA app; CREATE SCHEMA versions")
    project.configure_context('version_table_schema="versions"')
    project.revision(
        "op.execute('CREATE TABLE app.t (id int, a int)')\n"
        "op.soft_drop_column('t', 'a', schema='app')",
        "op.restore_column('t', 'a', schema='app')\nop.execute('DROP TABLE app.t')",
    )
    project.upgrade()
    assert project.database.scalar("SELECT count(*) FROM versions._zanith_migration_artifacts") == 1
    project.downgrade()


def test_a_restore_without_a_schema_finds_what_the_search_path_would(users: Database) -> None:
    users.execute(
        "CREATE SCHEMA first; CREATE SCHEMA second;"
        "CREATE TABLE second.t (id int); CREATE TABLE public.t (id int)"
    )
    with op_on(users, version_table_schema="public") as op:
        op.soft_drop_table("t", schema="second")
        op.execute("SET LOCAL search_path = first, public")
        with pytest.raises(ZanithError, match=r"No parked table is named 'first\.t'"):
            op.restore_table("t")
        op.soft_drop_table("t")
        assert op.restore_table("t").restored_as == "t"
        op.execute("SET LOCAL search_path = first, second")
        assert op.restore_table("t").restored_as == "second.t"


def test_an_operation_that_fails_leaves_the_transaction_usable(users: Database) -> None:
    with op_on(users) as op:
        with pytest.raises(UnknownObjectError, match=r"Did you mean 'legacy'\?"):
            op.soft_drop_column("users", "legcy")
        op.execute("CREATE TABLE t (id int)")
    assert users.scalar("SELECT count(*) FROM t") == 0


@pytest.mark.parametrize("call", EVERY_CALL)
def test_each_operation_refuses_sql_mode_by_name(project: Project, call: str) -> None:
    project.revision(call)
    result = project.alembic("upgrade", "head", "--sql")
    assert result.exit_code != 0
    name = call.partition("op.")[2].partition("(")[0]
    assert f"FAILED: {name}('users'" in result.output
    assert "cannot be written as SQL ahead of time" in result.output
    assert "--sql FROM:TO" in result.output
    assert "Traceback" not in result.output


def test_other_revisions_are_still_written_as_sql(project: Project) -> None:
    first = project.revision("op.create_table('t', sa.Column('id', sa.Integer))")
    project.revision("op.soft_drop_table('t')")
    assert "CREATE TABLE t" in project.alembic("upgrade", first, "--sql").succeeded().stdout


@pytest.mark.parametrize("call", IN_TRANSACTIONS_ONLY)
def test_each_operation_refuses_an_autocommit_block(project: Project, call: str) -> None:
    project.revision(f"with op.get_context().autocommit_block():\n    {call}")
    project.database.execute(USERS)
    before = project.database.dump()
    result = project.alembic("upgrade", "head")
    assert result.exit_code != 0
    assert "needs a transaction" in result.output
    assert "Move the call out of autocommit_block()" in result.output
    assert "Traceback" not in result.output
    assert project.database.dump() == before


def test_an_autocommit_block_is_refused_through_asyncpg_too(make_project: MakeProject) -> None:
    project = make_project("async", "asyncpg")
    project.revision("with op.get_context().autocommit_block():\n    op.soft_drop_table('users')")
    project.database.execute(USERS)
    assert "needs a transaction" in project.alembic("upgrade", "head").output


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_an_engine_in_autocommit_is_refused(users: Database, driver: str) -> None:
    engine = users.engine(driver, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        with pytest.raises(TransactionRequiredError):
            op.soft_drop_table("users")
    assert users.scalar("SELECT count(*) FROM users") == 9


def sqlite_project(make_project: MakeProject, database: Database) -> Project:
    project = make_project()
    ini = project.root / "alembic.ini"
    url = database.url().render_as_string(hide_password=False)
    ini.write_text(ini.read_text().replace(url, "sqlite:///test.db"))
    return project


@pytest.mark.parametrize("call", EVERY_CALL)
def test_on_sqlite_each_operation_refuses_and_others_run_on(
    make_project: MakeProject, database: Database, call: str
) -> None:
    project = sqlite_project(make_project, database)
    project.revision("op.create_table('users', sa.Column('legacy', sa.String))")
    project.upgrade()
    project.revision(call)
    result = project.alembic("upgrade", "head")
    assert result.exit_code != 0
    assert "works on PostgreSQL only, and this database is sqlite" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("dialect", "error"), [("mysql", UnsupportedDatabaseError), ("postgresql", OfflineModeError)]
)
def test_without_a_connection_the_database_is_looked_at_first(
    dialect: str, error: type[ZanithError]
) -> None:
    context = MigrationContext.configure(dialect_name=dialect, opts={"as_sql": True})
    op: Any = Operations(context)
    with pytest.raises(error, match=r"^soft_drop_table\('users'\) "):
        op.soft_drop_table("users")


def test_a_missing_privilege_is_explained(users: Database) -> None:
    role = users.role("app", "NOLOGIN")
    users.execute(f'GRANT ALL ON SCHEMA public TO "{role}"; GRANT SELECT ON users TO "{role}"')
    with op_on(users) as op:
        op.execute(f'SET LOCAL ROLE "{role}"')
        with pytest.raises(MissingPrivilegeError) as caught:
            op.soft_drop_column("users", "legacy")
    assert "users" in str(caught.value)
    assert users.scalar("SELECT count(legacy) FROM users") == 9


@pytest.mark.parametrize(
    ("template", "driver"), [("generic", "psycopg2"), ("async", "asyncpg"), ("generic", "psycopg")]
)
def test_a_missing_privilege_fails_in_one_line_through_every_driver(
    make_project: MakeProject, template: str, driver: str
) -> None:
    project = make_project(template, driver)
    project.database.execute(USERS)
    role = project.database.role("app", "NOLOGIN")
    project.database.execute(
        f'GRANT ALL ON SCHEMA public TO "{role}"; GRANT SELECT ON users TO "{role}"'
    )
    project.revision(f'''
        op.execute(\'SET LOCAL ROLE "{role}"\')
        op.soft_drop_table("users")
    ''')
    result = project.alembic("upgrade", "head")
    assert result.exit_code != 0
    assert "FAILED: " in result.output
    assert "class" not in result.output
    assert "Traceback" not in result.output


def test_a_lock_that_is_not_had_is_explained(users: Database) -> None:
    with users.begin() as holder, op_on(users) as op:
        holder.execute(sa.text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))
        op.execute("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(ZanithError) as caught:
            op.soft_drop_column("users", "legacy")
    assert str(caught.value) == (
        "soft_drop_column('users', 'legacy') changed nothing: canceling statement due to lock "
        "timeout. Another session holds the lock. Run it again when that one is done, or with a "
        "higher lock_timeout."
    )


@pytest.mark.parametrize(
    ("template", "driver"),
    [("generic", "psycopg"), ("generic", "psycopg2"), ("async", "asyncpg"), ("async", "psycopg")],
)
def test_a_lost_connection_is_explained_without_a_traceback(
    make_project: MakeProject, template: str, driver: str
) -> None:
    project = make_project(template, driver)
    project.database.execute(USERS)
    before = project.database.dump()
    project.revision("op.soft_drop_column('users', 'legacy')")
    with project.database.begin() as holder:
        holder.execute(sa.text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))
        killer = threading.Thread(target=ends_waiting_sessions, args=(project.database,))
        killer.start()
        result = project.alembic("upgrade", "head")
        killer.join()
    assert result.exit_code != 0
    assert "the connection to the database was lost" in result.output
    assert "Traceback" not in result.output
    assert project.database.dump() == before


def ends_waiting_sessions(database: Database) -> None:
    """Wait for a session that waits for a lock, and end it."""
    waiting = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 30
    while not database.scalar(waiting) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_what_a_real_drop_would_refuse_is_refused_in_one_line(users: Database) -> None:
    users.execute("CREATE VIEW names AS SELECT name FROM users")
    with op_on(users) as op:
        with pytest.raises(DependentObjectsError, match="names"):
            op.soft_drop_column("users", "name")
        with pytest.raises(DependentObjectsError, match="names"):
            op.archive_table("users")
        with pytest.raises(NoKeyError, match=r"op\.soft_drop_column\('users', 'id'\)"):
            op.archive_column("users", "id")
        op.soft_drop_column("users", "legacy")
        op.add_column("users", sa.Column("legacy", sa.Integer))
        with pytest.raises(NameTakenError):
            op.restore_column("users", "legacy")


def test_importing_twice_registers_once(users: Database) -> None:
    for module in (alembic_zanith.hooks, alembic_zanith.autogenerate, alembic_zanith):
        importlib.reload(module)
    with op_on(users) as op:
        op.soft_drop_table("users")
        op.restore_table("users")
