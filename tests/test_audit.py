"""Every run of a revision and every operation of it is recorded, whatever became of it."""

from __future__ import annotations

import gc
import socket
import textwrap
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project

PER_MIGRATION = "transaction_per_migration=True"


def runs(database: Database, columns: str = "revision, direction, outcome") -> list[Any]:
    return database.rows(f"SELECT {columns} FROM _zanith_migrations ORDER BY id")


def steps(database: Database, columns: str = "kind, object_name, status") -> list[Any]:
    return database.rows(f"SELECT {columns} FROM _zanith_migration_steps ORDER BY id")


@pytest.fixture(params=["dev", "staging", pytest.param("production", marks=pytest.mark.slow)])
def of_mode(request: pytest.FixtureRequest, project: Project) -> Project:
    """A project of each mode in turn."""
    project.settings(mode=request.param, shadow_check="off")
    return project


def breaks(project: Project) -> str:
    """Run an upgrade that PostgreSQL ends with an error, and return what is shown."""
    result = project.alembic("upgrade", "head")
    assert result.exit_code != 0, result.output
    return result.output


FIVE = """\
op.create_table('one', sa.Column('id', sa.Integer))
op.execute("INSERT INTO one VALUES (1)")
op.create_table('one', sa.Column('id', sa.Integer))
op.create_table('two', sa.Column('id', sa.Integer))
op.create_table('three', sa.Column('id', sa.Integer))
"""


def test_a_run_has_a_row_for_each_revision_and_operation(
    of_mode: Project, database: Database
) -> None:
    first = of_mode.revision("op.create_table('users', sa.Column('id', sa.Integer))")
    second = of_mode.revision(
        """\
        op.add_column('users', sa.Column('email', sa.Text))
        op.execute("INSERT INTO users (id) VALUES (1), (2), (3)")
        op.get_bind().execute(sa.text("UPDATE users SET email = :v WHERE id < 3"), {"v": "secret"})
        op.get_bind().scalar(sa.text("SELECT count(*) FROM users"))
        """
    )
    of_mode.upgrade()
    assert runs(database) == [(first, "upgrade", "succeeded"), (second, "upgrade", "succeeded")]
    assert steps(database, "operation, kind, object_name, status, row_count") == [
        ("create_table", "create_table", "users", "succeeded", None),
        ("add_column", "add_column", "users.email", "succeeded", None),
        ("execute", "insert_rows", "users", "succeeded", 3),
        ("connection.execute", *steps(database, "kind, object_name")[3], "succeeded", 2),
    ]
    assert "secret" not in database.dump_of_all().partition("COPY public.users")[0]


def test_an_operation_has_its_risk_and_its_sql(of_mode: Project, database: Database) -> None:
    of_mode.revision(
        "op.create_table('users', sa.Column('id', sa.Integer), sa.Column('n', sa.Text))"
    )
    of_mode.upgrade()
    of_mode.revision("op.create_index('ix_n', 'users', ['n'])")
    of_mode.upgrade()
    (kind, level, score, reasons, sql, elapsed) = steps(
        database, "kind, level, score, reasons, sql, elapsed_seconds"
    )[-1]
    assert kind == "add_index"
    assert (level, score) in {("medium", 35), ("safe", 5)}
    assert "adds_index" in reasons
    assert sql == "CREATE INDEX ix_n ON users (n)"
    assert 0 < elapsed < 60


def test_who_ran_what_from_where_is_told(project: Project, database: Database) -> None:
    project.settings(mode="staging", application_version="2.4.1", run_by="deploy-bot")
    project.revision("op.create_table('users', sa.Column('id', sa.Integer))", message="Users come")
    project.alembic("upgrade", "head", "--max-risk", "90").succeeded()
    columns = "description, mode, run_by, host, application_version, flags, overrides, error"
    assert runs(database, columns) == [
        (
            "Users come",
            "staging",
            "deploy-bot",
            socket.gethostname(),
            "2.4.1",
            {"--max-risk": "90"},
            {"max_risk": 90},
            None,
        )
    ]
    (role, version, is_recent) = runs(
        database,
        "database_role, server_version, started_at BETWEEN now() - interval '1 minute' AND now()",
    )[0]
    assert role == database.scalar("SELECT current_user")
    assert version == database.scalar("SHOW server_version")
    assert is_recent


