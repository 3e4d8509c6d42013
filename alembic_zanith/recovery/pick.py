"""Choose the artifact to restore."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore, full_source, matching
from alembic_zanith.catalog.relation import columns, find_relation
from alembic_zanith.errors import NothingParkedError, UnknownObjectError, did_you_mean
from alembic_zanith.identifiers import split_target
from alembic_zanith.models import ArtifactKind, ArtifactStatus

from .report import RestoreReport

COLUMN_KINDS = (ArtifactKind.SOFT_DROP_COLUMN, ArtifactKind.ARCHIVE_COLUMN)
TABLE_KINDS = (
    ArtifactKind.SOFT_DROP_TABLE,
    ArtifactKind.ARCHIVE_TABLE,
    ArtifactKind.REBUILD_TABLE,
)


def pick(
    store: ArtifactStore,
    target: str,
    artifact_id: str | None,
    kinds: Collection[ArtifactKind],
) -> Artifact | RestoreReport:
    """Return the artifact to restore, its row locked; or a report where that was done already.

    Raises `NothingParkedError`, `UnknownObjectError` and `AmbiguousTargetError`.
    """
    live = [ArtifactStatus.LIVE]
    try:
        found = store.resolve(artifact_id or target, kinds=kinds, statuses=live)
    except UnknownObjectError:
        return _already_restored(store, artifact_id or target, kinds)
    if artifact_id is not None and found not in _named(store, target, kinds):
        raise UnknownObjectError(
            f"Artifact {found.id} is of {found.source}, not of {target!r}. Nothing has changed."
        )
    locked = store.lock(found.id)
    if locked is None or locked.status is not ArtifactStatus.LIVE:
        return _already_restored(store, found.id, kinds)
    return locked


def _named(store: ArtifactStore, target: str, kinds: Collection[ArtifactKind]) -> list[Artifact]:
    candidates = [found for found in store.all() if found.kind in kinds]
    return matching(candidates, target) or [a for a in candidates if a.id.startswith(target)]


def _already_restored(
    store: ArtifactStore, target: str, kinds: Collection[ArtifactKind]
) -> RestoreReport:
    """A second restore does nothing, as long as what the first brought back is there."""
    restored = [ArtifactStatus.RESTORED]
    try:
        found = store.resolve(target, kinds=kinds, statuses=restored)
    except UnknownObjectError:
        raise _nothing_parked(store, target, kinds) from None
    if not _is_back(store.connection, found):
        raise _gone_again(found)
    return RestoreReport(
        artifact=found,
        restored_as=found.restored_as or found.source,
        already_restored=True,
        row_count=found.row_count,
    )


def _is_back(connection: Connection, artifact: Artifact) -> bool:
    """Whether what an earlier restore brought back still stands under the name it got."""
    parts = list(split_target(artifact.restored_as or full_source(artifact)))
    column = parts.pop() if artifact.source_column is not None else None
    schema = parts[0] if len(parts) == 2 else "public"
    relation = find_relation(connection, parts[-1], schema)
    if relation is None:
        return False
    return column is None or column in {each.name for each in columns(connection, relation)}


def _gone_again(artifact: Artifact) -> NothingParkedError:
    message = (
        f"{artifact.source} is not parked any more: artifact {artifact.id} was restored as "
        f"{artifact.restored_as or artifact.source} on {artifact.restored_at:%Y-%m-%d %H:%M}, and "
        "that is gone since. Nothing has changed."
    )
    if artifact.kind is ArtifactKind.ARCHIVE_COLUMN:
        message += (
            f" Its archive {artifact.parked} is kept until purge: `alembic zanith-recover export "
            f"{artifact.id}` writes the values to a file."
        )
    return NothingParkedError(message)


def _nothing_parked(
    store: ArtifactStore, target: str, kinds: Collection[ArtifactKind]
) -> NothingParkedError:
    what = "column" if ArtifactKind.SOFT_DROP_COLUMN in kinds else "table"
    live = [found for found in store.all([ArtifactStatus.LIVE]) if found.kind in kinds]
    if not live:
        hint = f" No {what} is parked in this database."
    else:
        hint = did_you_mean(target, {found.source for found in live}) or (
            " `alembic zanith-recover list` shows what is there."
        )
    return NothingParkedError(f"No parked {what} is named {target!r}.{hint}")
