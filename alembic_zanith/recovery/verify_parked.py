"""Compare what is parked with what was parked."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.relation import Relation, get_column
from alembic_zanith.errors import IntegrityError
from alembic_zanith.integrity import (
    CHECKSUM_ALGORITHM,
    FINGERPRINT_ALGORITHM,
    archive_content,
    content,
    fingerprint,
)
from alembic_zanith.models import ArtifactKind

from .definition import Definition
from .locate import require_parked
from .structure import column_structure, table_structure


def current_checksum(connection: Connection, artifact: Artifact) -> str:
    """Compute the checksum of what is parked now. Call it under `pinned_settings`.

    Raises `DataMissingError`.
    """
    relation = require_parked(connection, artifact)
    if artifact.checksum_algorithm == FINGERPRINT_ALGORITHM:
        return fingerprint(_structure(connection, artifact, relation))
    if artifact.checksum_algorithm != CHECKSUM_ALGORITHM:
        return f"unknown algorithm {artifact.checksum_algorithm}"
    *keys, last = Definition.from_json(artifact.definition).column_names
    if artifact.kind is ArtifactKind.ARCHIVE_COLUMN:
        return archive_content(connection, relation.name, keys, last).checksum
    return content(connection, relation.name, (*keys, last)).checksum


def _structure(connection: Connection, artifact: Artifact, relation: Relation) -> object:
    if artifact.kind is ArtifactKind.SOFT_DROP_COLUMN:
        return column_structure(get_column(connection, relation, str(artifact.parked_column)))
    return table_structure(connection, relation)


def verify(connection: Connection, artifact: Artifact, *, force: bool = False) -> list[str]:
    """Raise `IntegrityError` when the data is not what was parked; with `force`, warn instead."""
    actual = current_checksum(connection, artifact)
    if actual == artifact.checksum:
        return []
    what = "content" if artifact.checksum_algorithm == CHECKSUM_ALGORITHM else "structure"
    message = (
        f"The {what} of {artifact.parked} is not what was parked: expected "
        f"{artifact.checksum_algorithm} {artifact.checksum}, found {actual}."
    )
    if force:
        return [message + " Restored all the same, as --force asks."]
    raise IntegrityError(
        f"{message} Something changed it since {artifact.created_at:%Y-%m-%d %H:%M %Z}. Nothing "
        "has been restored. Look at it with `alembic zanith-recover inspect "
        f"{artifact.id}`; --force restores it as it is.",
        artifact.checksum,
        actual,
    )
