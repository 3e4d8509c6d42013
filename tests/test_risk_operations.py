"""An operation and the SQL that Alembic writes for it are judged alike."""

from __future__ import annotations

import io

import alembic.ddl.postgresql
import pytest
import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import MigrateOperation, Operations, ops
from alembic.runtime.migration import MigrationContext

from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.reading import READERS, changes_of, is_registered
from alembic_zanith.risk.statements import changes_in

OPERATIONS: list[MigrateOperation] = [
    ops.AddColumnOp("t", sa.Column("c", sa.Integer)),
    ops.AddColumnOp("t", sa.Column("c", sa.Integer, nullable=False)),
    ops.AddColumnOp("t", sa.Column("c", sa.Integer, server_default="5", nullable=False)),
    ops.AddColumnOp("t", sa.Column("c", sa.DateTime, server_default=sa.func.now())),
    ops.AddColumnOp("t", sa.Column("c", sa.Uuid, server_default=sa.text("gen_random_uuid()"))),
    ops.AddColumnOp("t", sa.Column("c", sa.Integer, sa.Identity())),
    ops.AddColumnOp("t", sa.Column("c", sa.Integer, sa.Computed("a + 1", persisted=True))),
    ops.AddColumnOp("t", sa.Column("c", sa.Integer, sa.ForeignKey("s.p.id")), schema="q"),
    ops.DropColumnOp("t", "c", schema="Odd Schema"),
    ops.AlterColumnOp("t", "c", modify_type=sa.String(10)),
    ops.AlterColumnOp("t", "c", modify_type=sa.Numeric(10, 2), postgresql_using="c::numeric"),
    ops.AlterColumnOp("t", "c", modify_nullable=False),
    ops.AlterColumnOp("t", "c", modify_nullable=True),
    ops.AlterColumnOp("t", "c", modify_server_default="5"),
    ops.AlterColumnOp("t", "c", modify_server_default=None),
    ops.AlterColumnOp("t", "c", modify_name="d"),
    ops.AlterColumnOp("t", "c", modify_type=sa.Text(), modify_nullable=False, modify_name="d"),
    ops.CreateTableOp("t", [sa.Column("id", sa.Integer, primary_key=True)], schema="s"),
    ops.CreateTableOp("t", [sa.Column("id", sa.Integer)], if_not_exists=True),
    ops.DropTableOp("t", schema="s"),
    ops.RenameTableOp("t", "u", schema="s"),
    ops.CreateIndexOp("i", "t", ["c"]),
    ops.CreateIndexOp("i", "t", ["c"], unique=True, schema="s"),
    ops.CreateIndexOp("i", "t", ["c"], postgresql_where=sa.text("c > 0")),
    ops.CreateIndexOp("i", "t", [sa.text("lower(c)")], postgresql_ops={}),
    ops.CreateIndexOp("i", "t", ["c"], postgresql_concurrently=True),
    ops.CreateIndexOp("i", "t", ["c"], unique=True, postgresql_concurrently=True),
    ops.DropIndexOp("i"),
    ops.DropIndexOp("i", postgresql_concurrently=True),
    ops.CreateUniqueConstraintOp("k", "t", ["c"]),
    ops.CreatePrimaryKeyOp("k", "t", ["c"], schema="s"),
    ops.CreateForeignKeyOp("k", "t", "p", ["c"], ["id"], source_schema="s", referent_schema="q"),
    ops.CreateForeignKeyOp("k", "t", "p", ["c"], ["id"], postgresql_not_valid=True),
    ops.CreateCheckConstraintOp("k", "t", "c > 0"),
    ops.CreateCheckConstraintOp("k", "t", "c > 0", postgresql_not_valid=True),
    CreateExcludeConstraintOp("k", "t", [("c", "=")], using="gist"),
    ops.DropConstraintOp("k", "t"),
    ops.BulkInsertOp(sa.table("t", sa.column("c", sa.Integer)), [{"c": 1}]),
    ops.AddColumnOp("t", sa.Column("c", sa.Integer, unique=True)),
    ops.AddColumnOp("t", sa.Column("c", sa.Integer, index=True)),
    ops.AddColumnOp("t", sa.Column("c", sa.Integer, sa.CheckConstraint("c > 0", name="k"))),
    ops.AddColumnOp("t", sa.Column("c", sa.Integer, comment="x")),
    ops.AddColumnOp("t", sa.Column("c", sa.Boolean, server_default=sa.false(), nullable=False)),
    ops.AddColumnOp("t", sa.Column("c", sa.JSON, server_default=sa.text("'{}'::jsonb"))),
    ops.AddColumnOp("t", sa.Column("c", sa.BigInteger, sa.Sequence("q"))),
    ops.AddColumnOp("t", sa.Column("c", sa.Text, server_default=sa.func.clean_up())),
    ops.AlterColumnOp("t", "c", modify_type=sa.Text(), postgresql_using="NULL"),
    ops.AlterColumnOp("t", "c", modify_comment="x"),
    ops.AlterColumnOp("t", "c", modify_comment=None, existing_comment="x"),
    ops.AlterColumnOp("t", "c", modify_server_default=sa.Identity(), existing_server_default=None),
    ops.AlterColumnOp("t", "c", modify_type=sa.Enum("a", name="mood"), schema="s"),
    ops.AlterColumnOp("t", "c", modify_type=sa.ARRAY(sa.String(5))),
    ops.CreateTableCommentOp("t", "x", schema="s"),
    ops.DropTableCommentOp("t"),
    ops.CreateTableOp(
        "t",
        [
            sa.Column("id", sa.Integer, sa.ForeignKey("p.id")),
            sa.Column("up", sa.Integer, sa.ForeignKey("t.id")),
            sa.ForeignKeyConstraint(["id"], ["s.q.id"], name="k"),
        ],
    ),
    ops.CreateTableOp("t", [sa.Column("id", sa.Integer)], prefixes=["TEMPORARY"]),
    ops.CreateTableOp("t", [sa.Column("id", sa.Integer)], postgresql_inherits="p"),
    ops.CreateTableOp("t", [sa.Column("c", sa.Integer)], postgresql_partition_by="LIST (c)"),
    ops.DropTableOp("Odd Name", if_exists=True),
    ops.CreateIndexOp("i", "t", ["c"], if_not_exists=True),
    ops.CreateIndexOp("i", "t", ["a", "b"], postgresql_where=sa.text("a > 5")),
    ops.CreateIndexOp("i", "t", [sa.text("lower(c)")], schema="s"),
    ops.CreateIndexOp("i", "t", ["c"], postgresql_using="gin", postgresql_ops={"c": "x"}),
    ops.CreateIndexOp("i", "t", ["c"], postgresql_include=["d"]),
    ops.CreateIndexOp("i", "t", [sa.text("clean_up(c)")]),
    ops.DropIndexOp("i", "t", schema="s", if_exists=True),
    ops.CreateUniqueConstraintOp("k", "t", ["c", "d"], deferrable=True, initially="DEFERRED"),
    ops.CreateUniqueConstraintOp(None, "t", ["c"], schema="user"),
    ops.CreateForeignKeyOp(None, "t", "t", ["c"], ["id"], ondelete="CASCADE"),
    ops.ExecuteSQLOp("TRUNCATE t"),
    ops.ExecuteSQLOp(sa.delete(sa.table("t"))),
    ops.ExecuteSQLOp(sa.text("DELETE FROM t WHERE c = 5")),
]


