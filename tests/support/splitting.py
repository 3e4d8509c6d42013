"""A table of users whose name is split in two, and merged again."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from alembic_zanith.recovery import ReshapeReport
from tests.support.database import Database
from tests.support.project import Project
from tests.support.swapping import code

# What comes between the first word and the last is in neither.
FORWARD = {
    "first": "split_part(full_name, ' ', 1)",
    "last": "reverse(split_part(reverse(full_name), ' ', 1))",
}
BACK = "first || ' ' || last"

USERS = """
    CREATE TABLE users (id int PRIMARY KEY, full_name varchar(40) NOT NULL UNIQUE);
    INSERT INTO users VALUES (1, 'Ann Lee'), (2, 'Bob van Dyk'), (3, 'Cy Coe'), (4, 'Di de Ray');
"""


def columns() -> list[sa.Column[Any]]:
    return [sa.Column("first", sa.Text, nullable=False), sa.Column("last", sa.Text)]


def operations(connection: sa.Connection) -> Any:
    """`op` outside of any revision."""
    return Operations(MigrationContext.configure(connection))


def split(database: Database, **options: Any) -> ReshapeReport:
    """Split users.full_name and commit."""
    given: dict[str, Any] = {"into": columns(), "using": FORWARD, "reverse": BACK, **options}
    with database.begin() as connection:
        report: ReshapeReport = operations(connection).split_column("users", "full_name", **given)
    return report


def merge(database: Database, **options: Any) -> ReshapeReport:
    """Merge them again and commit."""
    given: dict[str, Any] = {"into": "full_name", "using": BACK, "reverse": FORWARD, **options}
    with database.begin() as connection:
        report: ReshapeReport = operations(connection).merge_columns(
            "users", ["first", "last"], **given
        )
    return report


def users(database: Database, columns: str = "id, full_name") -> list[tuple[Any, ...]]:
    return database.rows(f"SELECT {columns} FROM users ORDER BY id")


def column_names(database: Database, table: str = "users") -> list[str]:
    """The columns that are not parked."""
    query = f"""
        SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0
           AND NOT attisdropped AND attname NOT LIKE '\\_zanith%' ORDER BY attnum"""
    return [name for (name,) in database.rows(query)]


def split_project(project: Project, then: str = "soft_drop", kept: str = "") -> str:
    """Write a revision with the table and one that splits the name; return the id of that."""
    # asyncpg takes one statement at a time.
    statements = [each.strip() for each in USERS.split(";") if each.strip()]
    project.revision("\n".join(f'op.execute("""{each}""")' for each in statements))
    project.upgrade()
    upgrade = code(f"""
        op.split_column(
            "users",
            "full_name",
            into=[sa.Column("first", sa.Text, nullable=False), sa.Column("last", sa.Text)],
            using={FORWARD!r},
            reverse={BACK!r},
            then={then!r},
        )
    """)
    downgrade = code(f"""
        op.merge_columns(
            "users", ["first", "last"], into="full_name", using={BACK!r}, reverse={FORWARD!r}{kept},
        )
    """)
    return project.revision(upgrade, downgrade)
