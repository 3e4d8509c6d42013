"""With destructive_ops = protect, drops that a script calls park what they would have dropped."""

from __future__ import annotations

import pytest

from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project

TABLE_DROPS = {
    "operation": "op.drop_table('kept')",
    "with a schema": "op.drop_table('kept', schema='public')",
    "op.execute": "op.execute('DROP TABLE kept')",
    "if exists": "op.execute('DROP TABLE IF EXISTS kept')",
    "get_bind().execute": "op.get_bind().execute(sa.text('DROP TABLE kept'))",
    "exec_driver_sql": "op.get_bind().exec_driver_sql('DROP TABLE public.kept')",
    "Table.drop": "sa.Table('kept', sa.MetaData(), sa.Column('id', sa.Integer)).drop(op.get_bind())",
    "computed": """\
for name in op.get_bind().execute(sa.text("SELECT 'kept'")).scalars().all():
    op.drop_table(name)""",
}
COLUMN_DROPS = {
    "operation": "op.drop_column('kept', 'value')",
    "in a batch": "with op.batch_alter_table('kept') as batch_op:\n    batch_op.drop_column('value')",
    "op.execute": "op.execute('ALTER TABLE kept DROP COLUMN value')",
    "get_bind().execute": "op.get_bind().execute(sa.text('ALTER TABLE kept DROP value'))",
}


@pytest.fixture
def kept(database: Database) -> Database:
    database.execute(
        "CREATE TABLE kept (id int PRIMARY KEY, value text); INSERT INTO kept VALUES (1, 'x')"
    )
    return database


@pytest.fixture
def protected(project: Project) -> Project:
    project.settings(destructive_ops="protect")
    return project


@pytest.mark.parametrize("way", TABLE_DROPS)
def test_a_dropped_table_is_parked_and_comes_back(
    kept: Database, protected: Project, way: str
) -> None:
    protected.upgrade()
    before = kept.dump()
    protected.revision(upgrade=TABLE_DROPS[way])
    protected.upgrade()
    assert kept.scalar("SELECT to_regclass('kept')") is None
    protected.alembic("zanith-recover", "restore-table", "kept").succeeded()
    protected.alembic("stamp", "base").succeeded()
    assert kept.dump() == before


@pytest.mark.parametrize("way", COLUMN_DROPS)
def test_a_dropped_column_is_parked_and_comes_back(
    kept: Database, protected: Project, way: str
) -> None:
    protected.upgrade()
    before = kept.dump()
    protected.revision(upgrade=COLUMN_DROPS[way])
    protected.upgrade()
    columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'kept'::regclass AND attnum > 0"
    assert ("value",) not in kept.rows(columns)
    protected.alembic("zanith-recover", "restore-column", "kept.value").succeeded()
    protected.alembic("stamp", "base").succeeded()
    assert kept.dump() == before


def test_production_needs_no_consent_for_what_is_parked(kept: Database, protected: Project) -> None:
    protected.revision(upgrade="op.drop_table('kept')")
    protected.alembic("upgrade", "head", "--mode", "production", "--skip-shadow-check").succeeded()
    assert kept.scalar("SELECT count(*) FROM _zanith_migration_artifacts") == 1


def test_what_the_run_has_made_itself_is_dropped(database: Database, protected: Project) -> None:
    protected.revision(
        upgrade="op.create_table('t', sa.Column('id', sa.Integer))\nop.drop_table('t')"
    )
    protected.upgrade()
    assert database.rows("SELECT relname FROM pg_class WHERE relname LIKE '%zanith_dropped%'") == []


def test_a_drop_of_several_things_has_to_pass_the_gates(kept: Database, protected: Project) -> None:
    protected.revision(upgrade="op.execute('DROP TABLE kept CASCADE')")
    before = kept.dump()
    assert "Refused" in protected.alembic("upgrade", "head").failed().output
    assert kept.dump() == before


def test_a_table_that_is_not_there_is_left_to_postgresql(
    database: Database, protected: Project
) -> None:
    protected.revision(upgrade="op.execute('DROP TABLE IF EXISTS nothing')")
    protected.upgrade()
    protected.revision(upgrade="op.drop_table('nothing')")
    assert 'table "nothing" does not exist' in protected.alembic("upgrade", "head").stderr


def test_without_protect_the_same_drop_is_refused(
    make_project: MakeProject, kept: Database
) -> None:
    project = make_project()
    project.revision(upgrade="op.drop_table('kept')")
    assert "Refused" in project.alembic("upgrade", "head").failed().output
