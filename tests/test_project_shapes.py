"""End to end in projects that are set up in other ways than Alembic's templates."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.support.journey import AUDIT, LEGACY, ROWS, USERS, Journey
from tests.support.project import Project

CONNECT = r"^    with connectable\.connect\(\) as connection:\n"

NAMING = """naming_convention={
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}"""


def sql_before_configure(project: Project) -> None:
    """Let env.py run SQL first, so that Alembic finds itself inside its transaction."""
    project.edit_env(CONNECT, r'\g<0>        connection.exec_driver_sql("SELECT 1")' + "\n")


def commit_at_the_end(project: Project) -> None:
    project.edit_env(
        r"^            context\.run_migrations\(\)\n(?=\n\nif)",
        r"\g<0>        connection.commit()" + "\n",
    )


def sql_first_then_commit(project: Project) -> None:
    sql_before_configure(project)
    commit_at_the_end(project)


def sql_first_in_a_transaction(project: Project) -> None:
    sql_before_configure(project)
    project.edit_env(r"connectable\.connect\(\)", "connectable.begin()")


def setting_before_configure(project: Project) -> None:
    project.edit_env(
        CONNECT,
        r"""\g<0>        connection.exec_driver_sql("SET lock_timeout = '4s'")"""
        "\n        connection.commit()\n",
    )


def no_begin_transaction(project: Project) -> None:
    project.edit_env(r"with context\.begin_transaction\(\):", "if True:")
    project.edit_env(r"connectable\.connect\(\)", "connectable.begin()")


ENVIRONMENTS: dict[str, Callable[[Project], None]] = {
    "stock": lambda project: None,
    "SQL first, then a commit": sql_first_then_commit,
    "SQL first, in a transaction": sql_first_in_a_transaction,
    "a setting first": setting_before_configure,
    "a transaction of env.py alone": no_begin_transaction,
}

PAIRS = list(itertools.product(ENVIRONMENTS, [False, True]))
# Each environment with one of the two, the other half with the slow tests.
LATER = PAIRS[3::4] + PAIRS[4::4]

each_environment = pytest.mark.parametrize(
    ("environment", "per_migration"),
    [pytest.param(*each, marks=[pytest.mark.slow] * (each in LATER)) for each in PAIRS],
    ids=lambda value: value if isinstance(value, str) else f"per_migration={value}",
)


@each_environment
def test_whoever_begins_the_transaction(
    project: Project, environment: str, per_migration: bool
) -> None:
    ENVIRONMENTS[environment](project)
    project.configure_context(f"transaction_per_migration={per_migration}")
    Journey(project).run()


@each_environment
def test_a_failing_revision_takes_back_what_the_transaction_held(
    project: Project, environment: str, per_migration: bool
) -> None:
    """What was parked in the transaction of a revision that fails was never parked."""
    ENVIRONMENTS[environment](project)
    project.configure_context(f"transaction_per_migration={per_migration}")
    journey = Journey(project)
    journey.with_rows()
    before = project.database.dump()
    project.revision(
        "op.soft_drop_column('users', 'legacy_code')\n"
        "op.archive_table('audit')\n"
        "op.execute('SELECT 1 / 0')"
    )
    assert "division by zero" in project.alembic("upgrade", "head").output
    assert project.database.dump() == before
    assert journey.listed() == set()


def test_a_naming_convention_is_kept(project: Project) -> None:
    script = Journey(project, metadata_arguments=NAMING).run()
    assert "name=op.f('uq_users_legacy_code')" in script.source
    assert "name=op.f('fk_audit_user_id_users')" in script.source
    assert "sa.Index(op.f('ix_audit_action')" in script.source


def test_tables_in_a_schema_of_their_own(project: Project) -> None:
    project.database.execute("CREATE SCHEMA shop")
    project.configure_context("include_schemas=True")
    Journey(project, "shop", qualified=True, metadata_arguments='schema="shop"').run()


def test_a_schema_whose_name_needs_quotes(project: Project) -> None:
    project.database.execute('CREATE SCHEMA "The Shop"')
    project.configure_context("include_schemas=True")
    journey = Journey(project, '"The Shop"', qualified=True, metadata_arguments='schema="The Shop"')
    journey.with_rows()
    before = project.database.dump()
    project.write_models(USERS, journey.metadata_arguments)
    script = journey.autogenerate("less")
    assert "op.soft_drop_column('users', 'legacy_code', schema='The Shop')" in script.source
    journey.alembic("upgrade", "head")
    assert journey.is_up_to_date()
    journey.alembic("zanith-recover", "restore-column", '"The Shop".users.legacy_code')
    journey.alembic("downgrade", "-1")
    assert project.database.dump() == before


def test_a_search_path_of_env_py(project: Project) -> None:
    """Alembic's recipe for one schema a tenant: the path says where unqualified names are.

    https://alembic.sqlalchemy.org/en/latest/cookbook.html#rudimental-schema-level-multi-tenancy-for-postgresql-databases
    """
    project.database.execute("CREATE SCHEMA tenant")
    project.edit_env(
        CONNECT,
        r'\g<0>        connection.exec_driver_sql("SET search_path TO tenant")'
        "\n        connection.commit()"
        '\n        connection.dialect.default_schema_name = "tenant"\n',
    )
    Journey(project, "tenant").run()
    where = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = '{}'"
    for table in ("alembic_version", "_zanith_migration_artifacts"):
        assert project.database.scalar(where.format(table)) == "tenant"


def test_a_version_table_schema_holds_the_bookkeeping_too(project: Project) -> None:
    project.database.execute("CREATE SCHEMA versions")
    project.configure_context('version_table_schema="versions", include_schemas=True')
    Journey(project).run()
    own = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = '{}'::regnamespace"
    assert project.database.rows(own.format("public")) == [("users",), ("audit",)]
    in_versions = {name for (name,) in project.database.rows(own.format("versions"))}
    assert {"alembic_version", "_zanith_migration_artifacts"} <= in_versions


def test_an_archive_schema_of_another_name(project: Project) -> None:
    project.settings(archive_schema="attic", drop_strategy="archive")
    journey = Journey(project)
    journey.with_rows()
    before = project.database.dump()
    project.write_models(USERS)
    assert "op.archive_table('audit')" in journey.autogenerate("less").source
    journey.alembic("upgrade", "head")
    assert journey.is_up_to_date()
    in_attic = "SELECT count(*) FROM pg_class WHERE relnamespace = 'attic'::regnamespace"
    assert project.database.scalar(in_attic + " AND relkind = 'r'") == 2
    journey.alembic("downgrade", "-1")
    # The schema itself stays, for the archives that are kept until they are purged.
    assert project.database.dump("--exclude-schema=attic") == before


def test_branches_with_heads_of_their_own(project: Project) -> None:
    """Each branch drops something; one goes back and forth while the other stays."""
    project.write_models(USERS + LEGACY + AUDIT)
    base = project.autogenerate("everything").id
    project.upgrade()
    project.database.execute(ROWS.format(schema="public"))
    before = project.database.dump()
    column = project.revision(
        "op.soft_drop_column('users', 'legacy_code')",
        "op.restore_column('users', 'legacy_code')",
        head=base,
        branch_label="columns",
    )
    table = project.revision(
        "op.soft_drop_table('audit')",
        "op.restore_table('audit')",
        head=base,
        splice=True,
        branch_label="tables",
    )
    project.upgrade("heads")
    revisions = "SELECT source_table, revision FROM _zanith_migration_artifacts"
    assert set(project.database.rows(revisions)) == {("users", column), ("audit", table)}
    project.downgrade("columns@-1")
    assert Journey(project).listed() == {"audit"}
    project.upgrade("heads")
    assert Journey(project).listed() == {"audit", "users.legacy_code"}
    project.downgrade(base)
    assert project.database.dump() == before


def test_two_heads_on_two_bases(project: Project) -> None:
    """As projects with several `version_locations` have them."""
    first = project.revision(
        "op.create_table('a', sa.Column('id', sa.Integer), sa.Column('x', sa.Text))",
        "op.drop_table('a')",
        head="base",
        branch_label="a",
    )
    second = project.revision(
        "op.create_table('b', sa.Column('id', sa.Integer), sa.Column('x', sa.Text))",
        "op.drop_table('b')",
        head="base",
        branch_label="b",
    )
    for parent, table in ((first, "a"), (second, "b")):
        project.revision(
            f"op.soft_drop_column('{table}', 'x')",
            f"op.restore_column('{table}', 'x')",
            head=parent,
        )
    project.upgrade("heads")
    assert Journey(project).listed() == {"a.x", "b.x"}
    project.downgrade("b@base")
    assert Journey(project).listed() == {"a.x"}
    project.downgrade("a@base")
    assert Journey(project).listed() == set()
