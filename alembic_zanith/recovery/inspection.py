"""One artifact in full, and whether its data is still what was parked."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.artifacts import ArtifactStore
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.workspace import Workspace

from .half_made import rows_back
from .listing import find_artifact
from .presence import find_parked
from .report import Inspection
from .session import reading, require_transaction
from .verify_parked import examine


@reading
def inspect_artifact(
    connection: Connection, target: str, *, workspace: Workspace | None = None
) -> Inspection:
    """Return everything about the artifact that a target names, the newest live one first.

    The checksum is computed anew, so on a large archive this reads all of it.

    Raises `UnknownObjectError` and `AmbiguousTargetError`.

    Example::

        inspection = inspect_artifact(connection, "users.legacy_uuid")
        assert inspection.matches
        print(inspection.plan_sql)
    """
    require_transaction(connection, "inspect_artifact")
    artifact = find_artifact(connection, target, workspace=workspace)
    parked = find_parked(connection, artifact)
    verdict = None
    if parked is not None:
        with pinned_settings(connection):
            verdict = examine(connection, artifact)
    return Inspection(
        artifact=artifact,
        plan_sql=artifact.recovery_sql,
        expected_checksum=artifact.checksum if verdict is None else verdict.expected,
        actual_checksum=None if verdict is None else verdict.actual,
        matches=verdict is not None and verdict.matches,
        size_bytes=None if parked is None else parked.size_bytes,
        present=parked is not None,
        rows_back=rows_back(ArtifactStore(connection, workspace)).get(artifact.id),
    )
