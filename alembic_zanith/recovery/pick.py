"""Choose the artifact to restore."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.relation import columns, find_relation
from alembic_zanith.errors import NothingParkedError, UnknownObjectError, did_you_mean
from alembic_zanith.identifiers import split_target
from alembic_zanith.models import ArtifactKind, ArtifactStatus
from alembic_zanith.targets import full_source, matching

from .locate import locate_parked
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
    *,
    lock: bool,
) -> Artifact | RestoreReport:
    """Return the artifact to restore, or a report where that was done already.

    With `lock` its row is locked, which a database that takes no writes does not allow.

    The newest live one counts, else the newest restored one. An archive whose column came back
    once and is gone again can be used once more.

    Raises `NothingParkedError`, `UnknownObjectError` and `AmbiguousTargetError`.
    """
    found = wanted(store, target, artifact_id, kinds)
    locked = store.lock(found.id) if lock else store.get(found.id)
    if locked is None:
        raise _nothing_parked(store, target, kinds)
    if locked.status is ArtifactStatus.LIVE:
        return locked
    if _is_back(store.connection, locked):
        return RestoreReport(
            artifact=locked,
            restored_as=locked.restored_as or locked.source,
            already_restored=True,
            row_count=locked.row_count,
        )
    if locate_parked(store.connection, locked) is None:
        raise _gone_again(locked)
    return locked


def wanted(
    store: ArtifactStore,
    target: str,
    artifact_id: str | None,
    kinds: Collection[ArtifactKind],
) -> Artifact:
    """Return the artifact that a target names, or the one with the id if that is of the target.

    Raises `NothingParkedError`, `UnknownObjectError` and `AmbiguousTargetError`.
    """
    try:
        named = store.named(artifact_id or target, kinds=kinds)
    except UnknownObjectError:
        raise _nothing_parked(store, artifact_id or target, kinds) from None
    live = (artifact for artifact in named if artifact.status is ArtifactStatus.LIVE)
    found = next(live, named[0])
    if artifact_id is not None and found not in _named(store, target, kinds):
        raise UnknownObjectError(
            f"Artifact {found.id} is of {found.source}, not of {target!r}. Nothing has changed."
        )
    return found


def _named(store: ArtifactStore, target: str, kinds: Collection[ArtifactKind]) -> list[Artifact]:
    candidates = [found for found in store.all() if found.kind in kinds]
    return matching(candidates, target) or [a for a in candidates if a.id.startswith(target)]


def _is_back(connection: Connection, artifact: Artifact) -> bool:
    """Whether what an earlier restore brought back still stands under the name it got."""
    parts = list(split_target(artifact.restored_as or full_source(artifact)))
    column = parts.pop() if artifact.source_column is not None else None
    schema = parts[0] if len(parts) == 2 else "public"
    relation = find_relation(connection, parts[-1], schema)
    if relation is None:
        return False
    return column is None or column in {each.name for each in columns(connection, relation)}


def used_before(artifact: Artifact) -> list[str]:
    """Return the warning for an archive that is about to be restored once more."""
    if artifact.status is not ArtifactStatus.RESTORED:
        return []
    return [
        f"The values are those of {artifact.created_at:%Y-%m-%d %H:%M}: archive {artifact.id} was "
        f"restored before, as {artifact.restored_as}, on {artifact.restored_at:%Y-%m-%d %H:%M}, "
        "and what was changed there since is not in it."
    ]


def _gone_again(artifact: Artifact) -> NothingParkedError:
    return NothingParkedError(
        f"{artifact.source} is not parked any more: artifact {artifact.id} was restored as "
        f"{artifact.restored_as or artifact.source} on {artifact.restored_at:%Y-%m-%d %H:%M}, and "
        "that is gone since. Nothing has changed."
    )


def _nothing_parked(
    store: ArtifactStore, target: str, kinds: Collection[ArtifactKind]
) -> NothingParkedError:
    what = "column" if ArtifactKind.SOFT_DROP_COLUMN in kinds else "table"
    everything = store.all()
    live = [found for found in everything if found.status is ArtifactStatus.LIVE]
    others = [found for found in matching(live, target) if found.kind not in kinds]
    known = {found.source for found in everything if found.kind in kinds}
    if others:
        verb = "restore-column" if others[0].is_column else "restore-table"
        hint = f" Did you mean `alembic zanith-recover {verb} {others[0].source}`?"
    elif not known:
        what_else = f"No {what}" if everything else "Nothing"
        hint = f" {what_else} is parked in this database."
    else:
        hint = did_you_mean(target, known) or (
            " `alembic zanith-recover list` shows what is there."
        )
    return NothingParkedError(f"No parked {what} is named {target!r}.{hint}")
