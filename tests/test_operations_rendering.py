"""The Python text of each operation, as autogenerate and rewriters write it."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations import ops
from sqlalchemy.dialects import postgresql

import alembic_zanith  # noqa: F401 -- registers the renderers
from alembic_zanith.errors import ConfigurationError
from alembic_zanith.operations import (
    ArchiveColumnOp,
    ArchiveTableOp,
    MergeColumnsOp,
    RestoreColumnOp,
    RestoreTableOp,
    SoftDropColumnOp,
    SoftDropTableOp,
    SplitColumnOp,
)
from tests.support.swapping import code


def rendered(operation: ops.MigrateOperation, **options: Any) -> str:
    context = MigrationContext.configure(dialect_name="postgresql")
    upgrade = ops.UpgradeOps([operation])
    text = render_python_code(upgrade, migration_context=context, **options)
    return code(f"    {text}")


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (SoftDropColumnOp("t", "c"), "op.soft_drop_column('t', 'c')"),
        (SoftDropColumnOp("t", "c", schema="s"), "op.soft_drop_column('t', 'c', schema='s')"),
        (ArchiveColumnOp("t", "c", retention_days=None),
         "op.archive_column('t', 'c', retention_days=None)"),
        (ArchiveColumnOp("t", "c", schema="s", retention_days=1),
         "op.archive_column('t', 'c', schema='s', retention_days=1)"),
        (SoftDropTableOp("t"), "op.soft_drop_table('t')"),
        (ArchiveTableOp("t", schema="s", retention_days=0),
         "op.archive_table('t', schema='s', retention_days=0)"),
        (RestoreColumnOp("t", "c"), "op.restore_column('t', 'c')"),
        (RestoreColumnOp("t", "c", schema="s", artifact="a4c0", as_name="d", fill="now()",
                         relax=True, force=True),
         "op.restore_column('t', 'c', schema='s', artifact='a4c0', as_name='d', fill='now()', "
         "relax=True, force=True)"),
        (RestoreTableOp("t"), "op.restore_table('t')"),
        (RestoreTableOp("t", schema="s", artifact="a4c0", as_name="d", relax=True, force=True),
         "op.restore_table('t', schema='s', artifact='a4c0', as_name='d', relax=True, force=True)"),
        (RestoreTableOp("t", sa.Column("at", sa.Date), comment="c",
                        postgresql_partition_by="LIST (at)"),
         "op.restore_table('t',\nsa.Column('at', sa.Date(), nullable=True),\ncomment='c',\n"
         "postgresql_partition_by='LIST (at)'\n)"),
        (SoftDropColumnOp(sa.quoted_name("T", True), sa.quoted_name("a'b", True)),
         """op.soft_drop_column('T', "a'b")"""),
    ],
)  # fmt: skip
def test_each_operation_is_rendered_with_what_is_not_a_default(
    operation: ops.MigrateOperation, text: str
) -> None:
    assert rendered(operation) == text


def test_a_batch_leaves_out_the_table_and_its_schema() -> None:
    batch = ops.ModifyTableOps(
        "t",
        [
            SoftDropColumnOp("t", "a", schema="s", retention_days=5),
            ArchiveColumnOp("t", "b", schema="s"),
            RestoreColumnOp("t", "c", schema="s", fill="1"),
            RestoreColumnOp("t", sa.Column("d", sa.Integer), schema="s"),
        ],
        schema="s",
    )
    assert rendered(batch, render_as_batch=True) == code("""
        with op.batch_alter_table('t', schema='s') as batch_op:
            batch_op.soft_drop_column('a', retention_days=5)
            batch_op.archive_column('b')
            batch_op.restore_column('c', fill='1')
            batch_op.restore_column(sa.Column('d', sa.Integer(), nullable=True))
    """)


def test_constraints_and_indexes_of_a_column_are_rendered_one_a_line() -> None:
    elements = [
        sa.UniqueConstraint("c", name="uq", deferrable=True, initially="DEFERRED"),
        sa.ForeignKeyConstraint(["c"], ["s.o.id"], name="fk", ondelete="CASCADE"),
        sa.CheckConstraint("c <> ''", name="ck"),
    ]
    column = sa.Column("c", postgresql.INET, nullable=False, server_default=sa.text("'x'"))
    sa.Table("t", sa.MetaData(), column, *elements, schema="s")
    assert rendered(RestoreColumnOp("t", column, *elements, schema="s")) == code("""
        op.restore_column('t',
        sa.Column('c', postgresql.INET(), server_default=sa.text("'x'"), nullable=False),
        sa.CheckConstraint("c <> ''", name='ck'),
        sa.ForeignKeyConstraint(['c'], ['s.o.id'], name='fk', ondelete='CASCADE'),
        sa.UniqueConstraint('c', deferrable=True, initially='DEFERRED', name='uq'),
        schema='s'
        )
    """)


def test_other_module_prefixes_are_used() -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("c", sa.Integer, index=True))
    restore = RestoreTableOp("t", *table.columns, *table.indexes)
    options = {"alembic_module_prefix": "a.", "sqlalchemy_module_prefix": "s."}
    assert rendered(restore, **options) == code("""
        a.restore_table('t',
        s.Column('c', s.Integer(), nullable=True),
        s.Index(a.f('ix_t_c'), 'c', unique=False)
        )
    """)
    assert rendered(SoftDropTableOp("t"), **options) == "a.soft_drop_table('t')"


def test_an_index_that_is_of_no_table_yet_is_rendered_in_full() -> None:
    restore = RestoreTableOp("t", sa.Column("c", sa.Integer), sa.Index("ix", "c", unique=True))
    for _ in range(2):
        assert "sa.Index('ix', 'c', unique=True)" in rendered(restore)


def test_dialect_options_and_expressions_of_an_index_are_kept() -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("c", sa.Text), sa.Column("d", sa.Text))
    index = sa.Index(
        "ix",
        sa.func.lower(table.c.c),
        table.c.d.desc(),
        unique=True,
        postgresql_where=table.c.d.is_not(None),
        postgresql_using="btree",
        postgresql_include=["d"],
    )
    restore = RestoreColumnOp("t", table.c.c, index)
    assert code(rendered(restore)).splitlines()[2] == (
        "sa.Index('ix', sa.literal_column('lower(c)'), sa.literal_column('d DESC'), unique=True, "
        "postgresql_where=sa.text('d IS NOT NULL'), postgresql_using='btree', "
        "postgresql_include=['d'])"
    )


def test_a_number_of_days_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"soft_drop_table: retention_days=-1 is not a"):
        SoftDropTableOp("t", retention_days=-1)


FORWARD = {"first": "split_part(name, ' ', 1)", "it's": "name LIKE '%:x'"}
SPLIT = SplitColumnOp(
    "t",
    "name",
    into=[sa.Column("first", sa.Text, nullable=False), sa.Column("it's", sa.Boolean)],
    using=FORWARD,
    reverse="first || ' '",
)


def test_a_split_and_its_reverse_are_rendered_with_all_expressions() -> None:
    assert rendered(SPLIT) == code("""
        op.split_column('t', 'name',
        into=[sa.Column('first', sa.Text(), nullable=False), sa.Column("it's", sa.Boolean(), nullable=True)],
        using={'first': "split_part(name, ' ', 1)", "it's": "name LIKE '%:x'"},
        reverse="first || ' '"
        )
    """)
    assert rendered(SPLIT.reverse()) == code("""
        op.merge_columns('t', ['first', "it's"],
        into='name',
        using="first || ' '",
        reverse={'first': "split_part(name, ' ', 1)", "it's": "name LIKE '%:x'"}
        )
    """)


def test_a_merge_and_its_reverse_are_rendered_with_what_is_not_a_default() -> None:
    merge = MergeColumnsOp(
        "t",
        ["a", "b"],
        into=sa.Column("c", sa.Text),
        using="a || b",
        reverse={"b": "right(c, 1)", "a": "left(c, 1)"},
        then="keep",
        schema="s",
        retention_days=None,
    )
    assert rendered(merge) == code("""
        op.merge_columns('t', ['a', 'b'],
        into=sa.Column('c', sa.Text(), nullable=True),
        using='a || b',
        reverse={'a': 'left(c, 1)', 'b': 'right(c, 1)'},
        then='keep',
        schema='s',
        retention_days=None
        )
    """)
    assert rendered(merge.reverse()) == code("""
        op.split_column('t', 'c',
        into=['a', 'b'],
        using={'a': 'left(c, 1)', 'b': 'right(c, 1)'},
        reverse='a || b',
        into_exists=True,
        schema='s',
        retention_days=None
        )
    """)


def test_the_reverse_of_one_way_says_that_nothing_is_known() -> None:
    one_way = SplitColumnOp("t", "c", into=["a"], using={"a": "c"}, then="archive")
    assert rendered(one_way) == code("""
        op.split_column('t', 'c',
        into=['a'],
        using={'a': 'c'},
        then='archive'
        )
    """)
    assert rendered(one_way.reverse()) == code("""
        op.merge_columns('t', ['a'],
        into='c',
        using=None,
        reverse={'a': 'c'}
        )
    """)


def test_a_split_in_a_batch_leaves_out_the_table_and_its_schema() -> None:
    split = SplitColumnOp("t", "c", into=["a"], using={"a": "c"}, schema="s")
    merge = MergeColumnsOp("t", ["a"], into="c", using="a", schema="s")
    batch = ops.ModifyTableOps("t", [split, merge], schema="s")
    text = rendered(batch, render_as_batch=True)
    assert "batch_op.split_column('c',\n" in text
    assert "batch_op.merge_columns(['a'],\n" in text
    assert "schema=" not in text.partition("as batch_op")[2]
