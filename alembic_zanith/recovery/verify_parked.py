"""Compare what is parked with what was parked."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Verdict:
    """What was expected of what is parked, and what was found."""

    what: str
    algorithm: str
    expected: str
    actual: str

    @property
    def matches(self) -> bool:
        return self.actual == self.expected


def examine(connection: Connection, artifact: Artifact) -> Verdict:
    """Compare what is parked with what was parked. Call it under `pinned_settings`.

    Structure counts as well for an archived table: without an index it could not come back whole.

    Raises `DataMissingError`.
    """
    relation = require_parked(connection, artifact)
    definition = Definition.from_json(artifact.definition)
    if definition.structure is not None:
        verdict = Verdict(
            "structure",
            FINGERPRINT_ALGORITHM,
            fingerprint(definition.structure),
            fingerprint(_structure(connection, artifact, relation)),
        )
        if artifact.checksum_algorithm == FINGERPRINT_ALGORITHM or not verdict.matches:
            return verdict
    actual = f"unknown algorithm {artifact.checksum_algorithm}"
    if artifact.checksum_algorithm == CHECKSUM_ALGORITHM:
        actual = _checksum(connection, artifact, definition, relation)
    return Verdict("content", artifact.checksum_algorithm, artifact.checksum, actual)


def _checksum(
    connection: Connection, artifact: Artifact, definition: Definition, relation: Relation
) -> str:
    names = definition.column_names
    if artifact.kind is ArtifactKind.ARCHIVE_COLUMN:
        return archive_content(connection, relation.name, names[:-1], names[-1]).checksum
    return content(connection, relation.name, names).checksum


def _structure(connection: Connection, artifact: Artifact, relation: Relation) -> object:
    if artifact.kind is ArtifactKind.SOFT_DROP_COLUMN:
        return column_structure(get_column(connection, relation, str(artifact.parked_column)))
    return table_structure(connection, relation)


def verify(connection: Connection, artifact: Artifact, *, force: bool = False) -> list[str]:
    """Raise `IntegrityError` when the data is not what was parked; with `force`, warn instead."""
    verdict = examine(connection, artifact)
    if verdict.matches:
        return []
    message = (
        f"The {verdict.what} of {artifact.parked} is not what was parked: expected "
        f"{verdict.algorithm} {verdict.expected}, found {verdict.actual}."
    )
    if force:
        return [message + " Restored all the same, as --force asks."]
    # A row reads otherwise too where a type has another label or one field more by now.
    what = "it, or a type of its columns," if artifact.kind is ArtifactKind.ARCHIVE_TABLE else "it"
    raise IntegrityError(
        f"{message} Something changed {what} since {artifact.created_at:%Y-%m-%d %H:%M %Z}. "
        "Nothing has been restored. Look at it with `alembic zanith-recover inspect "
        f"{artifact.id}`; --force restores it as it is.",
        verdict.expected,
        verdict.actual,
    )