def test_without_a_setting_it_is_the_user_of_the_system(
    project: Project, database: Database
) -> None:
    project.revision("op.create_table('users', sa.Column('id', sa.Integer))")
    project.alembic("upgrade", "head", env={"USER": "ada", "LOGNAME": "ada"}).succeeded()
    assert len(runs(database, "run_by")[0][0]) > 0


def test_revisions_of_one_command_share_its_id(project: Project, database: Database) -> None:
    for n in range(2):
        project.revision(f"op.create_table('t{n}', sa.Column('id', sa.Integer))")
    project.upgrade()
    project.revision("op.create_table('later', sa.Column('id', sa.Integer))")
    project.upgrade()
    first, second, third = (each for (each,) in runs(database, "run_id"))
    assert first == second != third


def test_a_downgrade_is_recorded(of_mode: Project, database: Database) -> None:
    revision = of_mode.revision(
        "op.create_table('users', sa.Column('id', sa.Integer))",
        "op.execute('ALTER TABLE users RENAME TO people')",
    )
    of_mode.upgrade()
    of_mode.downgrade()
    assert runs(database)[1:] == [(revision, "downgrade", "succeeded")]


@pytest.mark.parametrize("configured", ["", PER_MIGRATION])
def test_of_five_operations_the_third_fails_and_all_are_recorded(
    of_mode: Project, database: Database, configured: str
) -> None:
    if configured:
        of_mode.configure_context(configured)
    revision = of_mode.revision(FIVE)
    breaks(of_mode)
    assert runs(database) == [(revision, "upgrade", "failed")]
    found = steps(database)
    assert found[:3] == [
        ("create_table", "one", "rolled_back"),
        ("insert_rows", "one", "rolled_back"),
        ("create_table", "one", "failed"),
    ]
    # What comes behind it is known where there is a plan.
    is_planned = "dev" not in of_mode.config().file_config.get("zanith", "mode")
    rest = [("create_table", "two", "not_run"), ("create_table", "three", "not_run")]
    assert found[3:] == (rest if is_planned else [])
    ((error,),) = runs(database, "error")
    assert error == 'relation "one" already exists'
    assert steps(database, "error")[2] == (error,)
    assert database.scalar("SELECT to_regclass('one')") is None


def test_a_revision_is_rolled_back_with_the_one_that_fails_after_it(
    of_mode: Project, database: Database
) -> None:
    first = of_mode.revision("op.create_table('kept', sa.Column('id', sa.Integer))")
    second = of_mode.revision("op.execute('SELECT 1/0')")
    breaks(of_mode)
    assert runs(database) == [(first, "upgrade", "rolled_back"), (second, "upgrade", "failed")]
    assert steps(database)[0] == ("create_table", "kept", "rolled_back")


def test_with_a_transaction_for_each_only_the_last_one_is_lost(
    of_mode: Project, database: Database
) -> None:
    of_mode.configure_context(PER_MIGRATION)
    first = of_mode.revision("op.create_table('kept', sa.Column('id', sa.Integer))")
    second = of_mode.revision("op.execute('SELECT 1/0')")
    breaks(of_mode)
    assert runs(database) == [(first, "upgrade", "succeeded"), (second, "upgrade", "failed")]
    assert steps(database)[0] == ("create_table", "kept", "succeeded")


def test_what_was_committed_on_the_way_is_not_told_as_rolled_back(
    of_mode: Project, database: Database
) -> None:
    of_mode.revision(
        """\
        op.create_table('kept', sa.Column('id', sa.Integer))
        with op.get_context().autocommit_block():
            op.create_index('ix', 'kept', ['id'], postgresql_concurrently=True)
        op.create_table('gone', sa.Column('id', sa.Integer))
        op.execute('SELECT 1/0')
        """
    )
    breaks(of_mode)
    assert [row[2] for row in steps(database)[:3]] == ["succeeded", "succeeded", "rolled_back"]
    assert database.scalar("SELECT to_regclass('kept') IS NOT NULL AND to_regclass('gone') IS NULL")


