"""A table that vanished from the models: the revision that is written, and that it runs."""

from __future__ import annotations

from tests.support.project import Project
from tests.support.swapping import code, is_up_to_date, starts_with, swaps

USERS = """
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
"""

AUDIT_LOG = """
class AuditLog(Base):
    __tablename__ = "audit_log"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), index=True)
    message: Mapped[str] = mapped_column(sa.Text, server_default="")
    __table_args__ = (
        sa.UniqueConstraint("user_id", "message", name="uq_audit_log"),
        sa.CheckConstraint("length(message) < 100", name="ck_audit_log"),
        {"comment": "who did what"},
    )
"""

ROWS = """
INSERT INTO users SELECT FROM generate_series(1, 5);
INSERT INTO audit_log (user_id, message) SELECT i, 'm' || i FROM generate_series(1, 5) i
"""

AUDIT_LOG_RESTORED = """
op.restore_table('audit_log',
sa.Column('id', sa.INTEGER(), autoincrement=True, nullable=False),
sa.Column('user_id', sa.INTEGER(), autoincrement=False, nullable=False),
sa.Column('message', sa.TEXT(), server_default=sa.text("''::text"), autoincrement=False, nullable=False),
sa.CheckConstraint('length(message) < 100', name=op.f('ck_audit_log')),
sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('audit_log_user_id_fkey')),
sa.PrimaryKeyConstraint('id', name=op.f('audit_log_pkey')),
sa.UniqueConstraint('user_id', 'message', name=op.f('uq_audit_log'), postgresql_include=[], postgresql_nulls_not_distinct=False),
sa.Index(op.f('ix_audit_log_user_id'), 'user_id', unique=False),
comment='who did what'
)
"""


def test_a_table_is_soft_dropped_and_comes_back_with_its_rows(project: Project) -> None:
    starts_with(project, USERS + AUDIT_LOG, ROWS)
    swaps(project, USERS, "op.soft_drop_table('audit_log')", AUDIT_LOG_RESTORED)


def test_a_table_is_archived_where_that_is_the_strategy(project: Project) -> None:
    project.settings(drop_strategy_overrides="audit_* = archive")
    starts_with(project, USERS + AUDIT_LOG, ROWS)
    swaps(project, USERS, "op.archive_table('audit_log')", AUDIT_LOG_RESTORED)


def test_alembics_own_drops_are_left_as_they_are_where_that_is_the_strategy(
    project: Project,
) -> None:
    project.settings(drop_strategy="drop")
    starts_with(project, USERS + AUDIT_LOG)
    project.write_models(USERS)
    script = project.autogenerate()
    assert code(script.upgrade) == code("""
        op.drop_index(op.f('ix_audit_log_user_id'), table_name='audit_log')
        op.drop_table('audit_log')
    """)
    assert script.downgrade.count("op.create_table(") == 1
    assert script.downgrade.count("op.create_index(") == 1


def test_alembic_check_words_a_vanished_table_as_ever(project: Project) -> None:
    starts_with(project, USERS + AUDIT_LOG)
    project.write_models(USERS)
    result = project.alembic("check")
    assert result.exit_code != 0
    assert "New upgrade operations detected: [('remove_table', Table('audit_log', " in result.output


def test_a_dropped_table_frees_its_name_and_those_of_its_indexes(project: Project) -> None:
    project.settings(detect_renames="off")
    starts_with(
        project,
        """
        sa.Table("old", metadata, sa.Column("id", sa.Integer, primary_key=True),
                 sa.Column("a", sa.Integer), sa.Index("ix_a", "a"),
                 sa.UniqueConstraint("a", name="uq_a"))
        """,
        "INSERT INTO old (a) VALUES (1), (2)",
    )
    swaps(
        project,
        """
        sa.Table("new", metadata, sa.Column("id", sa.Integer, primary_key=True),
                 sa.Column("a", sa.Integer), sa.Index("ix_a", "a"),
                 sa.UniqueConstraint("a", name="uq_a"))
        """,
        """
        op.soft_drop_table('old')
        op.create_table('new',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('a', sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('a', name='uq_a')
        )
        op.create_index('ix_a', 'new', ['a'], unique=False)
        """,
        """
        op.drop_index('ix_a', table_name='new')
        op.drop_table('new')
        op.restore_table('old',
        sa.Column('id', sa.INTEGER(), autoincrement=True, nullable=False),
        sa.Column('a', sa.INTEGER(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('old_pkey')),
        sa.UniqueConstraint('a', name=op.f('uq_a'), postgresql_include=[], postgresql_nulls_not_distinct=False),
        sa.Index(op.f('ix_a'), 'a', unique=False)
        )
        """,
    )


