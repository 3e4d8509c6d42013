"""Whether the tables that a restore refers to are the ones they were."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.constraints import ForeignKey
from alembic_zanith.catalog.parts import Part
from alembic_zanith.catalog.table_parts import InheritsFrom, PartitionOf
from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.sql import scalar

from .carriers import known_oid
from .definition import Definition

_OID = "SELECT CAST(pg_catalog.to_regclass(:name) AS oid)::bigint"


def replaced_parents(
    connection: Connection, artifact: Artifact, definition: Definition
) -> list[str]:
    """Return a warning for each foreign key or parent that another table has the name of by now.

    A definition speaks of names, so the restore goes to whatever has them. In a restored dump the
    names are all there is to go by, so there is nothing to warn of.
    """
    if known_oid(connection, artifact) is None:
        return []
    return [
        f"{part.label} goes to {parent} as it is now, which is another table than the one it went "
        "to: that was renamed, or dropped and made again."
        for part, parent, oid in _parents(definition)
        if scalar(connection, _OID, name=parent) not in (None, oid)
    ]


def _parents(definition: Definition) -> Iterator[tuple[Part, str, int]]:
    for _, part in definition.parts():
        if isinstance(part, ForeignKey) and part.parent_oid is not None:
            yield part, part.parent, part.parent_oid
        elif isinstance(part, PartitionOf | InheritsFrom) and part.parent_oid is not None:
            yield part, str(QualifiedName(part.parent_schema, part.parent)), part.parent_oid