def test_what_a_savepoint_takes_back_is_told_as_rolled_back(
    of_mode: Project, database: Database
) -> None:
    of_mode.revision(
        """\
        op.create_table('kept', sa.Column('id', sa.Integer))
        bind = op.get_bind()
        try:
            with bind.begin_nested():
                bind.execute(sa.text("CREATE TABLE gone (id int)"))
                bind.execute(sa.text("SELECT 1/0"))
        except sa.exc.DataError:
            pass
        op.execute("SAVEPOINT by_hand")
        op.create_table('gone_too', sa.Column('id', sa.Integer))
        op.execute("ROLLBACK TO SAVEPOINT by_hand")
        op.create_table('later', sa.Column('id', sa.Integer))
        """
    )
    of_mode.upgrade()
    told = {name: status for kind, name, status in steps(database) if kind == "create_table"}
    assert told == {
        "kept": "succeeded",
        "gone": "rolled_back",
        "gone_too": "rolled_back",
        "later": "succeeded",
    }
    assert [name for name in told if database.scalar(f"SELECT to_regclass('{name}')")] == [
        "kept",
        "later",
    ]


def test_what_a_script_commits_by_itself_is_not_told_as_rolled_back(
    of_mode: Project, database: Database
) -> None:
    of_mode.revision(
        """\
        op.create_table('kept', sa.Column('id', sa.Integer))
        op.execute('COMMIT')
        op.create_table('gone', sa.Column('id', sa.Integer))
        op.execute('SELECT 1/0')
        """
    )
    breaks(of_mode)
    told = {name: status for kind, name, status in steps(database) if kind == "create_table"}
    assert told == {"kept": "succeeded", "gone": "rolled_back"}
    assert database.scalar("SELECT to_regclass('kept') IS NOT NULL AND to_regclass('gone') IS NULL")


@pytest.mark.parametrize("whose", ["engine", "block"])
def test_what_autocommit_has_committed_is_not_told_as_rolled_back(
    project: Project, database: Database, whose: str
) -> None:
    project.settings(mode="dev")
    body = "op.create_table('kept', sa.Column('id', sa.Integer))\nop.execute('SELECT 1/0')"
    if whose == "block":
        body = f"with op.get_context().autocommit_block():\n{textwrap.indent(body, '    ')}"
    else:
        project.edit_env(
            r"connectable\.connect\(\)",
            "connectable.execution_options(isolation_level='AUTOCOMMIT').connect()",
        )
    project.revision(body)
    breaks(project)
    assert [row[2] for row in steps(database)] == ["succeeded", "failed"]
    assert database.scalar("SELECT to_regclass('kept') IS NOT NULL")


WRITTEN = {
    "WITH x AS (DELETE FROM t RETURNING 1) SELECT count(*) FROM x": None,
    "WITH x AS (SELECT 1) INSERT INTO t SELECT 1 FROM x": 1,
    "/* three */ UPDATE t SET n = 2": 3,
    "-- three\nDELETE FROM t": 3,
}


@pytest.mark.parametrize("statement", WRITTEN)
def test_rows_are_those_that_were_written(
    project: Project, database: Database, statement: str
) -> None:
    project.settings(mode="dev")
    database.execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (1), (1)")
    project.revision(f"op.execute({statement!r})")
    project.upgrade()
    assert database.rows("SELECT row_count FROM _zanith_migration_steps") == [(WRITTEN[statement],)]


def test_an_error_that_cannot_say_what_it_is_is_recorded_by_its_class(
    of_mode: Project, database: Database
) -> None:
    of_mode.revision(
        """\
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError('in its place')
        raise Mute()
        """
    )
    breaks(of_mode)
    assert database.rows("SELECT outcome, error FROM _zanith_migrations") == [("failed", "Mute")]


def test_a_run_that_nobody_commits_is_told(of_mode: Project, database: Database) -> None:
    revision = of_mode.revision("op.create_table('users', sa.Column('id', sa.Integer))")
    of_mode.edit_env(
        r"( +)context\.run_migrations\(\)(?=\s*\n\s*\n+if )",
        r"\1context.run_migrations()\n\1connection.rollback()",
    )
    result = of_mode.upgrade()
    assert f"What revision {revision} did is rolled back" in " ".join(result.output.split())
    assert database.scalar("SELECT to_regclass('users')") is None
    assert database.scalar("SELECT to_regclass('_zanith_migrations')") is None


def test_the_end_of_the_program_is_told_as_such(of_mode: Project, database: Database) -> None:
    of_mode.revision("raise SystemExit(3)")
    assert of_mode.alembic("upgrade", "head").exit_code == 3
    assert runs(database, "outcome, error") == [("failed", "SystemExit: 3")]


