"""The ground that the other tests stand on holds."""

from __future__ import annotations

import logging
import os
import sys

import pytest
import sqlalchemy as sa

from tests.conftest import MakeDatabase, MakeProject
from tests.support.database import Database, PsqlFailed
from tests.support.project import TEMPLATES, Project

USERS = """
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
"""


def test_a_database_starts_empty_and_answers_through_every_driver(database: Database) -> None:
    assert database.rows("SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []
    for driver in ("psycopg", "psycopg2"):
        with database.begin(driver) as connection:
            assert connection.scalar(sa.text("SELECT current_database()")) == database.name


def test_psql_prints_rows_and_stops_at_the_first_error(database: Database) -> None:
    assert database.psql("SELECT 1, 'a'; SELECT 2") == "1|a\n2\n"
    with pytest.raises(PsqlFailed, match='relation "nowhere" does not exist'):
        database.psql("SELECT * FROM nowhere; CREATE TABLE after ()")
    assert database.scalar("SELECT to_regclass('after')") is None


def test_a_clone_dumps_alike_until_either_changes(database: Database) -> None:
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, '100%')"
    )
    twin = database.clone()
    assert twin.dump() == database.dump()
    assert "restrict" not in twin.dump()
    twin.execute("INSERT INTO t VALUES (2, 'new')")
    assert twin.dump() != database.dump()


def test_a_dump_leaves_out_what_the_package_and_alembic_keep(database: Database) -> None:
    empty = database.dump()
    database.execute(
        "CREATE TABLE alembic_version (v text);"
        "CREATE TABLE _zanith_migration_artifacts (id bigserial PRIMARY KEY);"
        "CREATE SCHEMA _zanith_archive; CREATE TABLE _zanith_archive.kept (id int)"
    )
    assert database.dump() == empty


def test_a_role_is_gone_with_its_database(make_database: MakeDatabase, database: Database) -> None:
    owner = make_database()
    role = owner.role("reader", "NOLOGIN")
    owner.execute(f'CREATE TABLE t (id int); GRANT SELECT ON t TO "{role}"')
    owner.clone()
    owner.drop()
    assert database.rows(f"SELECT FROM pg_roles WHERE rolname = '{role}'") == []
    assert database.scalar(f"SELECT count(*) FROM pg_database WHERE datname = '{owner.name}'") == 0


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_of_alembic_makes_a_project_that_runs(
    make_project: MakeProject, template: str
) -> None:
    project = make_project(template)
    project.write_models(USERS)
    first = project.autogenerate("users")
    assert "'users'" in first.source
    project.upgrade()
    assert project.database.scalar("SELECT count(*) FROM users") == 0
    second = project.revision(
        "op.execute('DROP TABLE users')", "op.create_table('users', sa.Column('id', sa.Integer))"
    )
    assert project.heads() == [second]
    project.upgrade()
    assert project.database.scalar("SELECT to_regclass('users')") is None
    project.downgrade()
    assert project.database.scalar("SELECT count(*) FROM users") == 0


def test_a_run_in_this_process_leaves_no_trace(project: Project) -> None:
    project.write_models(USERS)
    before = (set(sys.modules), sys.path[:], os.getcwd(), logging.root.handlers[:])  # noqa: PTH109
    result = project.alembic("check")
    assert result.exit_code == 255
    assert "New upgrade operations detected" in result.output
    after = (set(sys.modules), sys.path[:], os.getcwd(), logging.root.handlers[:])  # noqa: PTH109
    assert "models" not in after[0]
    assert after[1:] == before[1:]


def test_both_ways_of_running_a_command_tell_the_same(project: Project) -> None:
    revision = project.revision(message="first")
    inside, outside = project.alembic("heads"), project.alembic_subprocess("heads")
    assert inside.stdout == outside.stdout == f"{revision} (head)\n"
    assert project.alembic("upgrade", "nowhere").failed().exit_code == 255
    assert project.alembic_subprocess("upgrade", "nowhere").failed().exit_code == 255


def test_settings_and_context_arguments_reach_the_files(project: Project) -> None:
    project.settings(drop_strategy="archive")
    assert project.config().get_section("zanith") == {
        **(project.config().get_section("zanith") or {}),
        "drop_strategy": "archive",
    }
    project.configure_context("include_schemas=True")
    assert project.env_py.read_text().count("include_schemas=True") == 2
    project.revision()
    project.upgrade()


@pytest.mark.majors
def test_the_matrix_runs_on_the_major_that_it_names(
    database: Database, request: pytest.FixtureRequest
) -> None:
    wanted = getattr(request.node, "callspec", None)
    running = int(database.scalar("SHOW server_version_num")) // 10000
    assert running == database.server.major
    if wanted is not None:
        assert running == wanted.params["server"]
