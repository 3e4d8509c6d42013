"""Drops are written in an order that runs, upwards and downwards."""

from __future__ import annotations

import re

import pytest

from tests.support.project import Project
from tests.support.swapping import (
    code,
    is_up_to_date,
    needs_alembic_1_18_3,
    starts_with,
)


def table(name: str, *columns: str) -> str:
    """A table with an integer key `id` and these further arguments."""
    arguments = ['sa.Column("id", sa.Integer, primary_key=True)', *columns]
    return f'sa.Table("{name}", metadata, {", ".join(arguments)})\n'


def reference(column: str, target: str, name: str) -> str:
    return f'sa.Column("{column}", sa.Integer, sa.ForeignKey("{target}", name="{name}"))'


def runs_both_ways(project: Project, models: str, upgrade: str) -> str:
    """Autogenerate, compare the upgrade, run it up, down, up; return the downgrade."""
    project.write_models(models)
    before = project.database.dump()
    script = project.autogenerate("after")
    assert code(script.upgrade) == code(upgrade)
    project.upgrade()
    assert is_up_to_date(project)
    project.downgrade()
    assert project.database.dump() == before
    project.upgrade()
    return code(script.downgrade)


def test_tables_that_refer_to_others_go_first(project: Project) -> None:
    starts_with(
        project,
        table("a")
        + table("b", reference("a_id", "a.id", "fk_b"))
        + table("c", reference("b_id", "b.id", "fk_c"), reference("self_id", "c.id", "fk_self")),
        "INSERT INTO a SELECT; INSERT INTO b (a_id) VALUES (1); INSERT INTO c (b_id) VALUES (1)",
    )
    runs_both_ways(
        project,
        "",
        """
        op.soft_drop_table('c')
        op.soft_drop_table('b')
        op.soft_drop_table('a')
        """,
    )


@needs_alembic_1_18_3
def test_a_foreign_key_of_a_table_that_stays_is_dropped_first(project: Project) -> None:
    starts_with(
        project,
        table("users") + table("orders", reference("user_id", "users.id", "fk_user")),
        "INSERT INTO users SELECT; INSERT INTO orders (user_id) VALUES (1)",
    )
    downgrade = runs_both_ways(
        project,
        table("orders", 'sa.Column("user_id", sa.Integer)'),
        """
        op.drop_constraint(op.f('fk_user'), 'orders', type_='foreignkey')
        op.soft_drop_table('users')
        """,
    )
    assert downgrade.splitlines()[-1] == (
        "op.create_foreign_key(op.f('fk_user'), 'orders', 'users', ['user_id'], ['id'])"
    )


@needs_alembic_1_18_3
def test_a_column_that_refers_to_a_dropped_table_goes_before_it(project: Project) -> None:
    starts_with(
        project,
        table("users") + table("orders", reference("user_id", "users.id", "fk_user")),
        "INSERT INTO users SELECT; INSERT INTO orders (user_id) VALUES (1)",
    )
    runs_both_ways(
        project,
        table("orders"),
        """
        op.soft_drop_column('orders', 'user_id')
        op.soft_drop_table('users')
        """,
    )


def test_a_table_that_refers_to_a_dropped_column_goes_before_it(project: Project) -> None:
    starts_with(
        project,
        table("users", 'sa.Column("code", sa.Integer, unique=True)')
        + table("orders", reference("code", "users.code", "fk_code")),
        "INSERT INTO users (code) VALUES (7); INSERT INTO orders (code) VALUES (7)",
    )
    runs_both_ways(
        project,
        table("users"),
        """
        op.soft_drop_table('orders')
        op.soft_drop_column('users', 'code')
        """,
    )


def test_a_foreign_key_to_a_dropped_column_is_dropped_before_it(project: Project) -> None:
    starts_with(
        project,
        table("a", 'sa.Column("code", sa.Integer, unique=True)')
        + table("b", reference("code", "a.code", "fk_code")),
        "INSERT INTO a (code) VALUES (7); INSERT INTO b (code) VALUES (7)",
    )
    runs_both_ways(
        project,
        table("a") + table("b", 'sa.Column("code", sa.Integer)'),
        """
        op.drop_constraint(op.f('fk_code'), 'b', type_='foreignkey')
        op.soft_drop_column('a', 'code')
        """,
    )