def test_text_that_no_database_can_hold_is_recorded(of_mode: Project, database: Database) -> None:
    of_mode.revision("op.execute(\"SELECT '\\ud800'\")")
    breaks(of_mode)
    assert [status for _, _, status in steps(database)] == ["failed"]


def test_what_is_refused_when_it_runs_is_recorded(project: Project, database: Database) -> None:
    project.settings(mode="staging")
    project.revision("op.create_table('kept', sa.Column('id', sa.Integer))")
    project.upgrade()
    database.execute("INSERT INTO kept VALUES (1)")
    revision = project.revision(
        """\
        op.add_column('kept', sa.Column('note', sa.Text))
        for name in op.get_bind().execute(sa.text("SELECT 'kept'")).scalars():
            op.execute(f'DROP TABLE {name}')
        """
    )
    project.alembic("upgrade", "head").failed()
    assert runs(database)[1:] == [(revision, "upgrade", "refused")]
    assert steps(database)[1:] == [
        ("add_column", "kept.note", "rolled_back"),
        ("drop_table", "kept", "refused"),
    ]
    assert "allow-destructive" in runs(database, "error")[-1][0]


def test_what_is_refused_before_it_runs_is_recorded(project: Project, database: Database) -> None:
    project.settings(mode="staging")
    project.revision("op.create_table('kept', sa.Column('id', sa.Integer))")
    project.upgrade()
    database.execute("INSERT INTO kept VALUES (1)")
    revision = project.revision(
        "op.add_column('kept', sa.Column('note', sa.Text))\nop.drop_table('kept')"
    )
    project.alembic("upgrade", "head").failed()
    assert runs(database)[1:] == [(revision, "upgrade", "refused")]
    assert steps(database)[1:] == [
        ("add_column", "kept.note", "not_run"),
        ("drop_table", "kept", "refused"),
    ]
    assert runs(database, "error")[-1] == ("what loses data needs consent",)


def test_a_refusal_on_a_database_without_tables_makes_none(
    project: Project, database: Database
) -> None:
    project.settings(mode="production")
    project.revision("op.create_table('kept', sa.Column('id', sa.Integer))")
    before = database.fingerprint()
    project.alembic("upgrade", "head").failed()
    assert database.fingerprint() == before


def test_consent_is_recorded_as_an_override(project: Project, database: Database) -> None:
    project.settings(mode="staging")
    project.revision("op.create_table('kept', sa.Column('id', sa.Integer))")
    project.upgrade()
    database.execute("INSERT INTO kept VALUES (1)")
    project.revision("op.drop_table('kept')")
    project.alembic("upgrade", "head", "--allow-destructive").succeeded()
    assert runs(database, "overrides")[1:] == [({"allow_destructive": True},)]
    assert steps(database, "kind, level")[1:] == [("drop_table", "destructive")]


def test_a_laxer_mode_than_the_projects_is_an_override(
    project: Project, database: Database
) -> None:
    project.settings(mode="production")
    project.revision("op.create_table('kept', sa.Column('id', sa.Integer))")
    project.alembic("upgrade", "head", "--mode", "dev").succeeded()
    assert runs(database, "overrides, flags") == [({"mode": "dev"}, {"--mode": "dev"})]


def test_a_suppression_is_recorded_as_an_override(project: Project, database: Database) -> None:
    project.settings(mode="staging")
    project.revision("op.create_table('kept', sa.Column('id', sa.Integer))")
    project.upgrade()
    database.execute("INSERT INTO kept VALUES (1)")
    project.revision("op.drop_table('kept')  # zanith: allow drop_table — moved elsewhere")
    project.upgrade()
    ((overrides,),) = runs(database, "overrides")[1:]
    (allowed,) = overrides["suppressions"]
    assert (allowed["code"], allowed["why"]) == ("drop_table", "moved elsewhere")
    assert allowed["line"] > 1


def test_a_parked_column_is_told_as_such(of_mode: Project, database: Database) -> None:
    of_mode.revision(
        "op.create_table('users', sa.Column('id', sa.Integer), sa.Column('n', sa.Text))"
    )
    of_mode.upgrade()
    of_mode.revision("op.soft_drop_column('users', 'n')")
    of_mode.upgrade()
    ((kind, name, status),) = steps(database)[1:]
    assert (kind, name, status) == ("soft_drop_column", "users.n", "succeeded")
    ((sql,),) = steps(database, "sql")[1:]
    assert "RENAME COLUMN" in sql
    assert "SELECT" not in sql.splitlines()[0]


