"""`op.add_generated_column`, and `op.add_column` with a `Computed`, on a real database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops

from alembic_zanith.errors import (
    ConfigurationError,
    MissingPrivilegeError,
    NameTakenError,
    UnknownObjectError,
    UnsupportedDatabaseError,
    ZanithError,
)
from alembic_zanith.operations import AddGeneratedColumnOp
from alembic_zanith.risk.reading import changes_of
from alembic_zanith.risk.statements import changes_in
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.plain_sql import op_on, rendered, written
from tests.support.project import Project

ITEMS = """
CREATE SCHEMA shop;
CREATE TABLE items (id int PRIMARY KEY, quantity int, price numeric(10, 2));
INSERT INTO items VALUES (1, 2, 1.50), (2, 3, 2.00);
CREATE TABLE shop."Odd %s" (id int)
"""
GENERATED = "SELECT attname, attgenerated::text FROM pg_attribute WHERE attgenerated <> ''"


@pytest.fixture
def items(database: Database) -> Database:
    """A database with a table of two items, and one in a schema whose name needs quotes."""
    database.execute(ITEMS)
    return database


def total(persisted: bool | None = True) -> sa.Column[object]:
    """The column that most of these tests add."""
    return sa.Column("total", sa.Numeric(), sa.Computed("quantity * price", persisted=persisted))


def test_with_sql_the_whole_statement_is_written() -> None:
    stored = "GENERATED ALWAYS AS (quantity * price) STORED"
    for persisted in (True, None):
        assert written(AddGeneratedColumnOp("items", total(persisted))) == (
            f"ALTER TABLE items ADD COLUMN total NUMERIC {stored};\n\n"
        )
    assert written(AddGeneratedColumnOp("Items", total(), schema="shop")) == (
        f'ALTER TABLE shop."Items" ADD COLUMN total NUMERIC {stored};\n\n'
    )


@pytest.mark.parametrize(
    "column",
    [
        total(),
        sa.Column("c", sa.Integer, sa.Computed("clean_up(a)", persisted=True)),
        sa.Column("c", sa.Text, sa.Computed("upper(a)", persisted=True), unique=True),
    ],
)
@pytest.mark.parametrize("cls", [AddGeneratedColumnOp, ops.AddColumnOp])
def test_it_is_of_its_kind_whoever_adds_it(
    cls: type[ops.AddColumnOp], column: sa.Column[object]
) -> None:
    operation = cls("t", column)
    found = changes_of(operation)
    assert (found[0].kind, found[0].judge().level.word) == ("add_generated_column", "medium")
    assert set(found) == set(changes_in(written(operation)))


@pytest.mark.majors
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_up_and_down_leaves_the_database_as_it_was(
    items: Database, make_project: MakeProject, driver: str
) -> None:
    project = make_project(driver=driver)
    before = items.dump()
    project.revision(
        """
        op.add_generated_column(
            "items", sa.Column("total", sa.Numeric(), sa.Computed("quantity * price"))
        )
        op.add_generated_column(
            "Odd %s",
            sa.Column("is odd", sa.Boolean(), sa.Computed("id % 2 = 1", persisted=True)),
            schema="shop",
        )
        with op.batch_alter_table("items") as batch_op:
            batch_op.add_generated_column(
                sa.Column("label", sa.Text(), sa.Computed("'#' || id::text"))
            )
        """,
        """
        op.drop_column("items", "label")
        op.drop_column("Odd %s", "is odd", schema="shop")
        op.drop_column("items", "total")
        """,
    )
    project.upgrade()
    assert items.rows("SELECT total::text, label FROM items ORDER BY id") == [
        ("3.00", "#1"),
        ("6.00", "#2"),
    ]
    assert {how for _, how in items.rows(GENERATED)} == {"s"}
    project.alembic("downgrade", "-1", "--allow-destructive").succeeded()
    assert items.dump() == before


@pytest.mark.min_major(18)
def test_a_virtual_one_writes_no_row(items: Database) -> None:
    file = items.scalar("SELECT pg_relation_filenode('items')")
    with op_on(items) as op:
        try:
            op.add_generated_column("items", total(persisted=False))
        except UnsupportedDatabaseError:
            assert sa.__version__.startswith("2.0.")
            return
    assert items.rows(GENERATED) == [("total", "v")]
    assert items.scalar("SELECT pg_relation_filenode('items')") == file


def test_a_virtual_one_is_refused_where_there_is_none(
    items: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with op_on(items) as op:
        dialect = op.get_bind().dialect
        monkeypatch.setattr(dialect, "supports_virtual_generated_columns", False, raising=False)
        with pytest.raises(UnsupportedDatabaseError, match=r"PostgreSQL 18 and SQLAlchemy 2\.1"):
            op.add_generated_column("items", total(persisted=False))


def test_in_a_batch_it_comes_after_what_was_queued_before_it(items: Database) -> None:
    with op_on(items) as op, op.batch_alter_table("items") as batch_op:
        batch_op.alter_column("quantity", new_column_name="amount")
        batch_op.add_generated_column(
            sa.Column("total", sa.Numeric(), sa.Computed("amount * price"))
        )
    assert items.rows("SELECT total::text FROM items WHERE id = 2") == [("6.00",)]


@pytest.mark.parametrize(
    ("table", "column", "error", "message"),
    [
        ("itmes", total(), UnknownObjectError,
         "add_generated_column('itmes', 'total') changed nothing: there is no table itmes. "
         "Did you mean 'items'?"),
        ("items", sa.Column("c", sa.Numeric(), sa.Computed("2 * prise")), UnknownObjectError,
         'column "prise" does not exist. Did you mean \'price\'?'),
        ("items", sa.Column("price", sa.Numeric(), sa.Computed("1")), NameTakenError,
         "items has a column 'price' already"),
        ("items", sa.Column("c", sa.Text(), sa.Computed("now()::text")), ZanithError,
         "generation expression is not immutable"),
        ("items", sa.Column("c", sa.Text(), sa.Computed("f(id)")), ZanithError,
         "function f(integer) does not exist"),
        ("items", sa.Column("c", sa.Integer(), sa.Computed("id +")), ZanithError,
         "add_generated_column('items', 'c') changed nothing: syntax error"),
    ],
)  # fmt: skip
def test_wrong_input_says_what_is_wrong_and_changes_nothing(
    items: Database, table: str, column: sa.Column[object], error: type[ZanithError], message: str
) -> None:
    before = items.dump()
    with op_on(items) as op:
        with pytest.raises(error) as raised:
            op.add_generated_column(table, column)
        assert op.get_bind().scalar(sa.text("SELECT 1")) == 1
    assert message in str(raised.value)
    assert items.dump() == before


def test_a_column_without_an_expression_is_refused(items: Database) -> None:
    with op_on(items) as op, pytest.raises(ConfigurationError, match=r"Write op\.add_column"):
        op.add_generated_column("items", sa.Column("c", sa.Integer))


def test_nobody_but_the_owner_may(items: Database) -> None:
    role = items.role()
    with op_on(items, role=role) as op, pytest.raises(MissingPrivilegeError, match="owner"):
        op.add_generated_column("items", total())


def test_another_database_is_refused() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        op = Operations(MigrationContext.configure(connection))
        with pytest.raises(UnsupportedDatabaseError, match=r"sqlite.*op\.add_column"):
            op.invoke(AddGeneratedColumnOp("items", total()))


def test_schemas_are_translated(items: Database) -> None:
    with items.begin() as connection:
        connection.execution_options(schema_translate_map={None: "shop"})
        op = Operations(MigrationContext.configure(connection))
        column = sa.Column("twice", sa.Integer(), sa.Computed("id * 2"))
        op.invoke(AddGeneratedColumnOp("Odd %s", column))
    assert items.rows(GENERATED) == [("twice", "s")]


def test_a_column_of_the_models_stays_as_it_is() -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer), total(persisted=None))
    AddGeneratedColumnOp("t", table.c.total)
    assert table.c.total.computed is not None
    assert table.c.total.computed.persisted is None


def test_it_reverses_to_a_drop_and_that_to_the_same_column() -> None:
    drop = AddGeneratedColumnOp("t", total(), schema="s").reverse()
    assert isinstance(drop, ops.DropColumnOp)
    assert (drop.table_name, drop.column_name, drop.schema) == ("t", "total", "s")
    assert [each.kind for each in changes_of(drop.reverse())] == ["add_generated_column"]


def test_it_is_rendered_with_its_expression() -> None:
    column = (
        "sa.Column('total', sa.Numeric(), "
        "sa.Computed('quantity * price', persisted=True), nullable=True)"
    )
    alone = AddGeneratedColumnOp("t", total(), schema="s")
    assert rendered(alone) == f"op.add_generated_column('t', {column}, schema='s')"
    batch = ops.ModifyTableOps("t", [AddGeneratedColumnOp("t", total())])
    assert f"batch_op.add_generated_column({column})" in rendered(batch, render_as_batch=True)
    assert alone.to_diff_tuple()[:3] == ("add_column", "s", "t")


def test_autogenerate_writes_alembics_own(project: Project) -> None:
    project.database.execute("CREATE TABLE items (id int PRIMARY KEY, price numeric)")
    project.write_models("""
        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)
            price: Mapped[Decimal | None]
            twice: Mapped[Decimal | None] = mapped_column(sa.Computed("2 * price", persisted=True))
    """)
    script = project.autogenerate()
    assert "op.add_column('items', sa.Column('twice'" in script.upgrade
    project.upgrade()
    project.alembic("check").succeeded()
