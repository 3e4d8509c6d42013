"""A column that vanished from the models: the revision that is written, and that it runs."""

from __future__ import annotations

from tests.conftest import MakeProject
from tests.support.project import Project
from tests.support.swapping import code, is_up_to_date, starts_with, swaps

USERS = """
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.Text)
    legacy_uuid: Mapped[uuid.UUID | None]
"""

USERS_AFTER = """
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.Text)
"""

ROWS = """
INSERT INTO users (email, legacy_uuid)
SELECT 'user' || i || '@example.com', md5(i::text)::uuid FROM generate_series(1, 20) i
"""


def test_a_column_is_soft_dropped_and_comes_back_with_its_values(project: Project) -> None:
    starts_with(project, USERS, ROWS)
    swaps(
        project,
        USERS_AFTER,
        "op.soft_drop_column('users', 'legacy_uuid')",
        "op.restore_column('users', "
        "sa.Column('legacy_uuid', sa.UUID(), autoincrement=False, nullable=True))",
    )


def test_a_column_is_archived_where_that_is_the_strategy(project: Project) -> None:
    project.settings(drop_strategy="archive", retention_days=90)
    starts_with(project, USERS, ROWS)
    swaps(
        project,
        USERS_AFTER,
        "op.archive_column('users', 'legacy_uuid', retention_days=90)",
        "op.restore_column('users', "
        "sa.Column('legacy_uuid', sa.UUID(), autoincrement=False, nullable=True))",
    )


def test_a_column_of_a_table_without_a_key_is_soft_dropped_though_archiving_is_the_strategy(
    project: Project,
) -> None:
    project.settings(drop_strategy="archive")
    starts_with(
        project,
        """
        sa.Table("log", metadata, sa.Column("line", sa.Text), sa.Column("at", sa.Integer))
        """,
    )
    project.write_models('sa.Table("log", metadata, sa.Column("line", sa.Text))')
    result = project.alembic("revision", "--autogenerate", "-m", "after").succeeded()
    assert "public.log.at is soft-dropped instead of archived: without the column" in result.output
    (script,) = project.versions.glob("*_after.py")
    assert "op.soft_drop_column('log', 'at')" in script.read_text()


def test_alembics_own_drop_is_left_as_it_is_where_that_is_the_strategy(project: Project) -> None:
    project.settings(drop_strategy="drop")
    starts_with(project, USERS)
    project.write_models(USERS_AFTER)
    script = project.autogenerate()
    assert code(script.upgrade) == "op.drop_column('users', 'legacy_uuid')"
    assert code(script.downgrade) == (
        "op.add_column('users', "
        "sa.Column('legacy_uuid', sa.UUID(), autoincrement=False, nullable=True))"
    )


def test_the_strategy_may_be_given_for_one_command(project: Project) -> None:
    starts_with(project, USERS)
    project.write_models(USERS_AFTER)
    command = ("revision", "--autogenerate", "-m")
    project.alembic("-x", "zanith_drop_strategy=archive", *command, "one").succeeded()
    project.upgrade()
    project.downgrade()
    for path in project.versions.glob("*_one.py"):
        assert "op.archive_column('users', 'legacy_uuid')" in path.read_text()
        path.unlink()
    environment = {"ZANITH_DROP_STRATEGY": "drop"}
    project.alembic(*command, "two", env=environment).succeeded()
    (path,) = project.versions.glob("*_two.py")
    assert "op.drop_column('users', 'legacy_uuid')" in path.read_text()


def test_an_override_gives_one_column_a_strategy_of_its_own(project: Project) -> None:
    project.settings(
        drop_strategy_overrides="users.legacy_* = archive, users.tmp = drop, public.users = drop"
    )
    starts_with(
        project,
        USERS + "    tmp: Mapped[int | None]\n    other: Mapped[int | None]\n",
    )
    project.write_models(USERS_AFTER)
    assert code(project.autogenerate().upgrade) == code("""
        op.archive_column('users', 'legacy_uuid')
        op.drop_column('users', 'tmp')
        op.drop_column('users', 'other')
    """)


def test_what_the_column_carries_goes_along_and_is_in_the_definition(project: Project) -> None:
    starts_with(
        project,
        """
        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str] = mapped_column(sa.Text)
            team_id: Mapped[int | None] = mapped_column(
                sa.ForeignKey("teams.id", ondelete="SET NULL"), index=True
            )
            __table_args__ = (
                sa.UniqueConstraint("email", "team_id", name="uq_users_email_team"),
                sa.CheckConstraint("team_id > 0", name="ck_users_team"),
                sa.Index("ix_users_lower", sa.text("lower(email)"),
                         postgresql_where=sa.text("team_id IS NOT NULL")),
                sa.Index("ix_users_email", "email"),
            )
        """,
        "INSERT INTO teams SELECT FROM generate_series(1, 3);"
        "INSERT INTO users (email, team_id) SELECT 'a' || i, i FROM generate_series(1, 3) i",
    )
    swaps(
        project,
        """
        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str] = mapped_column(sa.Text, index=True)
        """,
        "op.soft_drop_column('users', 'team_id')",
        """
        op.restore_column('users',
        sa.Column('team_id', sa.INTEGER(), autoincrement=False, nullable=True),
        sa.CheckConstraint('team_id > 0', name=op.f('ck_users_team')),
        sa.ForeignKeyConstraint(['team_id'], ['teams.id'], name=op.f('users_team_id_fkey'), ondelete='SET NULL'),
        sa.UniqueConstraint('email', 'team_id', name=op.f('uq_users_email_team'), postgresql_nulls_not_distinct=False),
        sa.Index(op.f('ix_users_lower'), sa.literal_column('lower(email)'), unique=False, postgresql_where='(team_id IS NOT NULL)'),
        sa.Index(op.f('ix_users_team_id'), 'team_id', unique=False)
        )
        """,
    )


