"""Find what an artifact speaks of, wherever it is by now."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.relation import Relation, columns, find_relation, relation_by_oid
from alembic_zanith.errors import DataMissingError, UnknownObjectError
from alembic_zanith.identifiers import is_zanith_name

from .carriers import carriers_of, choose, known_oid, several
from .definition import Definition


def locate_column(connection: Connection, artifact: Artifact) -> Relation | None:
    """Return the table that holds a parked column, by whatever name it goes now, or None.

    Raises `AmbiguousTargetError` when several tables have the column and none can be told to be
    the source.
    """
    found = carriers_of(connection, artifact)
    chosen = choose(connection, artifact, found)
    if chosen is None:
        if found:
            raise several(artifact, [carrier.name for carrier in found])
        return None
    return relation_by_oid(connection, chosen.oid)


def locate_table(connection: Connection, artifact: Artifact) -> Relation | None:
    """Return the parked table, or the archive table of a column, or None."""
    return find_relation(connection, artifact.parked_table, artifact.parked_schema)


def locate_parked(connection: Connection, artifact: Artifact) -> Relation | None:
    """Return the relation that holds the data of any artifact, or None."""
    if not artifact.holds_data:
        return None
    if artifact.parked_column is not None:
        return locate_column(connection, artifact)
    return locate_table(connection, artifact)


def require_parked(connection: Connection, artifact: Artifact) -> Relation:
    """Return the relation that holds the data.

    Raises `DataMissingError` when it is not there, and `AmbiguousTargetError` as `locate_column`.
    """
    found = locate_parked(connection, artifact)
    if found is None:
        raise DataMissingError(
            f"The data of artifact {artifact.id} ({artifact.source}) is gone: {artifact.parked} "
            "no longer exists. "
            f"`alembic zanith-recover purge {artifact.id}` removes the row that is left."
        )
    return found


def require_source(connection: Connection, artifact: Artifact) -> Relation:
    """Return the table that an archived column goes back into.

    By name first; where that is gone, the same table under the name that it has now.

    Raises `UnknownObjectError`.
    """
    definition = Definition.from_json(artifact.definition)
    found = find_relation(connection, artifact.source_table, artifact.source_schema)
    if found is None:
        oid = known_oid(connection, artifact)
        found = None if oid is None else relation_by_oid(connection, oid)
        if found is not None:
            present = {column.name for column in columns(connection, found)}
            if not {key.name for key in definition.key} <= present:
                found = None
    if found is None or is_zanith_name(found.name.name):
        raise UnknownObjectError(
            f"{artifact.source} cannot come back: the table {artifact.source_name.display} does "
            "not exist. Nothing has changed, and the archive is intact. If the table is parked "
            "itself, restore it first (`alembic zanith-recover restore-table "
            f"{artifact.source_name.display}`). If it is gone for good, export the values: "
            f"`alembic zanith-recover export {artifact.id} --format csv`"
        )
    return found


def refuse_parked_table(artifact: Artifact, relation: Relation) -> None:
    """A column of a parked table can come back only after its table."""
    if is_zanith_name(relation.name.name):
        raise UnknownObjectError(
            f"{artifact.source} cannot come back yet: its table is parked itself, as "
            f"{relation.name.display}. Restore the table first (`alembic zanith-recover "
            f"restore-table {artifact.source_name.display}`)."
        )
