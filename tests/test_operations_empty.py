"""Where nothing is parked: a downgrade still brings the structure back, empty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql

from alembic_zanith.errors import NameTakenError, NothingParkedError, UnknownObjectError
from tests.support.database import Database
from tests.support.project import Project
from tests.support.swapping import is_up_to_date, starts_with

SHOP = """
class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id"), index=True)
    level: Mapped[int] = mapped_column(server_default="1", comment="how far")
    kind: Mapped[str | None] = mapped_column(sa.Enum("a", "b", name="user_kind"))
    __table_args__ = (
        sa.CheckConstraint("level > 0", name="ck_level"), sa.UniqueConstraint("team_id", "level"),
    )

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), index=True)
    kind: Mapped[str] = mapped_column(sa.Enum("x", "y", name="order_kind"))
    total: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2), sa.Computed("1.5", persisted=True))
    __table_args__ = (
        sa.Index("ix_big", sa.text("total DESC"), postgresql_where=sa.text("total > 100")),
        {"comment": "what was bought"},
    )
"""

SHOP_AFTER = """
class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
"""

ROWS = """
INSERT INTO teams SELECT; INSERT INTO users (team_id, kind) VALUES (1, 'a');
INSERT INTO orders (user_id, kind) VALUES (1, 'x')
"""


def everything_is_purged(database: Database) -> None:
    """Drop all parked objects and forget them."""
    with database.begin() as connection:
        connection.execute(sa.text("DELETE FROM _zanith_migration_artifacts"))
        for table in sa.inspect(connection).get_table_names():
            if table.startswith("_zanith_dropped"):
                connection.execute(sa.text(f'DROP TABLE "{table}"'))
                continue
            for column in sa.inspect(connection).get_columns(table):
                if column["name"].startswith("_zanith_dropped"):
                    connection.execute(sa.text(f'ALTER TABLE "{table}" DROP "{column["name"]}"'))


@contextmanager
def op_on(database: Database) -> Iterator[Any]:
    with database.begin() as connection:
        yield Operations(MigrationContext.configure(connection))


def test_a_downgrade_after_a_purge_makes_the_structure_of_before(project: Project) -> None:
    starts_with(project, SHOP, ROWS)
    project.write_models(SHOP_AFTER)
    script = project.autogenerate("after")
    project.upgrade()
    everything_is_purged(project.database)
    output = project.downgrade().output
    for name in ("orders", "users.team_id", "users.level", "users.kind"):
        assert f"{name} came back empty: nothing is parked of it, so it was made from" in output
    script.path.unlink()
    project.write_models(SHOP)
    assert is_up_to_date(project)
    dump = project.database.dump()
    for part in (
        "level > 0",
        "'how far'",
        "'what was bought'",
        "CREATE INDEX ix_users_team_id",
        "GENERATED ALWAYS AS (1.5) STORED",
        "CREATE INDEX ix_big ON public.orders USING btree (total DESC) WHERE (total >",
        "FOREIGN KEY (team_id) REFERENCES public.teams(id)",
        "FOREIGN KEY (user_id) REFERENCES public.users(id)",
    ):
        assert part in dump
    assert project.database.rows("SELECT team_id, level, kind FROM users") == [(None, 1, None)]
    assert project.database.rows("SELECT * FROM orders") == []


def test_a_fresh_database_that_was_never_dropped_from_goes_down_as_well(project: Project) -> None:
    starts_with(project, SHOP)
    project.write_models(SHOP_AFTER)
    project.autogenerate("after")
    project.upgrade()
    everything_is_purged(project.database)
    project.database.execute(
        "DROP TABLE _zanith_migration_steps, _zanith_migrations, _zanith_schema_snapshots,"
        " _zanith_migration_artifacts, _zanith_migration_checkpoints"
    )
    project.downgrade("base")


@pytest.fixture
def users(database: Database) -> Database:
    """A database with two users."""
    database.execute("CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1), (2)")
    return database


def test_a_required_column_accepts_null_where_rows_have_no_value(
    users: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with op_on(users) as op:
        assert op.restore_column("users", sa.Column("a", sa.Integer, nullable=False)) is None
    assert caplog.messages[-1] == (
        "users.a came back empty: nothing is parked of it, so it was made from the definition in "
        "the script. It accepts NULL although its definition says NOT NULL, because there are "
        "rows and no value for them; fill= gives them one."
    )
    assert users.rows("SELECT a FROM users") == [(None,), (None,)]


def test_a_required_column_is_filled_where_an_expression_is_given(users: Database) -> None:
    with op_on(users) as op:
        op.restore_column("users", sa.Column("a", sa.Integer, nullable=False), fill="id * 10")
    assert users.rows("SELECT a FROM users ORDER BY id") == [(10,), (20,)]
    assert not nullable(users, "a")


def test_a_required_column_stays_required_where_there_are_no_rows_or_a_default(
    users: Database,
) -> None:
    with op_on(users) as op:
        op.restore_column("users", sa.Column("a", sa.Integer, server_default="7", nullable=False))
        op.restore_column("users", sa.Column("b", sa.Integer, sa.Identity(), nullable=False))
        op.execute("DELETE FROM users")
        op.restore_column("users", sa.Column("c", sa.Integer, nullable=False))
    assert not any(nullable(users, column) for column in "abc")


def test_a_constraint_that_cannot_be_had_stops_it_or_is_left_out(users: Database) -> None:
    column = sa.Column("a", sa.Integer)
    elements = [
        sa.CheckConstraint("id > 1", name="ck"),
        sa.ForeignKeyConstraint(["a"], ["gone.id"], name="fk"),
        sa.Index("ix", "a"),
    ]
    before = users.dump()
    with op_on(users) as op, pytest.raises(Exception, match="changed nothing"):
        op.restore_column("users", column, *elements)
    assert users.dump() == before
    with op_on(users) as op:
        op.restore_column("users", column, *elements, relax=True)
    assert users.scalar("SELECT to_regclass('ix') IS NOT NULL")
    assert users.scalar("SELECT count(*) FROM pg_constraint WHERE conname IN ('ck', 'fk')") == 0


def test_an_enum_type_is_made_where_it_is_gone_and_left_where_it_is(users: Database) -> None:
    users.execute("CREATE TYPE mood AS ENUM ('ok')")
    with op_on(users) as op:
        op.restore_column("users", sa.Column("a", sa.Enum("ok", name="mood")))
        op.restore_column("users", sa.Column("b", postgresql.ENUM("x", name="other")))
        op.restore_column("users", sa.Column("c", sa.ARRAY(sa.Enum("y", name="third"))))
        op.restore_table("t", sa.Column("a", sa.Enum("ok", name="mood")))
    assert users.scalar("SELECT count(*) FROM pg_type WHERE typtype = 'e'") == 3


def test_another_name_is_taken_where_one_is_given(
    users: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with op_on(users) as op:
        op.restore_column(
            "users", sa.Column("id", sa.Integer), sa.Index("ix", "id"), as_name="id_old"
        )
        op.restore_table("users", sa.Column("id", sa.Integer), as_name="users_old")
    assert users.rows("SELECT id_old FROM users") == [(None,), (None,)]
    assert users.rows("SELECT * FROM users_old") == []
    assert "name the old column and were left out" in caplog.messages[-2]


def test_a_name_that_is_taken_is_never_overwritten(users: Database) -> None:
    before = users.dump()
    with op_on(users) as op:
        with pytest.raises(NameTakenError, match=r"users\.id exists, and nothing is parked"):
            op.restore_column("users", sa.Column("id", sa.Integer))
        with pytest.raises(NameTakenError, match="users exists, and nothing is parked"):
            op.restore_table("users", sa.Column("id", sa.Integer))
        with pytest.raises(UnknownObjectError, match="there is no table gone"):
            op.restore_column("gone", sa.Column("id", sa.Integer))
    assert users.dump() == before


def test_without_a_definition_it_is_an_error_that_asks_for_one(users: Database) -> None:
    with op_on(users) as op:
        with pytest.raises(NothingParkedError, match=r"write its definition into the call"):
            op.restore_column("users", "a")
        with pytest.raises(NothingParkedError, match=r"write its definition into the call"):
            op.restore_table("t")


def test_an_artifact_that_is_named_and_not_there_is_an_error(users: Database) -> None:
    with op_on(users) as op, pytest.raises(UnknownObjectError):
        op.restore_column("users", sa.Column("a", sa.Integer), artifact="deadbeef")


def nullable(database: Database, column: str) -> bool:
    query = f"SELECT NOT attnotnull FROM pg_attribute WHERE attname = '{column}'"
    return bool(database.scalar(f"{query} AND attrelid = 'users'::regclass"))
