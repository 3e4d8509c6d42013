"""A table of users, for tests of what happens to it while its column `note` is parked."""

from __future__ import annotations

from typing import Any

import pytest

from alembic_zanith.errors import ConstraintConflictError
from alembic_zanith.recovery import RestoreReport, restore_column
from tests.support.database import Database


def users_with(database: Database, column: str, values: str = "(1, 'one'), (2, NULL)") -> None:
    database.execute(
        f"CREATE TABLE users (id int PRIMARY KEY, email text, {column});"
        f"INSERT INTO users (id, note) VALUES {values}"
    )


def notes(database: Database, column: str = "note") -> dict[int, Any]:
    return dict(database.rows(f"SELECT id, {column} FROM users"))


def is_refused(database: Database, **options: Any) -> ConstraintConflictError:
    """Try to restore users.note; return the error, and make sure that nothing has changed."""
    before = database.dump_of_all()
    with pytest.raises(ConstraintConflictError) as refusal:
        database.do(restore_column, "users.note", **options)
    assert database.dump_of_all() == before
    return refusal.value


def recorded(database: Database, report: RestoreReport) -> dict[str, Any]:
    """Return what the row of the artifact says of its restore."""
    query = "SELECT restore_report FROM _zanith_migration_artifacts WHERE id = '{}'"
    found: dict[str, Any] = database.scalar(query.format(report.artifact.id))
    return found
