"""The beginning and the end of every parking: an id and a time, and the artifact's row."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Self

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.identifiers import QualifiedName, new_artifact_id
from alembic_zanith.models import ArtifactKind, ArtifactStatus

from .carriers import database_id
from .definition import Definition
from .plan import recovery_sql
from .session import expiry, now


@dataclass(frozen=True)
class Ticket:
    """Identity and lifetime of an artifact that is being made."""

    id: str
    created_at: dt.datetime
    expires_at: dt.datetime | None

    @classmethod
    def draw(cls, store: ArtifactStore, retention_days: int | None) -> Self:
        """Make sure that the bookkeeping exists, and return an id that nothing else has."""
        created_at = now(store.connection)
        expires_at = expiry(created_at, retention_days)
        store.ensure()
        artifact_id = new_artifact_id()
        while store.get(artifact_id) is not None:
            artifact_id = new_artifact_id()
        return cls(artifact_id, created_at, expires_at)


@dataclass(frozen=True)
class Proof:
    """What a restore compares with: a checksum, and how many rows it is of."""

    checksum: str
    algorithm: str
    row_count: int | None = None


def record(
    store: ArtifactStore,
    ticket: Ticket,
    kind: ArtifactKind,
    *,
    source: QualifiedName,
    parked: QualifiedName,
    proof: Proof,
    definition: Definition,
    column: str | None = None,
    parked_column: str | None = None,
) -> Artifact:
    """Write the row of a new artifact, recovery SQL included, and return it."""
    definition = replace(definition, database_id=database_id(store.connection, store.table))
    artifact = Artifact(
        id=ticket.id,
        kind=kind,
        status=ArtifactStatus.LIVE,
        source_schema=source.schema,
        source_table=source.name,
        source_column=column,
        parked_schema=parked.schema,
        parked_table=parked.name,
        parked_column=parked_column,
        revision=store.workspace.revision,
        row_count=proof.row_count,
        checksum=proof.checksum,
        checksum_algorithm=proof.algorithm,
        definition=definition.to_json(),
        recovery_sql="",
        created_at=ticket.created_at,
        expires_at=ticket.expires_at,
    )
    complete = replace(artifact, recovery_sql=recovery_sql(artifact, store.table))
    store.add(complete)
    return complete
