"""The gates hold in every kind of project, and a refusal leaves the database as it was."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from alembic_zanith.errors import RefusedError
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project
from tests.support.running import contained
from tests.test_project_shapes import ENVIRONMENTS, each_environment
from tests.test_templates import TEMPLATES_AND_DRIVERS

HIDDEN = """\
for name in op.get_bind().execute(sa.text("SELECT 'kept'")).scalars().all():
    op.get_bind().execute(sa.text(f"DROP TABLE {name}"))"""
PARAMETERS = """\
op.get_bind().execute(sa.text("UPDATE kept SET value = :new WHERE id = :id"), {"new": "50 %", "id": 1})
op.get_bind().execute(sa.text("SELECT '100 %' || CAST(:v AS text)"), {"v": "x"}).scalar()"""


@pytest.fixture
def kept(database: Database) -> Database:
    database.execute(
        "CREATE TABLE kept (id int PRIMARY KEY, value text); INSERT INTO kept VALUES (1, 'x')"
    )
    return database


@pytest.mark.parametrize("body", ["op.drop_table('kept')", HIDDEN], ids=["plain", "hidden"])
@pytest.mark.parametrize(("template", "driver"), TEMPLATES_AND_DRIVERS)
def test_a_drop_is_refused_in_every_template_on_every_driver(
    make_project: MakeProject, kept: Database, template: str, driver: str, body: str
) -> None:
    project = make_project(template, driver)
    project.revision(upgrade=body)
    before = kept.dump()
    assert "Refused" in project.alembic("upgrade", "head").failed().output
    assert kept.dump() == before
    project.alembic("upgrade", "head", "--allow-destructive").succeeded()
    assert kept.scalar("SELECT to_regclass('kept')::text") is None


@pytest.mark.parametrize(("template", "driver"), TEMPLATES_AND_DRIVERS)
def test_statements_with_parameters_pass_on_every_driver(
    make_project: MakeProject, kept: Database, template: str, driver: str
) -> None:
    project = make_project(template, driver)
    project.revision(upgrade=PARAMETERS)
    project.alembic("upgrade", "head", "--max-risk", "35").succeeded()
    assert kept.scalar("SELECT value FROM kept") == "50 %"


@each_environment
def test_whoever_begins_the_transaction_a_refusal_changes_nothing(
    project: Project, kept: Database, environment: str, per_migration: bool
) -> None:
    ENVIRONMENTS[environment](project)
    project.configure_context(f"transaction_per_migration={per_migration}")
    project.revision(upgrade="op.create_table('first', sa.Column('id', sa.Integer))")
    project.revision(upgrade="op.drop_table('kept')")
    before = kept.dump()
    assert "Refused" in project.alembic("upgrade", "head").failed().output
    assert kept.dump() == before
    project.alembic("upgrade", "head", "--allow-destructive").succeeded()


@pytest.mark.parametrize("per_migration", [False, True])
def test_what_only_the_run_knows_is_rolled_back_with_its_migration(
    project: Project, kept: Database, per_migration: bool
) -> None:
    project.configure_context(f"transaction_per_migration={per_migration}")
    project.revision(upgrade="op.create_table('first', sa.Column('id', sa.Integer))")
    project.revision(upgrade="op.create_table('second', sa.Column('id', sa.Integer))\n" + HIDDEN)
    refused = project.alembic("upgrade", "head").failed()
    assert "Refused" in refused.output
    assert kept.scalar("SELECT count(*) FROM kept") == 1
    assert kept.scalar("SELECT to_regclass('second')::text") is None
    assert kept.scalar("SELECT to_regclass('first')::text") == ("first" if per_migration else None)


def test_a_drop_behind_a_question_is_refused_before_the_revisions_before_it_run(
    project: Project, kept: Database
) -> None:
    project.configure_context("transaction_per_migration=True")
    project.revision(upgrade="op.create_table('first', sa.Column('id', sa.Integer))")
    project.revision(
        upgrade="op.get_bind().execute(sa.text('SELECT 1')).scalar()\nop.drop_table('kept')"
    )
    before = kept.dump()
    assert "Refused, nothing has run" in project.alembic("upgrade", "head").failed().output
    assert kept.dump() == before


def test_branches_and_several_heads_are_planned_together(project: Project, kept: Database) -> None:
    base = project.revision(upgrade="op.create_table('root', sa.Column('id', sa.Integer))")
    project.revision(upgrade="op.drop_table('kept')", head=base, splice=True)
    project.revision(
        upgrade="op.create_table('other', sa.Column('id', sa.Integer))", head=base, splice=True
    )
    before = kept.dump()
    assert "Refused" in project.alembic("upgrade", "heads").failed().output
    assert kept.dump() == before
    project.alembic("upgrade", "heads", "--allow-destructive").succeeded()


def test_alembic_command_raises_the_refusal(
    project: Project, kept: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(project.root)
    project.revision(upgrade="op.drop_table('kept')")
    with (
        contained(project.root),
        pytest.raises(RefusedError, match=r"op\.soft_drop_table\('kept'\)"),
    ):
        command.upgrade(project.config(), "head")


def test_a_connection_without_transactions_is_refused(project: Project, kept: Database) -> None:
    project.edit_env(
        r"with connectable\.connect\(\) as connection:",
        "with connectable.connect().execution_options(isolation_level='AUTOCOMMIT') as connection:",
    )
    project.revision(upgrade="op.create_table('t', sa.Column('id', sa.Integer))")
    before = kept.dump()
    refused = project.alembic("upgrade", "head").failed()
    assert "each statement is committed by itself" in refused.output
    assert kept.dump() == before
    project.alembic("upgrade", "head", "--mode", "dev").succeeded()


def test_an_index_can_be_built_concurrently(project: Project, kept: Database) -> None:
    project.revision(
        upgrade="with op.get_context().autocommit_block():\n"
        "    op.create_index('i', 'kept', ['value'], postgresql_concurrently=True)"
    )
    project.alembic("upgrade", "head", "--max-risk", "15").succeeded()
    assert kept.scalar("SELECT count(*) FROM pg_indexes WHERE indexname = 'i'") == 1


def test_another_migration_context_is_gated_too(
    project: Project, kept: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As programs do that run migrations by functions of their own."""
    monkeypatch.syspath_prepend(project.root)
    project.revision(upgrade="op.drop_table('kept')")
    script = ScriptDirectory.from_config(project.config())
    before = kept.dump()
    with (
        contained(project.root),
        EnvironmentContext(
            project.config(), script, fn=lambda heads, context: script._upgrade_revs("head", heads)
        ),
        pytest.raises(RefusedError),
    ):
        script.run_env()
    assert kept.dump() == before


def test_template_arguments_in_env_py_change_nothing(project: Project, kept: Database) -> None:
    project.configure_context("template_args={'dialect': 'postgresql'}")
    project.revision(upgrade="op.drop_table('kept')")
    before = kept.dump()
    assert "Refused" in project.alembic("upgrade", "head").failed().output
    assert kept.dump() == before


def test_the_run_leaves_no_listener_behind(project: Project, kept: Database) -> None:
    project.revision(upgrade="op.create_table('t', sa.Column('id', sa.Integer))")
    project.upgrade()
    engine = kept.engine()
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE kept"))
    engine.dispose()
