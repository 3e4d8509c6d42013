"""What the gates do not let pass does not reach the server, however a script goes about it."""

from __future__ import annotations

import pytest

from tests.support.database import Database
from tests.support.project import Project

# Each loses the rows of the table `kept`, in a way of its own. Ways that the recording pass sees
# through are refused before anything runs, the others when they reach the server.
HIDDEN_DROPS = {
    "operation": "op.drop_table('kept')",
    "column": "op.drop_column('kept', 'value')",
    "in a batch": "with op.batch_alter_table('kept') as batch_op:\n    batch_op.drop_column('value')",
    "op.execute": "op.execute('DROP TABLE kept')",
    "op.execute of text()": "op.execute(sa.text('DROP TABLE kept'))",
    "op.execute of a construct": "op.execute(sa.schema.DropTable(sa.table('kept')))",
    "op.execute of a delete": "op.execute(sa.delete(sa.table('kept')))",
    "several statements": "op.execute('SELECT 1; DROP TABLE kept')",
    "a comment in front": "op.execute('/* SELECT */ DROP -- x\\n TABLE kept')",
    "a CTE": "op.execute('WITH gone AS (DELETE FROM kept RETURNING *) SELECT count(*) FROM gone')",
    "a DO block": "op.execute('DO $$ BEGIN DROP TABLE kept; END $$')",
    "truncate": "op.execute('TRUNCATE kept')",
    "get_bind().execute": "op.get_bind().execute(sa.text('DROP TABLE kept'))",
    "exec_driver_sql": "op.get_bind().exec_driver_sql('DROP TABLE kept')",
    "a result in between": """\
for name in op.get_bind().execute(sa.text("SELECT 'kept'")).scalars().all():
    op.drop_table(name)""",
    "computed SQL": """\
names = op.get_bind().execute(sa.text("SELECT 'kept'")).scalars().all()
op.get_bind().execute(sa.text(f"DROP TABLE {names[0]}"))""",
    "parameters": """\
op.get_bind().execute(sa.text("DELETE FROM kept WHERE value = :v"), {"v": "%s"})
op.get_bind().scalar(sa.text("SELECT 1"))
op.get_bind().execute(sa.text("DELETE FROM kept"))""",
    "Table.drop": "sa.Table('kept', sa.MetaData(), sa.Column('id', sa.Integer)).drop(op.get_bind())",
    "drop_all": """\
metadata = sa.MetaData()
sa.Table('kept', metadata, sa.Column('id', sa.Integer))
metadata.drop_all(op.get_bind())""",
    "reflected": """\
sa.Table('kept', sa.MetaData(), autoload_with=op.get_bind()).drop(op.get_bind())""",
    "an ORM session": """\
from sqlalchemy.orm import Session
session = Session(bind=op.get_bind())
session.execute(sa.text('DROP TABLE kept'))
session.flush()""",
    "an ORM delete": """\
from sqlalchemy.orm import Session, declarative_base
class Kept(declarative_base()):
    __tablename__ = 'kept'
    id = sa.Column(sa.Integer, primary_key=True)
session = Session(bind=op.get_bind())
session.query(Kept).delete()
session.flush()""",
    "the context's bind": """\
from alembic import context
context.get_bind().execute(sa.text('DROP TABLE kept'))""",
    "a cursor of the driver": """\
cursor = op.get_bind().connection.cursor()
cursor.execute('DROP TABLE kept')""",
    "a connection of its own": """\
engine = sa.create_engine(op.get_bind().engine.url, poolclass=sa.NullPool)
with engine.begin() as connection:
    connection.execute(sa.text('DROP TABLE kept'))""",
    "an autocommit block": """\
with op.get_context().autocommit_block():
    op.execute('DROP TABLE kept')""",
    "a commit in between": """\
op.get_bind().commit()
op.get_bind().execute(sa.text('DROP TABLE kept'))""",
    "an exception swallowed": """\
try:
    op.get_bind().execute(sa.text("SELECT 1")).scalar()
    op.drop_table('kept')
except Exception:
    pass""",
    "a listener": """\
table = sa.Table('fresh', sa.MetaData(), sa.Column('id', sa.Integer))
@sa.event.listens_for(table, 'after_create')
def drop(target, connection, **kw):
    connection.execute(sa.text('DROP TABLE kept'))
op.get_bind().execute(sa.text("SELECT 1")).scalar()
table.create(op.get_bind())""",
    "a procedure": """\
op.execute('CREATE PROCEDURE clear() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM kept; END $$')
op.execute('CALL clear()')""",
    "explain analyze": "op.execute('EXPLAIN ANALYZE DELETE FROM kept')",
    "schema": "op.execute('DROP SCHEMA public CASCADE')",
}


@pytest.fixture
def kept(database: Database) -> Database:
    database.execute(
        "CREATE TABLE kept (id int PRIMARY KEY, value text); INSERT INTO kept VALUES (1, 'x')"
    )
    return database


@pytest.mark.parametrize("way", HIDDEN_DROPS)
def test_no_way_around_the_gates_loses_a_row(kept: Database, project: Project, way: str) -> None:
    project.revision(upgrade=HIDDEN_DROPS[way])
    before = kept.dump()
    refused = project.alembic("upgrade", "head").failed()
    assert "Refused" in refused.output
    assert kept.dump() == before


# These fail without the gates as well: the connection waits for the run's own transaction, Alembic
# wants no commit of others, and its own table is in the schema.
NEVER_OPEN = {"a connection of its own", "a commit in between", "schema"}


@pytest.mark.parametrize("way", sorted(HIDDEN_DROPS.keys() - NEVER_OPEN))
def test_the_same_ways_are_open_with_consent(kept: Database, project: Project, way: str) -> None:
    project.revision(upgrade=HIDDEN_DROPS[way])
    before = kept.dump()
    project.alembic("-x", "zanith_allow_destructive=yes", "upgrade", "head").succeeded()
    assert kept.dump() != before
