"""Find what an artifact speaks of, wherever it is by now."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.relation import (
    Relation,
    find_relation,
    relation_by_oid,
    relations_named,
)
from alembic_zanith.errors import DataMissingError, UnknownObjectError
from alembic_zanith.identifiers import is_zanith_name, quote
from alembic_zanith.sql import run

from .carriers import carriers_of, choose, known_oid, several


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
    """Return the parked table, or the archive table of a column, or None.

    Its name is its own, so where its schema was renamed it is found in any other.
    """
    found = find_relation(connection, artifact.parked_table, artifact.parked_schema)
    if found is None:
        elsewhere = relations_named(connection, artifact.parked_table)
        found = elsewhere[0] if len(elsewhere) == 1 else None
    return found


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


def require_in_place(artifact: Artifact, found: Relation) -> None:
    """Raise `DataMissingError` where a parked or archive table is not where it was put.

    The way back speaks of its schema, and so do the indexes and sequences that came along.
    """
    if found.name == artifact.parked_name:
        return
    raise DataMissingError(
        f"{artifact.source} cannot come back: {artifact.parked} is {found.name.display} now. "
        "Nothing has changed, and its data is all there. If the schema was renamed, give it its "
        f"name back; else ALTER TABLE {found.name} SET SCHEMA {quote(artifact.parked_schema)}. "
        "Then restore again."
    )


def require_source(connection: Connection, artifact: Artifact, *, force: bool = False) -> Relation:
    """Return the table that an archived column goes back into.

    In the database it was archived in, that is the same table, whatever its name is now: another
    one that took the name must not get its values. In a restored dump the name has to do. With
    `force` the name also does where the table was dropped and made again, and without it where
    that is empty, as after the downgrade of a table that was purged.

    Raises `UnknownObjectError`.
    """
    named = find_relation(connection, artifact.source_table, artifact.source_schema)
    oid = known_oid(connection, artifact)
    original = None if oid is None else relation_by_oid(connection, oid)
    if original is not None:
        refuse_parked_table(artifact, original)
        return original
    if named is None:
        raise UnknownObjectError(
            f"{artifact.source} cannot come back: the table {artifact.source_name.display} does "
            "not exist. Nothing has changed, and the archive is intact. If the table is parked "
            "itself, restore it first (`alembic zanith-recover restore-table "
            f"{artifact.source_name.display}`). If it is gone for good, export the values: "
            f"`alembic zanith-recover export {artifact.id} --format csv`"
        )
    if oid is not None and not force and not _is_empty(connection, named):
        raise UnknownObjectError(
            f"{artifact.source} cannot come back by itself: {artifact.source_name.display} is "
            "another table than the one that its values are of, which was dropped since. Nothing "
            "has changed, and the archive is intact. --force (in a revision: force=True) puts each "
            "value into the row with its key; `alembic zanith-recover export "
            f"{artifact.id} --format csv` shows them."
        )
    return named


def refuse_parked_table(artifact: Artifact, relation: Relation) -> None:
    """A column of a parked table can come back only after its table."""
    if is_zanith_name(relation.name.name):
        raise UnknownObjectError(
            f"{artifact.source} cannot come back yet: its table is parked itself, as "
            f"{relation.name.display}. Restore the table first (`alembic zanith-recover "
            f"restore-table {artifact.source_name.display}`)."
        )


def _is_empty(connection: Connection, relation: Relation) -> bool:
    return run(connection, f"SELECT true FROM {relation.name} LIMIT 1").first() is None
