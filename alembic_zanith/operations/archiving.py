"""How `op.archive_column(..., online=True)` is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.relation import get_relation
from alembic_zanith.config import settings_of, workspace
from alembic_zanith.errors import AutocommitRequiredError
from alembic_zanith.failures import database_errors_explained
from alembic_zanith.hooks import flush_batch
from alembic_zanith.online import OnlineArchive
from alembic_zanith.sql import is_autocommit, translated_schema, unheard

from .pacing import pace_of
from .resuming import RunCheckpoint
from .running import connected

if TYPE_CHECKING:
    from alembic.operations import Operations

    from .archive_column import ArchiveColumnOp


def archived_online(operations: Operations, operation: ArchiveColumnOp) -> Artifact | None:
    """Archive a column in steps; see `op.archive_column`."""
    call = f"{operation}, online"
    context = operations.migration_context
    connection = connected(operations, str(operation))
    if not is_autocommit(connection):
        raise AutocommitRequiredError(
            f"{operation} with online=True copies in batches that are committed one by one, and "
            "here all is one transaction. Nothing of it has changed. Put the call into `with "
            "op.get_context().autocommit_block():`, or leave out online=True, which copies all "
            "rows under one lock on the table."
        )
    flush_batch(operations, str(operation))
    settings = settings_of(context)
    place = workspace(settings, context)
    with database_errors_explained(call):
        schema = translated_schema(connection, operation.schema)
        with unheard():
            relation = get_relation(connection, operation.table_name, schema)
        names = (str(relation.name), str(operation.column_name))
        begun = RunCheckpoint.of(context, connection, place, operation.kind, *names)
        archive = OnlineArchive(
            connection,
            ArtifactStore(connection, place),
            str(operation.table_name),
            str(operation.column_name),
            schema,
            operation.retention_days,
            begun.checkpoints,
            begun.id,
            begun.revision,
            pace_of(settings, connection, relation, operation.batch_size, operation.pause),
            str(operation),
        )
        artifact = archive.run()
    begun.mark_applied()
    return artifact
