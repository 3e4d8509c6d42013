"""What autogenerate must not see: our own objects, and tables of other applications."""

from __future__ import annotations

import pytest

from alembic_zanith.autogenerate.unknown_tables import table_names
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project
from tests.support.swapping import code, is_up_to_date, starts_with

SHOP = """
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    legacy: Mapped[int | None] = mapped_column(index=True, unique=True)
    fax: Mapped[str | None]

class Session(Base):
    __tablename__ = "sessions"
    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(index=True)

class Log(Base):
    __tablename__ = "log"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(unique=True)
"""

SHOP_AFTER = """
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
"""


def everything_is_parked(project: Project, arguments: str = "include_schemas=True") -> None:
    """Soft-drop and archive a column and a table each."""
    project.configure_context(arguments)
    starts_with(project, SHOP, "INSERT INTO users (legacy, fax) VALUES (1, '2')")
    project.revision(
        """
        op.soft_drop_column("users", "legacy")
        op.archive_column("users", "fax")
        op.soft_drop_table("sessions")
        op.archive_table("log")
        """,
    )
    project.upgrade()
    project.write_models(SHOP_AFTER)


def test_nothing_that_is_parked_shows_with_all_schemas_included(project: Project) -> None:
    everything_is_parked(project)
    assert is_up_to_date(project)
    script = project.autogenerate()
    assert (code(script.upgrade), code(script.downgrade)) == ("pass", "pass")


def test_not_even_in_the_log_of_autogenerate(project: Project) -> None:
    everything_is_parked(project)
    assert "_zanith_" not in project.alembic("check").succeeded().output


def test_nothing_shows_beside_filters_of_the_projects_own(project: Project) -> None:
    project.edit_env(
        "^target_metadata = ",
        "def include_name(name, type_, parents):\n    return True\n\n"
        "def include_object(object, name, type_, reflected, compare_to):\n    return True\n\n"
        r"\g<0>",
    )
    everything_is_parked(
        project,
        "include_schemas=True, include_name=include_name, include_object=include_object",
    )
    assert is_up_to_date(project)


def test_filters_of_the_projects_own_still_hide(project: Project) -> None:
    project.edit_env(
        "^target_metadata = ",
        "def include_object(object, name, type_, reflected, compare_to):\n"
        "    return name not in ('legacy', 'sessions')\n\n"
        r"\g<0>",
    )
    project.configure_context("include_object=include_object")
    starts_with(project, SHOP)
    project.write_models(SHOP_AFTER)
    assert code(project.autogenerate().upgrade) == code("""
        op.soft_drop_table('log')
        op.drop_index(op.f('ix_users_legacy'), table_name='users')
        op.soft_drop_column('users', 'fax')
    """)


def test_an_archive_schema_of_another_name_is_hidden(project: Project) -> None:
    project.settings(archive_schema="attic")
    everything_is_parked(project)
    assert project.database.scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'attic'") == 2
    assert is_up_to_date(project)


def test_a_version_table_schema_hides_the_bookkeeping_there(project: Project) -> None:
    project.database.execute("CREATE SCHEMA versions")
    everything_is_parked(project, 'include_schemas=True, version_table_schema="versions"')
    tables = (
        "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE '\\_zanith\\_migration%'"
    )
    assert project.database.rows(tables) == [("versions",)]
    assert is_up_to_date(project)


OTHERS = """
CREATE TABLE theirs (id int PRIMARY KEY, u int UNIQUE);
CREATE INDEX ix_theirs ON theirs (u)
"""


def test_tables_of_another_application_are_left_alone_with_a_word(project: Project) -> None:
    starts_with(project, SHOP)
    project.database.execute(OTHERS)
    result = project.alembic("check").succeeded()
    assert result.output.count("theirs") == 1
    assert (
        "Table theirs is left alone: it is in no metadata and no revision names it. "
        "unknown_tables = drop would drop it."
    ) in result.output
    assert (code(project.autogenerate().upgrade)) == "pass"


def test_they_are_dropped_where_the_setting_says_so(project: Project) -> None:
    project.settings(unknown_tables="drop")
    starts_with(project, SHOP)
    project.database.execute(OTHERS)
    assert code(project.autogenerate().upgrade) == "op.soft_drop_table('theirs')"


def test_a_baseline_without_revisions_drops_nothing(project: Project) -> None:
    project.database.execute(OTHERS)
    project.write_models(SHOP_AFTER)
    script = project.autogenerate()
    assert "theirs" not in script.source


def test_tables_of_another_application_in_other_schemas_are_left_alone(project: Project) -> None:
    project.configure_context("include_schemas=True")
    project.database.execute("CREATE SCHEMA other; CREATE TABLE other.users (id int)")
    starts_with(project, SHOP_AFTER)
    assert "Table other.users is left alone" in project.alembic("check").succeeded().output


@pytest.mark.parametrize("schema", ["'other'", "SCHEMA"])
def test_a_table_in_another_schema_is_known_where_a_revision_names_both(
    project: Project, schema: str
) -> None:
    project.configure_context("include_schemas=True")
    project.database.execute("CREATE SCHEMA other")
    project.revision(
        f"SCHEMA = 'other'\nop.create_table('t', sa.Column('id', sa.Integer), schema={schema})"
    )
    project.upgrade()
    assert "op.soft_drop_table('t', schema='other')" in project.autogenerate().upgrade


