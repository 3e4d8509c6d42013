"""Which drops and adds may be one rename: those that differ in nothing but names."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.support.project import Project
from tests.support.swapping import starts_with

# What is there before and after; each pair is a table of its own.
DIFFERENT = {
    "type": ("sa.Text", "sa.Integer"),
    "length": ("sa.String(80)", "sa.String(81)"),
    "length left out": ("sa.String(80)", "sa.String"),
    "precision": ("sa.Numeric(10, 2)", "sa.Numeric(10, 3)"),
    "time zone": ("sa.DateTime(timezone=True)", "sa.DateTime"),
    "array": ("postgresql.ARRAY(sa.Integer)", "sa.Integer"),
    "enum": ("sa.Enum('a', name='one')", "sa.Enum('a', name='two')"),
    "collation": ("sa.Text(collation='C')", "sa.Text"),
    "nullability": ("sa.Integer, nullable=False", "sa.Integer, nullable=True"),
    "default": ("sa.Text, server_default='a'", "sa.Text, server_default='A'"),
    "no default": ("sa.Text, server_default='a'", "sa.Text"),
    "default of a function": (
        "sa.DateTime, server_default=sa.func.now()",
        "sa.DateTime, server_default=sa.text('clock_timestamp()')",
    ),
    "identity": ("sa.Integer, sa.Identity(always=True)", "sa.Integer, sa.Identity()"),
    "identity and none": ("sa.Integer, sa.Identity()", "sa.Integer, nullable=False"),
    "start": ("sa.Integer, sa.Identity(start=5)", "sa.Integer, sa.Identity()"),
    "expression": (
        "sa.Integer, sa.Computed('id + 1', persisted=True)",
        "sa.Integer, sa.Computed('id + 2', persisted=True)",
    ),
    "foreign key": ("sa.Integer, sa.ForeignKey('parents.id')", "sa.Integer"),
    "parent": ("sa.ForeignKey('parents.id')", "sa.ForeignKey('others.id')"),
    "action": ("sa.ForeignKey('parents.id')", "sa.ForeignKey('parents.id', ondelete='CASCADE')"),
    "moment": (
        "sa.ForeignKey('parents.id')",
        "sa.ForeignKey('parents.id', deferrable=True, initially='DEFERRED')",
    ),
    "unique": ("sa.Integer, unique=True", "sa.Integer"),
    "index": ("sa.Integer, index=True", "sa.Integer"),
    "unique index": ("sa.Integer, index=True", "sa.Integer, index=True, unique=True"),
    "primary key": (
        "sa.Integer, primary_key=True, autoincrement=False",
        "sa.Integer, nullable=False",
    ),
}
SAME = {
    "type": ("sa.Text", "sa.Text()"),
    "synonym": ("sa.DECIMAL(10)", "sa.Numeric(10, 0)"),
    "double": ("sa.Float(53)", "sa.Double"),
    "char": ("sa.CHAR", "sa.CHAR(1)"),
    "array": ("postgresql.ARRAY(sa.String(5))", "sa.ARRAY(sa.String(5))"),
    "json": ("postgresql.JSONB, server_default='{}'", "postgresql.JSONB, server_default='{}'"),
    "enum": ("sa.Enum('a', name='three')",) * 2,
    "default": ('sa.String(5), server_default="it\'s"',) * 2,
    "default of a function": ("sa.DateTime, server_default=sa.func.now()",) * 2,
    "number": ("sa.Integer, server_default='0'", "sa.Integer, server_default=sa.text('0')"),
    "identity": ("sa.Integer, sa.Identity(start=5)",) * 2,
    "expression": ("sa.Integer, sa.Computed('id + 1', persisted=True)",) * 2,
    "foreign key": ("sa.ForeignKey('parents.id', ondelete='CASCADE')",) * 2,
    "unique and index": ("sa.Integer, unique=True, index=True",) * 2,
    "primary key": ("sa.Integer, primary_key=True, autoincrement=False",) * 2,
}
PARENTS = """
sa.Table("parents", metadata, sa.Column("id", sa.Integer, primary_key=True))
sa.Table("others", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""


def tables(pairs: dict[str, tuple[str, str]], column: str, number: int) -> str:
    """Return a table for each pair, with one of its two definitions for the column."""
    return PARENTS + "".join(
        f'sa.Table("{label} t", metadata, sa.Column("id", sa.Integer, primary_key=True),'
        f' sa.Column("{column}", {pair[number]}))\n'
        for label, pair in pairs.items()
    )


def offered(project: Project, models: str) -> set[str]:
    """Return the tables that have a column which the script offers to rename."""
    project.write_models(models)
    script = project.autogenerate("after")
    comments = [line for line in script.upgrade.splitlines() if line.startswith("# op.alter")]
    return {comment.split("'")[1].removesuffix(" t") for comment in comments}


@pytest.mark.majors
@pytest.mark.filterwarnings("ignore:Autogenerate rendered a drop_constraint")
def test_columns_that_differ_in_one_thing_are_not_offered(project: Project) -> None:
    starts_with(project, tables(DIFFERENT, "before", 0))
    engine = project.database.engine()
    (collated,) = (
        getattr(column["type"], "collation", None)
        for column in sa.inspect(engine).get_columns("collation t")
        if column["name"] == "before"
    )
    unseen = {"collation"} if collated is None else set()  # SQLAlchemy 2.0 does not tell
    assert offered(project, tables(DIFFERENT, "after", 1)) == unseen


@pytest.mark.majors
@pytest.mark.filterwarnings("ignore:Autogenerate rendered a drop_constraint")
def test_columns_that_differ_in_nothing_are_offered(project: Project) -> None:
    starts_with(project, tables(SAME, "before", 0))
    assert offered(project, tables(SAME, "after", 1)) == set(SAME)


TABLES = {
    "nothing": {},
    "name of a column": {"b": "c"},
    "nullability": {"a": ", nullable=False"},
    "index": {"a": ", index=True"},
    "unique": {"a": ", unique=True"},
    "foreign key": {"a": ", sa.ForeignKey('parents.id')"},
    "column": {"rest": ", sa.Column('more', sa.Integer)"},
    "primary key": {"a": ", primary_key=True"},
}


def table(name: str, difference: str, *, a: str = "", b: str = "b", rest: str = "") -> str:
    """Return a table whose columns are called after the difference, so that no other is like it."""
    first, second = f"{difference} a", f"{difference} {b}"
    return (
        f'sa.Table("{name} {difference}", metadata, sa.Column("id", sa.Integer, primary_key=True),'
        f' sa.Column("{first}", sa.Integer{a}), sa.Column("{second}", sa.Integer){rest})\n'
    )


def test_tables_that_differ_in_one_thing_are_not_offered(project: Project) -> None:
    starts_with(project, PARENTS + "".join(table("before", name) for name in TABLES))
    project.write_models(
        PARENTS + "".join(table("after", name, **how) for name, how in TABLES.items())
    )
    script = project.autogenerate("after")
    found = [line for line in script.upgrade.splitlines() if "rename_table" in line]
    assert found == ["# op.rename_table('before nothing', 'after nothing')"]