def test_a_column_that_refers_to_its_own_table_goes_first(project: Project) -> None:
    starts_with(
        project,
        table(
            "nodes",
            'sa.Column("code", sa.Integer, unique=True)',
            reference("parent", "nodes.code", "fk_parent"),
        ),
        "INSERT INTO nodes (code, parent) VALUES (1, NULL), (2, 1)",
    )
    runs_both_ways(
        project,
        table("nodes"),
        """
        op.soft_drop_column('nodes', 'parent')
        op.soft_drop_column('nodes', 'code')
        """,
    )


needs_postgresql_17 = pytest.mark.min_major(17)  # to replace the expression of a parked column
each_strategy = pytest.mark.parametrize(
    "strategy", [pytest.param("soft_drop", marks=needs_postgresql_17), "archive"]
)

KEPT = 'sa.Column("kept", sa.Integer)'
GENERATED = table(
    "p",
    KEPT,
    'sa.Column("b", sa.Integer)',
    'sa.Column("g", sa.Integer, sa.Computed("b * 2 + kept", persisted=True))',
)


@pytest.mark.majors
@each_strategy
def test_a_generated_column_goes_before_what_it_is_made_of(project: Project, strategy: str) -> None:
    project.settings(drop_strategy=strategy)
    starts_with(project, GENERATED, "INSERT INTO p (b, kept) VALUES (4, 3), (NULL, 5)")
    rows = project.database.rows("SELECT * FROM p")
    downgrade = runs_both_ways(
        project,
        table("p", KEPT),
        f"""
        op.{strategy}_column('p', 'g')
        op.{strategy}_column('p', 'b')
        """,
    )
    assert re.findall(r"sa\.Column\('(\w)'", downgrade) == ["b", "g"]
    project.downgrade()
    assert project.database.rows("SELECT * FROM p") == rows


@each_strategy
def test_a_generated_column_goes_first_in_a_batch_too(project: Project, strategy: str) -> None:
    project.settings(drop_strategy=strategy)
    project.configure_context("render_as_batch=True")
    starts_with(project, GENERATED, "INSERT INTO p (b, kept) VALUES (4, 3), (NULL, 5)")
    runs_both_ways(
        project,
        table("p", KEPT),
        f"""
        with op.batch_alter_table('p', schema=None) as batch_op:
        batch_op.{strategy}_column('g')
        batch_op.{strategy}_column('b')
        """,
    )


@pytest.mark.majors
def test_an_archived_column_leaves_what_it_was_made_of_free(project: Project) -> None:
    """On a PostgreSQL before 17 too, where a soft-dropped one does not."""
    project.settings(drop_strategy_overrides="p.g = archive")
    starts_with(project, GENERATED, "INSERT INTO p (b, kept) VALUES (4, 3), (NULL, 5)")
    runs_both_ways(
        project,
        table("p", KEPT),
        """
        op.archive_column('p', 'g')
        op.soft_drop_column('p', 'b')
        """,
    )


@needs_postgresql_17
def test_generated_columns_among_others(project: Project) -> None:
    starts_with(
        project,
        table(
            "p",
            'sa.Column("a", sa.Integer)',
            'sa.Column("b", sa.Integer)',
            'sa.Column("c", sa.Integer)',
            'sa.Column("d", sa.Integer, sa.Computed("b + e", persisted=True))',
            'sa.Column("e", sa.Integer)',
            'sa.Column("f", sa.Integer, sa.Computed("g - 1", persisted=True))',
            'sa.Column("g", sa.Integer)',
        ),
        "INSERT INTO p (b, e, g) VALUES (1, 2, 3)",
    )
    runs_both_ways(
        project,
        table("p", 'sa.Column("g", sa.Integer)'),
        """
        op.soft_drop_column('p', 'a')
        op.soft_drop_column('p', 'c')
        op.soft_drop_column('p', 'd')
        op.soft_drop_column('p', 'b')
        op.soft_drop_column('p', 'e')
        op.soft_drop_column('p', 'f')
        """,
    )