def test_what_protect_parks_is_told_as_parked(project: Project, database: Database) -> None:
    project.settings(mode="staging", destructive_ops="protect")
    project.revision(
        "op.create_table('users', sa.Column('id', sa.Integer), sa.Column('n', sa.Text))"
    )
    project.upgrade()
    project.revision(
        "op.drop_column('users', 'n')\nop.get_bind().execute(sa.text('DROP TABLE users'))"
    )
    project.upgrade()
    assert steps(database)[1:] == [
        ("soft_drop_column", "users.n", "succeeded"),
        ("soft_drop_table", "users", "succeeded"),
    ]


def test_operations_of_a_batch_are_told_once(of_mode: Project, database: Database) -> None:
    of_mode.revision(
        "op.create_table('users', sa.Column('id', sa.Integer), sa.Column('n', sa.Text))"
    )
    of_mode.upgrade()
    of_mode.revision(
        """\
        with op.batch_alter_table('users') as batch_op:
            batch_op.add_column(sa.Column('a', sa.Text))
            batch_op.create_index('ix_a', ['a'])
        """
    )
    of_mode.upgrade()
    assert steps(database, "kind, object_name, sql")[1:] == [
        ("add_column", "users.a", "ALTER TABLE users ADD COLUMN a TEXT"),
        ("add_index", "ix_a", "CREATE INDEX ix_a ON users (a)"),
    ]


def test_a_cursor_of_the_driver_is_a_step(project: Project, database: Database) -> None:
    project.revision(
        """\
        cursor = op.get_bind().connection.cursor()
        cursor.execute("CREATE TABLE t (id int)")
        cursor.execute("INSERT INTO t VALUES (1), (2)")
        """
    )
    project.upgrade()
    assert steps(database, "operation, kind, row_count") == [
        ("cursor.execute", "create_table", None),
        ("cursor.execute", "insert_rows", 2),
    ]


def test_passwords_in_sql_are_not_stored(project: Project, database: Database) -> None:
    role = database.role("app")
    project.settings(mode="dev")
    project.revision(f"op.execute(\"ALTER ROLE {role} PASSWORD 'hunter2'\")")
    project.upgrade()
    assert "PASSWORD '***'" in steps(database, "sql")[0][0]
    assert "hunter2" not in database.dump_of_all()


def test_audit_off_records_nothing(of_mode: Project, database: Database) -> None:
    of_mode.revision("op.create_table('users', sa.Column('id', sa.Integer))")
    of_mode.alembic("upgrade", "head", env={"ZANITH_AUDIT": "off"}).succeeded()
    assert database.scalar("SELECT to_regclass('_zanith_migrations')") is None


def test_commands_that_run_nothing_record_nothing(of_mode: Project, database: Database) -> None:
    of_mode.revision("op.create_table('users', sa.Column('id', sa.Integer))")
    of_mode.alembic("upgrade", "head", "--sql").succeeded()
    of_mode.alembic("current").succeeded()
    of_mode.alembic("stamp", "head").succeeded()
    of_mode.upgrade()
    assert database.scalar("SELECT to_regclass('_zanith_migrations')") is None


def test_where_nothing_can_be_recorded_the_original_error_is_told(
    project: Project, database: Database
) -> None:
    project.settings(mode="dev")
    elsewhere = database.server.url("postgres").set(drivername="postgresql")
    closed = f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS '
    project.revision(
        f"""\
        import psycopg
        url = {elsewhere.render_as_string(hide_password=False)!r}
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute({closed + "false"!r})
        op.execute('SELECT 1/0')
        """
    )
    shown = breaks(project)
    with database._connect("postgres") as connection:
        connection.execute((closed + "true").encode())
    assert "division by zero" in shown
    assert "What failed is not recorded: " in shown
    assert database.scalar("SELECT to_regclass('_zanith_migrations')") is None


def test_a_lost_connection_is_recorded(of_mode: Project, database: Database) -> None:
    revision = of_mode.revision(
        """\
        op.create_table('gone', sa.Column('id', sa.Integer))
        op.execute('SELECT pg_terminate_backend(pg_backend_pid())')
        """
    )
    breaks(of_mode)
    assert runs(database) == [(revision, "upgrade", "failed")]
    assert steps(database)[0] == ("create_table", "gone", "rolled_back")


