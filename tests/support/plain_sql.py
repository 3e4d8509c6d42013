"""Operations that are one statement: on a connection, written as SQL, rendered as Python."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations import MigrateOperation, Operations, ops

from tests.support.database import Database
from tests.support.swapping import code


@contextmanager
def op_on(database: Database, driver: str | None = None, **role: str) -> Iterator[Any]:
    """Operations in a transaction, as a revision script has them; `role` runs them as that."""
    with database.begin(driver, **role) as connection:
        yield Operations(MigrationContext.configure(connection))


def written(operation: MigrateOperation, dialect: str = "postgresql") -> str:
    """Return what `--sql` writes for an operation."""
    text = io.StringIO()
    context = MigrationContext.configure(
        dialect_name=dialect, opts={"as_sql": True, "output_buffer": text}
    )
    Operations(context).invoke(operation)
    return text.getvalue()


def rendered(operation: MigrateOperation, **options: Any) -> str:
    """Return the Python text of an operation."""
    context = MigrationContext.configure(dialect_name="postgresql")
    text = render_python_code(ops.UpgradeOps([operation]), migration_context=context, **options)
    return code(f"    {text}")
