"""The preflight gate: rows in the way stop a run before it begins, or their operation."""

from __future__ import annotations

import pytest

from tests.support.database import Database
from tests.support.project import Project


@pytest.fixture
def filled(database: Database) -> Database:
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, a text, b int);"
        "INSERT INTO t VALUES (1, 'x', 1), (2, 'x', NULL), (3, 'y', 3);"
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1)"
    )
    return database


IN_THE_WAY = {
    "duplicates": (
        "op.create_unique_constraint('u', 't', ['a'])",
        "t has no duplicates in a: no, 1 group of rows.",
    ),
    "a unique index": (
        "op.create_index('u', 't', ['a'], unique=True)",
        "t has no duplicates in a: no",
    ),
    "an index CONCURRENTLY": (
        "with op.get_context().autocommit_block():\n"
        "    op.create_index('u', 't', ['a'], unique=True, postgresql_concurrently=True)",
        "t has no duplicates in a: no",
    ),
    "orphans": (
        "op.create_foreign_key('f', 't', 'parent', ['id'], ['id'])",
        "every row of t finds its parent in parent by id: no, 2 rows.",
    ),
    "nulls": ("op.alter_column('t', 'b', nullable=False)", "t.b has no NULL: no, 1 row."),
    "rows": (
        "op.add_column('t', sa.Column('c', sa.Integer, nullable=False))",
        "t has no rows, which would need a value for c: no, 3 rows.",
    ),
    "misfits": (
        "op.alter_column('t', 'a', type_=sa.SmallInteger, postgresql_using='a::smallint')",
        "every value of t.a fits into smallint: no, invalid input syntax",
    ),
    "a check": (
        "op.create_check_constraint('k', 't', 'b > 1')",
        "every row of t passes CHECK (b > 1): no, 1 row.",
    ),
    "raw SQL": ("op.execute('ALTER TABLE t ADD UNIQUE (a)')", "t has no duplicates in a: no"),
    "in a batch": (
        "with op.batch_alter_table('t') as batch_op:\n    batch_op.create_unique_constraint('u', ['a'])",
        "t has no duplicates in a: no",
    ),
}


@pytest.mark.parametrize("way", IN_THE_WAY)
def test_rows_in_the_way_are_shown_before_anything_runs(
    filled: Database, project: Project, way: str
) -> None:
    body, message = IN_THE_WAY[way]
    project.revision(upgrade="op.create_table('first', sa.Column('id', sa.Integer))")
    project.revision(upgrade=body)
    before = filled.dump()
    refused = project.alembic("upgrade", "head").failed().output
    assert "Refused, nothing has run" in refused
    assert message in refused
    assert "gate preflight" in refused
    assert filled.dump() == before


@pytest.mark.parametrize("way", IN_THE_WAY)
def test_a_plan_that_mends_the_rows_first_passes(
    filled: Database, project: Project, way: str
) -> None:
    project.revision(upgrade="op.execute('DELETE FROM t WHERE id > 0')")
    project.revision(upgrade=IN_THE_WAY[way][0])
    project.upgrade()


@pytest.mark.parametrize("way", ["duplicates", "nulls", "raw SQL", "in a batch"])
def test_a_plan_that_does_not_mend_them_is_refused_at_its_operation(
    filled: Database, project: Project, way: str
) -> None:
    body, message = IN_THE_WAY[way]
    project.revision(upgrade="op.execute('DELETE FROM t WHERE id = 3')")
    project.revision(upgrade=body)
    before = filled.dump()
    refused = project.alembic("upgrade", "head").failed().output
    assert "Refused at the moment of execution" in refused
    assert message in refused
    assert filled.dump() == before


def test_what_only_the_run_knows_is_probed_too(filled: Database, project: Project) -> None:
    project.revision(
        upgrade="name = op.get_bind().scalar(sa.text(\"SELECT 'a'\"))\n"
        "op.create_unique_constraint('u', 't', [name])"
    )
    refused = project.alembic("upgrade", "head").failed().output
    assert "t has no duplicates in a: no" in refused


def test_without_preflight_postgresql_says_it(filled: Database, project: Project) -> None:
    project.settings(preflight="off")
    project.revision(upgrade="op.create_unique_constraint('u', 't', ['a'])")
    output = project.alembic("upgrade", "head").output
    assert "could not create unique index" in output
    assert "gate preflight" not in output


def test_a_probe_that_takes_too_long_refuses_nothing(filled: Database, project: Project) -> None:
    project.settings(preflight_timeout="1ms")
    filled.execute(
        "INSERT INTO t SELECT n, n::text, n FROM generate_series(10, 200000) n; DELETE FROM t WHERE id = 2"
    )
    project.revision(upgrade="op.create_unique_constraint('u', 't', ['a'])")
    assert "unfinished, it took longer than preflight_timeout allows" in project.upgrade().output