def test_an_index_that_is_made_anew_under_its_name_is_dropped_by_name(project: Project) -> None:
    starts_with(
        project,
        """
        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            a: Mapped[int | None]
            b: Mapped[int | None]
            __table_args__ = (
                sa.Index("ix_users", "a", "b"), sa.UniqueConstraint("a", "b", name="uq_users"),
            )
        """,
    )
    swaps(
        project,
        """
        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            b: Mapped[int | None]
            __table_args__ = (
                sa.Index("ix_users", "b"), sa.UniqueConstraint("b", name="uq_users"),
            )
        """,
        """
        op.drop_index(op.f('ix_users'), table_name='users')
        op.create_index('ix_users', 'users', ['b'], unique=False)
        op.drop_constraint(op.f('uq_users'), 'users', type_='unique')
        op.create_unique_constraint('uq_users', 'users', ['b'])
        op.soft_drop_column('users', 'a')
        """,
        """
        op.restore_column('users', sa.Column('a', sa.INTEGER(), autoincrement=False, nullable=True))
        op.drop_constraint('uq_users', 'users', type_='unique')
        op.create_unique_constraint(op.f('uq_users'), 'users', ['a', 'b'], postgresql_nulls_not_distinct=False)
        op.drop_index('ix_users', table_name='users')
        op.create_index(op.f('ix_users'), 'users', ['a', 'b'], unique=False)
        """,
    )


def test_an_index_over_two_vanished_columns_goes_with_the_first(project: Project) -> None:
    starts_with(
        project,
        """
        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            b: Mapped[int | None]
            a: Mapped[int | None]
            __table_args__ = (
                sa.Index("ix_ab", "a", "b"), sa.CheckConstraint("a < b", name="ck_ab"),
            )
        """,
        "INSERT INTO users (a, b) SELECT i, i + 1 FROM generate_series(1, 5) i",
    )
    swaps(
        project,
        """
        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
        """
        op.soft_drop_column('users', 'b')
        op.soft_drop_column('users', 'a')
        """,
        """
        op.restore_column('users', sa.Column('a', sa.INTEGER(), autoincrement=False, nullable=True))
        op.restore_column('users',
        sa.Column('b', sa.INTEGER(), autoincrement=False, nullable=True),
        sa.CheckConstraint('a < b', name=op.f('ck_ab')),
        sa.Index(op.f('ix_ab'), 'a', 'b', unique=False)
        )
        """,
    )


def test_a_column_is_replaced_by_one_of_another_name(project: Project) -> None:
    project.settings(mode="dev")
    starts_with(project, USERS, ROWS)
    swaps(
        project,
        USERS_AFTER + "    uuid: Mapped[str | None] = mapped_column(sa.Text)\n",
        """
        op.add_column('users', sa.Column('uuid', sa.Text(), nullable=True))
        op.soft_drop_column('users', 'legacy_uuid')
        """,
        """
        op.restore_column('users', sa.Column('legacy_uuid', sa.UUID(), autoincrement=False, nullable=True))
        op.drop_column('users', 'uuid')
        """,
    )


def test_batch_rendering_writes_batch_op(project: Project) -> None:
    project.configure_context("render_as_batch=True")
    project.settings(drop_strategy_overrides="users.legacy_uuid = archive")
    starts_with(
        project, USERS.replace("[uuid.UUID | None]", "[uuid.UUID] = mapped_column(index=True)")
    )
    swaps(
        project,
        """
        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
        """
        with op.batch_alter_table('users', schema=None) as batch_op:
            batch_op.soft_drop_column('email')
            batch_op.archive_column('legacy_uuid')
        """,
        """
        with op.batch_alter_table('users', schema=None) as batch_op:
            batch_op.restore_column(sa.Column('legacy_uuid', sa.UUID(), autoincrement=False, nullable=False),
            sa.Index(batch_op.f('ix_users_legacy_uuid'), 'legacy_uuid', unique=False)
            )
            batch_op.restore_column(sa.Column('email', sa.TEXT(), autoincrement=False, nullable=False))
        """,
    )


