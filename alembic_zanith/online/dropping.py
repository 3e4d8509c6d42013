"""The end of an archive made online: the column is dropped, and its artifact is the archive."""

from __future__ import annotations

import logging
from dataclasses import replace

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.capture import Scope, owned_sequences
from alembic_zanith.catalog.column_parts import OwnedSequence
from alembic_zanith.catalog.parts import Renamed
from alembic_zanith.catalog.relation import Relation, get_column, tree
from alembic_zanith.catalog.user_types import drop_unused_parked_types
from alembic_zanith.identifiers import quote
from alembic_zanith.integrity import CHECKSUM_ALGORITHM, Content, pinned_settings
from alembic_zanith.models import ArtifactKind
from alembic_zanith.recovery.definition import Definition
from alembic_zanith.recovery.members import cut_off
from alembic_zanith.sql import run, run_all

from .parking import archiving_of, rewritten

log = logging.getLogger("alembic.zanith")


def drop_archived(
    store: ArtifactStore, artifact: Artifact, relation: Relation, content: Content
) -> Artifact:
    """Drop a parked column whose values are all in its archive; return what its artifact is now.

    Call it in a transaction that has locked the table.
    """
    connection, archiving = store.connection, archiving_of(artifact)
    below = tree(connection, relation)
    for warning in cut_off(connection, artifact, archiving.definition, below):
        log.warning("%s", warning.replace("did not come back", "are not archived"))
    with pinned_settings(connection):
        run_all(connection, _moving_sequences(connection, relation, artifact))
        column = quote(str(artifact.parked_column))
        run(connection, f"ALTER TABLE {relation.name} DROP COLUMN {column}")
        drop_unused_parked_types(connection)
    return rewritten(
        store,
        replace(
            artifact,
            kind=ArtifactKind.ARCHIVE_COLUMN,
            parked_schema=archiving.table.schema,
            parked_table=archiving.table.name,
            parked_column=None,
            row_count=content.row_count,
            checksum=content.checksum,
            checksum_algorithm=CHECKSUM_ALGORITHM,
            definition=archiving.definition.to_json(),
        ),
    )


def _moving_sequences(connection: Connection, relation: Relation, artifact: Artifact) -> list[str]:
    """Return what hands the sequences of a parked column over to its archive."""
    parked, archiving = Definition.from_json(artifact.definition), archiving_of(artifact)
    column = str(artifact.parked_column)
    before = {
        part.parked: part.name
        for _, part in parked.parts()
        if isinstance(part, Renamed) and part.object_kind == "sequence"
    }
    wanted = {
        part.name: part
        for _, part in archiving.definition.parts()
        if isinstance(part, OwnedSequence)
    }
    statements = []
    for member in tree(connection, relation):
        scope = Scope(connection, member, get_column(connection, member, column))
        for row in owned_sequences(scope):
            part = wanted.get(before.get(row.name, ""))
            if part is not None:
                here = replace(part, name=row.name, schema=member.name.schema)
                statements += here.park(member.name)
    return statements