T = sa.table("t", sa.column("c", sa.Integer), sa.column("d", sa.JSON))
METADATA_TABLE = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer), schema="s")

EXECUTED = [
    (sa.delete(T), "delete_rows destructive"),
    (sa.delete(T).where(T.c.c.in_([1, 2, 3])), "delete_rows medium"),
    (sa.delete(T).where(sa.true()), "delete_rows destructive"),
    (sa.update(T).values(c=None), "update_rows destructive"),
    (sa.update(T).values(c=T.c.c + 1).where(T.c.c > 5), "update_rows medium"),
    (sa.insert(T).values([{"c": 1}, {"c": 2}]), "insert_rows safe"),
    (sa.insert(T).from_select(["c"], sa.select(T.c.c)), "insert_rows safe"),
    (sa.select(T).where(T.c.c == 5).with_for_update(), "harmless safe"),
    (sa.text("DELETE FROM t WHERE c = :c").bindparams(c=5), "delete_rows medium"),
    (sa.schema.DropSequence(sa.Sequence("q")), "drop_object medium"),
    (sa.schema.DropTable(METADATA_TABLE), "drop_table destructive"),
    (sa.schema.CreateTable(METADATA_TABLE), "create_table safe"),
    (sa.schema.DropSchema("s", cascade=True), "drop_container destructive"),
    (sa.schema.CreateSequence(sa.Sequence("q")), "create_object safe"),
    ("UPDATE t SET c = :c WHERE d\\:\\:text = 'a\\:b'", "update_rows medium"),
    ("DELETE FROM t WHERE d::text = '10:30'", "delete_rows medium"),
    ("DELETE FROM t WHERE d LIKE '100%'", "delete_rows medium"),
]


