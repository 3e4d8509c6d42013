"""Batch mode: order among what the batch has queued, and copies of the table."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from alembic_zanith.errors import ZanithError
from tests.conftest import MakeProject
from tests.support.database import Database

USERS = """
CREATE SCHEMA shop;
CREATE TABLE shop.users (id serial PRIMARY KEY, a int NOT NULL, b int UNIQUE, c int);
INSERT INTO shop.users (a, b, c) SELECT i, i, i FROM generate_series(1, 9) i
"""


@pytest.fixture
def users(database: Database) -> Database:
    """A database with a table of nine users in a schema of its own."""
    database.execute(USERS)
    return database


def test_each_operation_runs_after_what_was_queued_before_it(users: Database) -> None:
    before = users.dump()
    with users.begin() as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        with op.batch_alter_table("users", schema="shop") as batch_op:
            batch_op.alter_column("a", new_column_name="renamed")
            batch_op.soft_drop_column("renamed", retention_days=7)
            batch_op.add_column(sa.Column("renamed", sa.Text))
            batch_op.archive_column("b")
            batch_op.drop_column("c")
        assert column_names(connection) == ["id", "renamed"]
        with op.batch_alter_table("users", schema="shop") as batch_op:
            batch_op.drop_column("renamed")
            batch_op.restore_column("renamed")
            batch_op.alter_column("renamed", new_column_name="a")
        assert connection.scalar(sa.text("SELECT sum(a) FROM shop.users")) == 45
        connection.rollback()
    assert users.dump() == before


def test_a_column_comes_back_empty_in_a_batch_too(users: Database) -> None:
    with users.begin() as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        with op.batch_alter_table("users", schema="shop") as batch_op:
            batch_op.restore_column(sa.Column("d", sa.Integer), sa.Index("ix_d", "d"))
        assert connection.scalar(sa.text("SELECT to_regclass('shop.ix_d') IS NOT NULL"))


def test_a_batch_that_copies_the_table_is_refused(users: Database) -> None:
    before = users.dump()
    with users.begin() as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        with (
            pytest.raises(ZanithError) as caught,
            op.batch_alter_table("users", schema="shop", recreate="always") as batch_op,
        ):
            batch_op.soft_drop_column("a")
    assert str(caught.value) == (
        "soft_drop_column('users', 'a') cannot run in a batch with recreate='always' on 'users': "
        "the table is copied, and what is parked would be lost with the old one. Move the call "
        "out of the batch, or leave out recreate."
    )
    assert users.dump() == before


def test_a_batch_in_a_revision_goes_up_and_down(make_project: MakeProject) -> None:
    project = make_project()
    project.revision(f'op.execute("""{USERS}""")')
    project.upgrade()
    before = project.database.dump()
    project.revision(
        """
        with op.batch_alter_table("users", schema="shop") as batch_op:
            batch_op.soft_drop_column("a")
            batch_op.soft_drop_column("b")
        """,
        """
        with op.batch_alter_table("users", schema="shop") as batch_op:
            batch_op.restore_column("b")
            batch_op.restore_column("a")
        """,
    )
    project.upgrade()
    project.downgrade()
    assert project.database.dump() == before


def column_names(connection: sa.Connection) -> list[str]:
    names = [column["name"] for column in sa.inspect(connection).get_columns("users", "shop")]
    return [name for name in names if not name.startswith("_zanith_")]