def test_a_role_without_rights_on_the_tables_migrates_all_the_same(
    project: Project, database: Database
) -> None:
    project.settings(mode="dev")
    project.revision("op.create_table('first', sa.Column('id', sa.Integer))")
    project.upgrade()
    role = database.role("app")
    database.execute(
        f"GRANT CREATE, USAGE ON SCHEMA public TO {role}; GRANT ALL ON alembic_version TO {role}"
    )
    project.edit_env(
        r"^(\s+)with context\.begin_transaction\(\):\n\s+context\.run_migrations\(\)\n\n\nif",
        rf"\1with context.begin_transaction():\n\1    connection.exec_driver_sql('SET LOCAL ROLE {role}')"
        r"\n\1    context.run_migrations()\n\n\nif",
    )
    project.revision("op.create_table('second', sa.Column('id', sa.Integer))")
    result = project.alembic("upgrade", "head").succeeded()
    assert database.scalar("SELECT to_regclass('second') IS NOT NULL")
    assert len(runs(database)) == 1
    assert "This run of migrations is not recorded" in result.output


def test_two_deploys_record_at_once(make_project: MakeProject, database: Database) -> None:
    """Each with a version table of its own, both on a database that has no tables yet."""
    projects = list[Project]()
    for name in ("a", "b"):
        project = make_project(name=name)
        project.settings(mode="dev")
        project.configure_context(f"version_table='version_{name}'")
        for n in range(5):
            project.revision(f"op.create_table('{name}{n}', sa.Column('id', sa.Integer))")
        projects.append(project)
    with ThreadPoolExecutor(2) as executor:
        deployed = executor.map(lambda each: each.alembic_subprocess("upgrade", "head"), projects)
        for result in deployed:
            result.succeeded()
    assert sorted(row[2] for row in runs(database)) == ["succeeded"] * 10


def test_a_commit_that_fails_is_recorded(project: Project, database: Database) -> None:
    project.settings(mode="dev")
    revision = project.revision(
        """\
        op.execute("CREATE TABLE parent (id int PRIMARY KEY)")
        op.execute("CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
        op.execute("INSERT INTO child VALUES (7)")
        """
    )
    breaks(project)
    assert runs(database) == [(revision, "upgrade", "failed")]
    assert {row[2] for row in steps(database)} == {"rolled_back"}
    assert "violates foreign key constraint" in runs(database, "error")[0][0]


@pytest.mark.parametrize("template", ["generic", "async", "multidb", "pyproject"])
def test_every_template_records(make_project: MakeProject, template: str) -> None:
    project = make_project(template)
    project.settings(mode="staging")
    project.revision("op.create_table('users', sa.Column('id', sa.Integer))")
    project.upgrade()
    assert steps(project.database) == [("create_table", "users", "succeeded")]
    project.revision("op.create_table('users', sa.Column('id', sa.Integer))")
    breaks(project)
    assert [row[2] for row in runs(project.database)][:2] == ["succeeded", "failed"]


def test_a_character_that_the_client_encoding_lacks_breaks_nothing(
    of_mode: Project, database: Database
) -> None:
    of_mode.revision("op.execute('CREATE TABLE kept ()')", rev_id="first")
    of_mode.upgrade()
    of_mode.revision(
        """\
        op.execute("COMMENT ON TABLE kept IS '漢'")
        op.execute("SET client_encoding = 'LATIN1'")
        """,
        rev_id="second",
    )
    done = of_mode.alembic("upgrade", "head").succeeded()
    if len(runs(database)) == 1:
        assert "is not recorded" in done.output
    assert database.scalar("SELECT version_num FROM alembic_version") == "second"


def test_a_table_of_history_that_somebody_has_locked_is_not_waited_for_long(
    project: Project, database: Database
) -> None:
    project.settings(mode="dev")  # which sets no lock_timeout
    project.revision("op.execute('CREATE TABLE kept ()')", rev_id="first")
    project.upgrade()
    project.revision("op.execute('CREATE TABLE more ()')", rev_id="second")
    project.edit_env(
        r"^( +)context\.run_migrations\(\)$",
        r"\g<0>\n\1if not context.is_offline_mode(): print('lock_timeout', connection.exec_driver_sql('SHOW lock_timeout').scalar())",
    )
    with database.begin() as other:
        other.execute(sa.text("LOCK TABLE _zanith_migrations IN ACCESS EXCLUSIVE MODE"))
        done = project.alembic("upgrade", "head").succeeded()
    assert "This run of migrations is not recorded" in done.output
    assert "lock_timeout 0" in done.stdout
    assert database.scalar("SELECT version_num FROM alembic_version") == "second"