ODD: list[tuple[MigrateOperation, str]] = [
    (ops.AlterColumnOp("t", "c", modify_type=sa.types.NullType()), "alter_column_type high"),
    (
        ops.AlterColumnOp(
            "t", "c", existing_type=sa.types.NullType(), modify_type=sa.Text(), modify_nullable=True
        ),
        "alter_column_type high",
    ),
    (
        ops.AddColumnOp("t", sa.Column("c", sa.Text, server_default=sa.text("no (sql"))),
        "add_column high",
    ),
    (ops.AddColumnOp("t", sa.Column("c", sa.ForeignKey(sa.column("x")))), "add_foreign_key medium"),
    (
        ops.AddColumnOp("t", sa.Column("c", sa.Integer, server_default=sa.FetchedValue())),
        "add_column high",
    ),
    (
        ops.AddColumnOp("t", sa.Column("c", sa.Integer, sa.Computed("a + 1", persisted=False))),
        "add_generated_column medium",
    ),
    (ops.CreateCheckConstraintOp("k", "t", sa.column("c") > 5), "add_check medium"),
    (ops.CreateCheckConstraintOp("k", "t", "no (sql"), "add_check medium"),
    (ops.CreateIndexOp("i", "t", [sa.func.lower(sa.column("c"))]), "add_index medium"),
    (ops.CreateIndexOp("i", "t", [sa.column("c").desc()]), "add_index medium"),
    (ops.CreateIndexOp(None, "t", ["c"]), "add_index medium"),
    (ops.DropConstraintOp(None, "t"), "drop_constraint medium"),
    (ops.CreateTableOp("t", []), "create_table safe"),
    (ops.BulkInsertOp(sa.Table("t", sa.MetaData(), schema="s"), []), "insert_rows safe"),
]


@pytest.mark.parametrize(("operation", "verdict"), ODD)
def test_what_scripts_hand_over_does_not_upset_it(
    operation: MigrateOperation, verdict: str
) -> None:
    found = Assessment.of("operation", changes_of(operation))
    assert f"{found.kind} {found.level.word}" == verdict


@pytest.mark.parametrize(("sql", "verdict"), EXECUTED)
def test_whatever_is_executed_is_read(sql: str, verdict: str) -> None:
    found = Assessment.of("execute", changes_of(ops.ExecuteSQLOp(sql)))
    assert f"{found.kind} {found.level.word}" == verdict


def sql_of(operation: MigrateOperation) -> str:
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
    )
    Operations(context).invoke(operation)
    return written.getvalue()


def said(assessment: Assessment) -> list[tuple[object, ...]]:
    return [(each.change.kind, each.change.subject, each.judgement) for each in assessment.findings]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: type(each).__name__)
def test_an_operation_is_judged_like_its_sql(operation: MigrateOperation) -> None:
    by_operation = Assessment.of("operation", changes_of(operation))
    by_sql = Assessment.of("sql", changes_in(sql_of(operation)))
    assert sorted(said(by_operation), key=str) == sorted(said(by_sql), key=str)
    assert by_operation.findings


CONTAINERS = {
    ops.AddConstraintOp,
    ops.AlterTableOp,
    ops.DowngradeOps,
    ops.MigrateOperation,
    ops.MigrationScript,
    ops.ModifyTableOps,
    ops.OpContainer,
    ops.UpgradeOps,
}
"""What others derive from, or are in."""


def operations_in(module: object) -> set[type[MigrateOperation]]:
    return {
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, MigrateOperation)
    }


def test_every_operation_of_alembic_has_an_entry() -> None:
    classes = operations_in(ops) | operations_in(alembic.ddl.postgresql)
    assert len(classes) > 20
    assert classes - CONTAINERS <= registered()


def test_every_operation_that_is_called_on_op_has_an_entry() -> None:
    """By whomever it was registered: Alembic, this package, or another one that is installed."""
    implemented = {key[0] for key in Operations._to_impl._registry}
    assert len(implemented) > 10
    for each in implemented - CONTAINERS:
        for called in last_derived(each):
            assert is_registered(called.__new__(called)), called


def last_derived(cls: type[MigrateOperation]) -> set[type[MigrateOperation]]:
    """Of a class that others derive from, they are what is called."""
    derived = [last_derived(each) for each in cls.__subclasses__()]
    return set().union(*derived) or {cls}


def registered() -> set[type[MigrateOperation]]:
    changes_of(ops.DropTableOp("t"))  # what loads the readers
    return set(READERS)
