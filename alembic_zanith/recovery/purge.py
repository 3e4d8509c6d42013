"""Letting go for good: one artifact, or all that are old enough."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.relation import Relation, relation_by_oid, tree
from alembic_zanith.catalog.user_types import drop_unused_parked_types
from alembic_zanith.errors import (
    AmbiguousTargetError,
    HoldsParkedColumnsError,
    UnknownObjectError,
    ZanithError,
)
from alembic_zanith.failures import server_message
from alembic_zanith.identifiers import quote
from alembic_zanith.models import ArtifactKind, ArtifactStatus
from alembic_zanith.sql import run, run_all, scalar
from alembic_zanith.targets import named_exactly
from alembic_zanith.workspace import Workspace

from .carriers import copies_left, meant, several
from .definition import Definition
from .half_made import half_made, take_away
from .locate import require_source
from .presence import ParkedRelation, find_all_parked
from .report import PurgeReport
from .session import now, reading, require_postgresql, require_transaction
from .shelter import Shelter

CLEANUP_LOCK_TIMEOUT = "5s"
"""How long a cleanup waits for a table that others use, unless `lock_timeout` is set already.

A purge needs the table for itself, and while it waits for that, everybody after it waits too:
https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT
"""


@reading
def purge(
    connection: Connection, target: str, *, workspace: Workspace | None = None
) -> PurgeReport:
    """Drop what an artifact has parked, and the row of the artifact.

    `target` is an artifact id or the name of the source; of several artifacts with that name the
    only live one is meant. Of an artifact that was restored only what is left of it goes: the
    archive table of a column, never what was restored.

    Raises `UnknownObjectError`, and `AmbiguousTargetError` when several live artifacts or several
    sources have the name: this cannot be undone, so the id has to be given. A table that holds
    columns which are parked by themselves raises `HoldsParkedColumnsError`.

    Example::

        with engine.begin() as connection:
            purge(connection, "users.legacy_uuid")
    """
    require_transaction(connection, "purge")
    store = ArtifactStore(connection, workspace)
    artifact = purge_candidate(connection, target, workspace=workspace)
    report = _purge(store, artifact)
    if report is None:
        raise UnknownObjectError(f"Artifact {artifact.id} ({artifact.source}) was just purged.")
    return report


@reading
def purge_candidate(
    connection: Connection, target: str, *, workspace: Workspace | None = None
) -> Artifact:
    """Return the artifact that `purge` would purge; raises the same errors."""
    named = named_exactly(ArtifactStore(connection, workspace).all(), target)
    live = [artifact for artifact in named if artifact.status is ArtifactStatus.LIVE]
    candidates = live or named
    if len(candidates) > 1:
        listing = ", ".join(f"{a.id} (of {a.created_at:%Y-%m-%d %H:%M})" for a in candidates)
        raise AmbiguousTargetError(
            f"{target!r} fits {len(candidates)} artifacts, and a purge cannot be undone. "
            f"Give the id of one: {listing}."
        )
    return candidates[0]


@reading
def cleanup(
    connection: Connection,
    *,
    older_than: dt.timedelta | None = None,
    dry_run: bool = False,
    only: str | None = None,
    workspace: Workspace | None = None,
) -> list[PurgeReport]:
    """Purge every artifact that is past its expiry, or older than `older_than`, oldest first.

    What was parked with `retention_days=None` is kept for ever: only `purge` by name removes it.
    A table that holds columns which are not due themselves stays, too. Each purge has a savepoint
    of its own, so that one that fails (its report then has `error`) loses none of the others.
    With `dry_run` nothing is dropped and nothing is locked.

    Tables stay locked until the transaction ends. `only` is the id of the one artifact to look at:
    with it, each purge can have a transaction to itself.

    Example::

        with engine.begin() as connection:
            cleanup(connection, older_than=datetime.timedelta(days=30))
    """
    require_postgresql(connection, "cleanup")
    store = ArtifactStore(connection, workspace)
    moment = now(connection)
    due = [artifact for artifact in store.all() if _is_due(artifact, moment, older_than)]
    # Columns before the table that holds them, should they be of one moment.
    due.sort(key=lambda artifact: (artifact.created_at, not artifact.is_column))
    wanted = [artifact for artifact in due if only in (None, artifact.id)]
    if dry_run:
        return [_foreseen(store, artifact, due) for artifact in wanted]
    require_transaction(connection, "cleanup")
    with _bounded_wait(connection):
        reports = [_purge_in_savepoint(store, artifact) for artifact in wanted]
    return [report for report in reports if report is not None]


def _foreseen(store: ArtifactStore, artifact: Artifact, due: Collection[Artifact]) -> PurgeReport:
    parked = find_all_parked(store.connection, [artifact]).get(artifact.id)
    report = _report(artifact, parked, dropped=False, dry_run=True)
    try:
        _refuse_loss(store, artifact, parked, besides=due)
    except ZanithError as error:
        return replace(report, error=str(error))
    return report


def _is_due(artifact: Artifact, moment: dt.datetime, older_than: dt.timedelta | None) -> bool:
    if artifact.expires_at is None:
        return False
    if artifact.expires_at <= moment:
        return True
    return older_than is not None and moment - artifact.created_at >= older_than


def _purge_in_savepoint(store: ArtifactStore, artifact: Artifact) -> PurgeReport | None:
    try:
        with store.connection.begin_nested():
            return _purge(store, artifact)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        reason = server_message(error)
    except ZanithError as error:
        reason = str(error)
    parked = find_all_parked(store.connection, [artifact]).get(artifact.id)
    return replace(_report(artifact, parked, dropped=False), error=reason)


@contextmanager
def _bounded_wait(connection: Connection) -> Iterator[None]:
    unbounded = scalar(connection, "SELECT pg_catalog.current_setting('lock_timeout')") == "0"
    if unbounded:
        run(connection, f"SET LOCAL lock_timeout = '{CLEANUP_LOCK_TIMEOUT}'")
    yield
    if unbounded:
        run(connection, "SET LOCAL lock_timeout = 0")


def _purge(store: ArtifactStore, artifact: Artifact) -> PurgeReport | None:
    """Drop the data and the row; None when another session has just done it."""
    locked = store.lock(artifact.id)
    if locked is None:
        return None
    artifact = locked  # it may have been restored since it was chosen
    parked = find_all_parked(store.connection, [artifact]).get(artifact.id)
    _refuse_loss(store, artifact, parked)
    begun = half_made(store, artifact)
    if begun is not None:
        take_away(store, begun, _source(store, artifact))
    if parked is not None:
        run(store.connection, _drop_statement(artifact, parked))
        run_all(store.connection, _drop_beside(artifact))
        drop_unused_parked_types(store.connection)
    store.delete(artifact.id)
    report = _report(artifact, parked, dropped=parked is not None)
    if artifact.kind is ArtifactKind.SOFT_DROP_COLUMN and parked is not None:
        return replace(report, warnings=tuple(copies_left(store.connection, artifact)))
    return report


def _source(store: ArtifactStore, artifact: Artifact) -> Relation | None:
    """Return the table that an online restore has begun to bring a column back into."""
    try:
        return require_source(store.connection, artifact, force=True)
    except UnknownObjectError:
        return None


def _refuse_loss(
    store: ArtifactStore,
    artifact: Artifact,
    parked: ParkedRelation | None,
    *,
    besides: Collection[Artifact] = (),
) -> None:
    """Raise where the purge would take what it is not to take.

    `besides` are artifacts that will be gone by then.
    """
    if parked is None:
        return
    if parked.unsure:
        raise several(artifact, parked.unsure)
    if artifact.is_column:
        return
    gone = {each.id for each in besides}
    held = [each for each in _held_columns(store, parked) if each.id not in gone]
    if held:
        listing = ", ".join(f"{each.source} (artifact {each.id})" for each in held)
        raise HoldsParkedColumnsError(
            f"{artifact.source} (artifact {artifact.id}) was not purged: it holds columns that are "
            f"parked by themselves and would be lost with it: {listing}. Purge those first by "
            "their ids, or restore the table and then the columns."
        )


def _held_columns(store: ArtifactStore, parked: ParkedRelation) -> list[Artifact]:
    """Return the live soft drops of columns in a parked table or its partitions."""
    columns = [
        artifact
        for artifact in store.all([ArtifactStatus.LIVE])
        if artifact.kind is ArtifactKind.SOFT_DROP_COLUMN
    ]
    relation = relation_by_oid(store.connection, parked.oid)
    if not columns or relation is None:
        return []
    members = {member.oid for member in tree(store.connection, relation)}
    return [
        artifact
        for artifact in columns
        if any(each.oid in members for each in meant(store.connection, artifact))
    ]


def _drop_statement(artifact: Artifact, parked: ParkedRelation) -> str:
    """Return the SQL that drops the data, and nothing that came to depend on it since."""
    if artifact.kind is ArtifactKind.SOFT_DROP_COLUMN and artifact.parked_column is not None:
        return f"ALTER TABLE {parked.name} DROP COLUMN {quote(artifact.parked_column)}"
    return f"DROP {'FOREIGN TABLE' if parked.kind == 'f' else 'TABLE'} {parked.name}"


def _drop_beside(artifact: Artifact) -> list[str]:
    definition = Definition.from_json(artifact.definition)
    shelters = [part.drop() for part in definition.root.parts if isinstance(part, Shelter)]
    return shelters if definition.archiving is None else [*shelters, definition.archiving.giving_up]


def _report(
    artifact: Artifact, parked: ParkedRelation | None, *, dropped: bool, dry_run: bool = False
) -> PurgeReport:
    size = None if parked is None else parked.size_bytes
    return PurgeReport(artifact, size, artifact.row_count, dropped, dry_run)