@needs_postgresql_17
def test_generated_columns_come_back_in_order_after_a_purge(project: Project) -> None:
    """Where nothing is parked any more, the structure is made anew: in the same order."""
    starts_with(project, GENERATED)
    before = project.database.dump()
    project.write_models(table("p", KEPT))
    project.autogenerate("after")
    project.upgrade()
    project.alembic("zanith-recover", "cleanup", "--older-than", "0d").succeeded()
    project.downgrade()
    assert project.database.dump() == before


def test_a_chain_of_references_in_a_table_goes_from_its_end(project: Project) -> None:
    starts_with(
        project,
        table(
            "nodes",
            reference("a", "nodes.c", "fk_a"),
            'sa.Column("b", sa.Integer, unique=True)',
            'sa.Column("c", sa.Integer, sa.ForeignKey("nodes.b", name="fk_c"), unique=True)',
        ),
        "INSERT INTO nodes (a, b, c) VALUES (NULL, 1, NULL), (NULL, 2, 1), (1, 3, 2)",
    )
    runs_both_ways(
        project,
        table("nodes"),
        """
        op.soft_drop_column('nodes', 'a')
        op.soft_drop_column('nodes', 'c')
        op.soft_drop_column('nodes', 'b')
        """,
    )


CIRCLE = (
    table("a", 'sa.Column("b_id", sa.Integer)')
    + table("b", reference("a_id", "a.id", "fk_b"))
    + 'metadata.tables["a"].append_constraint('
    'sa.ForeignKeyConstraint(["b_id"], ["b.id"], name="fk_a", use_alter=True))\n'
)


def test_tables_that_refer_to_each_other_lose_a_foreign_key_by_name(project: Project) -> None:
    project.write_models(CIRCLE)
    project.autogenerate()
    project.upgrade()
    # Alembic writes no constraint with use_alter into its create_table.
    project.revision('op.create_foreign_key("fk_a", "a", "b", ["b_id"], ["id"])')
    project.upgrade()
    project.database.execute(
        "INSERT INTO a DEFAULT VALUES; INSERT INTO b (a_id) VALUES (1); UPDATE a SET b_id = 1"
    )
    downgrade = runs_both_ways(
        project,
        "",
        """
        op.drop_constraint(op.f('fk_b'), 'b', type_='foreignkey')
        op.soft_drop_table('a')
        op.soft_drop_table('b')
        """,
    )
    assert downgrade.splitlines()[-1] == (
        "op.create_foreign_key(op.f('fk_b'), 'b', 'a', ['a_id'], ['id'])"
    )
    assert "fk_b" not in downgrade.partition("op.create_foreign_key")[0]


@needs_alembic_1_18_3
def test_a_dropped_table_and_a_dropped_column_that_refer_to_each_other(project: Project) -> None:
    starts_with(
        project,
        table("a", 'sa.Column("code", sa.Integer, unique=True)', 'sa.Column("b_id", sa.Integer)')
        + table("b", reference("code", "a.code", "fk_b")),
    )
    project.revision('op.create_foreign_key("fk_a", "a", "b", ["b_id"], ["id"])')
    project.upgrade()
    runs_both_ways(
        project,
        table("a"),
        """
        op.drop_constraint(op.f('fk_a'), 'a', type_='foreignkey')
        op.soft_drop_table('b')
        op.soft_drop_column('a', 'code')
        op.soft_drop_column('a', 'b_id')
        """,
    )


def test_a_child_by_inheritance_goes_before_its_parent(project: Project) -> None:
    starts_with(project, table("a_parent"))
    project.revision(
        'op.execute("CREATE TABLE b_child (id integer PRIMARY KEY) INHERITS (a_parent)")',
        'op.execute("DROP TABLE b_child")',
    )
    project.upgrade()
    runs_both_ways(
        project,
        "",
        """
        op.soft_drop_table('b_child')
        op.soft_drop_table('a_parent')
        """,
    )


def test_drops_are_in_order_when_some_keep_alembics_own(project: Project) -> None:
    project.settings(drop_strategy_overrides="b = drop")
    starts_with(
        project,
        table("a") + table("b", reference("a_id", "a.id", "fk_b"), 'sa.Index("ix_b", "a_id")'),
    )
    project.write_models("")
    assert code(project.autogenerate().upgrade) == code("""
        op.drop_index(op.f('ix_b'), table_name='b')
        op.drop_table('b')
        op.soft_drop_table('a')
    """)