def test_a_schema_that_the_models_use_is_the_projects_own(project: Project) -> None:
    project.configure_context("include_schemas=True")
    project.database.execute("CREATE SCHEMA shop")
    models = 'sa.Table("a", metadata, sa.Column("id", sa.Integer), schema="shop")\n'
    starts_with(project, models)
    (project.root / "constants.py").write_text('SCHEMA = "shop"\n')
    project.revision(
        "from constants import SCHEMA\n"
        "op.create_table('b', sa.Column('id', sa.Integer), schema=SCHEMA)"
    )
    project.upgrade()
    assert "op.soft_drop_table('b', schema='shop')" in project.autogenerate().upgrade


@pytest.mark.parametrize(
    "upgrade",
    [
        'op.create_table("mine", sa.Column("id", sa.Integer))',
        'op.create_table("mine", sa.Column("id", sa.Integer), schema="public")',
        'op.execute("CREATE TABLE IF NOT EXISTS Mine (id int)")',
        'op.execute("create unlogged table public . mine (id int)")',
        'op.execute("""\nCREATE TABLE other (id int);\nALTER TABLE other RENAME TO mine\n""")',
        'schema = "public"\nop.execute(f"CREATE TABLE {schema}.mine (id int)")',
        'op.create_table("other", sa.Column("id", sa.Integer))\nop.rename_table("other", "mine")',
    ],
)
def test_a_table_that_some_revision_names_is_known(project: Project, upgrade: str) -> None:
    project.revision(upgrade)
    project.upgrade()
    assert "op.soft_drop_table('mine')" in project.autogenerate().upgrade


def test_a_partition_made_by_raw_sql_is_part_of_its_table(project: Project) -> None:
    models = (
        'sa.Table("events", metadata, sa.Column("at", sa.Date, primary_key=True),'
        ' postgresql_partition_by="RANGE (at)")'
    )
    starts_with(project, models)
    project.revision('op.execute("CREATE TABLE events_rest PARTITION OF events DEFAULT")')
    project.upgrade()
    assert is_up_to_date(project)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("op.create_table('t')", {(None, "t")}),
        ("x = 'shop.t'", {("shop", "t"), (None, "shop.t")}),
        ('op.execute(\'CREATE TABLE "My ""T""" (id int)\')', {(None, 'My "T"')}),
        (
            "op.execute('create temp table a (x int); create table S.B (x int)')",
            {(None, "a"), ("s", "b")},
        ),
        ("op.execute(f'CREATE TABLE {s}.t (id int)')", {(None, "t")}),
        ("op.execute('ALTER TABLE a RENAME TO b')", {(None, "b")}),
        ("# coding: latin-1\nx = 'mötley'".encode("latin-1"), {(None, "mötley")}),
        (r"x = 'an unknown escape: \d'; y = 't'", {(None, "t")}),
    ],
)
def test_the_tables_that_a_script_names(
    source: str | bytes, names: set[tuple[str | None, str]]
) -> None:
    assert names <= table_names(source)


def test_a_partition_is_no_table_that_a_script_names() -> None:
    assert (None, "p") not in table_names("op.execute('CREATE TABLE p PARTITION OF t DEFAULT')")
    assert (None, "p") in table_names("op.execute('CREATE TABLE p (LIKE t)')")


SQLITE_BEFORE = """
sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.Integer))
sa.Table("u", metadata, sa.Column("id", sa.Integer))
"""


def test_on_another_database_autogenerate_is_alembics_own(
    make_project: MakeProject, database: Database
) -> None:
    project = make_project()
    ini = project.root / "alembic.ini"
    text = ini.read_text().replace(
        database.url().render_as_string(hide_password=False), "sqlite:///test.db"
    )
    ini.write_text(text)
    starts_with(project, SQLITE_BEFORE)
    project.write_models('sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True))')
    script = project.autogenerate("after")
    assert code(script.upgrade) == code("""
        op.drop_table('u')
        op.drop_column('t', 'a')
    """)


def test_a_project_without_the_import_has_alembics_own_autogenerate(
    make_project: MakeProject,
) -> None:
    project = make_project(switched_on=False)
    project.write_models(SHOP_AFTER + "    a: Mapped[int | None]\n")
    for arguments in (("revision", "--autogenerate", "-m", "before"), ("upgrade", "head")):
        project.alembic_subprocess(*arguments).succeeded()
    project.write_models(SHOP_AFTER)
    project.alembic_subprocess("revision", "--autogenerate", "-m", "after").succeeded()
    (path,) = project.versions.glob("*_after.py")
    assert "op.drop_column('users', 'a')" in path.read_text()


def test_drops_written_by_another_plugin_are_swapped_as_well(project: Project) -> None:
    project.edit_env(
        "^target_metadata = ",
        "from alembic.operations import ops\n"
        "from alembic.runtime.plugins import Plugin\n"
        "from alembic.util import PriorityDispatchResult\n\n"
        "def more(context, upgrade_ops):\n"
        "    upgrade_ops.ops.append(ops.DropTableOp('t'))\n"
        "    upgrade_ops.ops.append(ops.ModifyTableOps('u', [ops.DropColumnOp('u', 'a')]))\n"
        "    return PriorityDispatchResult.CONTINUE\n\n"
        "plugin = Plugin('alembic.autogenerate.more')\n"
        "plugin.add_autogenerate_comparator(more, 'autogenerate', 'more')\n\n"
        r"\g<0>",
    )
    # It is registered for the whole process, hence the process of its own.
    project.alembic_subprocess("revision", "--autogenerate", "-m", "more").succeeded()
    (path,) = project.versions.glob("*_more.py")
    for call in (
        "op.soft_drop_table('t')",
        "op.soft_drop_column('u', 'a')",
        "op.restore_column('u', sa.Column('a', sa.NullType(), nullable=True))",
        "op.restore_table('t')",
    ):
        assert call in path.read_text()
