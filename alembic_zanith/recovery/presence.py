"""Which artifacts still have their data, where, and how large it is: for many at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.models import ArtifactKind
from alembic_zanith.sql import rows


@dataclass(frozen=True)
class ParkedRelation:
    """The relation that holds the data of an artifact.

    `size_bytes` is None for the column of a live table, which has no size of its own.
    `row_estimate` is what the planner assumes, None for a table never analyzed.
    """

    oid: int
    name: QualifiedName
    kind: str
    row_estimate: int | None
    size_bytes: int | None


# pg_total_relation_size says 0 for a partitioned table; pg_partition_tree has no rows for others:
# https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-INFO-PARTITION
_TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name, c.oid::bigint AS oid,
       c.relkind::text AS kind, nullif(c.reltuples, -1)::bigint AS row_estimate,
       coalesce((SELECT sum(pg_catalog.pg_total_relation_size(t.relid))
                   FROM pg_catalog.pg_partition_tree(c.oid) t),
                pg_catalog.pg_total_relation_size(c.oid))::bigint AS size_bytes
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f')
   AND (n.nspname, c.relname) IN (SELECT * FROM unnest(CAST(:schemas AS text[]),
                                                       CAST(:names AS text[])))
"""

# Children repeat the columns of their parent, so the topmost table is the one to speak of.
_COLUMNS = """
SELECT a.attname::text AS column, n.nspname::text AS schema, c.relname::text AS name,
       c.oid::bigint AS oid, c.relkind::text AS kind,
       nullif(c.reltuples, -1)::bigint AS row_estimate
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE a.attname = ANY (CAST(:columns AS text[])) AND NOT a.attisdropped
   AND c.relkind IN ('r', 'p', 'f')
 ORDER BY a.attinhcount DESC
"""


def find_all_parked(
    connection: Connection, artifacts: Collection[Artifact]
) -> Mapping[str, ParkedRelation]:
    """Return the relation of each artifact whose data exists, by artifact id.

    A soft-dropped column is found by its parked name, which nothing else in the database has, so
    it does not matter that its table was renamed or moved since.
    """
    soft_dropped = [a for a in artifacts if a.kind is ArtifactKind.SOFT_DROP_COLUMN]
    in_tables = [a for a in artifacts if a.kind is not ArtifactKind.SOFT_DROP_COLUMN]
    return {**_tables(connection, in_tables), **_columns(connection, soft_dropped)}


def find_parked(connection: Connection, artifact: Artifact) -> ParkedRelation | None:
    """Return the relation of one artifact, or None when its data is gone."""
    return find_all_parked(connection, [artifact]).get(artifact.id)


def _tables(connection: Connection, artifacts: Collection[Artifact]) -> dict[str, ParkedRelation]:
    if not artifacts:
        return {}
    found = rows(
        connection,
        _TABLES,
        schemas=[artifact.parked_schema for artifact in artifacts],
        names=[artifact.parked_table for artifact in artifacts],
    )
    by_name = {(row.schema, row.name): _parked_relation(row, row.size_bytes) for row in found}
    return {
        artifact.id: by_name[artifact.parked_schema, artifact.parked_table]
        for artifact in artifacts
        if (artifact.parked_schema, artifact.parked_table) in by_name
    }


def _columns(connection: Connection, artifacts: Collection[Artifact]) -> dict[str, ParkedRelation]:
    if not artifacts:
        return {}
    names = [artifact.parked_column for artifact in artifacts]
    # Later rows win: see the order of the query.
    by_name = {
        row.column: _parked_relation(row, None) for row in rows(connection, _COLUMNS, columns=names)
    }
    return {a.id: by_name[a.parked_column] for a in artifacts if a.parked_column in by_name}


def _parked_relation(row: Any, size_bytes: int | None) -> ParkedRelation:
    name = QualifiedName(row.schema, row.name)
    return ParkedRelation(row.oid, name, row.kind, row.row_estimate, size_bytes)
