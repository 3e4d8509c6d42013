"""How `op.rebuild_table` is run: in the transaction of the migration, or in steps of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.relation import get_relation
from alembic_zanith.config import settings_of, workspace
from alembic_zanith.failures import database_errors_explained
from alembic_zanith.rebuilding import NewColumn, OnlineRebuild, Rebuild, rebuild_table
from alembic_zanith.sql import is_autocommit, translated_schema, unheard

from .pacing import pace_of
from .resuming import RunCheckpoint
from .running import connected, parked_objects

if TYPE_CHECKING:
    from alembic.operations import Operations
    from sqlalchemy import Connection

    from .rebuild_table import RebuildTableOp


def rebuilt(operations: Operations, operation: RebuildTableOp) -> Artifact | None:
    """Run a rebuild; see `op.rebuild_table`."""
    if is_autocommit(connected(operations, str(operation))):
        with database_errors_explained(str(operation)):
            return _online(operations, operation)
    with parked_objects(operations, str(operation)) as (connection, place):
        return rebuild_table(connection, _asked(connection, operation), place)


def _asked(connection: Connection, operation: RebuildTableOp) -> Rebuild:
    wanted = (
        NewColumn(name, each if isinstance(each, sa.Column) else None, operation.select.get(name))
        for name, each in zip(operation.column_names, operation.columns, strict=True)
    )
    return Rebuild(
        str(operation.table_name),
        tuple(wanted),
        translated_schema(connection, operation.schema),
        operation.retention_days,
    )


def _online(operations: Operations, operation: RebuildTableOp) -> Artifact | None:
    context = operations.migration_context
    connection = operations.get_bind()
    settings = settings_of(context)
    place = workspace(settings, context)
    asked = _asked(connection, operation)
    with unheard():
        relation = get_relation(connection, asked.table, asked.schema)
    begun = RunCheckpoint.of(context, connection, place, operation.kind, str(relation.name))
    rebuild = OnlineRebuild(
        connection,
        ArtifactStore(connection, place),
        asked,
        begun.checkpoints,
        begun.id,
        begun.revision,
        pace_of(settings, connection, relation, operation.batch_size, operation.pause),
        operation.key,
    )
    artifact = rebuild.run()
    begun.mark_applied()
    return artifact