def test_a_table_with_a_parked_column_is_defined_without_it(project: Project) -> None:
    starts_with(
        project,
        'sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True),'
        ' sa.Column("a", sa.Integer, index=True), sa.Column("b", sa.Integer, unique=True))',
    )
    project.write_models('sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True))')
    project.autogenerate("columns")
    project.upgrade()
    project.write_models("")
    script = project.autogenerate("table")
    assert code(script.downgrade) == code("""
        op.restore_table('t',
        sa.Column('id', sa.INTEGER(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('t_pkey'))
        )
    """)
    project.upgrade()
    assert is_up_to_date(project)
    project.downgrade("base")
    project.upgrade()
    assert is_up_to_date(project)


def test_partitions_go_with_their_table(project: Project) -> None:
    starts_with(
        project,
        """
        sa.Table("events", metadata, sa.Column("at", sa.Date, primary_key=True),
                 postgresql_partition_by="RANGE (at)")
        """,
    )
    project.revision(
        'op.execute("CREATE TABLE events_2024 PARTITION OF events'
        " FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')\")\n"
        'op.create_table("events_old", sa.Column("at", sa.Date, nullable=False))\n'
        'op.execute("ALTER TABLE events ATTACH PARTITION events_old DEFAULT")',
        'op.execute("DROP TABLE events_2024, events_old")',
    )
    project.upgrade()
    project.database.execute("INSERT INTO events VALUES ('2024-05-05'), ('2020-01-01')")
    before = project.database.dump()
    project.write_models("")
    script = project.autogenerate()
    assert code(script.upgrade) == "op.soft_drop_table('events')"
    project.upgrade()
    assert is_up_to_date(project)
    project.downgrade()
    assert project.database.dump() == before


def test_a_schema_is_written_out(project: Project) -> None:
    project.database.execute("CREATE SCHEMA shop")
    project.configure_context("include_schemas=True")
    table = 'sa.Table("t", metadata, sa.Column("id", sa.Integer, index=True), schema="shop")'
    starts_with(project, table, "INSERT INTO shop.t VALUES (1)")
    swaps(
        project,
        "",
        "op.soft_drop_table('t', schema='shop')",
        """
        op.restore_table('t',
        sa.Column('id', sa.INTEGER(), autoincrement=False, nullable=True),
        sa.Index(op.f('ix_shop_t_id'), 'id', unique=False),
        schema='shop'
        )
        """,
    )


def test_tables_are_dropped_in_the_batch_style_as_anywhere(project: Project) -> None:
    project.configure_context("render_as_batch=True")
    table = 'sa.Table("t", metadata, sa.Column("id", sa.Integer, index=True))'
    starts_with(project, table, "INSERT INTO t VALUES (1)")
    swaps(
        project,
        "",
        "op.soft_drop_table('t')",
        """
        op.restore_table('t',
        sa.Column('id', sa.INTEGER(), autoincrement=False, nullable=True),
        sa.Index(op.f('ix_t_id'), 'id', unique=False)
        )
        """,
    )


def test_a_rewriter_sees_the_operations_of_this_package(project: Project) -> None:
    project.edit_env(
        "^target_metadata = ",
        "from alembic.autogenerate import rewriter\n"
        "from alembic_zanith.operations import SoftDropTableOp\n\n"
        "writer = rewriter.Rewriter()\n\n\n"
        "@writer.rewrites(SoftDropTableOp)\n"
        "def keep_for_a_year(context, revision, operation):\n"
        "    operation.retention_days = 365\n"
        "    return operation\n\n\n"
        r"\g<0>",
    )
    project.configure_context("process_revision_directives=writer")
    starts_with(project, USERS)
    project.write_models("")
    script = project.autogenerate()
    assert code(script.upgrade) == "op.soft_drop_table('users', retention_days=365)"


def test_an_environment_may_leave_the_plugin_out(project: Project) -> None:
    # Nobody would hide its tables either.
    project.settings(audit="off")
    project.configure_context(
        'autogenerate_plugins=["alembic.autogenerate.*", "~alembic.autogenerate.zanith"]'
    )
    starts_with(project, USERS)
    project.write_models("")
    assert code(project.autogenerate().upgrade) == "op.drop_table('users')"