def test_a_schema_is_written_out(project: Project) -> None:
    project.database.execute("CREATE SCHEMA shop")
    project.configure_context("include_schemas=True")
    starts_with(project, USERS + '    __table_args__ = {"schema": "shop"}\n')
    swaps(
        project,
        USERS_AFTER + '    __table_args__ = {"schema": "shop"}\n',
        "op.soft_drop_column('users', 'legacy_uuid', schema='shop')",
        """
        op.restore_column('users', sa.Column('legacy_uuid', sa.UUID(), autoincrement=False, nullable=True), schema='shop')
        """,
    )


def test_a_naming_convention_and_other_module_prefixes_are_kept(project: Project) -> None:
    convention = 'naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"}'
    project.configure_context('alembic_module_prefix="alembic_op.", sqlalchemy_module_prefix="db."')
    template = project.root / "migrations" / "script.py.mako"
    text = template.read_text().replace(
        "from alembic import op", "from alembic import op as alembic_op"
    )
    template.write_text(text.replace("import sqlalchemy as sa", "import sqlalchemy as db"))
    project.write_models(
        USERS.replace("[uuid.UUID | None]", "[str] = mapped_column(unique=True)"), convention
    )
    project.autogenerate()
    project.upgrade()
    project.write_models(USERS_AFTER, convention)
    script = project.autogenerate()
    assert code(script.upgrade) == "alembic_op.soft_drop_column('users', 'legacy_uuid')"
    assert code(script.downgrade) == code("""
        alembic_op.restore_column('users',
        db.Column('legacy_uuid', db.VARCHAR(), autoincrement=False, nullable=False),
        db.UniqueConstraint('legacy_uuid', name=alembic_op.f('uq_users_legacy_uuid'), postgresql_nulls_not_distinct=False)
        )
    """)
    before = project.database.dump()
    project.upgrade()
    assert is_up_to_date(project)
    project.downgrade()
    assert project.database.dump() == before


def test_types_that_need_an_import_and_render_item_are_rendered(project: Project) -> None:
    project.edit_env(
        "^target_metadata = ",
        "def render(kind, item, context):\n"
        "    if kind == 'type' and type(item).__name__ == 'INTEGER':\n"
        "        context.imports.add('from sqlalchemy import Integer as Number')\n"
        "        return 'Number()'\n"
        "    return False\n\n"
        r"\g<0>",
    )
    project.configure_context("render_item=render")
    starts_with(
        project,
        USERS_AFTER
        + "    data: Mapped[dict] = mapped_column(postgresql.JSONB)\n"
        + "    n: Mapped[int | None]\n",
    )
    script = swaps(
        project,
        USERS_AFTER,
        """
        op.soft_drop_column('users', 'data')
        op.soft_drop_column('users', 'n')
        """,
        """
        op.restore_column('users', sa.Column('n', Number(), autoincrement=False, nullable=True))
        op.restore_column('users', sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), autoincrement=False, nullable=False))
        """,
    )
    assert "from sqlalchemy.dialects import postgresql" in script.source
    assert "from sqlalchemy import Integer as Number" in script.source


def test_names_that_need_quotes_are_kept(project: Project) -> None:
    models = """
    sa.Table("Order Lines", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column('A "b" 100%', sa.Text))
    """
    starts_with(project, models, """INSERT INTO "Order Lines" ("A ""b"" 100%") VALUES ('x')""")
    swaps(
        project,
        'sa.Table("Order Lines", metadata, sa.Column("id", sa.Integer, primary_key=True))',
        """op.soft_drop_column('Order Lines', 'A "b" 100%')""",
        """
        op.restore_column('Order Lines', sa.Column('A "b" 100%', sa.TEXT(), autoincrement=False, nullable=True))
        """,
    )


def test_alembic_check_words_a_vanished_column_as_ever(project: Project) -> None:
    starts_with(project, USERS)
    project.write_models(USERS_AFTER)
    result = project.alembic("check")
    assert result.exit_code != 0
    assert "New upgrade operations detected: [('remove_column', None, 'users', Column(" in (
        result.output
    )


def test_an_async_project_swaps_as_well(make_project: MakeProject) -> None:
    project = make_project("async")
    starts_with(project, USERS, ROWS)
    swaps(
        project,
        USERS_AFTER,
        "op.soft_drop_column('users', 'legacy_uuid')",
        "op.restore_column('users', "
        "sa.Column('legacy_uuid', sa.UUID(), autoincrement=False, nullable=True))",
    )


def test_a_project_of_two_databases_swaps_in_both(make_project: MakeProject) -> None:
    project = make_project("multidb")
    second = USERS.replace("class User(Base)", "class Second(Other)").replace("users", "people")
    other = "class Other(DeclarativeBase):\n    metadata = metadata2\n"
    starts_with(project, USERS + other + second)
    project.write_models(USERS_AFTER)
    script = project.autogenerate("after")
    assert "op.soft_drop_column('users', 'legacy_uuid')" in script.body("upgrade_engine1")
    assert "op.soft_drop_table('people')" in script.body("upgrade_engine2")
    assert "op.restore_table('people'," in script.body("downgrade_engine2")
    project.upgrade()
    assert is_up_to_date(project)
    project.downgrade()