def test_names_of_all_kinds_are_recorded(project: Project, database: Database) -> None:
    name = "Größe \\ 'x' \"y\" %s :z 漢"
    project.revision(f"op.create_table({name!r}, sa.Column('id', sa.Integer))")
    project.upgrade()
    assert database.scalar("SELECT object_name FROM _zanith_migration_steps").strip('"')[0] == "G"
    sql = database.scalar("SELECT sql FROM _zanith_migration_steps")
    assert name.replace('"', '""').replace("%", "%%")[:8] in sql


@pytest.mark.parametrize(
    ("own", "during"),
    [((700, 10, 10), (20_000, 10, 10)), ((50_000, 9, 8),) * 2, ((0, 10, 10),) * 2],
    ids=["as Python has it", "more seldom already", "switched off"],
)
@pytest.mark.parametrize("body", ["pass", "1/0"])
def test_garbage_is_looked_for_as_before_when_the_run_is_over(
    of_mode: Project, own: tuple[int, int, int], during: tuple[int, int, int], body: str
) -> None:
    of_mode.revision(f"import gc; gc.seen = gc.get_threshold(); {body}")
    assert _threshold_after_upgrade(of_mode, own) == own
    assert vars(gc).pop("seen") == during


def test_what_a_script_says_of_garbage_holds(project: Project) -> None:
    project.settings(mode="dev")
    project.revision("import gc; gc.set_threshold(900)")
    assert _threshold_after_upgrade(project, (700, 10, 10)) == (900, 10, 10)


def _threshold_after_upgrade(project: Project, own: tuple[int, int, int]) -> tuple[int, int, int]:
    found = gc.get_threshold()
    gc.set_threshold(*own)
    try:
        project.alembic("upgrade", "head")
        return gc.get_threshold()
    finally:
        gc.set_threshold(*found)


def test_an_engine_that_lives_on_is_left_as_it_was(project: Project, database: Database) -> None:
    """A program may upgrade many times over one engine."""
    project.edit_env(r"^import models$", "")
    project.edit_env(r"^target_metadata = .*$", "target_metadata = None")
    project.edit_env(
        r"connectable = engine_from_config\((?s:.*?)\n    \)\n",
        'connectable = config.attributes["engine"]\n',
    )
    engine = database.engine()
    for n in range(3):
        project.revision(f"op.create_table('t{n}', sa.Column('id', sa.Integer))")
        config = project.config()
        config.attributes["engine"] = engine
        command.upgrade(config, "head")
    gc.collect()
    assert len(runs(database)) == 3
    assert len(engine.dialect.dispatch.handle_error) == 0


def test_a_snapshot_waits_for_nobody(of_mode: Project, database: Database) -> None:
    """A table that somebody has locked is no reason for a migration of another one to wait."""
    database.execute(
        "CREATE TABLE busy (id int DEFAULT 1, n int GENERATED ALWAYS AS (1) STORED);"
        "CREATE VIEW v AS SELECT id FROM busy"
    )
    of_mode.revision("op.create_table('users', sa.Column('id', sa.Integer))")
    with database.begin() as holder:
        holder.exec_driver_sql("LOCK TABLE busy, v IN ACCESS EXCLUSIVE MODE")
        of_mode.upgrade()
    assert len(runs(database)) == 1


def test_a_snapshot_leaves_no_lock(project: Project, database: Database) -> None:
    database.execute("CREATE TABLE quiet (id int DEFAULT 1); CREATE VIEW v AS SELECT id FROM quiet")
    project.revision(
        """\
        held = "SELECT count(*) FROM pg_locks WHERE relation IN ('quiet'::regclass, 'v'::regclass)"
        assert op.get_bind().scalar(sa.text(held)) == 0
        """
    )
    project.upgrade()
    assert runs(database, "snapshot_before IS NOT NULL") == [(True,)]
