"""Reading what is parked: all of it in short, or one artifact in full."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.models import ArtifactStatus
from alembic_zanith.workspace import Workspace

from .half_made import rows_back
from .presence import ParkedRelation, find_all_parked
from .report import ArtifactSummary
from .session import reading, require_postgresql


@reading
def list_artifacts(
    connection: Connection,
    *,
    include_restored: bool = False,
    workspace: Workspace | None = None,
) -> list[ArtifactSummary]:
    """Return what can be restored, newest first; nothing when nothing was ever parked.

    `include_restored` adds what has been restored already.

    Example::

        for summary in list_artifacts(connection):
            print(summary.artifact.source, summary.size_bytes)
    """
    require_postgresql(connection, "list_artifacts")
    statuses = None if include_restored else [ArtifactStatus.LIVE]
    store = ArtifactStore(connection, workspace)
    artifacts = store.all(statuses)
    parked = find_all_parked(connection, artifacts)
    back = rows_back(store) if artifacts else {}
    return [
        replace(_summary(artifact, parked.get(artifact.id)), rows_back=back.get(artifact.id))
        for artifact in artifacts
    ]


def _summary(artifact: Artifact, parked: ParkedRelation | None) -> ArtifactSummary:
    if parked is None:
        return ArtifactSummary(artifact, size_bytes=None, present=False)
    return ArtifactSummary(artifact, parked.size_bytes, True, parked.row_estimate)


def find_artifact(
    connection: Connection, target: str, *, workspace: Workspace | None = None
) -> Artifact:
    """Return the artifact that a target names: the newest live one, else the newest of all.

    Raises `UnknownObjectError` and `AmbiguousTargetError`, as `ArtifactStore.resolve` does.
    """
    found = ArtifactStore(connection, workspace).named(target)
    live = (artifact for artifact in found if artifact.status is ArtifactStatus.LIVE)
    return next(live, found[0])
