"""What every operation does around its work: refuse where it cannot run, connect, report."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from alembic_zanith.config import settings_of, workspace
from alembic_zanith.errors import (
    OfflineModeError,
    TransactionRequiredError,
    UnsupportedDatabaseError,
)
from alembic_zanith.failures import database_errors_explained
from alembic_zanith.hooks import flush_batch
from alembic_zanith.sql import is_autocommit
from alembic_zanith.workspace import Workspace

if TYPE_CHECKING:
    from alembic.operations.base import AbstractOperations
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection

    from alembic_zanith.artifacts import Artifact
    from alembic_zanith.recovery import RestoreReport

# Below "alembic", so that the logging that Alembic's templates configure shows it, and so that
# the fileConfig() in env.py does not disable it:
# https://docs.python.org/3/library/logging.config.html#logging.config.fileConfig
log = logging.getLogger("alembic.zanith")


@contextmanager
def parked_objects(
    operations: AbstractOperations, call: str
) -> Iterator[tuple[Connection, Workspace]]:
    """Give an operation its connection and workspace, inside a savepoint of its own.

    `call` is the operation as messages name it: `soft_drop_column('users', 'legacy_uuid')`.

    Raises `UnsupportedDatabaseError`, `OfflineModeError` or `TransactionRequiredError` where the
    operation cannot run, and `ZanithError` for errors of the database.
    """
    context = operations.migration_context
    connection = connected(operations, call)
    _refuse_autocommit(connection, call)
    # Errors of what the batch had queued are not ours to explain.
    flush_batch(operations, call)
    with database_errors_explained(call), connection.begin_nested():
        yield connection, workspace(settings_of(context), context)


_ALEMBICS_OWN = (
    "Write Alembic's own operation for it: op.drop_column or op.drop_table, and "
    "op.add_column or op.create_table for the way back."
)


def connected(operations: AbstractOperations, call: str) -> Connection:
    """Return the connection of an operation that cannot be written as SQL.

    Raises `UnsupportedDatabaseError` and `OfflineModeError`.
    """
    refuse_other_databases(operations.migration_context, call, _ALEMBICS_OWN)
    _refuse_offline(operations.migration_context, call)
    return operations.get_bind()


def refuse_other_databases(context: MigrationContext, call: str, instead: str) -> None:
    """Raise `UnsupportedDatabaseError` on a database that is not PostgreSQL."""
    if context.dialect.name != "postgresql":
        raise UnsupportedDatabaseError(
            f"{call} works on PostgreSQL only, and this database is {context.dialect.name}. "
            f"{instead}"
        )


def _refuse_offline(context: MigrationContext, call: str) -> None:
    if context.as_sql:
        raise OfflineModeError(
            f"{call} cannot be written as SQL ahead of time: what it has to move depends on what "
            "hangs on the object in the database. Run this revision without --sql, and limit "
            "--sql to the revisions before and after it (--sql FROM:TO)."
        )


def _refuse_autocommit(connection: Connection, call: str) -> None:
    if is_autocommit(connection):
        raise TransactionRequiredError(
            f"{call} needs a transaction, so that a failure half way leaves nothing behind, and "
            "here each statement is committed by itself. Move the call out of autocommit_block(), "
            "or connect without isolation_level='AUTOCOMMIT'."
        )


def log_parked(artifact: Artifact) -> None:
    """Say in one line where the data is now and how it comes back."""
    what = "column" if artifact.is_column else "table"
    log.info(
        "%s is parked as %s (artifact %s); bring it back: alembic zanith-recover restore-%s %s",
        artifact.source,
        artifact.parked,
        artifact.id,
        what,
        artifact.source,
    )


def log_restored(report: RestoreReport) -> None:
    """Say what came back, and warn of all that is not as it was."""
    if report.already_restored:
        log.info("%s is back already (artifact %s)", report.restored_as, report.artifact.id)
    else:
        log.info("%s is back (artifact %s)", report.restored_as, report.artifact.id)
    for key in report.not_valid:
        log.warning(
            "Foreign key %s of %s came back NOT VALID: %s rows have no parent row any more (%s).",
            key.name,
            report.restored_as,
            key.count,
            "; ".join(key.sample),
        )
    for name in report.left_out:
        log.warning("%s came back without %s, as relax=True allows.", report.restored_as, name)
    for old, new in report.renamed:
        log.warning("The name %s was taken: it came back as %s.", old, new)
    for warning in report.warnings:
        log.warning("%s", warning)
